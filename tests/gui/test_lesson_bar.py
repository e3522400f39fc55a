"""The lesson bar: the guess comes before what would give its answer away."""

import pytest
from pytestqt.qtbot import QtBot

from core.lessons import Expectation, Lesson, Outcome, Verdict, lesson_names, load_lesson
from gui.lesson_bar import LessonBar

LESSON = load_lesson("exploding-backward")
OUTCOME = Outcome(
    (Verdict(LESSON.expectations[0], 3000.0, True), Verdict(LESSON.expectations[1], 24.0, True)), 2, 3000.0
)


@pytest.fixture
def bar(qtbot: QtBot) -> LessonBar:
    bar = LessonBar()
    qtbot.addWidget(bar)
    bar.resize(900, 200)
    bar.set_lesson(LESSON)
    return bar


def test_what_to_watch_and_the_verdict_wait_for_the_guess(bar: LessonBar) -> None:
    bar.set_outcome(OUTCOME)
    assert [button.text().split("   ")[1] for button in bar.buttons] == list(LESSON.choices)
    assert bar.watch.isHidden()
    assert "3e+03" not in bar.verdict.text()
    bar.choose(0)
    assert not bar.watch.isHidden()
    assert "3e+03" in bar.verdict.text()
    assert LESSON.choices[0] in bar.answer.text()
    assert LESSON.choices[2] in bar.answer.text()


def test_a_right_guess_is_said(bar: LessonBar) -> None:
    bar.choose(2)
    bar.set_outcome(OUTCOME)
    assert "right" in bar.answer.text()
    assert "3e+03" in bar.answer.text()


def test_a_digit_guesses_and_only_while_asked(bar: LessonBar, qtbot: QtBot) -> None:
    with qtbot.waitSignal(bar.guess_settled):
        bar._keys[1].activated.emit()
    assert not bar.is_guessing
    assert not any(key.isEnabled() for key in bar._keys)
    bar.choose(0)
    assert LESSON.choices[1] in bar.answer.text()


def test_skipping_shows_the_answer_without_a_guess(bar: LessonBar) -> None:
    bar.choose(None)
    bar.set_outcome(OUTCOME)
    assert "guessed" not in bar.answer.text()
    assert LESSON.choices[2] in bar.answer.text()


def test_a_lesson_without_a_guess_shows_everything_at_once(qtbot: QtBot) -> None:
    bar = LessonBar()
    qtbot.addWidget(bar)
    plain = Lesson(
        "own", "T", "Q", "W", "C", "", LESSON.settings, (Expectation("end_loss", "with", at_most=1.0),)
    )
    bar.set_lesson(plain)
    assert not bar.is_guessing
    assert not bar.watch.isHidden()
    bar.set_outcome(Outcome((Verdict(plain.expectations[0], 2.0, False),)))
    assert "did not meet" in bar.verdict.text()


@pytest.mark.parametrize("name", lesson_names())
def test_every_lesson_asks_for_a_guess(name: str) -> None:
    lesson = load_lesson(name)
    assert len(lesson.choices) >= 2
    assert lesson.expectations
    assert all((lesson.claim, lesson.watch, lesson.source))
