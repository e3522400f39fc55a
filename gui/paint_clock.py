"""Paints one dirty panel a tick, as often as painting may cost.

Painting steals the interpreter and a core from training, so the time between ticks follows the
measured cost: painting stays under `SHARE` of a core.
"""

import time
from collections.abc import Sequence

from PySide6.QtCore import QObject, Qt, QTimer

from gui.panel import Panel

SHARE = 0.045
FASTEST_MS = 50
SLOWEST_MS = 500


class PaintClock(QObject):
    """Gives each visible, dirty panel its turn."""

    def __init__(self, panels: Sequence[Panel], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._panels = list(panels)
        self._next = 0
        self._started: float | None = None
        self.costs: dict[str, float] = {}  # seconds of GUI-thread CPU time, last, by panel
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setTimerType(Qt.TimerType.CoarseTimer)
        self._timer.timeout.connect(self.tick)
        self._after = QTimer(self)
        self._after.setSingleShot(True)
        self._after.setInterval(0)
        self._after.timeout.connect(self._painted)
        self._current = ""

    def add(self, panel: Panel) -> None:
        """Take one more panel in turn."""
        self._panels.append(panel)

    def start(self) -> None:
        """Begin ticking."""
        self._timer.start(FASTEST_MS)

    def stop(self) -> None:
        """Paint no more."""
        self._timer.stop()
        self._after.stop()

    def tick(self) -> None:
        """Refresh the next dirty panel, if any."""
        for _ in self._panels:
            panel = self._panels[self._next]
            self._next = (self._next + 1) % len(self._panels)
            if panel.dirty and panel.isVisible() and not panel.visibleRegion().isEmpty():
                self._current = type(panel).__name__
                self._started = time.thread_time()
                try:
                    panel.refresh_now()
                finally:  # a panel that fails must not stop the others
                    self._after.start()  # runs after the paint events that refresh caused
                return
        self._timer.start(FASTEST_MS)

    def _painted(self) -> None:
        assert self._started is not None
        cost = time.thread_time() - self._started
        self.costs[self._current] = cost
        self._timer.start(round(min(max(FASTEST_MS, 1000 * cost * (1 / SHARE - 1)), SLOWEST_MS)))
