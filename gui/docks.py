"""The part of the window whose panels can be moved: a table of docks, each filled when first needed."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDockWidget, QLabel, QMainWindow, QTabBar

from core.messages import (
    Analysed,
    EngineReady,
    Evaluation,
    Event,
    Explanation,
    Judged,
    References,
    RunStarted,
    Shocked,
    TrainingSlice,
)
from gui.panel import Panel

WIDE = 1600  # pixels of window from which the set-up has a column of its own

_OUTLIVE_RUNS = (EngineReady, References)  # the other events are forgotten when a run begins


@dataclass(frozen=True, slots=True)
class Place:
    """A dock: what makes its panel and connects it, and what passes an event on to it."""

    dock: QDockWidget
    make: Callable[[], Panel]
    take: Callable[[Any, Event], None]
    extra: bool  # a new window hides it; it opens as a tab beside the pictures


class Docks(QMainWindow):
    """Makes, arranges and fills docks. A panel made late is told what it needs of the run so far.

    Signals: `built(name, panel)`, before the panel is told anything; `wanted`, when a dock comes
    into view that is still empty.
    """

    built = Signal(str, object)
    wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setWindowFlags(Qt.WindowType.Widget)
        self.setDockNestingEnabled(True)
        self._places: dict[str, Place] = {}
        self._panels: dict[str, Panel] = {}
        self._so_far: dict[object, Event] = {}
        self._is_seen = False
        self._arranged = WIDE  # for a window of this width
        self._sharing = QTimer(self, singleShot=True, interval=0)  # once the layout has taken in the moves
        self._sharing.timeout.connect(self._share_space)

    def __getitem__(self, name: str) -> QDockWidget:
        return self._places[name].dock

    def add(
        self, name: str, title: str, make: Callable[[], Panel], take: Callable[[Any, Event], None], *,
        extra: bool = False,
    ) -> None:  # fmt: skip
        """Add a dock; `make` is called when the panel is first needed, `take` with every event from then on."""
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(_placeholder(self.tr("Loading PyTorch…")))
        dock.visibilityChanged.connect(lambda visible: self._on_visible(name, visible))
        self._places[name] = Place(dock, make, take, extra)

    def panel(self, name: str) -> Panel:
        """Return a dock's panel, made now if it is not there yet."""
        if name not in self._panels:
            place = self._places[name]
            panel = self._panels[name] = place.make()
            self.built.emit(name, panel)
            for event in self._so_far.values():
                place.take(panel, event)
            place.dock.setWidget(panel)
        return self._panels[name]

    def panels(self) -> tuple[Panel, ...]:
        """Return the panels that have been made."""
        return tuple(self._panels.values())

    def fill(self) -> None:
        """Make the panels that a new window shows, and those that are in view."""
        for name, place in self._places.items():
            if not place.extra or not place.dock.isHidden():
                self.panel(name)

    def take(self, event: Event) -> None:
        """Pass an event on to every panel there is, and keep what a later one will need."""
        self._keep(event)
        for name, panel in tuple(self._panels.items()):
            self._places[name].take(panel, event)

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front."""
        self._want(name)
        self[name].show()
        self[name].raise_()

    def view_actions(self) -> list[QAction]:
        """Return, for a menu, the actions that show and hide the docks."""
        return [place.dock.toggleViewAction() for place in self._places.values()]

    # ---- arranging ------------------------------------------------------------------------

    def arrange(self, width: int) -> None:
        """Put every dock where a new window of this width has it."""
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        for place in self._places.values():
            self.removeDockWidget(place.dock)
        self.addDockWidget(left, self["network"])
        self.splitDockWidget(self["network"], self["curves"], Qt.Orientation.Vertical)
        self.addDockWidget(right, self["pictures"])
        if width >= WIDE:
            self.splitDockWidget(self["pictures"], self["setup"], Qt.Orientation.Horizontal)
            self.splitDockWidget(self["setup"], self["block"], Qt.Orientation.Vertical)
        else:
            self.tabifyDockWidget(self["pictures"], self["setup"])
            self.tabifyDockWidget(self["setup"], self["block"])
        for place in self._places.values():
            if place.extra:
                self.tabifyDockWidget(self["pictures"], place.dock)
            place.dock.setFloating(False)
            place.dock.setVisible(not place.extra)
        self["pictures"].raise_()
        self._arranged = width
        self._sharing.start()

    def _share_space(self) -> None:
        width = self._arranged
        if width >= WIDE:
            columns = [self["network"], self["pictures"], self["setup"]]
            self.resizeDocks(columns, [width - 920, 560, 360], Qt.Orientation.Horizontal)
            self.resizeDocks([self["setup"], self["block"]], [600, 400], Qt.Orientation.Vertical)
        else:
            columns = [self["network"], self["pictures"]]
            self.resizeDocks(columns, [width - 440, 440], Qt.Orientation.Horizontal)
        self.resizeDocks([self["network"], self["curves"]], [36, 64], Qt.Orientation.Vertical)

    # ---- filling --------------------------------------------------------------------------

    def watch(self) -> None:
        """From now on, fill a dock as soon as it comes into view."""
        self._is_seen = True  # while the window is put together, docks come and go that nobody looks at

    def _on_visible(self, name: str, visible: bool) -> None:
        for bar in self.findChildren(QTabBar):  # Qt makes and unmakes them as docks move
            bar.setElideMode(Qt.TextElideMode.ElideNone)
            bar.setUsesScrollButtons(True)
        if visible and self._is_seen:
            self._want(name)

    def _want(self, name: str) -> None:
        if name not in self._panels:
            self.wanted.emit()
            self.panel(name)

    def _keep(self, event: Event) -> None:
        match event:
            case RunStarted():
                kept = {key: one for key, one in self._so_far.items() if isinstance(one, _OUTLIVE_RUNS)}
                self._so_far = {**kept, RunStarted: event}
            case EngineReady() | References() | TrainingSlice() | Evaluation():
                self._so_far[type(event)] = event
            case Analysed():
                self._so_far[Analysed, event.instrument, event.lane, event.name] = event
            case Judged():
                self._so_far[Judged, event.source, event.album] = event
            case Explanation(done=True):
                self._so_far[Explanation] = event
            case Shocked():
                self._so_far[Shocked, event.toggled, event.lane, event.reading.steps] = event
            case _:
                pass


def _placeholder(text: str) -> QLabel:
    label = QLabel(text)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label
