"""The `train` rows of `bench`: a step with all probes against plain PyTorch loops.

Against a bare, well-written loop that reads nothing back; against what people write to see gradients
at all, `p.grad.norm().item()` for every parameter; and against a histogram of every gradient over the
edges that TensorBoard's `add_histogram` has. The ratio is the median over turns, so that a machine that
slows down for a while slows both.
"""

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from core.batches import Batches
from core.datasets import Dataset, load_dataset
from core.device import threads
from core.engine import SLICE_SECONDS
from core.live_run import LiveRun
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, RunSettings, lane

Step = Callable[[], object]
Reading = Callable[[ResidualNetwork], object]
WARM_UP = 3
CPU = torch.device("cpu")


def _nothing(_network: ResidualNetwork) -> object:
    return None


def _norm_each(network: ResidualNetwork) -> object:
    return [each.grad.norm().item() for each in network.parameters() if each.grad is not None]


def _histogram_each(network: ResidualNetwork) -> object:
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    return [np.histogram(each.numpy().ravel(), _EDGES) for each in gradients]


_POSITIVE = 1e-12 * 1.1 ** np.arange(774)
_EDGES = np.concatenate([-_POSITIVE[::-1], [0.0], _POSITIVE])


# width, peer in words, what the peer reads, goal (share of its images per second), turns
ROWS: tuple[tuple[int, str, Reading, float, int], ...] = (
    (16, "a bare loop", _nothing, 0.95, 60),
    (64, "a bare loop", _nothing, 0.98, 60),
    (16, "a norm per parameter", _norm_each, 1.0, 300),
    (16, "a histogram per tensor", _histogram_each, 1.3, 60),
)


def rows() -> list[dict[str, Any]]:
    """Measure every row in turns (A B A B …), step by step."""
    torch.set_num_threads(threads())
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    return [_row(dataset, *row) for row in ROWS]


def _row(dataset: Dataset, width: int, peer: str, read: Reading, goal: float, turns: int) -> dict[str, Any]:
    batch = 32
    network = NetworkSettings(width=width)
    settings = RunSettings(lanes=(lane("A", network),), batch_size=batch, threads=threads())
    mine, theirs, ratio, spread = in_turns(
        InstrumentedStep(dataset, settings, CPU), plain_step(dataset, settings, read), turns
    )
    return {
        "row": f"train width {width} against {peer} (images/s)", "ours": batch / mine, "peer": batch / theirs,
        "ratio": ratio, "goal": goal, "met": ratio >= goal, "spread": spread,
    }  # fmt: skip


def in_turns(ours: Step, peer: Step, turns: int) -> tuple[float, float, float, list[float]]:
    """Time two steps in turns: median seconds of each, and the median and quartiles of peer over ours."""
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARM_UP + turns):
        for step, kept in zip((ours, peer), times, strict=True):
            began = time.perf_counter()
            step()
            if turn >= WARM_UP:
                kept.append(time.perf_counter() - began)
    pairs = sorted(b / a for a, b in zip(*times, strict=True))
    mine, theirs = (statistics.median(kept) for kept in times)
    return mine, theirs, statistics.median(pairs), [pairs[len(pairs) // 4], pairs[3 * len(pairs) // 4]]


class InstrumentedStep:
    """Our step: every probe on; called, it also brings the readings back, as often as the engine does."""

    def __init__(self, dataset: Dataset, settings: RunSettings, device: torch.device) -> None:
        self.run = LiveRun(settings, dataset, device)
        self._next_slice = 0.0

    def __call__(self) -> None:
        """Do the step and bring the readings back."""
        self.run.train_lane()
        now = time.perf_counter()
        if now >= self._next_slice or self.run.must_flush:
            self.run.take_slice()
            self._next_slice = now + SLICE_SECONDS


def plain_step(dataset: Dataset, settings: RunSettings, read: Reading = _nothing) -> Step:
    """Return the loop a careful person writes: data resident, channels last, fused SGD; then `read`."""
    network = ResidualNetwork(settings.lanes[0].network)
    initialise(network, settings.seed)
    network.to(memory_format=torch.channels_last)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
    data = Batches(dataset, settings, CPU)
    number = 0

    def step() -> None:
        nonlocal number
        number += 1
        pictures, labels = data.batch(number)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(pictures), labels).backward()
        read(network)
        optimiser.step()

    return step
