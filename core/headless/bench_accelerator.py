"""The `accelerator` rows of `bench`: a step with all probes on a CUDA device; one row says where there is none.

Nothing may wait for the device inside a step: `torch.cuda.set_sync_debug_mode("error")` raises where
something does.
"""

from typing import Any

import torch

from core.datasets import load_dataset
from core.device import threads
from core.headless.bench_train import InstrumentedStep, in_turns, plain_step
from core.settings import NetworkSettings, RunSettings, lane

BATCH = 512
TURNS = 60
GOAL = 0.95
STEPS_WITHOUT_WAITING = 5


def rows() -> list[dict[str, Any]]:
    """Measure, or say that there is nothing to measure on."""
    if not torch.cuda.is_available():
        return [_row("accelerator: none on this machine, nothing measured", None, None, None, True, [])]
    device = torch.device("cuda")
    dataset = load_dataset("fashion-mnist", image_size=28, seed=0)
    settings = RunSettings(
        lanes=(lane("A", NetworkSettings(width=64)),), batch_size=BATCH, threads=threads(), device="cuda"
    )
    ours = InstrumentedStep(dataset, settings, device)
    mine, theirs, ratio, spread = in_turns(ours, plain_step(dataset, settings, device=device), TURNS)
    waits = _waits(ours)
    return [
        _row("accelerator: width 64 against a bare loop (images/s)", BATCH / mine, BATCH / theirs, GOAL,
             ratio >= GOAL, spread),
        _row("accelerator: waits for the device inside a step", float(waits), None, 0, not waits, []),
    ]  # fmt: skip


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


def _row(
    name: str, ours: float | None, peer: float | None, goal: float | None, met: bool, spread: list[float]
) -> dict[str, Any]:
    ratio = None if ours is None or peer is None else ours / peer
    return {
        "row": name,
        "ours": ours,
        "peer": peer,
        "ratio": ratio,
        "goal": goal,
        "met": met,
        "spread": spread,
    }
