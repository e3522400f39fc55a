"""`lessons`: list them, or run them and compare with what they claim."""

import argparse
from typing import Any

from core.headless.output import emit, say
from core.lessons import Judge, Outcome, lesson_names, load_lesson, spoken
from core.messages import Event, Setup
from core.notices import SkipscopeError


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
        found: list[Outcome] = []
        judge = Judge(lesson)

        def listen(event: Event, judge: Judge = judge, found: list[Outcome] = found) -> None:
            if (outcome := judge.take(event)) is not None:
                found.append(outcome)

        setup = Setup(lesson.settings, lesson=lesson.name, script=lesson.script)
        interrupted = train(setup, None, record=False, lesson=listen).interrupted
        if interrupted:
            break
        if not found:
            raise SkipscopeError("lesson {name}: the run did not measure what it claims", name=lesson.name)
        for verdict in found[0].verdicts:
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
