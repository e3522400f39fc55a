"""Every check against the formula by hand, brute force, or Captum's own function."""

from collections.abc import Iterator
from dataclasses import replace

import captum.attr
import captum.metrics
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core import sources, trust
from core.attribution import Result, attribute, probabilities
from core.checks import CHECKS, CURVE_POINTS, NEIGHBOURS, PERTURBATIONS, Check
from core.methods import Parameters, Size, passes
from core.network import ResidualNetwork, derived_seed, initialise
from core.redrawing import Redrawing
from core.settings import NetworkSettings
from core.snapshot import Snapshot, snapshot
from core.trust import NOISE, RADIUS, SEED, Finding, assess_in_pieces

SIDE = 8
TARGET = 3
SMALL = NetworkSettings(width=4)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make_network(settings: NetworkSettings = SMALL, seed: int = 0) -> Snapshot:
    network = ResidualNetwork(settings)
    initialise(network, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.5, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(0, 0.3, generator=generator)
    return snapshot(network)


def make_picture(seed: int = 0, side: int = SIDE) -> Tensor:
    return torch.randn(3, side, side, generator=torch.Generator().manual_seed(seed))


def whole(
    check: Check, method: str, network: Snapshot, picture: Tensor | None = None, parameters: Parameters = ()
) -> Finding:
    picture = make_picture() if picture is None else picture
    *before, last = assess_in_pieces(network, picture, check, method, TARGET, parameters)
    assert last.done
    assert not any(each.done for each in before)
    return last


# ---- infidelity -----------------------------------------------------------------------------


def disturbances() -> list[Tensor]:
    generator = torch.Generator().manual_seed(SEED)
    return [NOISE * torch.randn(1, SIDE, SIDE, generator=generator) for _ in range(PERTURBATIONS)]


def gradient(network: nn.Module, picture: Tensor) -> Tensor:
    x = picture[None].clone().requires_grad_()
    return torch.autograd.grad(network(x)[0, TARGET], x)[0][0]


def test_infidelity_is_the_formula_by_hand() -> None:
    network, picture = make_network(), make_picture()
    slopes = gradient(network, picture)
    promises, changes = [], []
    with torch.no_grad():
        for share in disturbances():
            moved = share * picture
            before, after = network(picture[None]), network((picture - moved)[None])
            changes.append(float(before[0, TARGET] - after[0, TARGET]))
            promises.append(float((moved.double() * slopes.double()).sum()))
    a, c = np.array(promises), np.array(changes)
    beta = (a * c).mean() / (a * a).mean()
    expected = ((beta * a - c) ** 2).mean() / (c * c).mean()
    assert 0.001 < expected < 0.9
    for method in ("saliency", "input_x_gradient"):
        assert whole("infidelity", method, network).value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients"])
def test_infidelity_is_captums_with_the_best_scale_as_a_share(method: str) -> None:
    network, picture = make_network(), make_picture(1)
    found = torch.from_numpy(attribute(network, picture, method, TARGET).attribution.copy())[None]
    moved = torch.stack([share * picture for share in disturbances()])

    def perturb(inputs: Tensor) -> tuple[Tensor, Tensor]:
        # the perturbation that Captum multiplies with a map of what pixels add is divided by the pixels
        promised = moved if method == "saliency" else moved / inputs
        return promised, inputs - moved

    with torch.no_grad():
        change = network(picture[None])[:, TARGET] - network(picture - moved)[:, TARGET]
    theirs = captum.metrics.infidelity(
        network, perturb, picture[None], found, target=TARGET, n_perturb_samples=PERTURBATIONS, normalize=True
    )
    expected = float(theirs[0]) / float((change.double() ** 2).mean())
    ours = whole("infidelity", method, network, picture).value
    assert ours == pytest.approx(expected, rel=1e-3)
    assert 0.001 < expected < 0.99


def test_a_promise_in_the_wrong_direction_tells_nothing() -> None:
    change = np.array([1.0, -2.0, 0.5])
    assert trust._untold(7 * change, change) == pytest.approx(0)
    assert trust._untold(-change, change) == 1
    assert trust._untold(0 * change, change) == 1


def test_a_map_of_one_channel_promises_for_the_pixel_as_a_whole() -> None:
    network, picture = make_network(), make_picture()
    cam = attribute(network, picture, "grad_cam", TARGET).attribution[0].astype(np.float64)
    a = np.array([float((share[0].double().numpy() * cam).sum()) for share in disturbances()])
    with torch.no_grad():
        c = np.array([
            float(network(picture[None])[0, TARGET] - network((picture * (1 - share))[None])[0, TARGET])
            for share in disturbances()
        ])  # fmt: skip
    expected = 1 - (a @ c) ** 2 / ((a @ a) * (c @ c)) if a @ c > 0 else 1.0
    assert whole("infidelity", "grad_cam", network).value == pytest.approx(expected, abs=1e-4)


# ---- sensitivity ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient"])
def test_sensitivity_is_captums(method: str) -> None:
    network, picture = make_network(), make_picture()
    explainer = captum.attr.Saliency(network) if method == "saliency" else captum.attr.InputXGradient(network)
    extra = {"abs": False} if method == "saliency" else {}
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        theirs = captum.metrics.sensitivity_max(
            explainer.attribute, picture[None], perturb_radius=RADIUS, n_perturb_samples=NEIGHBOURS,
            target=TARGET, **extra,
        )  # fmt: skip
    ours = whole("sensitivity", method, network).value
    assert ours == pytest.approx(float(theirs[0]), rel=1e-4)
    assert float(theirs[0]) > 0.001


# ---- deletion and insertion -----------------------------------------------------------------


def by_brute_force(
    network: Snapshot, picture: Tensor, strength: NDArray[np.float64], inserts: bool
) -> list[float]:
    by_lot = [divmod(int(pixel), SIDE) for pixel in np.random.default_rng(SEED).permutation(SIDE**2)]
    pixels = sorted(by_lot, key=lambda at: -strength[at])  # equals stay in the order of the lot
    curve = []
    for point in range(CURVE_POINTS):
        changed = torch.zeros_like(picture) if inserts else picture.clone()
        for row, column in pixels[: round(point / (CURVE_POINTS - 1) * len(pixels))]:
            changed[:, row, column] = picture[:, row, column] if inserts else 0.0
        curve.append(float(probabilities(network, changed)[TARGET]))
    return curve


@pytest.mark.parametrize("method", ["input_x_gradient", "grad_cam"])
@pytest.mark.parametrize("check", ["deletion", "insertion"])
def test_the_curves_are_those_of_brute_force(check: Check, method: str) -> None:
    network, picture = make_network(NetworkSettings(width=4, depth=20)), make_picture()
    strength = attribute(network, picture, method, TARGET).attribution.astype(np.float64).sum(0)
    found = whole(check, method, network, picture)
    expected = by_brute_force(network, picture, strength, check == "insertion")
    np.testing.assert_allclose(found.curve, expected, atol=1e-5)
    assert np.ptp(expected) > 0.001
    assert found.shares[0] == 0
    assert found.shares[-1] == 1
    area = sum(
        (right - left) * (found.curve[n] + found.curve[n + 1]) / 2
        for n, (left, right) in enumerate(zip(found.shares, found.shares[1:], strict=False))
    )
    assert found.value == pytest.approx(area)
    # both orders begin and end at the same pictures
    assert found.control[[0, -1]] == pytest.approx(found.curve[[0, -1]])
    assert np.abs(found.control - found.curve).max() > 1e-4


def test_a_map_that_says_nothing_does_as_the_control(monkeypatch: pytest.MonkeyPatch) -> None:
    def level(*_: object, **__: object) -> Iterator[Result]:
        yield Result(np.ones((1, SIDE, SIDE), np.float32), TARGET, None, "none", 0.0, True)

    monkeypatch.setattr(trust, "attribute_in_pieces", level)
    found = whole("deletion", "saliency", make_network())
    assert found.curve.tolist() == found.control.tolist()
    said = whole("randomisation", "saliency", make_network()).reason
    assert said is not None
    assert "same value everywhere" in str(said)


# ---- randomisation --------------------------------------------------------------------------


def brute_ranks(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([(numbers < each).sum() + ((numbers == each).sum() - 1) / 2 for each in numbers])


def test_ranks_and_their_correlation_are_those_of_brute_force() -> None:
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 9, 60).astype(float), generator.integers(0, 9, 60).astype(float)
    np.testing.assert_array_equal(trust._ranks(first), brute_ranks(first))
    expected = np.corrcoef(brute_ranks(first), brute_ranks(second))[0, 1]
    assert trust._correlation(trust._ranks(first), trust._ranks(second)) == pytest.approx(expected)
    assert trust._correlation(trust._ranks(first), np.zeros(60)) == 0


STARTS = {
    "as in the article": SMALL,
    "pre-activation": NetworkSettings(width=4, block="pre"),
    "no norm, three stages": NetworkSettings(depth=20, width=4, norm="none", branch_init="zero"),
}


@pytest.mark.parametrize("settings", STARTS.values(), ids=STARTS.keys())
def test_layers_are_drawn_from_the_head_down_until_nothing_learnt_is_left(settings: NetworkSettings) -> None:
    network = make_network(settings)
    learnt = {name: value.clone() for name, value in network.state_dict().items()}
    redrawing = Redrawing(network)
    order = []
    for _ in range(redrawing.layers):
        before = {name: value.clone() for name, value in redrawing.network.state_dict().items()}
        redrawing.draw_next()
        after = redrawing.network.state_dict()
        order.append(
            {name.rpartition(".")[0] for name in after if not torch.equal(before[name], after[name])}
        )
    assert redrawing.layers == settings.block_count + 2
    assert order[0] == ({"fc", "bn_last"} if settings.block == "pre" else {"fc"})
    last = f"layer{len(settings.stages)}.{settings.stages[-1] - 1}."
    assert all(name.startswith(last) for name in order[1])
    assert all(name.startswith("layer1.0.") for name in order[-2])
    assert {"conv1"} <= order[-1] <= {"conv1", "bn1"}
    fresh = ResidualNetwork(replace(settings, branch_init="normal"))
    initialise(fresh, derived_seed(0, "drawn anew"))
    for name, value in redrawing.network.state_dict().items():
        assert torch.equal(value, fresh.state_dict()[name]), name
    for name, value in network.state_dict().items():
        assert torch.equal(value, learnt[name]), name


def test_the_correlations_are_those_of_maps_of_the_redrawn_networks() -> None:
    network, picture = make_network(), make_picture()
    found = whole("randomisation", "saliency", network, picture)

    def ranks(of: Snapshot) -> NDArray[np.float64]:
        seen = gradient(of, picture).double().sum(0).abs().flatten().numpy()
        return brute_ranks(seen)

    redrawing, expected = Redrawing(network), [1.0]
    for _ in range(redrawing.layers):
        redrawing.draw_next()
        expected.append(float(np.corrcoef(ranks(network), ranks(redrawing.network))[0, 1]))
    np.testing.assert_allclose(found.curve, expected, atol=1e-4)
    np.testing.assert_allclose(found.shares, np.arange(11) / 10)
    assert found.value == pytest.approx(np.mean(expected[1:]), abs=1e-4)


def test_guided_backprop_hardly_depends_on_what_the_trained_twins_have_learnt() -> None:
    twin = sources.pretrained(torch.device("cpu")).subjects[0].network
    picture = 0.5 * make_picture(side=28).mean(0, keepdim=True).expand(3, -1, -1)
    saliency, guided = (
        whole("randomisation", method, twin, picture) for method in ("saliency", "guided_backprop")
    )
    assert guided.curve[: len(guided.curve) // 2].min() > 0.6
    assert saliency.curve[1:].max() < 0.6
    assert guided.value is not None
    assert saliency.value is not None
    assert guided.value > saliency.value + 0.2


# ---- all of them ----------------------------------------------------------------------------


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("conductance", (("block", 2), ("steps", 5))),
        ("gradient_shap", (("samples", 4),)),
        ("smooth_grad", (("of", "guided_backprop"), ("samples", 3))),
        ("shapley_value_sampling", (("grid", 2), ("samples", 2))),
        ("activation", (("block", -1),)),
    ],
)
def test_every_kind_of_map_is_checked_the_same_way_twice(
    check: Check, method: str, parameters: Parameters
) -> None:
    network = make_network()
    state = torch.get_rng_state()
    first, second = (whole(check, method, network, parameters=parameters) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), state)
    if (check, method) == ("infidelity", "activation"):
        assert "of no class" in str(first.reason)
        return
    assert first.reason is None
    assert first.value == second.value
    assert np.isfinite(first.value)
    assert first.curve.tolist() == second.curve.tolist()
    assert np.isfinite(first.curve).all()
    assert not first.curve.flags.writeable
    assert not first.shares.flags.writeable


@pytest.mark.parametrize("check", CHECKS)
def test_the_snapshot_is_left_as_it_was(check: Check) -> None:
    network = make_network()
    network.set_strengths((0.5,) * 8, (1.0,) * 8)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = whole(check, "guided_backprop", network)
    assert found.reason is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network.shortcuts == (0.5,) * 8
    for module in network.modules():
        assert not module.training
        hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks)
        assert not any(hooks)


@pytest.mark.parametrize("check", CHECKS)
def test_a_map_that_cannot_be_given_comes_as_a_reason(check: Check) -> None:
    cut = make_network()
    cut.set_strengths((1.0, 0.0, *[1.0] * 6), (1.0, 0.0, *[1.0] * 6))
    found = whole(check, "saliency", cut)
    assert found.value is None
    assert "both paths of block 1.1 are cut" in str(found.reason)
    tanh = whole(check, "guided_backprop", make_network(NetworkSettings(width=4, activation="tanh")))
    assert "made for ReLU" in str(tanh.reason)
    broken = make_network()
    broken.fc.weight[0] = torch.nan
    broken.fc.weight[TARGET] = torch.nan
    assert "no longer finite" in str(whole(check, "saliency", broken).reason)


def test_what_is_zero_everywhere_is_said_to_be_so() -> None:
    network = make_network()
    network.fc.weight[TARGET] = 0
    assert "does not change" in str(whole("infidelity", "saliency", network).reason)
    assert "zero everywhere" in str(whole("sensitivity", "saliency", network).reason)


def test_the_price_is_what_is_computed() -> None:
    network = make_network()
    for name, check in CHECKS.items():
        seen: list[int] = []

        def count(module: nn.Module, inputs: tuple[Tensor], seen: list[int] = seen) -> None:
            if isinstance(module, Snapshot):
                seen.append(len(inputs[0]))

        watch = nn.modules.module.register_module_forward_pre_hook(count)
        whole(name, "saliency", network)
        watch.remove()
        map_passes = passes("saliency", (), Size(SIDE, 8))
        maps = {"sensitivity": NEIGHBOURS + 1, "randomisation": 8 + 3}.get(name, 1)
        # each map goes forward once and back once, which counts as two passes more
        assert sum(seen) + 2 * maps == check.passes(map_passes, 8)


def test_long_work_says_what_it_knows_so_far() -> None:
    network, picture = make_network(NetworkSettings(width=16)), make_picture(side=64)
    findings = list(assess_in_pieces(network, picture, "deletion", "saliency", TARGET))
    known = [int(np.isfinite(each.curve).sum()) for each in findings]
    assert known == sorted(known)
    assert 0 < known[0] < CURVE_POINTS
    assert [each.value is None for each in findings] == sorted([each.value is None for each in findings])[
        ::-1
    ]
    values = [
        each.value
        for each in assess_in_pieces(network, picture, "sensitivity", "saliency", TARGET)
        if each.value is not None
    ]
    assert len(values) >= NEIGHBOURS
    assert values == sorted(values)
