"""The docks of the instruments: each made when it is first looked at, connected here and nowhere else."""

from typing import TYPE_CHECKING, cast

from PySide6.QtCore import QObject, QTimer

from core.findings import GradientSplit
from core.messages import (
    Analyse,
    Analysed,
    Cancel,
    EngineState,
    Event,
    Failed,
    RunStarted,
    Shocked,
    StateChanged,
    TrainingSlice,
)

if TYPE_CHECKING:  # a panel's module is loaded when the panel is needed
    from gui.degradation_panel import DegradationPanel
    from gui.health_panel import HealthPanel
    from gui.lesion_panel import LesionPanel
    from gui.main_window import MainWindow
    from gui.path_panel import PathPanel
    from gui.shock_card import ShockCard
    from gui.slow_motion_panel import SlowMotionPanel

SPLIT_MS = 2000  # between looks at the gradient's two ways


class Instruments(QObject):
    """Adds the instruments to a window and passes on what they ask for."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._is_running = False
        self._shows_split = False
        self._split_timer = QTimer(self)
        self._split_timer.setInterval(SPLIT_MS)
        self._split_timer.timeout.connect(self._look_at_split)
        docks, tr = window.docks, self.tr
        docks.add("shock", tr("Shock card"), self._make_shock, feed_shock, extra=True)
        docks.add("health", tr("Health"), self._make_health, feed_health, extra=True)
        docks.add("lesions", tr("Lesions"), self._make_lesions, feed_measured, extra=True)
        docks.add("paths", tr("Paths"), self._make_paths, feed_measured, extra=True)
        docks.add("slow", tr("One step"), self._make_slow, feed_slow, extra=True)
        docks.add("degradation", tr("Degradation"), self._make_degradation, feed_nothing, extra=True)

    def take(self, event: Event) -> None:
        """Take what concerns the arrows on the network panel."""
        match event:
            case Analysed(finding=GradientSplit() as finding, lane=int(lane), step=int(step)) if (
                self._shows_split
            ):
                self._window.network.set_split(lane, step, finding)
            case RunStarted():
                self._look_at_split()
            case StateChanged():
                self._is_running = event.state is EngineState.RUNNING
            case _:
                pass

    def show_split(self, shows: bool) -> None:
        """Draw on the network what comes back through each shortcut and each branch, or no more."""
        self._shows_split = shows
        if shows:
            self._window.submit(Analyse("split"))
            self._split_timer.start()
        else:
            self._split_timer.stop()
            self._window.network.clear_splits()

    def _look_at_split(self) -> None:
        if self._shows_split and self._is_running and self._window.network.isVisible():
            self._window.submit(Analyse("split", automatic=True))

    # ---- making -----------------------------------------------------------------------------

    def _make_shock(self) -> "ShockCard":
        from gui.shock_card import ShockCard

        panel = ShockCard()
        self._window.toggles.applied.connect(panel.add_toggle)
        return panel

    def _make_health(self) -> "HealthPanel":
        from gui.health_panel import HealthPanel

        panel = HealthPanel()
        panel.said.connect(self._window.tell)
        return panel

    def _make_lesions(self) -> "LesionPanel":
        from gui.lesion_panel import LesionPanel

        return cast("LesionPanel", self._measuring(LesionPanel()))

    def _make_paths(self) -> "PathPanel":
        from gui.path_panel import PathPanel

        return cast("PathPanel", self._measuring(PathPanel()))

    def _measuring(self, panel: "LesionPanel | PathPanel") -> "LesionPanel | PathPanel":
        panel.analyse_requested.connect(self._window.submit)
        panel.cancel_requested.connect(lambda request: self._window.submit(Cancel(request)))
        panel.said.connect(self._window.tell)
        return panel

    def _make_slow(self) -> "SlowMotionPanel":
        from gui.slow_motion_panel import SlowMotionPanel

        panel = SlowMotionPanel()
        panel.analyse_requested.connect(self._window.submit)
        panel.highlight.connect(lambda lane, block, _phase: self._window.network.highlight_block(lane, block))
        return panel

    def _make_degradation(self) -> "DegradationPanel":
        from gui.degradation_panel import DegradationPanel
        from gui.sweep import Sweep

        panel = DegradationPanel()
        panel.said.connect(self._window.tell)
        sweep = Sweep(panel)
        sweep.run_wanted.connect(self._window.begin)
        sweep.points_known.connect(panel.set_points)
        sweep.progressed.connect(panel.set_progress)
        panel.sweep_requested.connect(sweep.start)
        panel.stop_requested.connect(sweep.stop)
        self._window.event_seen.connect(sweep.take)
        sweep.look()
        return panel


def feed_shock(panel: "ShockCard", event: Event) -> None:
    """Pass an event on to the shock card."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.add_slice(event)
        case Shocked():
            panel.on_shocked(event)
        case _:
            pass


def feed_health(panel: "HealthPanel", event: Event) -> None:
    """Pass an event on to the health panel."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.add_slice(event)
        case _:
            pass


def feed_measured(panel: "LesionPanel | PathPanel", event: Event) -> None:
    """Pass an event on to a panel that measures on demand."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case TrainingSlice():
            panel.add_slice(event)
        case Analysed():
            panel.add_finding(event)
        case Failed():
            panel.add_failure(event)
        case _:
            pass


def feed_slow(panel: "SlowMotionPanel", event: Event) -> None:
    """Pass an event on to the slow motion."""
    match event:
        case RunStarted():
            panel.start_run(event)
        case Analysed():
            panel.on_analysed(event)
        case Failed():
            panel.on_failed(event)
        case _:
            pass


def feed_nothing(_panel: object, _event: Event) -> None:
    """Pass on nothing: the panel is fed by what it is connected with."""
