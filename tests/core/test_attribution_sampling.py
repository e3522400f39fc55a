"""The methods that draw: the same seed gives the same map, Captum gives it from the same draws."""

import numpy as np
import pytest
import torch

from core import attribution_masks, attribution_question
from core.attribution import attribute, attribute_in_pieces
from core.attribution_question import runs, spread
from core.methods import METHODS, Parameters
from core.settings import NetworkSettings
from core.snapshot import snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import (
    QUICK,
    TARGET,
    Captum,
    assert_close,
    independent,
    make_network,
    make_picture,
    noise_alone,
)

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)
SEEDED = ("gradient_shap", "smooth_grad", "shapley_value_sampling")
SMOOTHED = METHODS["smooth_grad"].parameters[0].choices


def having(method: str, **changes: int | float | str) -> Parameters:
    return tuple({**dict(QUICK.get(method, ())), **changes}.items())


@pytest.mark.parametrize("method", SEEDED)
def test_a_seed_gives_the_same_map_bit_for_bit_and_another_seed_another(method: str) -> None:
    network = snapshot(make_network())
    with torch.random.fork_rng(devices=[]):
        maps = []
        for number, seed in enumerate((7, 7, 8)):
            torch.manual_seed(number)  # what others draw does not matter
            np.random.seed(number)
            result = attribute(network, make_picture(), method, TARGET, having(method, seed=seed))
            maps.append(result.attribution)
    assert np.array_equal(maps[0], maps[1])
    assert not np.allclose(maps[0], maps[2])


@pytest.mark.parametrize("of", SMOOTHED)
@pytest.mark.parametrize("most", [2, 32])
def test_smooth_grad_is_captums_noise_tunnel_over_any_method(
    of: str, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_network()
    source = independent(ours, "all shortcuts")
    monkeypatch.setattr(attribution_question, "_MOST_ON_CPU", most)
    parameters = having("smooth_grad", of=of, seed=3, noise=0.1)
    expected = Captum(source, source.layer4[-1], monkeypatch).maps(
        "smooth_grad", make_picture()[None], parameters
    )[0]
    result = attribute(ours, make_picture(), "smooth_grad", TARGET, parameters)
    assert_close(result.attribution, expected)
    assert result.baseline == METHODS[of].baseline
    assert result.completeness_error is None


def test_smooth_grad_without_noise_is_the_method_itself() -> None:
    network = snapshot(make_network())
    for of in SMOOTHED:
        plain = attribute(network, make_picture(), of, TARGET).attribution
        smooth = attribute(
            network, make_picture(), "smooth_grad", TARGET, having("smooth_grad", of=of, noise=0)
        )
        assert_close(smooth.attribution, torch.from_numpy(plain.copy()))


def test_smooth_grads_noise_is_a_share_of_the_pictures_range() -> None:
    network = snapshot(make_network())
    picture = make_picture()
    spread_of_picture = float(picture.max() - picture.min())
    noisy = picture + 0.2 * spread_of_picture * noise_alone(5, 2, picture)
    by_hand = [attribute(network, each, "saliency", TARGET).attribution for each in noisy]
    parameters = (("samples", 2), ("noise", 0.2), ("seed", 5))
    found = attribute(network, picture, "smooth_grad", TARGET, parameters).attribution
    assert_close(found, torch.from_numpy(np.mean(by_hand, axis=0)))


def test_gradient_shap_comes_near_integrated_gradients_with_many_samples() -> None:
    network = snapshot(make_network())
    path = attribute(network, make_picture(), "integrated_gradients", TARGET, (("steps", 200),))
    gaps = []
    for samples in (10, 1000):
        parameters = (("samples", samples), ("noise", 0))
        found = attribute(network, make_picture(), "gradient_shap", TARGET, parameters)
        gaps.append(np.abs(found.attribution - path.attribution).max() / np.abs(path.attribution).max())
    assert gaps[1] < 0.1
    assert gaps[1] < gaps[0]


def test_shapley_values_of_two_by_two_cells_come_near_the_exact_ones() -> None:
    from itertools import permutations

    network = snapshot(make_network())
    picture = make_picture(8)
    number = attribution_cases.cells(8, 2)[0]

    def score(cells: frozenset[int]) -> float:
        kept = torch.isin(number, torch.tensor(sorted(cells), dtype=torch.long))
        with torch.no_grad():
            return float(network((picture * kept)[None])[0, TARGET])

    exact = np.zeros(4)
    for order in permutations(range(4)):
        for place, cell in enumerate(order):
            gain = score(frozenset(order[: place + 1])) - score(frozenset(order[:place]))
            exact[cell] += gain / 24
    result = attribute(network, picture, "shapley_value_sampling", TARGET, (("grid", 2), ("samples", 1000)))
    found = result.attribution[0, ::4, ::4].ravel()
    assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    # whatever the orders, the values sum to the change of the score
    assert found.sum() == pytest.approx(exact.sum(), rel=1e-5)
    assert result.completeness_error is not None
    assert result.completeness_error < 1e-5


def test_partial_shapley_maps_are_means_of_what_came_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attribution_question, "_MOST_ON_CPU", 4)  # the pictures of one order
    monkeypatch.setattr(attribution_masks, "_WITHOUT_GRADIENTS", 1)
    network = snapshot(make_network())
    parameters = (("grid", 2), ("samples", 5), ("seed", 1))
    results = list(attribute_in_pieces(network, make_picture(), "shapley_value_sampling", TARGET, parameters))
    assert len(results) == 5
    for samples, result in enumerate(results, start=1):
        fewer = (("grid", 2), ("samples", samples), ("seed", 1))
        whole = attribute(network, make_picture(), "shapley_value_sampling", TARGET, fewer).attribution
        np.testing.assert_allclose(result.attribution, whole, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 7, 50, 196])
@pytest.mark.parametrize("size", [1, 3, 11, 64])
def test_pieces_cover_everything_once(count: int, size: int) -> None:
    for cut in (spread, runs):
        taken, marks = [], []
        for chosen, done in cut(count, size):
            members = list(range(count)[chosen] if isinstance(chosen, slice) else chosen)
            assert 1 <= len(members) <= size
            taken += members
            marks.append(done)
        assert sorted(taken) == list(range(count))
        assert marks == [False] * (len(marks) - 1) + [True]


def test_pieces_of_one_begin_in_the_middle() -> None:
    first, second, *_ = (chosen.start for chosen, _ in spread(50, 1))
    assert (first, second) == (32, 0)


@pytest.mark.parametrize("side", [28, 224])
def test_memory_is_bounded_by_what_is_free(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # an accelerator's pieces, without one: the device is said, the numbers are worked out
    settings = NetworkSettings(width=64, stem="7x7" if side == 224 else "3x3")
    network = snapshot(make_network(settings))
    picture = torch.empty(1, 3, side, side, device="meta")
    question = attribution_question.Question(network, picture, TARGET, {})
    need = attribution_question.bytes_of_a_pass(settings, side, side)
    sizes = []
    for free in (need, 10 * need, 10_000 * need):
        monkeypatch.setattr(attribution_question, "_free_bytes", lambda _device, free=free: free)
        sizes.append(attribution_question.piece_size(question))
    assert sizes[:2] == [1, 5]
    assert 16 <= sizes[2] <= 256
