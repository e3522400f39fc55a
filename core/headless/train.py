"""`train`: the engine without a window."""

import argparse
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from core import device
from core.engine import Engine
from core.evaluation import evaluate
from core.headless.arguments import run_settings
from core.headless.output import ProgressLine, emit, say
from core.live_run import LiveRun
from core.messages import (
    Branch,
    Cancel,
    Event,
    Failed,
    Play,
    Progress,
    Resume,
    RunStarted,
    Setup,
    StateChanged,
    TrainingSlice,
)
from core.notices import SkipscopeError
from core.records import read_run
from core.training import Lane


@dataclass
class Collected:
    """What a headless run said, lane by lane."""

    losses: list[list[float]] = field(default_factory=list)
    norms: list[tuple[list[float], list[float]]] = field(default_factory=list)  # first and last step
    outputs: list[tuple[list[float], list[float]]] = field(default_factory=list)
    failed: Failed | None = None
    started: RunStarted | None = None
    planned: int = 0  # where it is not what the run began with
    line: ProgressLine = field(default_factory=ProgressLine)

    def take(self, event: Event) -> None:
        """Take in one event."""
        match event:
            case RunStarted():
                self.started = event
                self.losses = [[] for _ in event.lanes]
                self.norms = [([], []) for _ in event.lanes]
                self.outputs = [([], []) for _ in event.lanes]
            case TrainingSlice():
                self._slice(event)
            case Failed():
                self.failed = event
            case StateChanged(notice=notice) if notice is not None:
                say(str(notice))
            case Progress():
                share = "" if event.fraction is None else f" {event.fraction:.0%}"
                self.line.show(f"{event.what}{share}")
            case _:
                pass

    def _slice(self, event: TrainingSlice) -> None:
        for number, made in enumerate(event.lanes):
            if not len(made.losses):
                continue
            self.losses[number].extend(made.losses.tolist())
            for rows, kept in ((made.gradient_norms, self.norms), (made.output_gradients, self.outputs)):
                first, _ = kept[number]
                kept[number] = (first or rows[0].tolist(), rows[-1].tolist())
        assert self.started is not None
        last = ", ".join(f"{losses[-1]:.3f}" for losses in self.losses if losses)
        step = event.first_step + event.steps - 1
        self.line.show(
            f"step {step} of {self.planned or self.started.steps}  loss {last}  {event.images_per_second:.0f} images/s"
        )


@dataclass(frozen=True)
class Outcome:
    """A finished (or interrupted) headless run."""

    collected: Collected
    run: LiveRun
    first: int  # steps done when it began
    directory: Path | None
    seconds: float
    interrupted: bool
    accuracies: tuple[float, ...]  # on the whole held-out set
    checkpoints: tuple[Path | None, ...]


def train(
    begin: Setup | Resume | Branch, out: Path | None, *, record: bool = True, steps: int | None = None,
    threads: int = 0, judge: bool = True, lesson: Callable[[Event], object] | None = None,
    before_step: Callable[[Engine], None] = lambda engine: None,
) -> Outcome:  # fmt: skip
    """Train to the planned length, or `steps` more; Ctrl-C saves and ends early. Raises SkipscopeError.

    `lesson` is told every event; toggles are then followed and everything is measured to its end,
    but not the accuracy on the whole held-out set (nor without `judge`). `before_step` may submit
    commands.
    """
    collected = Collected()

    def take(event: Event) -> None:
        collected.take(event)
        if lesson is not None:
            lesson(event)

    engine = Engine(take, evaluate=False, watch=lesson is not None, record=record)
    engine.record_to(out)
    engine.open(threads)
    begin = replace(begin, play=False)
    # while the data set loads, only a Cancel in the queue is seen
    interrupted = _Interrupt(lambda: engine.submit(Cancel(begin.id)))
    with interrupted:
        engine.submit(begin)
        engine.tick(0)
        run = engine.run
        if run is None:
            if interrupted.asked:
                raise KeyboardInterrupt
            raise _reason(collected)
        first = run.step
        if steps is not None:
            run.plan(first + steps)
            collected.planned = run.planned
        before_step(engine)
        engine.submit(Play())
        began = time.perf_counter()
        try:
            engine.tick(0)
            while engine.is_busy and not (interrupted.asked and run.between_steps):
                if run.between_steps:
                    before_step(engine)
                engine.tick(0)
        except Exception:
            engine.close("failed")
            raise
        seconds = time.perf_counter() - began
        collected.line.end()
        if collected.failed is not None:
            say(str(collected.failed.notice))
        judged = judge and lesson is None and not interrupted.asked
        accuracies = tuple(_accuracy(run, lane) for lane in run.lanes) if judged else ()
        directory = run.record.directory if run.record is not None else None
        engine.close("stopped" if interrupted.asked else None)
    return Outcome(
        collected, run, first, directory, seconds, interrupted.asked, accuracies,
        _checkpoints(directory, run),
    )  # fmt: skip


def command(options: argparse.Namespace) -> int:
    """Run `train`."""
    out = Path(options.out) if options.out else None
    if options.resume is not None:
        outcome = _resume(options, out)
    elif options.lesson is not None:
        from core.lessons import load_lesson

        found = load_lesson(options.lesson, seed=options.seed)
        outcome = train(Setup(found.settings, lesson=found.name, script=found.script), out)
    else:
        settings = run_settings(options, device.available()[0] != "cpu")
        outcome = train(Setup(settings), out, threads=settings.threads)
    if options.json:
        emit(report(outcome))
    else:
        for row in report(outcome)["lanes"]:
            say(f"{row['name']}: loss {row['loss'][-1]}, held-out accuracy {row['test_accuracy']}")
    return 130 if outcome.interrupted else 0


def _resume(options: argparse.Namespace, out: Path | None) -> Outcome:
    if options.steps is None:
        raise SkipscopeError("train --resume needs --steps, the number of steps to go on for")
    if out is not None:
        raise SkipscopeError("a resumed run stays in its folder; leave --out away")
    directory = Path(options.resume)
    outcome = train(Resume(directory), None, steps=options.steps)
    stored = read_run(directory)  # the steps before are there
    whole = Collected(started=outcome.collected.started, failed=outcome.collected.failed)
    for lane in stored.lanes:
        whole.losses.append(lane.losses.tolist())
        for rows, kept in ((lane.gradient_norms, whole.norms), (lane.output_gradients, whole.outputs)):
            kept.append((rows[0].tolist(), rows[-1].tolist()) if len(rows) else ([], []))
    return replace(outcome, collected=whole)


def report(outcome: Outcome) -> dict[str, Any]:
    """Return what `train` prints."""
    run, collected = outcome.run, outcome.collected
    rows = []
    for number, lane in enumerate(run.lanes):
        info = run.infos()[number]
        rows.append({
            "name": lane.name, "depth": lane.network.settings.depth, "parameters": info.parameters,
            "parameters_in_use": lane.parameters_in_use(), "shortcuts": lane.network.shortcuts,
            "checkpoint": str(outcome.checkpoints[number]) if outcome.checkpoints[number] else None,
            "diverged_at": lane.diverged_at, "loss": collected.losses[number],
            "test_accuracy": outcome.accuracies[number] if outcome.accuracies else None,
            "gradient_norms": _first_and_last(collected.norms[number]),
            "output_gradient_norms": _first_and_last(collected.outputs[number]),
        })  # fmt: skip
    made = {
        "run": str(outcome.directory) if outcome.directory else None, "device": run.device.type,
        "images_per_second": (run.step - outcome.first) * run.batches.batch_size / max(outcome.seconds, 1e-9),
        "steps": run.step, "lanes": rows,
    }  # fmt: skip
    if outcome.interrupted:
        made["interrupted"] = True
    return made


class _Interrupt:
    """Turns SIGINT and SIGTERM into a flag, so that no step is torn in the middle."""

    def __init__(self, on_ask: Callable[[], None]) -> None:
        self.asked = False
        self._on_ask = on_ask
        self._before: list[tuple[int, Any]] = []

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before.append((number, signal.signal(number, self._ask)))

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before:
            signal.signal(number, handler)

    def _ask(self, _number: int, _frame: object) -> None:
        self.asked = True
        self._on_ask()


def _reason(collected: Collected) -> SkipscopeError:
    assert collected.failed is not None
    return SkipscopeError(collected.failed.notice.text, **collected.failed.notice.values)


def _accuracy(run: LiveRun, lane: Lane) -> float:
    if lane.diverged_at is not None:
        return float("nan")
    return evaluate(lane.network, run.batches, len(run.batches.held_out)).accuracy


def _checkpoints(directory: Path | None, run: LiveRun) -> tuple[Path | None, ...]:
    if directory is None:
        return (None,) * len(run.lanes)
    stored = read_run(directory)
    latest = {row.lane: row.file for row in stored.checkpoints if row.step == run.step}
    return tuple(
        directory / "checkpoints" / latest[lane.name] if lane.name in latest else None for lane in run.lanes
    )


def _first_and_last(pair: tuple[list[float], list[float]]) -> dict[str, Any]:
    return {"first": np.array(pair[0]), "last": np.array(pair[1])}
