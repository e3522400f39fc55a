"""The library lists what is in the runs folder, never holds the window up, and never loses a run."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QEvent, QItemSelectionModel, QPoint, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent
from PySide6.QtWidgets import QApplication, QLineEdit
from pytestqt.qtbot import QtBot

from core.library import LaneSummary, RunSummary, summarise
from core.messages import LaneSlice, RunStarted
from core.notices import Notice
from core.records import RunRecord, rename_run, runs_folder
from core.settings import NetworkSettings, RunSettings, lane, twins
from gui import run_library
from gui.run_bin import take_back
from gui.run_ink import Overlaid
from gui.run_library import RunLibrary
from gui.run_model import ACCURACY, DATASET, LESSON, LOSS, NAME, NETWORKS, SHOWN, STATE, STEPS
from gui.run_search import RunSearch
from gui.theme import DARK

TWINS = RunSettings(lanes=twins(NetworkSettings(width=4)), steps=50)
MakeRun = Callable[..., Path]
MakeLibrary = Callable[..., RunLibrary]


@pytest.fixture
def make_run() -> MakeRun:
    """Record a run of a few steps."""

    def make(
        name: str = "", settings: RunSettings = TWINS, steps: int = 5, state: str = "finished", **more: object
    ) -> Path:
        record = RunRecord.create(None, settings, **more)  # type: ignore[arg-type]
        parts = []
        for place, one in enumerate(settings.lanes):
            blocks = one.network.block_count
            losses = np.linspace(2, 1 + place, steps)
            norms = np.ones((steps, blocks))
            parts.append(LaneSlice(losses, losses / 4, norms, norms, 0.1, one.shortcuts, one.branches))
        begins_at = int(more.get("begins_at", 0))  # type: ignore[call-overload]
        if steps:
            record.append_steps(begins_at + 1, parts)
            record.append_evaluation(begins_at + steps, [(1.0, 0.9 - 0.25 * n) for n, _ in enumerate(parts)])
        record.set_state(state)  # type: ignore[arg-type]
        assert record.close()
        if name:
            rename_run(record.directory, name)
        return record.directory

    return make


@pytest.fixture
def make_library(qtbot: QtBot) -> Iterator[MakeLibrary]:
    made: list[RunLibrary] = []

    def make(search: RunSearch | None = None, size: tuple[int, int] = (1400, 400)) -> RunLibrary:
        library = RunLibrary(search=search)
        made.append(library)
        qtbot.addWidget(library)
        library.resize(*size)
        library.show()
        if search is None:
            settled(qtbot, library)
        return library

    yield make
    for library in made:
        library.stop()
        assert library._search.wait()


def settled(qtbot: QtBot, library: RunLibrary) -> None:
    qtbot.waitUntil(lambda: library._seen is None)


def cell(library: RunLibrary, row: int, column: int) -> str:
    return str(library.model.index(row, column).data(Qt.ItemDataRole.DisplayRole))


def column(library: RunLibrary, number: int = NAME) -> list[str]:
    return [cell(library, row, number) for row in range(library.model.rowCount())]


def choose(library: RunLibrary, directory: Path) -> None:
    row = library.model.row_of(directory)
    assert row is not None
    library.view.setCurrentIndex(library.model.index(row, NAME))


def present(directory: Path | None) -> RunStarted:
    return RunStarted(TWINS, (), (), 50, 10, 10, 10, directory)


# ---- what is listed ---------------------------------------------------------------------------


def test_a_run_is_said_in_words_and_figures(make_run: MakeRun, make_library: MakeLibrary) -> None:
    make_run("first try")
    library = make_library()
    row = [cell(library, 0, number) for number in (NAME, STATE, NETWORKS, DATASET, LESSON, STEPS, LOSS)]
    assert row == [
        "first try", "✓ finished", "18 layers, width 4: A with shortcuts, B plain", "Fashion-MNIST", "–",
        "5 of 50", "A 1 · B 2",
    ]  # fmt: skip
    assert cell(library, 0, ACCURACY) == "A 90.0 % · B 65.0 %"
    assert "1 run" in library.count.text()


def test_networks_of_different_sizes_and_half_cut_ones_are_told_apart(
    make_run: MakeRun, make_library: MakeLibrary
) -> None:
    half = (1.0,) * 4 + (0.0,) * 5
    lanes = (
        lane("A", NetworkSettings(width=4)),
        lane("B", NetworkSettings(depth=20, width=4), half),
        lane("C", NetworkSettings(depth=20, width=4), 0.0),
    )
    make_run("sizes", RunSettings(lanes=lanes))
    library = make_library()
    assert (
        cell(library, 0, NETWORKS)
        == "18 layers, width 4: A with shortcuts; 20 layers, width 4: B some cut, C plain"
    )


def test_a_run_without_a_name_is_called_by_its_date(make_run: MakeRun, make_library: MakeLibrary) -> None:
    directory = make_run()
    library = make_library()
    created = time.localtime(summarise(directory).created)
    assert cell(library, 0, NAME).endswith(time.strftime("%Y, %H:%M:%S", created))


@pytest.mark.parametrize(
    ("state", "words"), [("stopped", "■ stopped"), ("diverged", "∞ diverged"), ("failed", "✗ failed")]
)
def test_every_state_has_a_sign_and_a_word(
    make_run: MakeRun, make_library: MakeLibrary, state: str, words: str
) -> None:
    make_run(state=state)
    assert cell(make_library(), 0, STATE) == words


def test_a_folder_that_cannot_be_read_says_why(make_run: MakeRun, make_library: MakeLibrary) -> None:
    directory = make_run("broken")
    (directory / "settings.json").write_text("{")
    library = make_library()
    assert cell(library, 0, STATE) == "? unreadable"
    assert "cannot be read" in library.details.text()
    allowed = {name for name, action in library.actions_by_name.items() if action.isEnabled()}
    assert allowed == {"delete", "reveal", "copy"}


def test_branches_stand_under_what_they_branched_off(make_run: MakeRun, make_library: MakeLibrary) -> None:
    root = make_run("root")
    other = make_run("other")
    branch = make_run("branch", parent=root, parent_step=3, begins_at=3)
    make_run("twig", parent=branch, parent_step=4, begins_at=4)
    make_run("second branch", parent=root, parent_step=2, begins_at=2)
    library = make_library()
    library.view.sortByColumn(NAME, Qt.SortOrder.AscendingOrder)
    assert column(library) == [
        "other",
        "root",
        "└ branch · from step 3 of root",
        "    └ twig · from step 4 of branch",
        "└ second branch · from step 2 of root",
    ]
    assert other.exists()


def test_a_branch_whose_parent_is_gone_says_so_by_its_folder(
    make_run: MakeRun, make_library: MakeLibrary
) -> None:
    make_run("orphan", parent=Path("/elsewhere/lost"), parent_step=7)
    assert column(make_library()) == ["orphan · from step 7 of lost"]


def test_runs_that_name_each_other_as_parents_are_all_listed(qtbot: QtBot, make_library: MakeLibrary) -> None:
    ring = [
        RunSummary(Path("/a"), "a", parent=Path("/b")),
        RunSummary(Path("/b"), "b", parent=Path("/a")),
        RunSummary(Path("/c"), "c", parent=Path("/c")),
    ]
    library = make_library(RunSearch(lambda folder: iter(ring)))
    settled(qtbot, library)
    assert library.model.rowCount() == 3


def test_columns_sort_and_the_current_run_stays(make_run: MakeRun, make_library: MakeLibrary) -> None:
    directories = {steps: make_run(f"run {steps}", steps=steps) for steps in (7, 12, 3)}
    library = make_library()
    choose(library, directories[12])
    library.view.horizontalHeader().setSortIndicator(STEPS, Qt.SortOrder.AscendingOrder)
    assert column(library) == ["run 3", "run 7", "run 12"]
    library.view.horizontalHeader().setSortIndicator(STEPS, Qt.SortOrder.DescendingOrder)
    assert column(library) == ["run 12", "run 7", "run 3"]
    assert library.model.run(library.view.currentIndex().row()).directory == directories[12]


def test_searching_shows_what_fits_and_says_when_nothing_does(
    make_run: MakeRun, make_library: MakeLibrary
) -> None:
    make_run("alpha")
    make_run("beta")
    library = make_library()
    library.finder.setText("alp")
    assert column(library) == ["alpha"]
    assert "1 of 2" in library.count.text()
    library.finder.setText("gamma")
    assert library._empty.isVisible()
    assert "“gamma”" in library._empty.text()
    library.finder.clear()
    assert library.model.rowCount() == 2


def test_an_empty_library_says_what_will_stand_there(make_library: MakeLibrary) -> None:
    library = make_library()
    assert library._empty.isVisible()
    assert "No runs yet" in library._empty.text()
    assert not any(action.isEnabled() for action in library.actions_by_name.values())


# ---- reading ----------------------------------------------------------------------------------


def test_a_thousand_runs_never_hold_the_window_up(qtbot: QtBot, make_library: MakeLibrary) -> None:
    lanes = (LaneSummary("A", 18, 16, "with", 0.5, 0.9),)

    def read(_folder: Path) -> Iterator[RunSummary]:
        for number in range(1000):
            time.sleep(0.0005)
            yield RunSummary(
                Path(f"/runs/{number}"), f"run {number}", 1e9 + number, "finished", "x", None, lanes, number
            )

    began = time.perf_counter()
    library = make_library(RunSearch(read))
    longest = 0.0  # of this thread's own time: other processes must not fail the test
    while library._seen is not None:
        before = time.thread_time()
        QApplication.processEvents()
        longest = max(longest, time.thread_time() - before)
        assert time.perf_counter() - began < 60
    assert library.model.rowCount() == 1000
    assert cell(library, 0, NAME) == "run 999"
    assert longest < 0.2


def test_a_new_search_ends_the_one_before_and_there_is_one_thread_at_most(
    qtbot: QtBot, make_library: MakeLibrary
) -> None:
    threads: set[int] = set()
    begun: list[int] = []

    def read(_folder: Path) -> Iterator[RunSummary]:
        begun.append(len(begun))
        for number in range(10_000):
            threads.add(sum(thread.name == "runs" for thread in threading.enumerate()))
            time.sleep(0.001)
            yield RunSummary(Path(f"/runs/{number}"))
            if begun[-1] == 3 and number == 20:
                return

    library = make_library(RunSearch(read))
    for _ in range(3):
        qtbot.wait(30)
        library.look()
    qtbot.waitUntil(lambda: library._seen is None and library.model.rowCount() == 21)
    assert threads == {1}


def test_hiding_ends_the_search(qtbot: QtBot, make_library: MakeLibrary) -> None:
    def read(_folder: Path) -> Iterator[RunSummary]:
        while True:
            time.sleep(0.001)
            yield RunSummary(Path("/runs/a"))

    library = make_library(RunSearch(read))
    library.hide()
    assert library._search.wait(2)


def test_showing_it_again_and_f5_read_anew(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    library = make_library()
    make_run("new")
    library.hide()
    library.show()
    settled(qtbot, library)
    assert column(library) == ["new"]
    make_run("newer")
    qtbot.keyClick(library, Qt.Key.Key_F5)
    library.refresh_button.click()
    settled(qtbot, library)
    assert column(library) == ["newer", "new"]


def test_a_run_deleted_elsewhere_leaves_the_list(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    gone, kept = make_run("gone"), make_run("kept")
    library = make_library()
    gone.rename(gone.parent.parent / "moved")
    library.look()
    settled(qtbot, library)
    assert column(library) == ["kept"]
    assert kept.exists()


# ---- what is drawn behind -----------------------------------------------------------------------


def test_eight_runs_can_be_drawn_and_the_ninth_is_refused_in_words(
    make_run: MakeRun, make_library: MakeLibrary
) -> None:
    for number in range(9):
        make_run(f"run {number}", steps=1)
    library = make_library()
    heard: list[list[Overlaid]] = []
    library.overlay_changed.connect(heard.append)
    checked = [library.model.setData(library.model.index(row, SHOWN), Qt.CheckState.Checked,
                                     Qt.ItemDataRole.CheckStateRole) for row in range(9)]  # fmt: skip
    assert checked == [True] * 8 + [False]
    assert "Eight runs" in library.bar.text()
    assert [run.slot for run in heard[-1]] == list(range(8))
    assert heard[-1][0] == Overlaid(0, library.model.run(0).directory, "run 8", ("A", "B"))
    library.model.set_overlaid(3, False)
    library.model.set_overlaid(8, True)  # takes the number that is free
    assert [(run.slot, run.label) for run in heard[-1]][3] == (3, "run 0")


def test_the_box_is_switched_by_mouse_and_by_space(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    make_run("one")
    library = make_library()
    with qtbot.waitSignal(library.overlay_changed) as heard:
        place = library.view.visualRect(library.model.index(0, SHOWN)).center()
        qtbot.mouseClick(library.view.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert [run.label for run in heard.args[0]] == ["one"]
    with qtbot.waitSignal(library.overlay_changed) as heard:
        qtbot.keyClick(library.view, Qt.Key.Key_Space)
    assert heard.args == [[]]


def test_the_present_run_is_not_drawn_behind_itself(make_run: MakeRun, make_library: MakeLibrary) -> None:
    directory = make_run("one")
    library = make_library()
    library.model.set_overlaid(0, True)
    heard: list[list[Overlaid]] = []
    library.overlay_changed.connect(heard.append)
    library.start_run(present(directory))
    assert heard == [[]]
    assert not library.model.set_overlaid(0, True)
    assert "present run" in library.bar.text()


# ---- what can be done ---------------------------------------------------------------------------


def test_go_on_look_and_branch_ask_for_the_chosen_run(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    directory = make_run("one", steps=5)
    make_run("two")
    library = make_library()
    choose(library, directory)
    with qtbot.waitSignal(library.resume_requested) as heard:
        library._buttons["resume"].click()
    assert heard.args == [directory]
    with qtbot.waitSignal(library.open_requested) as heard:
        qtbot.keyClick(library.view, Qt.Key.Key_Return)
    assert heard.args == [directory]
    library._buttons["branch"].click()
    assert library.branch_editor.step.value() == 5
    library.branch_editor.step.setValue(3)
    with qtbot.waitSignal(library.branch_requested) as heard:
        library.branch_editor.begin.click()
    assert heard.args == [directory, 3]


def test_f2_renames_in_place_and_the_record_has_it(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    directory = make_run("old")
    library = make_library()
    library.model.set_overlaid(0, True)
    library.view.setFocus()
    qtbot.keyClick(library.view, Qt.Key.Key_F2)
    editor = library.view.findChild(QLineEdit)
    assert editor is not None
    assert editor.text() == "old"
    library._on_found(library._number, [])  # what is read meanwhile does not end the typing
    assert library.view.is_editing
    editor.setText("  new   name ")
    with qtbot.waitSignal(library.overlay_changed) as heard:
        qtbot.keyClick(editor, Qt.Key.Key_Return)
    assert summarise(directory).name == "new name"
    assert cell(library, 0, NAME) == "new name"
    assert heard.args[0][0].label == "new name"


def test_a_name_that_cannot_be_stored_is_said(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary
) -> None:
    directory = make_run("old")
    library = make_library()
    (directory / "settings.json").write_text("{")
    library.model.setData(library.model.index(0, NAME), "new")
    assert "cannot be renamed" in library.bar.text()
    assert cell(library, 0, NAME) == "old"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into the bin of freedesktop.org")
def test_deleting_asks_once_and_can_be_undone(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary,
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path,
) -> None:  # fmt: skip
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    directory = make_run("one")
    other = make_run("two")
    before = {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()}
    library = make_library()
    library.model.set_overlaid(library.model.row_of(directory) or 0, True)
    choose(library, directory)
    library.view.setFocus()
    qtbot.keyClick(library.view, Qt.Key.Key_Delete)
    assert "“one”" in library.bar.text()
    assert directory.exists()
    with qtbot.waitSignal(library.overlay_changed) as heard:
        library.bar._action.click()
    assert heard.args == [[]]
    assert not directory.exists()
    notes = tmp_path / "Trash" / "info"
    assert [note.stem for note in notes.iterdir()] == [directory.name]
    assert column(library) == ["two"]
    library.bar._action.click()
    settled(qtbot, library)
    assert {path.name: path.read_bytes() for path in directory.iterdir() if path.is_file()} == before
    assert set(column(library)) == {"one", "two"}
    assert list(notes.iterdir()) == []
    assert other.exists()


def test_a_run_is_not_put_back_over_another(tmp_path: Path) -> None:
    binned, place = tmp_path / "files" / "run", tmp_path / "run"
    for folder, text in ((binned, "old"), (place, "new")):
        folder.mkdir(parents=True)
        (folder / "settings.json").write_text(text)
    with pytest.raises(FileExistsError, match="of that name again"):
        take_back(binned, place)
    assert (binned / "settings.json").read_text() == "old"
    assert (place / "settings.json").read_text() == "new"


def test_a_run_that_the_bin_does_not_take_stays(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_library, "put_away", lambda path: (False, None))
    directory = make_run("one")
    library = make_library()
    choose(library, directory)
    library.actions_by_name["delete"].trigger()
    library.bar._action.click()
    assert "could not be moved" in library.bar.text()
    assert column(library) == ["one"]
    assert directory.exists()


def test_the_present_run_is_never_deleted(
    qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved: list[Path] = []
    monkeypatch.setattr(run_library, "put_away", lambda path: (moved.append(path) is None, None))
    directory = make_run("one")
    library = make_library()
    choose(library, directory)
    library.actions_by_name["delete"].trigger()  # asked, and then it becomes the present run
    library.start_run(present(directory))
    settled(qtbot, library)
    library.bar._action.click()
    assert moved == []
    assert "present run" in library.bar.text()
    assert not library.actions_by_name["delete"].isEnabled()
    qtbot.keyClick(library.view, Qt.Key.Key_Delete)
    assert not library.actions_by_name["resume"].isEnabled()
    assert "present run" in library._buttons["resume"].toolTip()


def test_a_run_that_another_process_is_at_is_left_alone(qtbot: QtBot, make_library: MakeLibrary) -> None:
    summary = RunSummary(Path("/runs/a"), "a", 1e9, "running", "x", None, (), 5)
    library = make_library(RunSearch(lambda folder: iter([summary])))
    settled(qtbot, library)
    allowed = {name for name, action in library.actions_by_name.items() if action.isEnabled()}
    assert "delete" not in allowed
    assert "resume" not in allowed
    assert "look" in allowed


def test_the_path_can_be_copied(qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary) -> None:
    directory = make_run("one")
    library = make_library()
    qtbot.keyClick(library.view, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == str(directory)


# ---- keys, sizes --------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [Qt.Key.Key_Space, Qt.Key.Key_R, Qt.Key.Key_Delete, Qt.Key.Key_F2])
def test_the_list_keeps_its_keys_from_the_windows_actions(
    make_run: MakeRun, make_library: MakeLibrary, key: Qt.Key
) -> None:
    make_run("one")
    library = make_library()
    text = {Qt.Key.Key_Space: " ", Qt.Key.Key_R: "r"}.get(key, "")
    event = QKeyEvent(QEvent.Type.ShortcutOverride, key, Qt.KeyboardModifier.NoModifier, text)
    event.ignore()
    library.view.event(event)
    assert event.isAccepted()


def test_everything_is_named_and_reached_by_key(make_run: MakeRun, make_library: MakeLibrary) -> None:
    make_run("one")
    library = make_library()
    for control in (library.finder, library.refresh_button, library.view):
        assert control.accessibleName()
    for button in library._buttons.values():
        assert button.focusPolicy() & Qt.FocusPolicy.TabFocus
    hint = library.model.index(0, SHOWN).data(Qt.ItemDataRole.AccessibleTextRole)
    assert "behind" in hint


@pytest.mark.parametrize("size", [(1400, 400), (1000, 300), (420, 420), (260, 160)])
def test_columns_fit_the_width_and_what_is_left_out_stands_below(
    make_run: MakeRun, make_library: MakeLibrary, size: tuple[int, int]
) -> None:
    make_run("one")
    library = make_library(size=size)
    library.set_theme(DARK)
    library.model.set_overlaid(0, True)
    view = library.view
    shown = [place for place in range(11) if not view.isColumnHidden(place)]
    assert sum(view.columnWidth(place) for place in shown) <= view.viewport().width()
    assert NAME in shown
    assert (LOSS in shown) == (size[0] >= 1000)
    assert not library.grab().isNull()
    if size[1] >= 300:
        for words in ("✓ finished", "Fashion-MNIST", "A with shortcuts, B plain", "A 1 · B 2", "A 90.0 %"):
            assert words in library.details.text()


def test_the_menu_offers_everything(qtbot: QtBot, make_run: MakeRun, make_library: MakeLibrary) -> None:
    make_run("one")
    library = make_library()
    library.view.selectionModel().setCurrentIndex(
        library.model.index(0, NAME), QItemSelectionModel.SelectionFlag.ClearAndSelect
    )
    library.view.customContextMenuRequested.emit(QPoint(30, 10))
    popup = QApplication.activePopupWidget()
    assert popup is not None
    assert len(popup.actions()) == len(library.actions_by_name)
    popup.close()


def test_reading_that_fails_is_said(qtbot: QtBot, make_library: MakeLibrary) -> None:
    def read(folder: Path) -> Iterator[RunSummary]:
        raise PermissionError(13, "Permission denied")
        yield

    library = make_library(RunSearch(read))
    settled(qtbot, library)
    assert "Permission denied" in library._empty.text()


def test_a_notice_of_an_unreadable_run_is_worded(qtbot: QtBot, make_library: MakeLibrary) -> None:
    summary = RunSummary(runs_folder() / "x", error=Notice("made by {program}", {"program": "9.9"}))
    library = make_library(RunSearch(lambda folder: iter([summary])))
    settled(qtbot, library)
    assert library.details.text() == "made by 9.9"
