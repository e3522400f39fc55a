"""The accelerator's rows on a CPU, with a stand-in for the CUDA graph: that they run, and what they ask."""

from typing import Any

import pytest
import torch

from core import training
from core.batches import Batches
from core.headless import bench_accelerator
from core.headless.bench_accelerator import CapturedLoop, accuracy_row, rows, step_rows, waits_in_an_epoch
from core.settings import NetworkSettings, RunSettings, lane
from core.training import Lane
from tests.core.by_hand import tiny_dataset
from tests.core.tape import Tape

CPU = torch.device("cpu")
NETWORK = NetworkSettings(width=4)


@pytest.fixture(autouse=True)
def captured(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (training, bench_accelerator):
        monkeypatch.setattr(module, "Captured", Tape)
    monkeypatch.setattr(training, "can_capture", lambda _device: True)
    monkeypatch.setattr(Tape, "made", [])


def test_without_one_a_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (row,) = rows()
    assert "none on this machine" in row["row"]
    assert row["ours"] is None


SETTINGS = RunSettings((lane("A", NETWORK),), batch_size=8, image_size=8, precision="bfloat16")


def measured(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(bench_accelerator, "TURNS", 4)
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", lambda _mode: None)
    return step_rows(tiny_dataset(), NETWORK, 8, CPU)


def test_a_step_is_measured_and_toggled(monkeypatch: pytest.MonkeyPatch) -> None:
    speed, waits, toggle = measured(monkeypatch)
    assert speed["ratio"] == pytest.approx(speed["ours"] / speed["peer"], rel=0.5)
    assert speed["met"] == (speed["ratio"] >= 0.95)
    assert (waits["ours"], waits["met"]) == (0, True)
    assert 0 < toggle["ours"] < 60_000
    # ours, the peer's, one for every toggle, and the epoch's
    assert len(Tape.made) == 2 + 2 * bench_accelerator.TOGGLES + 1


def test_a_row_is_not_met_where_nothing_could_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    monkeypatch.setattr(bench_accelerator, "GOAL", 0.0)
    speed, _, toggle = measured(monkeypatch)
    assert not speed["met"]
    assert not toggle["met"]


def test_a_step_that_waits_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of an epoch of eight steps and twenty more, those of one kind: samples."""
    mode = "default"

    def set_mode(name: str) -> None:
        nonlocal mode
        mode = name

    whole = Lane._take_samples
    seen: list[int] = []

    def waiting(self: Lane, number: int, rate: float) -> None:
        whole(self, number, rate)
        if mode == "error" and number not in seen:
            seen.append(number)
            raise RuntimeError("called a synchronizing CUDA operation")

    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", set_mode)
    monkeypatch.setattr(Lane, "_take_samples", waiting)
    assert waits_in_an_epoch(tiny_dataset(), SETTINGS, CPU) == 1
    assert seen == [21]
    assert mode == "default"


def test_the_peer_is_the_same_training() -> None:
    dataset = tiny_dataset()
    peer = CapturedLoop(dataset, SETTINGS, CPU)
    ours, batches = Lane(SETTINGS.lanes[0], SETTINGS, CPU), Batches(dataset, SETTINGS, CPU)
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
