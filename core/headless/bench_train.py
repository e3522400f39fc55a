"""The `train` rows of `bench`: a step with all probes against a bare, well-written PyTorch loop."""

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F

from core.batches import Batches
from core.datasets import Dataset, load_dataset
from core.device import threads
from core.live_run import LiveRun
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, RunSettings, lane

# width, batch, goal (share of the bare loop's images per second), turns
ROWS = ((16, 32, 0.95, 60), (64, 32, 0.98, 20))
WARM_UP = 3


def rows() -> list[dict[str, Any]]:
    """Measure every row in turns (A B A B …), step by step."""
    torch.set_num_threads(threads())
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    return [_row(dataset, *row) for row in ROWS]


def _row(dataset: Dataset, width: int, batch: int, goal: float, turns: int) -> dict[str, Any]:
    network = NetworkSettings(width=width)
    settings = RunSettings(lanes=(lane("A", network),), batch_size=batch, threads=threads())
    ours = _ours(dataset, settings)
    peer = _bare(dataset, settings)
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(WARM_UP + turns):
        for step, kept in zip((ours, peer), times, strict=True):
            began = time.perf_counter()
            step()
            if turn >= WARM_UP:
                kept.append(time.perf_counter() - began)
    mine, theirs = (batch / statistics.median(kept) for kept in times)
    pairs = sorted(b / a for a, b in zip(*times, strict=True))
    return {
        "row": f"train width {width} (images/s)", "ours": mine, "peer": theirs, "ratio": mine / theirs,
        "goal": goal, "met": mine / theirs >= goal,
        "spread": [pairs[len(pairs) // 4], pairs[3 * len(pairs) // 4]],
    }  # fmt: skip


def _ours(dataset: Dataset, settings: RunSettings) -> Callable[[], object]:
    run = LiveRun(settings, dataset, torch.device("cpu"))

    def step() -> None:
        run.train_lane()
        run.take_slice()

    return step


def _bare(dataset: Dataset, settings: RunSettings) -> Callable[[], object]:
    """The loop a careful person writes: data resident, channels last, fused SGD, nothing read back."""
    network = ResidualNetwork(settings.lanes[0].network)
    initialise(network, settings.seed)
    network.to(memory_format=torch.channels_last)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
    data = Batches(dataset, settings, torch.device("cpu"))
    number = 0

    def step() -> None:
        nonlocal number
        number += 1
        pictures, labels = data.batch(number)
        optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(network(pictures), labels).backward()
        optimiser.step()

    return step
