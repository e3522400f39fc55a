"""The accelerator's rows on a CPU, with a stand-in for the CUDA graph: that they run, and what they ask."""

import pytest
import torch

from core import training
from core.batches import Batches
from core.headless import bench_accelerator
from core.headless.bench_accelerator import CapturedLoop, accuracy_row, rows, step_rows
from core.settings import NetworkSettings, RunSettings, lane
from core.training import Lane
from tests.core.by_hand import tiny_dataset
from tests.core.test_captured import StandIn

CPU = torch.device("cpu")
NETWORK = NetworkSettings(width=4)


@pytest.fixture(autouse=True)
def captured(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, bench_accelerator):
        monkeypatch.setattr(module, "Captured", StandIn)
    monkeypatch.setattr(training, "can_capture", lambda _device: True)


def test_without_one_a_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = rows()
    assert "none on this machine" in row["row"]
    assert row["ours"] is None


def test_a_step_is_measured_and_toggled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_accelerator, "TURNS", 4)
    monkeypatch.setattr(bench_accelerator, "_waits", lambda _step: True)
    monkeypatch.setattr(StandIn, "made", 0)
    speed, waits, toggle = step_rows(tiny_dataset(), NETWORK, 8, CPU)
    assert speed["ratio"] == pytest.approx(speed["ours"] / speed["peer"], rel=0.5)
    assert speed["met"] == (speed["ratio"] >= 0.95)
    assert not waits["met"]
    assert 0 < toggle["ours"] < 60_000
    # ours, the peer's, and one for every toggle
    assert StandIn.made == 2 + 2 * bench_accelerator.TOGGLES


def test_the_peer_is_the_same_training() -> None:
    settings = RunSettings((lane("A", NETWORK),), batch_size=8, image_size=8, precision="bfloat16")
    dataset = tiny_dataset()
    peer, ours, batches = (
        CapturedLoop(dataset, settings, CPU), Lane(settings.lanes[0], settings, CPU), Batches(dataset, settings, CPU)
    )  # fmt: skip
    for number in range(1, 5):
        peer()
        ours.step(number, *batches.batch(number), 0.05)
    for (name, a), b in zip(
        ours.network.state_dict().items(), peer.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_the_accuracy_is_that_of_both_trained_to_their_end() -> None:
    row = accuracy_row(tiny_dataset(), NETWORK, 8, 1, CPU)
    assert 0 <= row["ours"] <= 1
    assert 0 <= row["peer"] <= 1
    assert row["goal"] == 0.94
    assert row["met"] == (row["ours"] >= 0.94)
