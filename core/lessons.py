"""Lessons: a settings file with a title, a question, what to watch, and an expectation it must meet.

A lesson is a TOML file (assets/lessons/NAME.toml, or one a user made). Its expectations are
measures of the run that anyone can recompute from the curves.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from core.messages import TrainingSlice
from core.notices import SkipscopeError
from core.paths import asset
from core.settings import RunSettings, run_from_json

ORDER = ("twins", "vanishing-relu", "degradation")
END = 20  # "loss at the end" is the mean of so many last training losses
UNDERFLOW = 1e-30
MEASURES = ("end_loss", "first_gradient", "first_over_last", "loss_drop")


class LessonError(SkipscopeError):
    """A lesson that cannot be used."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """`measure` of `lane`, less (or divided by) that of another lane, within bounds."""

    measure: str
    lane: str
    minus: str | None = None
    over: str | None = None
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson as read from its file."""

    name: str
    title: str
    question: str
    watch: str
    claim: str  # the expectation in words
    source: str
    settings: RunSettings
    expectations: tuple[Expectation, ...]


@dataclass(frozen=True, slots=True)
class LaneResult:
    """What a lane's curves hold: all that expectations may use."""

    losses: Sequence[float]
    first_gradient_norms: Sequence[float]  # per block, step 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation against the run."""

    expectation: Expectation
    measured: float
    met: bool


class Judge:
    """Follows a run slice by slice and gives the verdicts once the lesson's own steps are done."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self._losses: list[list[float]] = [[] for _ in lesson.settings.lanes]
        self._first: list[list[float]] = [[] for _ in lesson.settings.lanes]
        self._done = False

    def add_slice(self, event: TrainingSlice) -> tuple[Verdict, ...] | None:
        """Take a slice; returns the verdicts with the last one that counts, once."""
        planned = self.lesson.settings.steps
        if self._done or planned is None or len(event.lanes) != len(self._losses):
            return None
        for losses, first, lane in zip(self._losses, self._first, event.lanes, strict=True):
            if not first and len(lane.gradient_norms):
                first.extend(lane.gradient_norms[0].tolist())
            losses.extend(lane.losses.tolist())
            del losses[planned:]
        if event.first_step + event.steps - 1 < planned:
            return None
        self._done = True
        lanes = {
            lane.name: LaneResult(losses, first)
            for lane, losses, first in zip(self.lesson.settings.lanes, self._losses, self._first, strict=True)
        }
        return verdicts(self.lesson, lanes)


def lesson_names() -> tuple[str, ...]:
    """Names of the lessons that ship, in teaching order."""
    return ORDER


def load_lesson(name: str, seed: int | None = None) -> Lesson:
    """Read a lesson by name, or a file of the user's; raises LessonError."""
    if name in ORDER:
        path = asset("lessons", f"{name}.toml")
    elif name.endswith(".toml"):
        path = Path(name)
    else:
        raise LessonError("there is no lesson {name}; lessons: {known}", name=name, known=", ".join(ORDER))
    try:
        if path.stat().st_size > 100_000:
            raise LessonError("{file} is too large for a lesson", file=path.name)
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LessonError("{file} is not a lesson: {reason}", file=path.name, reason=error) from None
    return _read(path.stem, values, seed)


def verdicts(lesson: Lesson, lanes: Mapping[str, LaneResult]) -> tuple[Verdict, ...]:
    """Measure every expectation on a finished run."""
    made = []
    for expectation in lesson.expectations:
        value = _measure(expectation.measure, lanes[expectation.lane])
        if expectation.minus is not None:
            value -= _measure(expectation.measure, lanes[expectation.minus])
        if expectation.over is not None:
            value /= max(_measure(expectation.measure, lanes[expectation.over]), UNDERFLOW)
        low = expectation.at_least is None or value >= expectation.at_least
        high = expectation.at_most is None or value <= expectation.at_most
        made.append(Verdict(expectation, value, bool(np.isfinite(value) and low and high)))
    return tuple(made)


def spoken(expectation: Expectation) -> str:
    """Say an expectation in words."""
    what = expectation.measure.replace("_", " ")
    text = f"{what} of {expectation.lane}"
    if expectation.minus is not None:
        text += f" minus {expectation.minus}"
    if expectation.over is not None:
        text += f" over {expectation.over}"
    if expectation.at_least is not None:
        text += f" at least {expectation.at_least:g}"
    if expectation.at_most is not None:
        text += f" at most {expectation.at_most:g}"
    return text


def _measure(measure: str, lane: LaneResult) -> float:
    match measure:
        case "end_loss":
            return float(np.mean(lane.losses[-END:])) if len(lane.losses) else float("nan")
        case "first_gradient":
            return float(lane.first_gradient_norms[0])
        case "first_over_last":
            return float(lane.first_gradient_norms[0]) / max(float(lane.first_gradient_norms[-1]), UNDERFLOW)
        case "loss_drop":
            return float(np.mean(lane.losses[:END])) - float(np.mean(lane.losses[-END:]))
        case _:
            raise LessonError("a lesson knows no measure {measure}", measure=measure)


def _read(name: str, values: dict[str, Any], seed: int | None) -> Lesson:
    known = {"title", "question", "watch", "claim", "source", "run", "expect"}
    for key in values:
        if key not in known:
            raise LessonError("lesson {name}: unknown entry {key}", name=name, key=key)
    for key in known - {"source", "expect"}:
        if key not in values:
            raise LessonError("lesson {name}: {key} is missing", name=name, key=key)
    try:
        settings = run_from_json(values["run"])
        expectations = tuple(Expectation(**row) for row in values.get("expect", ()))
    except (TypeError, AttributeError, ValueError) as error:
        raise LessonError("lesson {name}: {reason}", name=name, reason=error) from None
    names = {lane.name for lane in settings.lanes}
    for expectation in expectations:
        if expectation.measure not in MEASURES:
            raise LessonError("a lesson knows no measure {measure}", measure=expectation.measure)
        for lane in (expectation.lane, expectation.minus, expectation.over):
            if lane is not None and lane not in names:
                raise LessonError("lesson {name}: there is no lane {lane}", name=name, lane=lane)
    if seed is not None:
        settings = replace(settings, seed=seed)
    return Lesson(
        name, str(values["title"]), str(values["question"]), str(values["watch"]), str(values["claim"]),
        str(values.get("source", "")), settings, expectations,
    )  # fmt: skip
