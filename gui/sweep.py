"""Runs a list of set-ups one after another, and reads the degradation chart's points off all runs."""

import threading
from collections.abc import Sequence

from PySide6.QtCore import QObject, Signal

from core.degradation import DepthPoint, points
from core.messages import EngineState, Event, RunStarted, StateChanged
from core.records import runs_folder
from core.settings import RunSettings
from core.stored_run import RecordError, read_run


class Sweep(QObject):
    """The set-ups still to be run, and the points of what has been.

    Signals: `run_wanted` (RunSettings), `progressed` (done, of), `points_known` (tuple of DepthPoint).
    """

    run_wanted = Signal(object)
    progressed = Signal(int, int)
    points_known = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._waiting: list[RunSettings] = []
        self._total = 0
        self._current: RunSettings | None = None
        self._thread: threading.Thread | None = None

    def start(self, settings: Sequence[RunSettings]) -> None:
        """Run these, the first at once."""
        self._waiting = list(settings)
        self._total = len(self._waiting)
        self._next()

    def stop(self) -> None:
        """Run no more after the present one."""
        self._waiting.clear()
        self._current = None
        self._total = 0
        self.progressed.emit(0, 0)

    def take(self, event: Event) -> None:
        """Follow the runs: the end of one begins the next; another run begun by hand ends the sweep."""
        match event:
            case RunStarted() if self._current is not None and not _same(event.settings, self._current):
                self.stop()
            case StateChanged(state=EngineState.FINISHED):
                self.look()
                if self._current is not None:
                    self._next()
            case _:
                pass

    def look(self) -> None:
        """Read the points of all recorded runs, in a thread; at most one."""
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._read, name="degradation points", daemon=True)
            self._thread.start()

    def _next(self) -> None:
        done = self._total - len(self._waiting)
        self.progressed.emit(done, self._total)
        self._current = self._waiting.pop(0) if self._waiting else None
        if self._current is not None:
            self.run_wanted.emit(self._current)

    def _read(self) -> None:
        found: list[DepthPoint] = []
        folder = runs_folder()
        for directory in sorted(folder.iterdir()) if folder.is_dir() else ():
            if directory.is_symlink() or not directory.is_dir():
                continue
            try:
                found += points(read_run(directory, with_steps=False))
            except RecordError:
                continue
        try:
            self.points_known.emit(tuple(found))
        except RuntimeError:  # the window is gone
            return


def _same(run: RunSettings, wanted: RunSettings) -> bool:
    names = [lane.name for lane in run.lanes] == [lane.name for lane in wanted.lanes]
    depths = [lane.network.depth for lane in run.lanes] == [lane.network.depth for lane in wanted.lanes]
    return names and depths and run.seed == wanted.seed and run.steps == wanted.steps
