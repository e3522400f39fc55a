"""Reads the history of a recorded run in a thread, since it may be a million steps long."""

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.history import RunHistory
from core.stored_history import history_of
from core.stored_run import RecordError


class StoredReader(QObject):
    """Reads once, and calls `take` in the thread it was made in, unless it has been let go of."""

    _read = Signal(object)

    def __init__(self, directory: Path, last_step: int, take: Callable[[RunHistory | None], None]) -> None:
        super().__init__()
        self._read.connect(take)
        self._thread = threading.Thread(
            target=self._work, args=(directory, last_step), name="stored history", daemon=True
        )
        self._thread.start()

    def wait(self, seconds: float = 10.0) -> None:
        """Wait for the thread to end."""
        self._thread.join(seconds)

    def _work(self, directory: Path, last_step: int) -> None:
        history: RunHistory | None = None  # the curves then begin where the run was gone on with
        with contextlib.suppress(RecordError):
            history = history_of(directory, last_step)
        try:
            self._read.emit(history)
        except RuntimeError:  # the window is gone
            return
