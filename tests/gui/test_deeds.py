"""What was done stands in a list with its step; what can be undone sends the former state as a new command."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from pytestqt.qtbot import QtBot

from core.messages import (
    Failed,
    LaneInfo,
    LaneSlice,
    Reset,
    RunStarted,
    SetLearningRate,
    SetStrengths,
    Setup,
    TrainingSlice,
)
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, lane, twins
from gui.deed_list import OUTCOME, STEP, WHAT, DeedList
from gui.deeds import Deeds, Outcome
from gui.theme import DARK
from gui.toggles import Toggles
from gui.undoable import Undoing

TWINS = RunSettings(lanes=twins(NetworkSettings(width=4)))
OTHER = RunSettings(lanes=(lane("A", NetworkSettings(depth=20, width=4)),))
BLOCKS = 8  # of ResNet-18
ONES = (1.0,) * BLOCKS


def started(settings: RunSettings = TWINS, **more: object) -> RunStarted:
    infos = tuple(LaneInfo(one.name, one.network, 1, (), ()) for one in settings.lanes)
    return RunStarted(settings, infos, ("bag",) * 10, 100, 10, 10, 10, None, **more)  # type: ignore[arg-type]


def piece(first: int, steps: int, *applied: int, shortcuts: tuple[float, ...] = ONES) -> TrainingSlice:
    table = np.ones((steps, BLOCKS))
    part = LaneSlice(np.ones(steps), np.ones(steps), table, table, 0.1, shortcuts, ONES)
    return TrainingSlice(first, steps, (part, part), applied, 1.0, 0)


def cut(*blocks: int, value: float = 0.0) -> tuple[float, ...]:
    return tuple(value if block in blocks else 1.0 for block in range(BLOCKS))


class Bench:
    """A window's deeds, with what they sent."""

    def __init__(self) -> None:
        self.held = False
        self.sent: list[object] = []
        self.toggles = Toggles(is_held=lambda: self.held)
        self.undoing = Undoing(self.toggles)
        self.deeds: Deeds = self.undoing.deeds
        self.toggles.requested.connect(self.sent.append)
        self.undoing.requested.connect(self.sent.append)
        self.run(started())

    def run(self, event: RunStarted) -> None:
        self.toggles.start_run(event)
        self.undoing.start_run(event)

    def slice(self, event: TrainingSlice) -> None:
        self.toggles.add_slice(event)
        self.undoing.add_slice(event)

    @property
    def last(self) -> SetStrengths:
        command = self.sent[-1]
        assert isinstance(command, SetStrengths)
        return command

    @property
    def texts(self) -> list[str]:
        return [row.text for row in self.deeds.rows]


@pytest.fixture
def bench(qtbot: QtBot) -> Bench:
    return Bench()


def test_undo_of_a_toggle_sends_the_former_strengths_of_its_blocks(bench: Bench) -> None:
    bench.toggles.request(0, cut(2), None)
    bench.toggles.request(0, cut(2, 5), None)
    bench.deeds.stack.undo()
    assert (bench.last.lane, bench.last.shortcuts, bench.last.branches) == (0, cut(2), None)
    bench.deeds.stack.undo()
    assert bench.last.shortcuts == ONES
    bench.deeds.stack.redo()
    assert bench.last.shortcuts == cut(2)
    assert len(bench.sent) == 5
    assert len({command.id for command in bench.sent}) == 5  # type: ignore[attr-defined]


def test_undo_leaves_what_a_lesson_has_set_since(bench: Bench) -> None:
    bench.toggles.request(0, cut(2), None)
    own = bench.last.id
    bench.slice(piece(1, 5, own, shortcuts=cut(2)))
    bench.slice(piece(6, 5, shortcuts=cut(2, 7)))  # the lesson cut block 7 by itself
    bench.deeds.stack.undo()
    assert bench.last.shortcuts == cut(7)


def test_a_branch_and_a_shortcut_are_undone_together(bench: Bench) -> None:
    bench.toggles.request(1, ONES, cut(0))  # the twin B begins with no shortcuts
    bench.deeds.stack.undo()
    assert (bench.last.shortcuts, bench.last.branches) == ((0.0,) * BLOCKS, ONES)


def test_a_drag_of_one_arc_is_one_undo_step(bench: Bench) -> None:
    bench.held = True
    for value in (0.95, 0.6, 0.25):
        bench.toggles.request(0, cut(3, value=value), None)
    assert bench.deeds.stack.count() == 1
    assert bench.texts[-1].endswith("shortcut 2.1 set to 0.25")
    assert len(bench.deeds.rows) == 1
    bench.deeds.stack.undo()
    assert bench.last.shortcuts == ONES
    bench.deeds.stack.redo()
    assert bench.last.shortcuts == cut(3, value=0.25)


def test_two_drags_of_one_arc_are_two_undo_steps(bench: Bench, qtbot: QtBot) -> None:
    for values in ((0.95, 0.5), (0.4, 0.1)):
        bench.held = True
        for value in values:
            bench.toggles.request(0, cut(3, value=value), None)
        bench.held = False
        qtbot.waitUntil(lambda: not bench.toggles._hand.isActive())
    assert bench.deeds.stack.count() == 2
    bench.deeds.stack.undo()
    assert bench.last.shortcuts == cut(3, value=0.5)


def test_a_drag_of_another_arc_or_a_click_does_not_merge(bench: Bench) -> None:
    bench.held = True
    bench.toggles.request(0, cut(3, value=0.5), None)
    bench.toggles.request(0, tuple(0.5 if block in (3, 4) else 1.0 for block in range(BLOCKS)), None)
    bench.held = False
    for value in (0.0, 1.0, 0.0):  # clicks in quick succession are meant one by one
        bench.toggles.request(1, cut(1, value=value), None)
    assert bench.deeds.stack.count() == 5


def test_a_drag_after_a_notch_of_the_wheel_is_a_step_of_its_own(bench: Bench) -> None:
    bench.toggles.request(0, cut(3, value=0.95), None)
    bench.held = True
    bench.toggles.request(0, cut(3, value=0.5), None)
    assert bench.deeds.stack.count() == 2


def test_notches_of_the_wheel_that_follow_are_one(bench: Bench) -> None:
    for value in (0.95, 0.9, 0.85):
        bench.toggles.request(0, cut(0, value=value), None)
    assert bench.deeds.stack.count() == 1


def test_a_row_says_from_which_step_it_was_in_force(bench: Bench) -> None:
    bench.slice(piece(1, 40))
    bench.toggles.request(0, cut(2), None)
    row = bench.deeds.rows[-1]
    assert (row.step, row.outcome, row.in_force) == (40, Outcome.ASKED, None)
    bench.slice(piece(41, 9))
    assert bench.deeds.rows[-1].outcome is Outcome.ASKED
    bench.slice(piece(50, 5, bench.last.id, shortcuts=cut(2)))
    row = bench.deeds.rows[-1]
    assert (row.outcome, row.in_force) == (Outcome.IN_FORCE, 50)


def test_undoing_is_a_deed_with_a_step_of_its_own(bench: Bench) -> None:
    bench.toggles.request(0, cut(2), None)
    bench.slice(piece(1, 10, bench.last.id, shortcuts=cut(2)))
    bench.deeds.stack.undo()
    assert bench.texts == ["A: shortcut 2.0 cut", "undone: A: shortcut 2.0 cut"]
    bench.slice(piece(11, 1, bench.last.id))
    assert bench.deeds.rows[-1].in_force == 11
    assert bench.deeds.rows[0].in_force == 1


def test_what_the_engine_could_not_do_cannot_be_undone(bench: Bench) -> None:
    bench.toggles.request(0, cut(1), None)
    bench.toggles.request(1, cut(2), None)
    bench.undoing.on_failed(Failed(Notice("lane {lane} is stopped", {"lane": "B"}), bench.last.id))
    row = bench.deeds.rows[-1]
    assert (row.outcome, row.note) == (Outcome.FAILED, "lane B is stopped")
    assert bench.deeds.stack.count() == 1
    bench.deeds.stack.undo()
    assert (bench.last.lane, bench.last.shortcuts) == (0, ONES)


def test_learning_rates_go_back_lane_by_lane(bench: Bench) -> None:
    shown: list[tuple[float, int | None]] = []
    bench.undoing.rates.shown.connect(lambda value, place: shown.append((value, place)))
    bench.undoing.rates.set_rate(0.2, 1)
    bench.undoing.rates.set_rate(0.01)
    first = len(bench.sent)
    bench.deeds.stack.undo()
    back = bench.sent[first:]
    assert all(isinstance(command, SetLearningRate) for command in back)
    assert [(command.lane, command.learning_rate) for command in back] == [(0, 0.05), (1, 0.2)]  # type: ignore[attr-defined]
    assert shown[-2:] == [(0.05, 0), (0.2, 1)]
    waiting = [command.id for command in back]  # type: ignore[attr-defined]
    bench.slice(piece(1, 3, waiting[0]))
    assert bench.deeds.rows[-1].outcome is Outcome.ASKED  # one of two
    bench.slice(piece(4, 3, waiting[1]))
    assert bench.deeds.rows[-1].in_force == 4


def test_quick_steps_of_one_rate_are_one_undo(bench: Bench) -> None:
    for value in (0.02, 0.01, 0.005):
        bench.undoing.rates.set_rate(value)
    assert bench.deeds.stack.count() == 1
    bench.deeds.stack.undo()
    assert [command.learning_rate for command in bench.sent[-2:]] == [0.05, 0.05]  # type: ignore[attr-defined]


def test_undo_of_a_set_up_begins_the_former_settings_as_a_new_run(bench: Bench) -> None:
    bench.undoing.setups.begin(OTHER)
    bench.run(started(OTHER))
    assert "new run" in bench.deeds.stack.undoText()
    assert bench.deeds.rows[-1].in_force == 1
    bench.deeds.stack.undo()
    command = bench.sent[-1]
    assert isinstance(command, Setup)
    assert command.settings == TWINS
    bench.run(started())
    bench.deeds.stack.redo()
    command = bench.sent[-1]
    assert isinstance(command, Setup)
    assert command.settings == OTHER


def test_a_lesson_is_begun_again_with_what_it_does_by_itself(bench: Bench) -> None:
    bench.undoing.setups.begin(TWINS, "degradation")
    bench.run(started(lesson="degradation"))
    bench.undoing.setups.begin(OTHER)
    bench.run(started(OTHER))
    bench.deeds.stack.undo()
    command = bench.sent[-1]
    assert isinstance(command, Setup)
    assert command.lesson == "degradation"


def test_a_new_run_forgets_its_toggles_but_not_the_set_ups(bench: Bench) -> None:
    bench.undoing.setups.begin(OTHER)
    bench.run(started(OTHER))
    bench.undoing.rates.set_rate(0.5)
    bench.undoing.setups.begin(TWINS)
    bench.run(started())
    assert [bench.deeds.stack.text(place) for place in range(bench.deeds.stack.count())] == [
        "new set-up: Fashion-MNIST, 20 layers, 1 lane (undo begins the former settings again, as a new run)",
        "new set-up: Fashion-MNIST, 18 layers, 2 lanes (undo begins the former settings again, as a new run)",
    ]
    sent = len(bench.sent)
    assert bench.deeds.stack.index() == 2
    bench.deeds.stack.undo()
    assert len(bench.sent) == sent + 1


def test_a_reset_a_branch_and_going_on_stand_there_with_why_they_stay(bench: Bench) -> None:
    bench.undoing.setups.reset(play=True)
    assert isinstance(bench.sent[-1], Reset)
    bench.run(started())
    bench.run(started(begins_at=400, done=400, parent=_path("twins")))
    assert bench.deeds.stack.count() == 0
    reset, branched = bench.deeds.rows
    assert (reset.text, reset.in_force) == ("reset: same seed, same weights", 1)
    assert branched.text == "branched off twins at step 400"
    assert branched.step == 400
    assert all("cannot be undone" in row.note for row in bench.deeds.rows)


def test_what_was_asked_of_a_run_that_ended_is_said_so(bench: Bench) -> None:
    bench.toggles.request(0, cut(0), None)
    bench.run(started())
    assert bench.deeds.rows[-1].outcome is Outcome.OVERTAKEN


def test_the_actions_name_what_they_would_do(bench: Bench, qtbot: QtBot) -> None:
    panel = DeedList(bench.deeds)
    qtbot.addWidget(panel)
    assert (panel.undo.isEnabled(), panel.undo.text()) == (False, "&Undo")
    bench.toggles.request(0, cut(2), None)
    assert (panel.undo.isEnabled(), panel.undo.text()) == (True, "&Undo: A: shortcut 2.0 cut")
    assert panel.undo.shortcut().toString() == "Ctrl+Z"
    panel.undo.trigger()
    assert bench.last.shortcuts == ONES
    assert (panel.redo.isEnabled(), panel.redo.text()) == (True, "&Redo: A: shortcut 2.0 cut")
    assert panel.redo.shortcut().toString() == "Ctrl+Shift+Z"


def test_the_list_shows_the_newest_first_and_copies_the_oldest_first(
    bench: Bench, qtbot: QtBot, make_list: Callable[[Bench], DeedList]
) -> None:
    panel = make_list(bench)
    assert not panel.view.isVisible()
    bench.toggles.request(0, cut(2), None)
    bench.slice(piece(1, 10, bench.last.id, shortcuts=cut(2)))
    bench.undoing.setups.reset(play=False)
    assert panel.dirty
    panel.refresh_now()
    assert panel.view.isVisible()

    def cell(row: int, column: int) -> str:
        return str(panel.model.index(row, column).data(Qt.ItemDataRole.DisplayRole)).strip()

    assert [cell(row, WHAT) for row in (0, 1)] == ["reset: same seed, same weights", "A: shortcut 2.0 cut"]
    assert [cell(row, STEP) for row in (0, 1)] == ["10", "0"]
    assert cell(1, OUTCOME) == "in force from step 1"
    panel.copy.trigger()
    lines = QGuiApplication.clipboard().text().splitlines()
    assert [line.split("\t")[2] for line in lines] == [cell(1, WHAT), cell(0, WHAT)]


@pytest.mark.parametrize("size", [(1000, 300), (420, 420), (200, 120)])
def test_the_list_fits_any_size_in_both_themes(
    bench: Bench, make_list: Callable[[Bench], DeedList], size: tuple[int, int]
) -> None:
    bench.toggles.request(0, cut(2), None)
    panel = make_list(bench)
    panel.resize(*size)
    panel.set_theme(DARK)
    panel.refresh_now()
    header = panel.view.header()
    shown = sum(header.sectionSize(column) for column in range(4) if not panel.view.isColumnHidden(column))
    assert not panel.grab().isNull()
    if size[0] >= 420:
        assert shown <= panel.view.width()


@pytest.fixture
def make_list(qtbot: QtBot) -> Callable[[Bench], DeedList]:
    def make(bench: Bench) -> DeedList:
        panel = DeedList(bench.deeds)
        qtbot.addWidget(panel)
        panel.resize(800, 300)
        panel.show()
        panel.refresh_now()
        return panel

    return make


def _path(name: str) -> Path:
    return Path("/runs") / name
