"""The window over many lives and floods of events, and where a screen is gone."""

import gc
import time
from collections.abc import Callable

import numpy as np
import psutil
import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QRect
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QMainWindow, QMenu
from pytestqt.qtbot import QtBot

from core.allocator import give_back_memory
from core.messages import LaneSlice, TrainingSlice
from gui.main_window import MainWindow
from gui.window_state import WindowState
from tests.gui.fake_window import FakeBridge, make_window, running

__all__ = ["make_window"]
pytestmark = [pytest.mark.gate, pytest.mark.timeout(170)]
LIVES, SETTLED = 100, 20


def one_life() -> None:
    window = MainWindow(FakeBridge())
    window.resize(1280, 800)
    window.show()
    running(window)
    window.paint_everything()
    window.close()
    window.deleteLater()
    QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    QApplication.processEvents()


def test_a_hundred_windows_leave_nothing_behind(qtbot: QtBot) -> None:
    process = psutil.Process()
    memory, widgets = [], []
    for _ in range(LIVES):
        one_life()
        gc.unfreeze()  # what a window keeps out of collection, since a program has but one
        gc.collect()
        give_back_memory()  # what is kept for later is no leak
        memory.append(process.memory_info().rss / 1024)
        # pyqtgraph never lets go of the four plots' own menus; a program has one window
        widgets.append(sum(not isinstance(each, QMenu) for each in QApplication.allWidgets()))
    assert max(widgets[SETTLED:]) == min(widgets[SETTLED:]), widgets
    slope = np.polyfit(np.arange(LIVES - SETTLED), memory[SETTLED:], 1)[0]
    assert slope < 50, f"{slope:.0f} KiB a window"


def flood(first: int, steps: int) -> TrainingSlice:
    values = np.linspace(2.0, 1.0, steps)
    lane = LaneSlice(
        values, np.full(steps, 0.5), np.ones((steps, 8)), np.ones((steps, 8)), 0.05, (1.0,) * 8, (1.0,) * 8
    )
    return TrainingSlice(first, steps, (lane, lane), (), 1000.0, 10**8)


def test_a_flood_of_a_hundred_thousand_steps_leaves_the_window_in_time(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]], qtbot: QtBot
) -> None:
    """2,000 slices of 50 steps in two seconds, as a queue would deliver them."""
    window, bridge = make_window()
    running(window)
    window.paint_everything()
    before = psutil.Process().memory_info().rss
    ticks = []
    step, began = 2, time.perf_counter()
    for number in range(2000):
        bridge.happened.emit(flood(step, 50))
        step += 50
        tick = time.perf_counter()
        QApplication.processEvents()
        ticks.append(time.perf_counter() - tick)
        wait = began + number * 0.001 - time.perf_counter()
        if wait > 0:
            time.sleep(wait)
    assert float(np.quantile(ticks, 0.99)) < 0.05
    assert (psutil.Process().memory_info().rss - before) / 2**20 < 50
    window.paint_everything()
    assert window.curves.history is not None
    assert last_step(window) == step - 1


def last_step(window: MainWindow) -> int:
    history = window.curves.history
    assert history is not None
    return history.last_step


@pytest.mark.parametrize(
    "geometry",
    [(-5000, 0), (0, -3000), (20_000, 20_000), (1900, 1060), (-1270, 100), (100, 5000)],
    ids=str,
)
def test_a_window_of_a_screen_that_is_gone_comes_back_onto_one(
    geometry: tuple[int, int], qtbot: QtBot
) -> None:
    state = WindowState()
    for show in (False, True):
        window, docks = QMainWindow(), QMainWindow()
        qtbot.addWidget(window)
        qtbot.addWidget(docks)
        window.setObjectName("window")
        if show:
            assert state.restore(window, docks)
            window.show()
            screens = [screen.availableGeometry() for screen in QGuiApplication.screens()]
            seen = [window.frameGeometry().intersected(screen) for screen in screens]
            assert max(each.width() * each.height() for each in seen) > 100 * 100
            assert window.frameGeometry().top() >= min(screen.top() for screen in screens)
        else:
            window.setGeometry(QRect(*geometry, 1280, 800))
            state.save(window, docks)
