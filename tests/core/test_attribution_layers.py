"""The methods that look at one place: against hooks and autograd by hand, and against Captum."""

import captum.attr as captum
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import attribution_question
from core.attribution import attribute, attribute_in_pieces
from core.network import ResidualNetwork
from core.settings import NetworkSettings
from core.snapshot import snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import (
    STRENGTHS,
    TARGET,
    VARIANTS,
    Captum,
    assert_close,
    independent,
    make_network,
    make_picture,
)

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)


def places(network: ResidualNetwork) -> dict[int, nn.Module]:
    """Return the module after whose output each place is: activations, and what adds where none follows."""
    pre = network.settings.block == "pre"
    found: dict[int, nn.Module] = {-1: network.maxpool}
    for index, block in enumerate(network.blocks):
        found[index] = block if pre else block.act2
    if pre:
        found[len(network.blocks) - 1] = network.act_last
    return found


def seen_at_places(network: ResidualNetwork, picture: Tensor) -> tuple[dict[int, Tensor], Tensor]:
    """Return what each place puts out, and the target's score."""
    seen: dict[int, Tensor] = {}
    numbers = {module: place for place, module in places(network).items()}

    def note(module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen[numbers[module]] = output

    handles = [module.register_forward_hook(note) for module in numbers]
    score = network(picture[None])[0, TARGET]
    for handle in handles:
        handle.remove()
    return seen, score


def enlarged(coarse: Tensor, side: int) -> np.ndarray:
    found = F.interpolate(coarse, (side, side), mode="bilinear", align_corners=False)[0]
    return found.detach().numpy()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("strengths", ["all shortcuts", "half strength", "plain"])
def test_grad_cam_at_every_place_is_what_autograd_gives(variant: str, strengths: str) -> None:
    network = make_network(VARIANTS[variant], strengths).eval()
    picture = make_picture(32)
    seen, score = seen_at_places(network, picture)
    assert len(seen) == network.settings.block_count + 1
    gradients = torch.autograd.grad(score, list(seen.values()))
    subject = snapshot(network)
    for (place, out), gradient in zip(seen.items(), gradients, strict=True):
        coarse = (gradient.mean((2, 3), keepdim=True) * out).sum(1, keepdim=True)
        result = attribute(subject, picture, "grad_cam", TARGET, (("block", place),))
        assert result.attribution.shape == (1, 32, 32)
        np.testing.assert_allclose(result.attribution, enlarged(coarse, 32), atol=1e-6, err_msg=str(place))


def test_grad_cam_is_taken_at_the_last_block_unless_told_otherwise() -> None:
    network = make_network()
    told = attribute(network, make_picture(), "grad_cam", TARGET, (("block", 7),)).attribution
    assert np.array_equal(attribute(network, make_picture(), "grad_cam", TARGET).attribution, told)


@pytest.mark.parametrize("variant", VARIANTS)
def test_activation_at_every_place_is_what_passes_there(variant: str) -> None:
    network = make_network(VARIANTS[variant], "half strength").eval()
    picture = make_picture(32)
    seen, _ = seen_at_places(network, picture)
    subject = snapshot(network)
    for place, out in seen.items():
        mean = attribute(subject, picture, "activation", TARGET, (("block", place),)).attribution
        np.testing.assert_allclose(mean, enlarged(out.mean(1, keepdim=True), 32), atol=1e-5)
        last = out.shape[1] - 1
        one = attribute(subject, picture, "activation", TARGET, (("block", place), ("channel", last)))
        np.testing.assert_allclose(one.attribution, enlarged(out[:, last:], 32), atol=1e-5)


@pytest.mark.parametrize("variant", VARIANTS)
def test_conductance_is_captums_at_every_other_place(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    network = make_network(VARIANTS[variant], "half strength")
    subject, picture = snapshot(network), make_picture(32)
    monkeypatch.setattr(attribution_question, "_MOST_ON_CPU", 4)  # so that pieces end in the middle
    for place, layer in list(places(subject).items())[::2]:
        parameters = (("block", place), ("steps", 10))
        expected = Captum(subject, layer, monkeypatch).maps(
            "conductance", picture[None], parameters, network.settings.block_count
        )
        results = list(attribute_in_pieces(subject, picture, "conductance", TARGET, parameters))
        assert len(results) == 3
        assert_close(results[-1].attribution, expected[0], 2e-4)


@pytest.mark.parametrize("most", [1, 3, 32])
def test_what_conductance_misses_is_told_before_it_is_enlarged(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = snapshot(make_network(NetworkSettings(width=4, stem="7x7")))
    picture = make_picture(64)
    monkeypatch.setattr(attribution_question, "_MOST_ON_CPU", most)
    result = attribute(network, picture, "conductance", TARGET, (("block", 4), ("steps", 20)))
    x = picture[None]
    coarse, gap = captum.LayerConductance(network, network.blocks[4]).attribute(
        x, 0 * x, TARGET, n_steps=20, return_convergence_delta=True
    )
    coarse, gap = coarse.detach(), gap.detach()
    with torch.no_grad():
        change = float((network(x) - network(0 * x))[0, TARGET])
    assert float(coarse.sum()) - change == pytest.approx(float(gap), abs=1e-5)
    assert result.completeness_error == pytest.approx(abs(float(gap)) / abs(change), rel=1e-3, abs=1e-6)
    # the map itself is larger, and its sum is another
    assert float(result.attribution.sum()) != pytest.approx(float(coarse.sum()), rel=0.5)


@pytest.mark.parametrize("place", [-1, 0, 3, 6, 7])
@pytest.mark.parametrize("strengths", ["all shortcuts", "half strength", "plain"])
def test_layer_methods_are_captums_at_any_block_of_the_source(
    place: int, strengths: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_network(strengths=strengths)
    source = independent(ours, strengths)
    assert STRENGTHS[strengths][0] == source.layer1[0].strength
    stages = [source.layer1, source.layer2, source.layer3, source.layer4]
    layer = source.relu if place < 0 else stages[place // 2][place % 2]
    theirs = Captum(source, layer, monkeypatch)
    for method in ("grad_cam", "guided_grad_cam", "activation", "conductance"):
        steps = (("steps", 9),) if method == "conductance" else ()
        expected = theirs.maps(method, make_picture()[None], (("block", place), *steps))[0]
        found = attribute(ours, make_picture(), method, TARGET, (("block", place), *steps)).attribution
        # guided Grad-CAM is empty where Grad-CAM is negative all over
        assert_close(found, expected, may_be_empty=method == "guided_grad_cam")
