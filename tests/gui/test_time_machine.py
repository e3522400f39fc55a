"""The time machine goes back along the run, says what is really shown, plays back and branches."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from pytestqt.qtbot import QtBot

from core.messages import Failed, LaneInfo, LaneSlice, LookedBack, RunStarted, TrainingSlice
from core.notices import Notice
from core.records import RunRecord
from core.settings import NetworkSettings, RunSettings, twins
from gui.branch_editor import Keep
from gui.checkpoint_steps import CheckpointSteps
from gui.theme import DARK
from gui.time_machine import PRESENT, TimeMachine

TWINS = RunSettings(lanes=twins(NetworkSettings(width=4)))
BLOCKS = 8
FOLDER = Path("/runs/one")
CHECKPOINTS = [0, 200, 650, 1150, 1600]


def started(directory: Path | None = FOLDER, begins_at: int = 0, parent: Path | None = None) -> RunStarted:
    infos = tuple(LaneInfo(one.name, one.network, 1, (), ()) for one in TWINS.lanes)
    return RunStarted(
        TWINS, infos, ("bag",) * 10, 5000, 500, 10, 10, directory,
        begins_at=begins_at, done=begins_at, parent=parent,
    )  # fmt: skip


def piece(first: int, steps: int, shortcuts: float = 1.0) -> TrainingSlice:
    table, ones = np.ones((steps, BLOCKS)), (1.0,) * BLOCKS
    lanes = tuple(
        LaneSlice(np.ones(steps), np.ones(steps), table, table, 0.1, (value,) * BLOCKS, ones)
        for value in (shortcuts, 0.0)
    )
    return TrainingSlice(first, steps, lanes, (), 1.0, 0)


class Heard:
    """What a machine asked for."""

    def __init__(self, machine: TimeMachine) -> None:
        self.steps: list[int] = []
        self.moves: list[int] = []
        self.branches: list[tuple[int, object, object]] = []
        machine.step_chosen.connect(self.steps.append)
        machine.step_moved.connect(self.moves.append)
        machine.branch_requested.connect(lambda *asked: self.branches.append(asked))


@pytest.fixture
def make(qtbot: QtBot) -> Callable[..., TimeMachine]:
    def made(run: RunStarted | None = None, last: int = 1800) -> TimeMachine:
        machine = TimeMachine()
        qtbot.addWidget(machine)
        machine.resize(900, 80)
        machine.show()
        if run is not None:
            machine.start_run(run)
            machine.add_slice(piece(run.begins_at + 1, last - run.begins_at))
            machine.set_checkpoints(CHECKPOINTS)
        machine.refresh_now()
        return machine

    return made


@pytest.mark.parametrize(
    ("run", "last", "words"),
    [
        (None, 0, "begins with the first run"),
        (started(None), 100, "not being recorded"),
        (started(), 0, "begins with the first training step"),
    ],
)
def test_it_says_why_it_is_off(
    make: Callable[..., TimeMachine], run: RunStarted | None, last: int, words: str
) -> None:
    machine = make(run, last)
    assert words in machine.where.text()
    controls = (machine.track, machine.play, machine.branch, machine.speed, machine.live)
    assert not any(control.isEnabled() for control in controls)


def test_at_the_present_the_handle_moves_along(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    assert (machine.step, machine.track.value()) == (PRESENT, 1800)
    machine.add_slice(piece(1801, 200))
    machine.refresh_now()
    assert (machine.step, machine.track.value()) == (PRESENT, 2000)
    assert machine.where.text() == "step 2,000 · the present"


def test_looking_back_stays_while_training_goes_on(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.go_to(1200)
    machine.add_slice(piece(1801, 3000))
    machine.refresh_now()
    assert machine.step == 1200
    assert machine.track.maximum() == 4800


def test_only_a_handle_that_rests_asks(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    heard = Heard(machine)
    with qtbot.waitSignal(machine.step_chosen):
        for step in (300, 700, 1200):
            machine.go_to(step)
    assert heard.steps == [1200]
    assert heard.moves == [300, 700, 1200]


def test_it_says_which_checkpoint_is_shown(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    with qtbot.waitSignal(machine.step_chosen):
        machine.go_to(1200)
    assert machine.where.text() == "step 1,200 · opening the checkpoint of step 1,150…"
    machine.on_looked_back(LookedBack(650))  # 1,150 has been thinned out since
    assert machine.where.text() == "step 1,200 · network and pictures: checkpoint of step 650"
    assert machine.track.accessibleDescription() == machine.where.text()


def test_it_says_why_a_checkpoint_cannot_be_opened(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    with qtbot.waitSignal(machine.step_chosen):
        machine.go_to(1200)
    machine.asked(77)
    machine.on_failed(Failed(Notice("something else"), 76))
    assert "cannot" not in machine.where.text()
    machine.on_failed(Failed(Notice("{file} is damaged", {"file": "x"}), 77))
    assert machine.where.text() == "step 1,200 · cannot be opened: x is damaged"


def test_live_goes_back_to_the_present(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    heard = Heard(machine)
    machine.go_to(500)
    machine.live.click()
    assert (machine.step, heard.steps, heard.moves) == (PRESENT, [PRESENT], [500, PRESENT])
    machine.live.click()  # once is enough
    assert heard.steps == [PRESENT]
    qtbot.wait(250)  # the handle that rested asks no more
    assert heard.steps == [PRESENT]


@pytest.mark.parametrize(
    ("key", "modifier", "before", "after"),
    [
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, 1200, 1150),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.NoModifier, 1150, 650),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 1150, 1600),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.NoModifier, 1700, 1800),
        (Qt.Key.Key_Left, Qt.KeyboardModifier.ShiftModifier, 1200, 1199),
        (Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier, 1200, 1201),
        (Qt.Key.Key_PageDown, Qt.KeyboardModifier.NoModifier, 1200, 1020),
        (Qt.Key.Key_Home, Qt.KeyboardModifier.NoModifier, 1200, 0),
        (Qt.Key.Key_End, Qt.KeyboardModifier.NoModifier, 1200, 1800),
    ],
)
def test_keys_move_the_handle(
    make: Callable[..., TimeMachine], qtbot: QtBot,
    key: Qt.Key, modifier: Qt.KeyboardModifier, before: int, after: int,
) -> None:  # fmt: skip
    machine = make(started())
    machine.go_to(before)
    qtbot.keyClick(machine.track, key, modifier)
    assert machine.step == after


def test_escape_goes_back_to_the_present(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    machine.go_to(900)
    qtbot.keyClick(machine.track, Qt.Key.Key_Escape)
    assert machine.step == PRESENT


def test_a_press_near_a_checkpoint_means_it(make: Callable[..., TimeMachine], qtbot: QtBot) -> None:
    machine = make(started())
    x = 9 + (machine.track.width() - 18) * 1150 / 1800
    qtbot.mouseClick(machine.track, Qt.MouseButton.LeftButton, pos=QPoint(round(x) + 3, 18))
    assert machine.step == 1150
    qtbot.mouseClick(machine.track, Qt.MouseButton.LeftButton, pos=QPoint(round(x) + 60, 18))
    assert machine.step == pytest.approx(1150 + 60 * 1800 / (machine.track.width() - 18), abs=4)


def test_hovering_a_mark_says_what_was_done(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.add_marker(900, 0, "shortcut 2.1 cut")
    machine.refresh_now()
    assert machine.track.words_at(machine.track.x_of(900)) == "step 900: shortcut 2.1 cut"
    assert machine.track.words_at(machine.track.x_of(700)) == "step 700 · checkpoint of step 650"


def test_play_back_opens_each_checkpoint_once_and_ends_at_the_present(
    make: Callable[..., TimeMachine],
) -> None:
    machine = make(started())
    heard = Heard(machine)
    machine.play.click()
    assert machine._playing.isActive()
    machine._playing.stop()
    for _ in range(500):
        if machine.step == PRESENT:
            break
        machine._play_on()
    assert machine.step == PRESENT
    assert heard.steps[-1] == PRESENT
    shown = [max(mark for mark in CHECKPOINTS if mark <= step) for step in heard.steps[:-1]]
    assert shown == CHECKPOINTS
    steps = np.diff(heard.moves[1:-1])  # 20 s for 1,800 steps in tenths of a second
    assert set(steps) == {9}


def test_between_checkpoints_play_back_says_what_is_open(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.play.click()
    machine._playing.stop()
    machine.on_looked_back(LookedBack(0))
    machine._play_on()
    assert machine.where.text() == "step 9 · network and pictures: checkpoint of step 0"


def test_the_hand_stops_play_back(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.play.click()
    machine.go_to(400)
    assert not machine._playing.isActive()


@pytest.mark.parametrize(
    ("keep", "shortcuts", "branches"),
    [
        (Keep.THEN, None, None),
        (Keep.ALL, ((1.0,) * BLOCKS, (1.0,) * BLOCKS), None),
        (Keep.NONE, ((0.0,) * BLOCKS, (0.0,) * BLOCKS), None),
        (Keep.NOW, ((0.25,) * BLOCKS, (0.0,) * BLOCKS), ((1.0,) * BLOCKS, (0.5,) * BLOCKS)),
    ],
)
def test_branch_here_begins_from_the_checkpoint_with_the_chosen_shortcuts(
    make: Callable[..., TimeMachine], keep: Keep, shortcuts: object, branches: object
) -> None:
    machine = make(started())
    heard = Heard(machine)
    machine.add_slice(piece(1801, 1, shortcuts=0.25))
    machine.mark_requested(1, None, (0.5,) * BLOCKS)
    machine.go_to(1200)
    machine.branch.click()
    assert machine.editor.isVisible()
    assert "step 1,150" in machine.editor.about.text()
    machine.editor.choice.setCurrentIndex(list(Keep).index(keep))
    machine.editor.begin.click()
    assert heard.branches == [(1150, shortcuts, branches)]
    assert not machine.editor.isVisible()


def test_enter_begins_the_branch_and_escape_gives_it_up(
    make: Callable[..., TimeMachine], qtbot: QtBot
) -> None:
    machine = make(started())
    heard = Heard(machine)
    machine.go_to(700)
    machine.branch.click()
    qtbot.keyClick(machine.editor.choice, Qt.Key.Key_Escape)
    assert not machine.editor.isVisible()
    assert heard.branches == []
    machine.branch.click()
    qtbot.keyClick(machine.editor.choice, Qt.Key.Key_Return)
    assert [asked[0] for asked in heard.branches] == [650]


def test_lineage_is_shown_and_the_line_begins_where_the_run_did(make: Callable[..., TimeMachine]) -> None:
    machine = make(started(begins_at=400, parent=Path("/runs/twins")))
    assert machine.lineage.text() == "branched off twins at step 400"
    assert machine.lineage.isVisible()
    assert machine.track.minimum() == 400
    machine.start_run(started())
    machine.refresh_now()
    assert not machine.lineage.isVisible()
    assert machine.track.minimum() == 0


def test_a_new_run_begins_at_its_present(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.go_to(300)
    machine.start_run(started())
    machine.refresh_now()
    assert machine.step == PRESENT
    assert "first training step" in machine.where.text()


def test_everything_can_be_reached_and_is_named(make: Callable[..., TimeMachine]) -> None:
    machine = make(started())
    machine.branch.click()
    editor = machine.editor
    for control in (machine.track, machine.play, machine.speed, editor.choice):
        assert control.accessibleName()
        assert control.focusPolicy() & Qt.FocusPolicy.TabFocus
    for button in (machine.live, machine.branch, editor.begin, editor.give_up):
        assert button.text()
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus


@pytest.mark.parametrize("width", [1000, 420, 300])
def test_it_is_drawn_at_any_width_in_the_dark(make: Callable[..., TimeMachine], width: int) -> None:
    machine = make(started(begins_at=400, parent=Path("/runs/a-rather-long-name-of-a-run")))
    machine.add_marker(900, 0, "x")
    machine.add_marker(1500, None, "y")
    machine.go_to(1000)
    machine.set_theme(DARK)
    machine.resize(width, machine.heightForWidth(width))
    picture = machine.grab().toImage()
    place = machine.track.mapTo(machine, QPointF(machine.track.x_of(900), machine.track.height() / 2 - 8))
    ratio = picture.devicePixelRatio()
    drawn = picture.pixelColor(round(place.x() * ratio), round(place.y() * ratio))
    assert drawn.name() == DARK.lanes[0]


def test_checkpoints_are_looked_up_in_the_record(qtbot: QtBot) -> None:
    record = RunRecord.create(None, TWINS)
    for step in (0, 30, 45):
        record.append_checkpoint(step, "toggle", {one.name: b"bytes" for one in TWINS.lanes})
    record.close()
    watch = CheckpointSteps()
    with qtbot.waitSignal(watch.known) as heard:
        watch.look(record.directory)
    assert heard.args == [record.directory, [0, 30, 45]]
    watch.wait()
    watch.look(record.directory)  # just now
    assert watch._thread is not None
    assert not watch._thread.is_alive()
    watch.look(Path("/nowhere"))
    watch.wait()
