"""Lessons: a settings file with a title, a question, a guess, what to watch, and an expectation.

A lesson is a TOML file (assets/lessons/NAME.toml, or one a user made). Its expectations are
measures of the run (core/measures.py) that anyone can recompute.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from core.acts import Act
from core.findings import INSTRUMENTS
from core.measures import MEASURES, UNDERFLOW, LaneResult, NotKnownError
from core.messages import Analysed, Event, Shocked, TrainingSlice
from core.notices import SkipscopeError
from core.paths import asset
from core.settings import RunSettings, run_from_json

ORDER = (
    "twins", "vanishing-relu", "vanishing-sigmoid", "exploding-backward", "exploding-forward", "healthy",
    "degradation", "kinds", "shock", "surplus", "lesion", "paths",
)  # fmt: skip
LARGEST = 100_000  # bytes of a lesson's file


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
class Option:
    """One answer to choose: right when the measure lies within its bounds."""

    text: str
    at_least: float = -np.inf
    at_most: float = np.inf


@dataclass(frozen=True, slots=True)
class Guess:
    """What is asked before the curves are shown; the run itself answers.

    With `options` the answer is the one whose bounds hold the measure of `lane` (less or over
    another lane's); without, the options are the lanes, and the answer is the one with the
    "least" or "most" of the measure.
    """

    question: str
    measure: str
    lane: str | None = None
    minus: str | None = None
    over: str | None = None
    pick: str | None = None
    options: tuple[Option, ...] = ()


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
    guess: Guess | None = None
    script: tuple[Act, ...] = ()
    panel: str | None = None  # the window's panel to look at

    @property
    def choices(self) -> tuple[str, ...]:
        """The answers to choose from."""
        if self.guess is None:
            return ()
        if self.guess.options:
            return tuple(option.text for option in self.guess.options)
        return tuple(lane.name for lane in self.settings.lanes)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One expectation against the run."""

    expectation: Expectation
    measured: float
    met: bool


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a lesson: the verdicts, and which answer to the guess the run gave."""

    verdicts: tuple[Verdict, ...]
    answer: int | None = None  # among the lesson's choices
    measured: float = np.nan  # what the answer was read from (of the lane, where lanes are chosen)

    @property
    def met(self) -> bool:
        """Whether every expectation was met."""
        return all(verdict.met for verdict in self.verdicts)


@dataclass(slots=True)
class Judge:
    """Follows a run event by event and gives the outcome once all that the lesson needs has come."""

    lesson: Lesson
    lanes: dict[str, LaneResult] = field(default_factory=dict)
    _steps: int = 0
    _done: bool = False

    def __post_init__(self) -> None:
        self.lanes = {lane.name: LaneResult() for lane in self.lesson.settings.lanes}

    def take(self, event: Event) -> Outcome | None:
        """Take in an event; returns the outcome with the last one that counts, once."""
        if self._done:
            return None
        rows = list(self.lanes.values())
        match event:
            case TrainingSlice() if len(event.lanes) == len(rows):
                self._take_slice(event, rows)
            case Shocked() if event.lane < len(rows):
                rows[event.lane].shocks.setdefault(event.toggled, {})[event.reading.steps] = event.reading
            case Analysed(fraction=fraction, lane=lane) if (
                fraction >= 1 and lane is not None and lane < len(rows)
            ):
                rows[lane].findings.setdefault(event.instrument, event.finding)
            case _:
                return None
        if self._steps < (self.lesson.settings.steps or 0):
            return None
        try:
            found = outcome(self.lesson, self.lanes)
        except NotKnownError:
            return None
        self._done = True
        return found

    def _take_slice(self, event: TrainingSlice, rows: list[LaneResult]) -> None:
        planned = self.lesson.settings.steps or 0
        for row, lane in zip(rows, event.lanes, strict=True):
            if not row.first_gradient_norms and event.first_step == 1 and len(lane.gradient_norms):
                row.first_gradient_norms.extend(lane.gradient_norms[0].tolist())
            row.losses.extend(lane.losses.tolist())
            del row.losses[planned:]
        self._steps = event.first_step + event.steps - 1


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
        if not path.is_file():  # a named pipe would be waited for
            raise LessonError("{file} is not a file", file=path.name)
        if path.stat().st_size > LARGEST:
            raise LessonError("{file} is too large for a lesson", file=path.name)
        values = tomllib.loads(path.read_text("utf-8"))
    except LessonError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise LessonError("{file} is not a lesson: {reason}", file=path.name, reason=error) from None
    return _read(path.stem, values, seed)


def outcome(lesson: Lesson, lanes: Mapping[str, LaneResult]) -> Outcome:
    """Measure every expectation and the guess on a finished run; raises NotKnownError."""
    made = []
    for expectation in lesson.expectations:
        value = _value(expectation.measure, expectation.lane, expectation.minus, expectation.over, lanes)
        low = expectation.at_least is None or value >= expectation.at_least
        high = expectation.at_most is None or value <= expectation.at_most
        made.append(Verdict(expectation, value, bool(np.isfinite(value) and low and high)))
    return Outcome(tuple(made), *(_answer(lesson, lanes) if lesson.guess is not None else ()))


def spoken(expectation: Expectation) -> str:
    """Say an expectation in words."""
    text = f"{MEASURES[expectation.measure].label} {expectation.lane}"
    if expectation.minus is not None:
        text += f" minus {expectation.minus}"
    if expectation.over is not None:
        text += f" over {expectation.over}"
    if expectation.at_least is not None:
        text += f", at least {expectation.at_least:g}"
    if expectation.at_most is not None:
        text += f", at most {expectation.at_most:g}"
    return text


def _value(
    measure: str, lane: str, minus: str | None, over: str | None, lanes: Mapping[str, LaneResult]
) -> float:
    take = MEASURES[measure].value
    value = take(lanes[lane])
    if minus is not None:
        value -= take(lanes[minus])
    if over is not None:
        value /= max(take(lanes[over]), UNDERFLOW)
    return value


def _answer(lesson: Lesson, lanes: Mapping[str, LaneResult]) -> tuple[int | None, float]:
    guess = lesson.guess
    assert guess is not None
    if guess.options:
        assert guess.lane is not None
        value = _value(guess.measure, guess.lane, guess.minus, guess.over, lanes)
        right = [n for n, option in enumerate(guess.options) if option.at_least <= value <= option.at_most]
        return (right[0] if right else None), value
    values = [MEASURES[guess.measure].value(lanes[lane.name]) for lane in lesson.settings.lanes]
    if not np.isfinite(values).any():
        return None, float("nan")
    place = int(np.nanargmin(values) if guess.pick == "least" else np.nanargmax(values))
    return place, values[place]


# ---- reading a file -------------------------------------------------------------------------

_REQUIRED = ("title", "question", "watch", "claim", "run")
_KNOWN = {*_REQUIRED, "source", "panel", "expect", "guess", "act"}
PANELS = ("pictures", "block", "shock", "health", "lesions", "paths", "slow", "degradation")


def _read(name: str, values: dict[str, Any], seed: int | None) -> Lesson:
    for key in values:
        if key not in _KNOWN:
            raise LessonError("lesson {name}: unknown entry {key}", name=name, key=key)
    for key in _REQUIRED:
        if key not in values:
            raise LessonError("lesson {name}: {key} is missing", name=name, key=key)
    try:
        settings = run_from_json(values["run"])
        if seed is not None:
            settings = replace(settings, seed=seed)
        lanes = [lane.name for lane in settings.lanes]
        check = partial(_check, name, lanes)
        expectations = tuple(Expectation(**row) for row in values.get("expect", ()))
        guess = _guess(values["guess"], lanes) if "guess" in values else None
        script = tuple(_act(row, lanes) for row in values.get("act", ()))
        for row in (*expectations, *((guess,) if guess is not None else ())):
            check(row)
    except (TypeError, AttributeError, ValueError, KeyError) as error:
        raise LessonError("lesson {name}: {reason}", name=name, reason=error) from None
    if values.get("panel") not in (None, *PANELS):
        raise LessonError("lesson {name}: there is no panel {panel}", name=name, panel=values["panel"])
    if settings.steps is None:
        raise LessonError("lesson {name}: {key} is missing", name=name, key="run.steps")
    return Lesson(
        name, str(values["title"]), str(values["question"]), str(values["watch"]), str(values["claim"]),
        str(values.get("source", "")), settings, expectations, guess, script, values.get("panel"),
    )  # fmt: skip


def _check(name: str, lanes: Sequence[str], row: Expectation | Guess) -> None:
    if row.measure not in MEASURES:
        raise LessonError("a lesson knows no measure {measure}", measure=row.measure)
    for lane in (row.lane, row.minus, row.over):
        if lane is not None and lane not in lanes:
            raise LessonError("lesson {name}: there is no lane {lane}", name=name, lane=lane)
    for bound in (getattr(row, "at_least", None), getattr(row, "at_most", None)):
        if bound is not None and not isinstance(bound, int | float):
            raise LessonError("lesson {name}: a bound must be a number, not {value}", name=name, value=bound)


def _guess(values: dict[str, Any], lanes: Sequence[str]) -> Guess:
    options = tuple(Option(**row) for row in values.get("options", ()))
    guess = Guess(**{**values, "options": options})
    if options and guess.lane is None:
        raise ValueError("a guess with options needs a lane")
    if not options and (guess.pick not in ("least", "most") or len(lanes) < 2):
        raise ValueError("a guess needs options, or pick = least or most among several lanes")
    return guess


def _act(values: dict[str, Any], lanes: Sequence[str]) -> Act:
    given = dict(values)
    name = given.pop("lane", None)
    if name is not None and name not in lanes:
        raise ValueError(f"there is no lane {name}")
    act = Act(lane=None if name is None else lanes.index(name), **given)
    if act.do not in ("shortcuts", "branches", "analyse"):
        raise ValueError(f"a lesson cannot do {act.do}")
    if act.do == "analyse" and act.instrument not in INSTRUMENTS:
        raise ValueError(f"there is no instrument {act.instrument}")
    if not (isinstance(act.step, int) and act.step >= 0 and 0 <= act.value <= 1):
        raise ValueError("an act needs a step from 0 on and a value from 0 to 1")
    return act
