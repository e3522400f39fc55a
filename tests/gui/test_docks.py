"""Docks are filled when they are needed, and a panel made late knows what the others know."""

from collections.abc import Callable

import numpy as np
import pytest
from PySide6.QtWidgets import QMainWindow
from pytestqt.qtbot import QtBot

from core.findings import PathShares
from core.messages import (
    Analysed,
    EngineReady,
    EngineState,
    Event,
    Failed,
    LaneInfo,
    LaneSlice,
    RunStarted,
    StateChanged,
    TrainingSlice,
)
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings, twins
from gui.banner import SHOWN_MS, Banner
from gui.curves_legend import CurvesLegend, LegendEntry
from gui.docks import Docks
from gui.panel import Panel
from gui.theme import DARK

SETTINGS = RunSettings(lanes=twins(NetworkSettings(width=4)), batch_size=7)
READY = EngineReady("cpu", Notice("CPU: none found"), 2, (("Python", "3.11"),), ("cpu",))


def run_started(steps: int = 200) -> RunStarted:
    infos = tuple(
        LaneInfo(lane.name, lane.network, 10, (1,) * 8, ((4, 8, 8),) * 8) for lane in SETTINGS.lanes
    )
    return RunStarted(SETTINGS, infos, tuple("ab"), steps, 100, 10, 10, None)


def training_slice(first: int) -> TrainingSlice:
    one = LaneSlice(
        losses=np.ones(1), accuracies=np.ones(1), gradient_norms=np.ones((1, 8)),
        output_gradients=np.ones((1, 8)), learning_rate=0.05, shortcuts=(1.0,) * 8, branches=(1.0,) * 8,
    )  # fmt: skip
    return TrainingSlice(first, 1, (one, one), (), 400.0, 500_000_000)


def found(lane: int, fraction: float = 1.0) -> Analysed:
    shares = PathShares.__new__(PathShares)  # what is found does not matter here
    return Analysed(1, "paths", lane, "A", 3, shares, fraction)


class Recorder(Panel):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Event] = []


def hear(panel: Recorder, event: Event) -> None:
    panel.told.append(event)


NAMES = ("network", "curves", "pictures", "setup", "block")


@pytest.fixture
def make_docks(qtbot: QtBot) -> Callable[[], tuple[QMainWindow, Docks]]:
    def make() -> tuple[QMainWindow, Docks]:
        window, docks = QMainWindow(), Docks()
        for name in NAMES:
            docks.add(name, name, Recorder, hear)
        docks.add("health", "Health", Recorder, hear, extra=True)
        window.setCentralWidget(docks)
        qtbot.addWidget(window)
        window.resize(1280, 800)
        docks.arrange(1280)
        window.show()
        qtbot.waitExposed(window)
        return window, docks

    return make


def test_nothing_is_made_before_it_is_needed(make_docks: Callable[[], tuple[QMainWindow, Docks]]) -> None:
    _, docks = make_docks()
    assert docks.panels() == ()
    docks.fill()
    assert len(docks.panels()) == len(NAMES)
    assert docks["health"].isHidden()


def test_a_late_panel_is_told_of_this_run_and_of_no_other(
    make_docks: Callable[[], tuple[QMainWindow, Docks]],
) -> None:
    _, docks = make_docks()
    second, last, finding = run_started(300), training_slice(2), found(1)
    for event in (READY, run_started(), training_slice(1), found(0), second, training_slice(1)):
        docks.take(event)
    for event in (last, found(1, 0.5), finding):
        docks.take(event)
    panel = docks.panel("health")
    assert isinstance(panel, Recorder)
    assert [id(event) for event in panel.told] == [id(event) for event in (READY, second, last, finding)]
    docks.take(second)
    assert panel.told[-1] is second


def test_an_extra_dock_opens_as_a_tab_beside_the_pictures(
    make_docks: Callable[[], tuple[QMainWindow, Docks]], qtbot: QtBot
) -> None:
    _, docks = make_docks()
    docks.show_panel("health")
    assert docks["pictures"] in docks.tabifiedDockWidgets(docks["health"])
    qtbot.waitUntil(lambda: not docks["health"].visibleRegion().isEmpty(), timeout=2000)


def test_opening_an_empty_dock_asks_for_the_rest(
    make_docks: Callable[[], tuple[QMainWindow, Docks]], qtbot: QtBot
) -> None:
    _, docks = make_docks()
    qtbot.wait(50)  # the docks come to rest
    asked: list[int] = []
    docks.wanted.connect(lambda: asked.append(1))
    docks["setup"].raise_()
    qtbot.wait(50)
    assert not asked  # the window is still being put together
    docks["pictures"].raise_()
    qtbot.wait(50)
    docks.watch()
    docks["block"].raise_()
    qtbot.waitUntil(lambda: len(docks.panels()) == 1, timeout=2000)
    assert asked == [1]


def test_old_layouts_without_a_dock_can_be_restored(
    make_docks: Callable[[], tuple[QMainWindow, Docks]], qtbot: QtBot
) -> None:
    _, docks = make_docks()
    state = docks.saveState(1)
    docks.add("newer", "Newer", Recorder, hear, extra=True)
    docks.arrange(1280)
    assert docks.restoreState(state, 1)
    docks.show_panel("newer")
    qtbot.waitUntil(lambda: not docks["newer"].visibleRegion().isEmpty(), timeout=2000)


def test_the_window_makes_its_panels_with_the_first_step(qtbot: QtBot) -> None:
    from gui.main_window import MainWindow
    from tests.gui.test_window import FakeBridge  # type: ignore[import-not-found]

    window = MainWindow(FakeBridge())
    qtbot.addWidget(window)
    window.show()
    for event in (READY, StateChanged(EngineState.LOADING), run_started(), StateChanged(EngineState.RUNNING)):
        window.on_event(event)
        assert len(window.docks.panels()) == 1
    window.on_event(training_slice(1))
    window.paint_everything()
    assert window.setup.settings() == SETTINGS
    assert window.card.text("norm") == "1"
    assert window.run_bar.lesson.count() == 13  # the lessons that ship, and the free run


def test_the_reason_why_there_is_no_engine_stays(qtbot: QtBot) -> None:
    from gui.main_window import MainWindow
    from tests.gui.test_window import FakeBridge

    window = MainWindow(FakeBridge())
    qtbot.addWidget(window)
    window.show()
    window.on_event(Failed(Notice("the engine could not start: {what}", {"what": "no torch"}), None, "trace"))
    assert window.banner.isVisible()
    assert not window.banner._timer.isActive()
    window.set_appearance("dark")
    assert window.banner.isVisible()
    window.banner._dismiss.click()
    assert not window.banner.isVisible()


def test_what_was_done_goes_away_by_itself(qtbot: QtBot) -> None:
    banner = Banner()
    qtbot.addWidget(banner)
    banner.show_text("Saved", bad=False)
    assert banner._timer.isActive()
    assert banner._timer.interval() == SHOWN_MS
    banner.show_text("stays", stays=True)
    assert not banner._timer.isActive()
    banner.set_theme(DARK)
    assert banner.isVisible()


def test_the_legend_says_half_of_each_lane_rather_than_cut_the_note(qtbot: QtBot) -> None:
    legend = CurvesLegend()
    qtbot.addWidget(legend)
    entries = tuple(LegendEntry(name, "18 layers, 8/8 shortcuts", "", "8/8 shortcuts") for name in "AB")
    legend.show_lanes(entries, "line: mean of 5 steps")
    metrics = legend.fontMetrics()
    widths = {}
    for width in range(40, 1200):
        legend.resize(width, 20)
        widths.setdefault(tuple(legend._abouts(metrics)), width)
    full, brief = ("18 layers, 8/8 shortcuts",) * 2, ("8/8 shortcuts",) * 2
    note = metrics.horizontalAdvance("line: mean of 5 steps")
    halves = metrics.horizontalAdvance("18 layers, ")
    assert next(iter(widths)) == ("", "")
    legend.resize(widths[full], 20)  # where the cut note first leaves room for all …
    assert legend._abouts(metrics) == list(full)
    legend.resize(widths[full] + note - halves, 20)  # … and where the whole one fits beside half
    assert legend._abouts(metrics) == list(brief)
    legend.resize(widths[full] + note + 8, 20)
    assert legend._abouts(metrics) == list(full)
