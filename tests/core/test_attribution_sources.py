"""Every method against Captum called directly on the source: the article's network, torchvision's own."""

import pytest
import torch
from torch import nn

from core import attribution_question
from core.attribution import attribute
from core.methods import METHODS, Parameters
from core.settings import NetworkSettings
from core.snapshot import Snapshot, snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import (
    QUICK,
    TARGET,
    Captum,
    assert_close,
    independent,
    loaded_from,
    make_network,
    make_pictures,
    torchvisions_own,
)

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)
DIFFERENCES = ("occlusion", "feature_ablation", "shapley_value_sampling")
THREE = ("all shortcuts", "half strength", "plain")


def assert_equal_maps(
    ours: Snapshot, theirs: Captum, method: str, pictures: torch.Tensor, parameters: Parameters
) -> None:
    blocks = ours.settings.block_count
    expected = theirs.maps(method, pictures, parameters, blocks)
    for picture, each in zip(pictures, expected, strict=True):
        found = attribute(ours, picture, method, TARGET, parameters).attribution
        score = float(ours(picture[None])[0, TARGET].abs())
        assert_close(
            found,
            each,
            # empty where Grad-CAM is negative all over
            may_be_empty=method == "guided_grad_cam",
            # in a plain network a score hardly depends on the picture, and differences of scores round as they do
            rounding=3e-6 * score if method in DIFFERENCES else 0,
        )


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("strengths", THREE)
def test_maps_equal_captums_own_on_the_articles_network(
    method: str, strengths: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_network(strengths=strengths)
    source = independent(ours, strengths)
    theirs = Captum(source, source.layer4[-1], monkeypatch)
    assert_equal_maps(snapshot(ours), theirs, method, make_pictures(20), QUICK.get(method, ()))


# torchvision reuses its ReLUs, which Captum's DeepLift refuses
ON_TORCHVISIONS = [method for method in METHODS if method != "deep_lift"]


LARGER = {
    **QUICK,
    "integrated_gradients": (("steps", 7),),
    "conductance": (("steps", 7),),
    "occlusion": (("window", 16), ("stride", 12)),
}


def compare_with_torchvisions(
    method: str, strengths: str, depth: int, pictures: int, patch: pytest.MonkeyPatch
) -> None:
    # the same batches as Captum's: convolutions of other batches differ in the last bit, which at the
    # kink of a ReLU decides about a whole gradient
    patch.setattr(attribution_question, "_CPU_BUDGET", 10**15)
    settings = NetworkSettings(depth=depth, width=64, stem="7x7")
    source: nn.Module = torchvisions_own(strengths, settings.stages)
    ours = snapshot(loaded_from(source, settings, strengths))
    theirs = Captum(source, source.layer4[-1], patch)
    for picture in make_pictures(pictures, 40):
        assert_equal_maps(ours, theirs, method, picture[None], LARGER.get(method, ()))


@pytest.mark.parametrize("method", ON_TORCHVISIONS)
def test_map_equals_captums_own_on_torchvisions_network(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare_with_torchvisions(method, "all shortcuts", 18, 1, monkeypatch)


@pytest.mark.gate
@pytest.mark.parametrize("depth", [18, 34])
@pytest.mark.parametrize("strengths", THREE)
@pytest.mark.parametrize("method", ON_TORCHVISIONS)
def test_twenty_maps_equal_captums_own_on_torchvisions_networks(
    method: str, strengths: str, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare_with_torchvisions(method, strengths, depth, 20, monkeypatch)


def test_torchvisions_own_block_is_what_the_half_block_is_at_full_share(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attribution_cases.HalfBlock, "share", 1.0)
    x = make_pictures(2, 40)
    with torch.no_grad():
        whole, made = torchvisions_own("all shortcuts")(x), torchvisions_own("half strength")(x)
    assert torch.equal(whole, made)
