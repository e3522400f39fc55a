"""Looks up at which steps the present run has checkpoints: in a thread, at most one, now and then."""

import contextlib
import threading
import time
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.stored_run import RecordError, open_run, read_checkpoints

REST_S = 5.0  # a checkpoint is written every half minute, and at toggles


class CheckpointSteps(QObject):
    """Knows a run's checkpoints, a little late.

    Signals: `known` (directory, list of steps).
    """

    known = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._thread: threading.Thread | None = None
        self._looked = -1e9
        self._directory: Path | None = None

    def look(self, directory: Path | None, *, at_once: bool = False) -> None:
        """Look them up, unless that was done just now; call as often as you like."""
        if directory != self._directory:
            self._directory, at_once = directory, True
        busy = self._thread is not None and self._thread.is_alive()
        if directory is None or busy or (not at_once and time.monotonic() - self._looked < REST_S):
            return
        self._looked = time.monotonic()
        self._thread = threading.Thread(
            target=self._work, args=(directory,), name="checkpoint steps", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float = 5.0) -> None:
        """Wait for the thread to end."""
        if self._thread is not None:
            self._thread.join(seconds)

    def _work(self, directory: Path) -> None:
        with contextlib.suppress(RecordError, RuntimeError):  # looked up again; or the window is gone
            with open_run(directory) as (_facts, connection):
                steps = sorted({checkpoint.step for checkpoint in read_checkpoints(connection)})
            self.known.emit(directory, steps)
