"""The `train` rows of `bench`: a step with all probes against plain PyTorch loops.

Against a bare, well-written loop (channels last, fused SGD) that reads nothing back, and one that reads
`p.grad.norm().item()` of every parameter; against the same reading and a histogram of every gradient, over
the edges that TensorBoard's `add_histogram` has, in the loop people write: torch's usual memory order and
SGD as it comes. Data are resident in all. The ratio is the median over turns, so that a machine that slows
down for a while slows both.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Row:
    """A peer: what it reads, whether it is well written, and the share of its images per second we want."""

    width: int
    peer: str
    read: Reading
    careful: bool
    goal: float
    turns: int


ROWS = (
    Row(16, "a bare loop", _nothing, True, 0.95, 60),
    Row(64, "a bare loop", _nothing, True, 0.98, 40),
    Row(16, "a well-written loop with a norm per parameter", _norm_each, True, 0.95, 120),
    Row(16, "a usual loop with a norm per parameter", _norm_each, False, 1.0, 60),
    Row(16, "a usual loop with a histogram per tensor", _histogram_each, False, 1.3, 60),
)


def rows() -> list[dict[str, Any]]:
    """Measure every row in turns (A B A B …), step by step."""
    torch.set_num_threads(threads())
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    return [_measured(dataset, row) for row in ROWS]


def _measured(dataset: Dataset, row: Row) -> dict[str, Any]:
    batch = 32
    network = NetworkSettings(width=row.width)
    settings = RunSettings(lanes=(lane("A", network),), batch_size=batch, threads=threads())
    mine, theirs, ratio, spread = in_turns(
        InstrumentedStep(dataset, settings, CPU), plain_step(dataset, settings, row.read, row.careful),
        row.turns,
    )  # fmt: skip
    return {
        "row": f"train width {row.width} against {row.peer} (images/s)", "ours": batch / mine,
        "peer": batch / theirs, "ratio": ratio, "goal": row.goal, "met": ratio >= row.goal, "spread": spread,
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
        self._run = LiveRun(settings, dataset, device)
        self._next_slice = 0.0

    def train(self) -> None:
        """Do the step alone."""
        self._run.train_lane()

    def __call__(self) -> None:
        """Do the step and bring the readings back."""
        self.train()
        now = time.perf_counter()
        if now >= self._next_slice or self._run.must_flush:
            self._run.take_slice()
            self._next_slice = now + SLICE_SECONDS


def plain_step(
    dataset: Dataset,
    settings: RunSettings,
    read: Reading = _nothing,
    careful: bool = True,
    device: torch.device = CPU,
) -> Step:
    """Return a loop's step with `read` in it, as a careful person writes it, or as it is usually written."""
    network = ResidualNetwork(settings.lanes[0].network).to(device)
    initialise(network, settings.seed)
    if not careful:
        network.memory_format = torch.contiguous_format
    network.to(memory_format=network.memory_format)
    network.train()
    fused = True if careful else None
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=fused)
    data = Batches(dataset, settings, device)
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
