"""`replay`: a recorded run again, its commands included, and whether its losses are the same."""

import argparse
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from core.engine import Engine
from core.headless.output import emit, say
from core.headless.train import Outcome, train
from core.messages import Branch, SetLearningRate, SetStrengths, Setup
from core.notices import SkipscopeError
from core.records import StoredCommand, StoredRun, read_run


def command(options: argparse.Namespace) -> int:
    """Run `replay`."""
    stored = read_run(Path(options.run))
    last = max((int(lane.steps[-1]) for lane in stored.lanes if len(lane.steps)), default=stored.begins_at)
    if last == stored.begins_at:
        raise SkipscopeError("the run in {folder} has no steps to repeat", folder=stored.directory)
    waiting = deque(row for row in stored.commands if row.command.get("do") in ("strengths", "learning_rate"))

    def give(engine: Engine) -> None:
        assert engine.run is not None
        while waiting and waiting[0].step <= engine.run.step + 1:
            engine.submit(_again(waiting.popleft()))

    out = Path(options.out) if options.out else None
    from_files = any(lane.checkpoint for lane in stored.settings.lanes)
    begin: Setup | Branch = Setup(stored.settings, lesson=stored.lesson)
    if stored.begins_at or from_files:  # the weights it began with lie in its own folder
        begin = Branch(stored.begins_at, stored.directory)
    outcome = train(
        begin, out, record=out is not None, steps=last - stored.begins_at, judge=False, before_step=give
    )
    report = compare(stored, outcome)
    report["interrupted"] = True if outcome.interrupted else None
    if options.json:
        emit({key: value for key, value in report.items() if key != "interrupted" or value})
    else:
        words = "identical" if report["identical"] else f"different from step {report['first_difference']} on"
        say(f"{report['steps']} steps of {len(report['lanes'])} lanes: {words}")
    if outcome.interrupted:
        return 130
    return 0 if report["identical"] else 1


def compare(stored: StoredRun, outcome: Outcome) -> dict[str, Any]:
    """Set the replayed losses beside the recorded ones."""
    rows: list[Mapping[str, Any]] = []
    firsts = []
    for recorded, settings, losses in zip(
        stored.lanes, stored.settings.lanes, outcome.collected.losses, strict=True
    ):
        places = recorded.steps - stored.begins_at - 1
        known = places < len(losses)
        again = np.array(losses)[places[known]]
        same = (again == recorded.losses[known]) | (np.isnan(again) & np.isnan(recorded.losses[known]))
        complete = bool(known.all()) and len(losses) == (int(places[-1]) + 1 if len(places) else 0)
        wrong = recorded.steps[known][~same]
        if len(wrong) or not complete:
            firsts.append(int(wrong[0]) if len(wrong) else stored.begins_at + len(losses) + 1)
        rows.append({
            "name": settings.name, "identical": complete and not len(wrong),
            "largest_difference": float(np.nanmax(np.abs(again - recorded.losses[known]), initial=0.0)),
        })  # fmt: skip
    return {
        "run": str(stored.directory),
        "replayed": str(outcome.directory) if outcome.directory else None,
        "steps": max((len(losses) for losses in outcome.collected.losses), default=0),
        "identical": not firsts, "first_difference": min(firsts) if firsts else None, "lanes": rows,
    }  # fmt: skip


def _again(row: StoredCommand) -> SetStrengths | SetLearningRate:
    values = row.command
    if values["do"] == "learning_rate":
        return SetLearningRate(float(values["value"]), values["lane"])
    shortcuts, branches = (
        None if values[key] is None else tuple(map(float, values[key])) for key in ("shortcuts", "branches")
    )
    return SetStrengths(int(values["lane"]), shortcuts, branches)
