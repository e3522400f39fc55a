"""The `accelerator` rows of `bench`: a step with all probes on a CUDA device; one row says where there is none.

Width 64, batches of 512, bfloat16, and on both sides a step captured as a CUDA graph. Nothing may wait
for the device inside a step: `torch.cuda.set_sync_debug_mode("error")` raises where something does.
"""

import time
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

BATCH = 512
TURNS = 60
GOAL = 0.95
STEPS_WITHOUT_WAITING = 5
TOGGLES = 5
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
    ours = InstrumentedStep(dataset, settings, device)
    mine, theirs, ratio, spread = in_turns(
        _finished(ours, device), _finished(CapturedLoop(dataset, settings, device), device), TURNS
    )
    waits = _waits(ours)
    toggles = sorted(_toggle_ms(ours, device, strength) for strength in [0.0, 1.0] * TOGGLES)
    slowest = toggles[-1]
    return [
        _row("accelerator: bfloat16 against a bare loop, both captured (images/s)", batch / mine, batch / theirs,
             GOAL, ratio >= GOAL, spread, ratio),
        _row("accelerator: waits for the device inside a step", float(waits), None, 0, not waits, []),
        _row("accelerator: a toggle, until a step captured anew is done (ms)", slowest, None, CAPTURED_MS,
             slowest < CAPTURED_MS, [toggles[0], slowest]),
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


def _finished(step: Step, device: torch.device) -> Step:
    """Return the step with the wait for its end, so that its time is its own."""

    def whole() -> None:
        step()
        _wait(device)

    return whole


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _waits(step: InstrumentedStep) -> bool:
    """Whether anything in a few steps waits for the device; the slice's one copy back is not in the step."""
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(STEPS_WITHOUT_WAITING):
            step.train()
    except RuntimeError:
        return True
    finally:
        torch.cuda.set_sync_debug_mode(before)
    return False


def _toggle_ms(step: InstrumentedStep, device: torch.device, strength: float) -> float:
    """Set every shortcut, and do steps until one of them was captured; milliseconds for all of it."""
    _wait(device)
    began = time.perf_counter()
    step.toggle(strength)
    for _ in range(
        3
    ):  # one to warm up with these strengths, one that is captured; one of them may be a sample
        step.train()
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
