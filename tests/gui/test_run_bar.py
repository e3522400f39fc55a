"""The run bar: what can be done in each state, how far the run is, and the lesson strip under it."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from PySide6.QtWidgets import QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from core.lessons import Outcome, Verdict, load_lesson
from core.messages import (
    EngineReady,
    EngineState,
    LaneInfo,
    Progress,
    RunStarted,
    StateChanged,
    TrainingSlice,
)
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, twins
from gui.icons import app_icon, icon
from gui.lesson_bar import LessonBar
from gui.run_bar import RunBar
from gui.run_controls import Controls, controls_for
from gui.run_progress import smoothed, time_left
from gui.theme import DARK, LIGHT

S = EngineState
RUN = RunSettings(lanes=twins(NetworkSettings()), threads=2)


def started(lesson: str | None = None, steps: int = 18_750) -> RunStarted:
    lanes = tuple(LaneInfo(one.name, one.network, 1, (), ()) for one in RUN.lanes)
    return RunStarted(RUN, lanes, ("bag",) * 10, steps, 1_875, 10_000, 1_000, None, lesson)


def piece(first: int, steps: int, speed: float = 320.0) -> TrainingSlice:
    return TrainingSlice(first, steps, (), (), speed, 812_400_000)


@pytest.fixture
def make_bar(qtbot: QtBot) -> Callable[..., RunBar]:
    def make(state: EngineState | None = S.RUNNING, width: int = 1280) -> RunBar:
        bar = RunBar()
        qtbot.addWidget(bar)
        bar.resize(width, bar.height())
        bar.set_lessons((("degradation", "Deeper and plain", "Why is deeper worse?"),))
        if state is not None:
            bar.set_engine(EngineReady("cpu", Notice("no accelerator was found"), 2, (), ("cpu",)))
            bar.start_run(started())
            bar.set_state(StateChanged(state))
        bar.refresh_now()
        return bar

    return make


@pytest.mark.parametrize(
    ("state", "has_run", "offers"),
    [
        (None, False, Controls()),
        (S.LOADING, False, Controls(lesson=True)),
        (S.RUNNING, True, Controls(pause=True, reset=True, learning_rate=True, lesson=True)),
        (S.PAUSED, True, Controls(play=True, step=True, reset=True, learning_rate=True, lesson=True)),
        (S.PAUSED, False, Controls(lesson=True)),
        (S.FINISHED, True, Controls(play=True, step=True, reset=True, learning_rate=True, lesson=True)),
        (S.STOPPED, True, Controls()),
    ],
)
def test_each_state_offers_what_can_be_done(
    state: EngineState | None, has_run: bool, offers: Controls
) -> None:
    assert controls_for(state, has_run=has_run) == offers


@pytest.mark.parametrize(
    ("state", "text", "signal"),
    [
        (S.RUNNING, "Pause", "pause_clicked"),
        (S.PAUSED, "Play", "play_clicked"),
        (S.FINISHED, "Go on", "play_clicked"),
    ],
)
def test_the_play_button_says_what_it_does(
    make_bar: Callable[..., RunBar], qtbot: QtBot, state: EngineState, text: str, signal: str
) -> None:
    bar = make_bar(state)
    assert bar.buttons.play.text() == text
    with qtbot.waitSignal(getattr(bar, signal), timeout=500):
        bar.buttons.play.click()


def test_step_and_reset_are_passed_on(make_bar: Callable[..., RunBar], qtbot: QtBot) -> None:
    bar = make_bar(S.PAUSED)
    with qtbot.waitSignals([bar.step_clicked, bar.reset_clicked], timeout=500):
        bar.buttons.step.click()
        bar.buttons.reset.click()


def test_nothing_is_offered_before_the_engine_is_there(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(None)
    parts = (bar.buttons.play, bar.buttons.step, bar.buttons.reset, bar.rate, bar.lesson)
    assert not any(part.isEnabled() for part in parts)
    assert bar.strip.text.text() == "Starting…"
    assert bar.strip.bar.maximum() == 0


def test_progress_is_told_in_steps_epochs_and_time(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.RUNNING)
    bar.add_slice(piece(1, 1_234))
    assert bar.strip.text.text() == "step 0 of 18,750 · epoch 0.0", "events only store"
    assert bar.dirty
    bar.refresh_now()
    assert bar.strip.text.text() == "step 1,234 of 18,750 · epoch 0.7"
    assert bar.strip.aside.text() == "about 29 min left"  # 17,516 steps of 32 pictures at 320 a second
    assert (bar.speed.value.text(), bar.memory.value.text()) == ("320", "812.4 MB")


def test_going_on_is_for_as_long_again(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.RUNNING)
    bar.add_slice(piece(1, 18_750))
    bar.set_state(StateChanged(S.FINISHED))
    bar.refresh_now()
    assert bar.strip.aside.text() == "finished"
    bar.set_state(StateChanged(S.RUNNING))
    bar.refresh_now()
    assert bar.strip.text.text().startswith("step 18,750 of 37,500")


def test_a_run_resumed_past_its_length_has_room(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.RUNNING)
    bar.add_slice(piece(40_000, 1))
    bar.refresh_now()
    assert bar.strip.text.text().startswith("step 40,000 of 56,250")


def test_a_pause_says_its_reason(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.RUNNING)
    bar.set_state(StateChanged(S.PAUSED, Notice("{what} is full", {"what": "the disk"})))
    bar.refresh_now()
    assert bar.strip.aside.text() == "the disk is full"


def test_loading_says_what_and_can_be_given_up(make_bar: Callable[..., RunBar], qtbot: QtBot) -> None:
    bar = make_bar(S.LOADING)
    bar.on_progress(Progress(Notice("Reading {name}", {"name": "CIFAR-10"}), 0.25, 7))
    bar.refresh_now()
    assert bar.strip.text.text() == "Reading CIFAR-10 · 25 %"
    with qtbot.waitSignal(bar.cancel_clicked, timeout=500) as told:
        bar.cancel.click()
    assert told.args == [7]
    bar.end_progress(7)
    bar.set_state(StateChanged(S.RUNNING))
    bar.refresh_now()
    assert bar.cancel.isHidden()
    assert bar.strip.text.text().startswith("step ")


def test_work_done_or_without_a_request_has_no_cancel(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.LOADING)
    bar.on_progress(Progress(Notice("Starting torch")))
    bar.refresh_now()
    assert bar.cancel.isHidden()
    bar.on_progress(Progress(Notice("Reading"), 1.0, 3))
    bar.refresh_now()
    assert bar.cancel.isHidden()


def test_the_device_is_shown_with_its_reason(make_bar: Callable[..., RunBar]) -> None:
    bar = make_bar(S.RUNNING)
    assert bar.device.value.text() == "CPU · 2 threads"
    assert bar.device.toolTip() == "no accelerator was found"
    by_hand = replace(started(), settings=replace(RUN, device="cpu", threads=1))
    bar.start_run(by_hand)
    bar.refresh_now()
    assert bar.device.value.text() == "CPU · 1 thread"
    assert bar.device.toolTip() == "Chosen by hand in the set-up"


def type_rate(bar: RunBar, text: str) -> None:
    box = bar.rate.editor.control
    box.lineEdit().setText(text)
    box.lineEdit().textEdited.emit(text)
    box.editingFinished.emit()


def test_a_learning_rate_is_sent_once_and_only_if_it_can_be_used(
    make_bar: Callable[..., RunBar], qtbot: QtBot
) -> None:
    bar = make_bar(S.RUNNING)
    assert bar.rate.editor.value() == 0.05
    with qtbot.waitSignal(bar.learning_rate_changed, timeout=500) as told:
        type_rate(bar, "1e-3")
    assert told.args == [0.001]
    with qtbot.assertNotEmitted(bar.learning_rate_changed):
        type_rate(bar, "0.001")
        type_rate(bar, "-1")
        type_rate(bar, "fast")
    assert "learning rate must be" in bar.rate.editor.control.toolTip()


def test_lanes_of_different_learning_rates_show_none(make_bar: Callable[..., RunBar], qtbot: QtBot) -> None:
    bar = make_bar(S.RUNNING)
    with qtbot.assertNotEmitted(bar.learning_rate_changed):
        bar.set_learning_rate(0.1, lane=1)
        assert bar.rate.editor.value() == ""
        bar.rate.editor.finished.emit()
        bar.set_learning_rate(0.1)
    assert bar.rate.editor.value() == 0.1


def test_a_lesson_is_picked_and_a_run_shows_its_own(make_bar: Callable[..., RunBar], qtbot: QtBot) -> None:
    bar = make_bar(S.RUNNING)
    assert bar.lesson.itemText(0) == "Free run"
    with qtbot.waitSignal(bar.lesson_picked, timeout=500) as told:
        bar.lesson.activated.emit(1)
    assert told.args == ["degradation"]
    assert bar.lesson.toolTip() == "Why is deeper worse?"
    with qtbot.assertNotEmitted(bar.lesson_picked):
        bar.start_run(started())
        assert bar.lesson.currentIndex() == 0
        bar.start_run(started("degradation"))
    assert bar.lesson.currentText() == "Deeper and plain"


@pytest.mark.parametrize(("width", "shown"), [(900, 2), (1180, 3), (1900, 3), (640, 0)])
def test_readouts_give_way_to_the_progress_text(
    make_bar: Callable[..., RunBar], qtbot: QtBot, width: int, shown: int
) -> None:
    bar = make_bar(S.RUNNING, width)
    host = QWidget()
    qtbot.addWidget(host)
    QVBoxLayout(host).addWidget(bar)
    host.layout().setContentsMargins(0, 0, 0, 0)
    host.resize(width, 60)
    host.show()
    assert bar.width() == width
    assert sum(not part.isHidden() for part in (bar.device, bar.speed, bar.memory)) == shown
    right = max(
        part.geometry().right() for part in (bar.rate, bar.device, bar.speed, bar.memory) if part.isVisible()
    )
    assert right < width
    assert bar.strip.text.text().startswith("step 0 of 18,750")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3, "a few seconds left"),
        (42, "about 40 s left"),
        (59, "about 1 min left"),
        (200, "about 3 min left"),
        (7_300, "about 2 h left"),
        (float("inf"), ""),
    ],
)
def test_time_left_is_said_as_a_person_would(seconds: float, words: str) -> None:
    assert time_left(seconds) == words


def test_the_speed_is_smoothed_and_ignores_nonsense() -> None:
    assert smoothed(0, 100) == 100
    assert 100 < smoothed(100, 200) < 200
    assert smoothed(100, float("nan")) == smoothed(100, 0) == 100


def test_a_lesson_strip_shows_folds_and_judges(qtbot: QtBot) -> None:
    strip = LessonBar()
    qtbot.addWidget(strip)
    assert strip.isHidden()
    lesson = replace(load_lesson("twins"), guess=None)
    strip.set_lesson(lesson)
    assert not strip.isHidden()
    assert not strip.watch.isHidden()
    strip.fold.click()
    assert strip.watch.isHidden()
    strip.set_outcome(Outcome((Verdict(lesson.expectations[0], 1.42, True),)))
    strip.set_theme(DARK)
    assert strip.verdict.palette().windowText().color().name() == DARK.good
    strip.clear()
    assert strip.isHidden()


def test_icons_are_drawn_in_the_theme_s_text_colour(qtbot: QtBot) -> None:
    for theme in (LIGHT, DARK):
        image = icon("play", theme).pixmap(24).toImage()
        assert image.pixelColor(10, 12).name() == theme.text
    assert not app_icon().isNull()
