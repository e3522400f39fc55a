"""Reads what runs there are in a thread of its own, so that a thousand of them never hold the window up."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from PySide6.QtCore import QObject, Signal

from core.library import RunSummary, iterate_runs
from core.notices import SkipscopeError
from core.stored_run import RecordError, read_facts, reading
from gui.wording import say

Reader: TypeAlias = Callable[[Path], Iterator[RunSummary]]

BATCH_S = 0.12  # found runs are handed over so often
REST_S = 0.001  # after each run, in which the window need not wait for the interpreter


@dataclass(frozen=True, slots=True)
class Found:
    """A run, and the step of its parent at which it branched off."""

    run: RunSummary
    branched_at: int | None = None


class RunSearch(QObject):
    """Goes through a folder of runs; a new search ends the one before it. At most one thread.

    Signals: `found` (number of the search, a list of Found), `ended` (number, "" or why it failed).
    """

    found = Signal(int, object)
    ended = Signal(int, str)

    def __init__(self, reader: Reader = iterate_runs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = reader
        self._number = 0
        self._wanted: tuple[int, Path] | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, folder: Path) -> int:
        """Begin a search and return its number."""
        with self._lock:
            self._number += 1
            self._wanted = (self._number, folder)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="runs", daemon=True)
                self._thread.start()
            return self._number

    def stop(self) -> None:
        """Give up the search."""
        with self._lock:
            self._number += 1
            self._wanted = None

    def wait(self, seconds: float = 5.0) -> bool:
        """Wait for the thread to end; whether it has."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    # ---- in the thread ------------------------------------------------------------------------

    def _work(self) -> None:
        while True:
            with self._lock:
                if self._wanted is None:
                    self._thread = None
                    return
                number, folder = self._wanted
                self._wanted = None
            try:
                self._search(number, folder)
            except RuntimeError:  # the window is gone
                self._thread = None
                return

    def _search(self, number: int, folder: Path) -> None:
        batch: list[Found] = []
        handed_over = time.monotonic()
        fault = ""
        try:
            for summary in self._reader(folder):
                if number != self._number:
                    return
                time.sleep(REST_S)
                batch.append(Found(summary, _branched_at(summary)))
                if time.monotonic() - handed_over > BATCH_S:
                    self.found.emit(number, batch)
                    batch, handed_over = [], time.monotonic()
        except SkipscopeError as error:
            fault = say(error.notice)
        except OSError as error:
            fault = f"{folder}: {error.strerror}"
        if number == self._number:
            self.found.emit(number, batch)
            self.ended.emit(number, fault)


def _branched_at(run: RunSummary) -> int | None:
    if run.parent is not None:
        with contextlib.suppress(RecordError), reading(run.directory):
            return read_facts(run.directory).parent_step
    return None
