"""The `length` rows of `bench`: what a step costs in a long run, and in a deep network.

History is fed synthetically: four lanes of 54 blocks, slices of ten steps. A long history must make
neither taking in a slice nor reading a curve dearer. Depth: the step with all probes against the bare
loop of the same network, and the most memory that each takes, in a process of its own.
"""

import multiprocessing
import re
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core.allocator import keep_freed_memory
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
DEPTHS, TURNS, GOAL = (20, 56, 110), 60, 0.95
MEMORY_STEPS = 8
MORE_MEMORY = (
    1.25  # than the bare loop takes, at most: probes keep each block's output and its gradient for a step
)
_STATUS = Path("/proc/self/status")  # where Linux says how much memory a process has had at most


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
    for depth in DEPTHS:
        settings = _settings(depth)
        ours, bare = InstrumentedStep(dataset, settings, CPU), plain_step(dataset, settings)
        mine, theirs, ratio, spread = in_turns(ours, bare, TURNS)
        made.append(
            _row(f"{depth} layers, width 16: a step with all probes (ms)", 1000 * mine, 1000 * theirs, GOAL,
                 ratio >= GOAL, spread, ratio)
        )  # fmt: skip
        if _STATUS.exists():
            most, bare_most = (_in_own_process(depth, probes) for probes in (True, False))
            made.append(
                _row(f"{depth} layers, width 16: memory that training takes (MB)", most, bare_most, MORE_MEMORY,
                     most <= MORE_MEMORY * bare_most, [most, most], most / bare_most)
            )  # fmt: skip
    return made


def _settings(depth: int) -> RunSettings:
    return RunSettings(
        lanes=(lane("A", NetworkSettings(depth=depth, width=16)),), batch_size=32, threads=threads()
    )


def _in_own_process(depth: int, probes: bool) -> float:
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh) as processes:
        return processes.submit(training_megabytes, depth, probes).result()


def training_megabytes(depth: int, probes: bool) -> float:
    """Train a few steps and return the most memory they took; for a process that has done nothing else."""
    keep_freed_memory()
    torch.set_num_threads(threads())
    dataset, settings = load_dataset("fashion-mnist", image_size=28, seed=0), _settings(depth)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)  # the first one imports 150 MB of torch
    before = _megabytes("VmRSS")
    step = InstrumentedStep(dataset, settings, CPU) if probes else plain_step(dataset, settings)
    for _ in range(MEMORY_STEPS):
        step()
    return _megabytes("VmHWM") - before


def _megabytes(field: str) -> float:
    found = re.search(rf"{field}:\s*(\d+) kB", _STATUS.read_text("ascii"))
    assert found is not None
    return int(found[1]) * 1024 / 1e6


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
