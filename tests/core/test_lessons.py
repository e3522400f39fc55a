"""Lessons: what their files may say, how they are judged, and their first step in earnest."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.findings import Lesions, PathShares, Shock
from core.headless.train import train
from core.lessons import Judge, LessonError, Outcome, lesson_names, load_lesson
from core.measures import MEASURES, LaneResult
from core.messages import Analysed, Event, LaneSlice, Setup, Shocked, TrainingSlice

AT_STEP_1 = {"first_gradient", "first_over_last", "first_loss"}


@pytest.mark.parametrize(
    "name", ["vanishing-sigmoid", "vanishing-relu", "exploding-backward", "exploding-forward", "healthy"]
)
def test_what_a_lesson_claims_of_step_1_holds(name: str) -> None:
    lesson = load_lesson(name)
    claims = tuple(row for row in lesson.expectations if row.measure in AT_STEP_1)
    assert claims
    short = replace(lesson, settings=replace(lesson.settings, steps=1), expectations=claims, guess=None)
    judge, found = Judge(short), list[Outcome]()

    def listen(event: Event) -> None:
        if (outcome := judge.take(event)) is not None:
            found.append(outcome)

    train(Setup(short.settings), None, record=False, lesson=listen)
    assert [(row.expectation.lane, row.measured) for row in found[0].verdicts if not row.met] == []


def test_surplus_blocks_of_the_lesson_change_no_logit_of_the_pretrained_network() -> None:
    lesson = load_lesson("surplus")
    short = replace(lesson, settings=replace(lesson.settings, steps=1))
    judge, found = Judge(short), list[Outcome]()

    def listen(event: Event) -> None:
        if (outcome := judge.take(event)) is not None:
            found.append(outcome)

    train(Setup(short.settings, script=short.script), None, record=False, lesson=listen)
    assert found[0].met
    assert found[0].answer == 0


def part(losses: list[float], first: int = 1, blocks: int = 4) -> LaneSlice:
    norms = np.tile(np.arange(1.0, blocks + 1), (len(losses), 1))
    return LaneSlice(
        np.array(losses), np.zeros(len(losses)), norms, norms, 0.1, (1.0,) * blocks, (1.0,) * blocks
    )


def test_a_shock_is_judged_by_its_moments_and_not_before_all_have_come() -> None:
    lesson = load_lesson("shock")
    judge = Judge(lesson)
    steps = lesson.settings.steps or 0
    readings = [
        (11, Shock(-1, 0.2, 0.93, 0.2, 0.92)), (11, Shock(0, 3.0, 0.1, 2.0, 0.3)), (61, Shock(-1, 0.5, 0.8, 0.5, 0.8)),
        (61, Shock(0, 0.6, 0.5, 0.4, 0.8)),
    ]  # fmt: skip
    for toggled, reading in readings:
        assert judge.take(Shocked(toggled, 0, reading)) is None
    assert judge.take(TrainingSlice(1, steps, (part([0.1] * steps),), (), 1.0, 0)) is None
    outcome = judge.take(Shocked(61, 0, Shock(50, 0.3, 0.465, 0.3, 0.9)))
    assert outcome is not None
    assert [row.measured for row in outcome.verdicts] == pytest.approx([0.1, 0.5])
    assert [row.met for row in outcome.verdicts] == [True, False]
    assert outcome.answer == 0
    assert judge.take(Shocked(61, 0, readings[0][1])) is None


def test_measures_of_findings() -> None:
    lane = LaneResult()
    lane.findings["lesions"] = Lesions(
        100, 0.9, np.array([0.8, 0.88, 0.4]), np.full(3, np.nan), np.array([1]), np.array([[0.5]])
    )
    lane.findings["paths"] = PathShares(
        4,
        64,
        False,
        np.ones(7),
        np.array([8.0, 4, 2, 1, 2, 0.5, 0.25]),
        np.array([0.1, 0.2, 0.2, 0.2, 0.1, 0.1, 0.1]),
    )
    assert MEASURES["median_lost"].value(lane) == pytest.approx(10)
    assert MEASURES["path_growth"].value(lane) == pytest.approx(2)
    assert MEASURES["short_share"].value(lane) == pytest.approx(0.8)


def test_only_whole_findings_of_the_lane_count() -> None:
    lesson = load_lesson("paths")
    judge = Judge(lesson)
    steps = lesson.settings.steps or 0
    judge.take(TrainingSlice(1, steps, (part([0.1] * steps),), (), 1.0, 0))
    shares = PathShares(4, 256, False, np.ones(9), np.geomspace(1, 0.1, 9), np.full(9, 1 / 9))
    assert judge.take(Analysed(1, "paths", 0, "trained", steps, shares, 0.5, False)) is None
    assert judge.take(Analysed(1, "paths", None, "other", None, shares)) is None
    outcome = judge.take(Analysed(1, "paths", 0, "trained", steps, shares))
    assert outcome is not None
    assert [row.met for row in outcome.verdicts] == [True, False]


BASE = """title = "T"
question = "Q"
watch = "W"
claim = "C"
[run]
steps = 5
[[run.lanes]]
name = "one"
network = { depth = 20, width = 4 }
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "title is missing"),
        ("title = ", "not a lesson"),
        (BASE.replace("steps = 5\n", ""), "run.steps"),
        (BASE + '[[expect]]\nmeasure = "beauty"\nlane = "one"\n', "no measure beauty"),
        (BASE + '[[expect]]\nmeasure = "end_loss"\nlane = "two"\n', "no lane two"),
        (BASE + '[[expect]]\nmeasure = "end_loss"\nlane = "one"\nat_most = "x"\n', "must be a number"),
        (BASE + '[[act]]\nstep = 1\ndo = "dance"\n', "cannot do dance"),
        (BASE + '[[act]]\nstep = -1\ndo = "shortcuts"\n', "from 0 on"),
        (BASE + '[[act]]\nstep = 1\ndo = "analyse"\ninstrument = "x"\n', "no instrument x"),
        (BASE + '[guess]\nquestion = "?"\nmeasure = "end_loss"\npick = "most"\n', "several lanes"),
        (
            BASE + '[guess]\nquestion = "?"\nmeasure = "end_loss"\noptions = [{ text = "a" }]\n',
            "needs a lane",
        ),
        (BASE.replace("[run]", 'panel = "x"\n[run]'), "no panel x"),
        (BASE + "[more]\n", "unknown entry more"),
    ],
)
def test_a_bad_lesson_is_one_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(LessonError, match=reason) as caught:
        load_lesson(str(path))
    assert "\n" not in str(caught.value)


def test_an_own_lesson_needs_no_expectation(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(BASE)
    assert load_lesson(str(path)).choices == ()
    assert len(lesson_names()) == 12
