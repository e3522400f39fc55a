"""The `accelerator` rows of `bench`: a step with all probes on a CUDA device; one row says where there is none.

Width 64, batches of 512, bfloat16, and on both sides a step captured as a CUDA graph. Nothing may wait
for the device inside a step: `torch.cuda.set_sync_debug_mode("error")` raises where something does.
"""

import time
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional as F

from core.batches import Batches
from core.captured import Captured
from core.datasets import Dataset, load_dataset
from core.device import autocast, threads
from core.evaluation import evaluate
from core.headless.bench_train import InstrumentedStep, Step, in_turns
from core.live_run import LiveRun
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, RunSettings, lane, twins
from core.training import SAMPLE_EVERY

BATCH = 512
TURNS = 60  # of SAMPLE_EVERY steps, so that each has its sample
GOAL = 0.95
TOGGLES = 5
WARM_UP = 4
CAPTURED_MS = 500.0
EPOCHS = 20
ACCURACY = 0.94  # Fashion-MNIST, held out


def rows() -> list[dict[str, Any]]:
    """Measure, or say that there is nothing to measure on."""
    if not torch.cuda.is_available():
        return [_row("accelerator: none on this machine, nothing measured", None, None, None, True, [])]
    device = torch.device("cuda")
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    network = NetworkSettings(width=64)
    return [
        *step_rows(dataset, network, BATCH, device),
        accuracy_row(dataset, network, BATCH, EPOCHS, device),
    ]


def step_rows(
    dataset: Dataset, network: NetworkSettings, batch: int, device: torch.device
) -> list[dict[str, Any]]:
    """Measure a step: against a bare loop captured the same way, what waits in it, and captured anew."""
    settings = RunSettings(
        lanes=(lane("A", network),),
        batch_size=batch,
        precision="bfloat16",
        threads=threads(),
        device=device.type,
    )
    ours, bare = InstrumentedStep(dataset, settings, device), CapturedLoop(dataset, settings, device)
    mine, theirs, ratio, spread = in_turns(_turn(ours, device), _turn(bare, device), TURNS)
    captured = ours.run.lanes[0].is_captured
    toggles, captured_anew = [], True
    for strength in [0.0, 1.0] * TOGGLES:
        toggles.append(_toggle_ms(ours, device, strength))
        captured_anew &= ours.run.lanes[0].is_captured
    slowest, waits = max(toggles), waits_in_an_epoch(dataset, settings, device)
    pictures = batch * SAMPLE_EVERY
    return [
        _row("accelerator: bfloat16 against a bare loop, both captured (images/s)", pictures / mine,
             pictures / theirs, GOAL, captured and ratio >= GOAL, spread, ratio),
        _row("accelerator: steps of an epoch that wait for the device", waits, None, 0, not waits, []),
        _row("accelerator: a toggle, until a step captured anew is done (ms)", slowest, None, CAPTURED_MS,
             captured_anew and slowest < CAPTURED_MS, [min(toggles), slowest]),
    ]  # fmt: skip


def accuracy_row(
    dataset: Dataset, network: NetworkSettings, batch: int, epochs: int, device: torch.device
) -> dict[str, Any]:
    """Train twins to their end; ours is the held-out accuracy with shortcuts, the peer's is without."""
    settings = RunSettings(
        lanes=twins(network, learning_rate=0.1), batch_size=batch, epochs=epochs, schedule="cosine",
        augment=True, precision="bfloat16", threads=threads(), device=device.type,
    )  # fmt: skip
    run = LiveRun(settings, dataset, device)
    while not run.is_finished and run.has_living_lane:
        run.train_lane()
        if run.between_steps and run.must_flush:
            run.take_slice()
    count = len(run.batches.held_out)
    found, plain = (evaluate(each.network, run.batches, count).accuracy for each in run.lanes)
    run.release()
    return _row(
        f"accelerator: {dataset.name}, held-out accuracy after {run.step} steps, against the twin without shortcuts",
        found, plain, ACCURACY, found >= ACCURACY, [],
    )  # fmt: skip


class CapturedLoop:
    """The loop a careful person writes for such a device: the whole step one graph, nothing read."""

    def __init__(self, dataset: Dataset, settings: RunSettings, device: torch.device) -> None:
        self.network = ResidualNetwork(settings.lanes[0].network).to(device)
        initialise(self.network, settings.seed)
        self.network.to(memory_format=self.network.memory_format).train()
        self._optimiser = torch.optim.SGD(
            self.network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True
        )
        self._batches = Batches(dataset, settings, device)
        self._device = device
        self._precision = settings.precision
        self._number = 0
        self._captured: Captured | None = None

    def __call__(self) -> None:
        """Do a step; the second is captured."""
        self._number += 1
        batch = self._batches.batch(self._number)
        if self._number == 1:  # what the libraries set up at first use must be there
            self._step(*batch)
            return
        if self._captured is None:
            self._captured = Captured(self._step, batch)
        self._captured.replay(batch)

    def _step(self, pictures: torch.Tensor, labels: torch.Tensor) -> None:
        self._optimiser.zero_grad(set_to_none=True)
        with autocast(self._device, self._precision):
            loss = F.cross_entropy(self.network(pictures), labels)
        loss.backward()
        self._optimiser.step()


def waits_in_an_epoch(dataset: Dataset, settings: RunSettings, device: torch.device) -> int:
    """Count the steps that wait for the device, with augmentation, over the end of an epoch and some samples.

    The slice's one copy back is not in a step.
    """
    step = InstrumentedStep(dataset, replace(settings, augment=True), device)
    for _ in range(WARM_UP):
        step()
    found = 0
    for _ in range(step.run.batches.steps_per_epoch + SAMPLE_EVERY):
        step.run.take_slice()
        torch.cuda.set_sync_debug_mode("error")
        try:
            step.run.train_lane()
        except RuntimeError:
            found += 1
            step.run.abandon_step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
        if found > SAMPLE_EVERY:  # every step then: an abandoned one is begun again
            break
    return found


def _turn(step: Step, device: torch.device) -> Step:
    """Return so many steps that one samples, and the wait for their end: the time is then their own."""

    def whole() -> None:
        for _ in range(SAMPLE_EVERY):
            step()
        _wait(device)

    return whole


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _toggle_ms(step: InstrumentedStep, device: torch.device, strength: float) -> float:
    """Set every shortcut, and do steps until one of them was captured; milliseconds for all of it."""
    run = step.run
    run.take_slice()
    _wait(device)
    began = time.perf_counter()
    run.set_strengths(0, (strength,) * run.lanes[0].blocks, None)
    for _ in range(
        3
    ):  # one to warm up with these strengths, one that is captured; one of them may be a sample
        run.train_lane()
    _wait(device)
    return (time.perf_counter() - began) * 1e3


def _row(
    name: str, ours: float | None, peer: float | None, goal: float | None, met: bool, spread: list[float],
    ratio: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    if ratio is None and ours is not None and peer is not None:
        ratio = ours / peer
    return {
        "row": name, "ours": ours, "peer": peer, "ratio": ratio, "goal": goal, "met": met, "spread": spread,
    }  # fmt: skip
