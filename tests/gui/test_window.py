"""The window on a fake engine: what is clicked is sent, what is said is shown."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.messages import (
    Download,
    EngineState,
    Failed,
    OpenCheckpoint,
    Pause,
    Play,
    References,
    Reset,
    SetLearningRate,
    SetStrengths,
    Setup,
    StateChanged,
    StepOnce,
)
from core.notices import Notice
from gui.main_window import MainWindow
from tests.gui.fake_window import (
    READY,
    FakeBridge,
    run_started,
    running,
    training_slice,
)


def test_a_run_begins_without_a_click(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, bridge = make_window()
    window.on_event(READY)
    setups = bridge.of(Setup)
    assert len(setups) == 1
    lanes = setups[0].settings.lanes  # type: ignore[union-attr]
    assert [lane.shortcuts[0] for lane in lanes] == [1.0, 0.0]
    assert lanes[0].network.width == 16


def test_a_toggle_is_sent_shown_as_requested_and_marked_when_applied(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]],
) -> None:
    window, bridge = make_window()
    running(window)
    window.network.select(0, 3)
    window.network.toggle_selected()
    sent = bridge.of(SetStrengths)
    assert len(sent) == 1
    assert sent[0].shortcuts == (1, 1, 1, 0, 1, 1, 1, 1)  # type: ignore[union-attr]
    marked: list[tuple[int, int, str]] = []
    window.toggles.applied.connect(lambda *found: marked.append(found))
    now = (sent[0].shortcuts, (0.0,) * 8)  # type: ignore[union-attr]
    window.on_event(training_slice(2, applied=(sent[0].id,), shortcuts=now))
    window.on_event(training_slice(3, shortcuts=((1.0,) * 8, (0.0,) * 8)))  # as a lesson does
    assert marked.pop() == (3, 0, "shortcut 2.1 restored")
    assert marked == [(2, 0, "shortcut 2.1 cut")]


@pytest.mark.parametrize(("key", "kind"), [("Space", Pause), (".", StepOnce), ("R", Reset)])
def test_keys(
    key: str, kind: type, make_window: Callable[..., tuple[MainWindow, FakeBridge]], qtbot: QtBot
) -> None:
    window, bridge = make_window()
    running(window)
    with qtbot.waitActive(window):
        window.activateWindow()
    window.network.setFocus()
    codes = {"Space": Qt.Key.Key_Space, ".": Qt.Key.Key_Period, "R": Qt.Key.Key_R}
    QTest.keyClick(window.network, codes[key])
    qtbot.waitUntil(lambda: len(bridge.of(kind)) == 1, timeout=2000)


def test_space_presses_a_focused_button_instead(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]], qtbot: QtBot
) -> None:
    window, bridge = make_window()
    running(window)
    with qtbot.waitActive(window):
        window.activateWindow()
    window.paint_everything()
    button = window.run_bar.buttons.reset
    button.setFocus()
    QTest.keyClick(button, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: len(bridge.of(Reset)) == 1, timeout=2000)
    assert not bridge.of(Pause)


def test_shift_s_cuts_the_whole_lane(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]], qtbot: QtBot
) -> None:
    window, bridge = make_window()
    running(window)
    QTest.keyClick(window.network, Qt.Key.Key_S, Qt.KeyboardModifier.ShiftModifier)
    qtbot.waitUntil(lambda: len(bridge.of(SetStrengths)) == 1, timeout=2000)
    assert bridge.of(SetStrengths)[0].shortcuts == (0.0,) * 8  # type: ignore[union-attr]


def test_play_after_pause(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, bridge = make_window()
    running(window)
    window.on_event(StateChanged(EngineState.PAUSED))
    window.play_or_pause()
    assert len(bridge.of(Play)) == 1


def test_a_failure_is_one_line_in_the_banner(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]],
) -> None:
    window, _ = make_window()
    running(window)
    window.on_event(Failed(Notice("{file} is not a checkpoint", {"file": "x.pt"}), 7))
    assert window.banner.isVisible()
    assert window.banner.text() == "x.pt is not a checkpoint"


def test_what_is_no_longer_kept_is_said(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, _ = make_window()
    running(window)
    window.on_event(
        References(("lanes", "b.pt"), "b.pt", (None, None), Notice("{names} is gone", {"names": "a.pt"}))
    )
    assert window.banner.text() == "a.pt is gone"


def test_missing_imagenet_weights_offer_the_download(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]],
) -> None:
    window, bridge = make_window()
    running(window)
    window.opening.use_imagenet("imagenet-resnet34")
    asked = bridge.of(OpenCheckpoint)[0]
    window.on_event(Failed(Notice("not here"), asked.id))
    assert window.banner._action.isVisible()
    window.banner._action.click()
    assert [command.what for command in bridge.of(Download)] == ["imagenet-resnet34"]  # type: ignore[union-attr]


def test_a_lesson_shows_its_question_and_at_the_end_its_verdict(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]],
) -> None:
    window, bridge = make_window(lesson="twins")
    window.on_event(READY)
    setup = bridge.of(Setup)[0]
    assert setup.lesson == "twins"  # type: ignore[union-attr]
    window.on_event(run_started("twins", setup.settings))  # type: ignore[union-attr]
    window.on_event(StateChanged(EngineState.RUNNING))
    assert window.lessons.strip.isVisible()
    window.on_event(training_slice(1, 100))
    assert not window.lessons.strip.verdict.text()
    window.on_event(training_slice(101, 100))
    window.lessons.strip.choose(None)
    assert "did not meet" in window.lessons.strip.verdict.text()
    assert "2" in window.lessons.strip.verdict.text()


def test_a_learning_rate_in_the_bar_goes_to_all_lanes(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]],
) -> None:
    window, bridge = make_window()
    running(window)
    window.run_bar.learning_rate_changed.emit(0.01)
    sent = bridge.of(SetLearningRate)
    assert [(command.learning_rate, command.lane) for command in sent] == [(0.01, None)]  # type: ignore[union-attr]


def test_light_and_dark(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, _ = make_window()
    running(window)
    window.set_appearance("dark")
    assert window.network.theme.dark
    assert QApplication.palette().window().color().lightness() < 128
    window.set_appearance("light")
    assert not window.curves.theme.dark


def test_geometry_docks_and_recent_files_are_remembered(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]], tmp_path: Path
) -> None:
    first, _ = make_window()
    running(first)
    file = tmp_path / "weights.safetensors"
    file.write_bytes(b"x")
    first.opening.open_path(str(file))
    first.docks["curves"].hide()
    first.resize(1100, 700)
    first.close()
    second, _ = make_window()
    running(second)
    assert second.docks["curves"].isHidden()
    assert second.menus.recent.actions()[0].text() == str(file)
    second.reset_layout()
    assert not second.docks["curves"].isHidden()


def test_closing_saves_and_ends_the_engine(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, bridge = make_window()
    running(window)
    window.close()
    assert bridge.ended


def test_keys_and_about_open(make_window: Callable[..., tuple[MainWindow, FakeBridge]]) -> None:
    window, _ = make_window()
    running(window)
    window.menus.show_keys()
    from gui.help_dialogs import AboutDialog

    about = AboutDialog(READY, window)
    about.open()
    assert "Python 3.11" in about.report
    assert "skipscope.log" in about.report
    about.close()
