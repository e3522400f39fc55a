"""What integrated gradients miss: next to nothing where the score is smooth on the way, else what they say."""

import numpy as np
import pytest
import torch
from torch import Tensor

from core import sources
from core.attribution import attribute, probabilities
from core.datasets import load_dataset
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
from core.snapshot import Snapshot, snapshot
from tests.core import attribution_cases
from tests.core.attribution_cases import make_network, make_pictures

one_thread = pytest.fixture(autouse=True)(attribution_cases.one_thread)
STEPS = (("steps", 64),)
MASKS = {
    "all shortcuts": (1.0,) * 8,
    "half strength": (0.5,) * 8,
    "plain": (0.0,) * 8,
    "three cut": (1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0),
}


def untrained() -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(width=4))
    initialise(network, 0)
    return network


def missed(network: Snapshot, picture: Tensor, steps: tuple[tuple[str, int], ...] = STEPS) -> float:
    """Return the share of the score's change that the map of the predicted class lacks, worked out apart."""
    target = int(probabilities(network, picture).argmax())
    result = attribute(network, picture, "integrated_gradients", target, steps)
    with torch.no_grad():
        ends = network(torch.stack([picture, torch.zeros_like(picture)]))[:, target].double()
    change = float(ends[0] - ends[1])
    gap = abs(float(result.attribution.sum(dtype=np.float64)) - change) / abs(change)
    assert result.completeness_error == pytest.approx(gap, rel=1e-3, abs=1e-5)
    return gap


def assert_complete(kind: str, mask: str, pictures: int) -> None:
    made = untrained() if kind == "untrained" else make_network(NetworkSettings(width=4, activation="tanh"))
    network = snapshot(made)
    network.set_strengths(MASKS[mask])
    gaps = [missed(network, picture) for picture in make_pictures(pictures)]
    assert max(gaps) <= 0.01


@pytest.mark.parametrize("kind", ["untrained", "smooth"])
@pytest.mark.parametrize("mask", MASKS)
def test_at_64_steps_integrated_gradients_miss_no_hundredth(kind: str, mask: str) -> None:
    assert_complete(kind, mask, 4)


@pytest.mark.gate
@pytest.mark.parametrize("kind", ["untrained", "smooth"])
@pytest.mark.parametrize("mask", MASKS)
def test_on_fifty_pictures_integrated_gradients_miss_no_hundredth(kind: str, mask: str) -> None:
    assert_complete(kind, mask, 50)


@pytest.mark.gate
def test_a_trained_networks_kinks_cost_what_is_said_and_less_with_more_steps() -> None:
    # measured: at 64 steps a median of 1.2 %, at most 4 %; ReLUs that switch on the way are why
    subject = sources.pretrained(torch.device("cpu")).subjects[0]
    held_out = load_dataset("fashion-mnist", image_size=28, seed=0).held_out_images[:20]
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in (subject.transform.mean, subject.transform.std))
    pictures = (torch.from_numpy(held_out).float().expand(-1, 3, -1, -1) / 255 - mean) / std
    medians = [
        float(np.median([missed(subject.network, picture, (("steps", steps),)) for picture in pictures]))
        for steps in (16, 64, 256)
    ]
    assert medians[0] > medians[1] > medians[2]
    assert medians[1] <= 0.02
    assert medians[2] <= 0.01
