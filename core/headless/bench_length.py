"""The `length` rows of `bench`: what a step costs in a long run, and in a deep network.

History is fed synthetically: four lanes of 54 blocks, slices of ten steps. A long history must make
neither taking in a slice nor reading a curve dearer. Depth: the step with all probes against the bare
loop of the same network.
"""

import statistics
import time
from typing import Any

import numpy as np
import torch

from core.datasets import load_dataset
from core.device import threads
from core.headless.bench_train import CPU, InstrumentedStep, in_turns, plain_step
from core.history import RunHistory
from core.messages import LaneSlice, TrainingSlice
from core.settings import NetworkSettings, RunSettings, lane

LANES, BLOCKS, SLICE = 4, 54, 10
LENGTHS = (1_000, 10_000, 100_000, 1_000_000)
PROBED = 200  # slices timed at each length
MOST_MEGABYTES = 300.0
DEARER = 2.0  # at most, at the longest against the shortest: a curve is read off a deeper pyramid
DEPTHS = ((20, 60, 0.95), (56, 40, 0.95), (110, 24, 0.95))  # layers, turns, goal


def rows() -> list[dict[str, Any]]:
    """Measure both."""
    return [*_history_rows(), *_depth_rows()]


def _history_rows() -> list[dict[str, Any]]:
    history = RunHistory([BLOCKS] * LANES)
    fed = 0
    found = []
    for length in LENGTHS:
        while fed < length - PROBED * SLICE:
            size = min(1000, length - PROBED * SLICE - fed)
            history.add_slice(_slice(fed, size))
            fed += size
        times = []
        for _ in range(PROBED):
            part = _slice(fed, SLICE)
            began = time.perf_counter()
            history.add_slice(part)
            for number in range(LANES):
                history.curve(number, "loss", 1, fed + SLICE, 500)
            times.append(time.perf_counter() - began)
            fed += SLICE
        memory = sum(each.nbytes for each in history.lanes) / 1e6
        found.append((length, 1000 * statistics.median(times), memory, sorted(times)))
    shortest = found[0][1]
    made = []
    for length, taken, memory, times in found:
        spread = [1000 * times[len(times) // 4], 1000 * times[3 * len(times) // 4]]
        made.append(
            _row(f"history of {length:,} steps: a slice and four curves (ms)", taken, shortest, DEARER,
                 taken <= DEARER * shortest, spread)
        )  # fmt: skip
        made.append(
            _row(f"history of {length:,} steps: memory (MB)", memory, None, MOST_MEGABYTES,
                 memory < MOST_MEGABYTES, [memory, memory])
        )  # fmt: skip
    return made


def _slice(done: int, steps: int) -> TrainingSlice:
    generator = np.random.default_rng(done)
    losses = generator.lognormal(0, 0.3, steps)
    norms = generator.lognormal(0, 1, (steps, BLOCKS))
    part = LaneSlice(losses, losses / 10, norms, norms, 0.05, (1.0,) * BLOCKS, (1.0,) * BLOCKS)
    return TrainingSlice(done + 1, steps, (part,) * LANES, (), 0.0, 0)


def _depth_rows() -> list[dict[str, Any]]:
    torch.set_num_threads(threads())
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    made = []
    for depth, turns, goal in DEPTHS:
        network = NetworkSettings(depth=depth, width=16)
        settings = RunSettings(lanes=(lane("A", network),), batch_size=32, threads=threads())
        ours, bare = InstrumentedStep(dataset, settings, CPU), plain_step(dataset, settings)
        mine, theirs, ratio, spread = in_turns(ours, bare, turns)
        made.append(
            _row(f"{depth} layers, width 16: a step with all probes (ms)", 1000 * mine, 1000 * theirs, goal,
                 ratio >= goal, spread, ratio)
        )  # fmt: skip
    return made


def _row(
    name: str,
    ours: float,
    peer: float | None,
    goal: float,
    met: bool,
    spread: list[float],
    ratio: float | None = None,
) -> dict[str, Any]:
    return {
        "row": name, "ours": ours, "peer": peer, "ratio": peer / ours if peer is not None and ratio is None else ratio,
        "goal": goal, "met": met, "spread": spread,
    }  # fmt: skip
