"""`lessons`: list them, or run them and compare with what they claim."""

import argparse
from typing import Any

from core.headless.output import emit, say
from core.lessons import LaneResult, lesson_names, load_lesson, spoken, verdicts


def command(options: argparse.Namespace) -> int:
    """Run `lessons`."""
    if options.check:
        return _check(options)
    rows = []
    for name in options.names or lesson_names():
        found = load_lesson(name)
        rows.append({"name": found.name, "title": found.title, "question": found.question})
    emit(rows)
    return 0


def _check(options: argparse.Namespace) -> int:
    rows: list[dict[str, Any]] = []
    lessons = [load_lesson(name, options.seed) for name in options.names or lesson_names()]
    from core.headless.train import train  # torch, once the arguments are known to be right

    interrupted = False
    for lesson in lessons:
        say(f"{lesson.name}: {lesson.claim}")
        outcome = train(lesson.settings, None, record=False, lesson=lesson.name)
        interrupted = outcome.interrupted
        if interrupted:
            break
        results = {
            lane.name: LaneResult(losses, first)
            for lane, losses, (first, _) in zip(
                outcome.run.lanes, outcome.collected.losses, outcome.collected.norms, strict=True
            )
        }
        for verdict in verdicts(lesson, results):
            rows.append({
                "lesson": lesson.name, "seed": lesson.settings.seed,
                "expectation": spoken(verdict.expectation), "measured": verdict.measured, "met": verdict.met,
            })  # fmt: skip
            say(f"  {'met' if verdict.met else 'NOT MET'}: {rows[-1]['expectation']}: {verdict.measured:.4g}")
    if interrupted:
        emit({"interrupted": True, "rows": rows})
        return 130
    emit(rows)
    return 0 if all(row["met"] for row in rows) else 1
