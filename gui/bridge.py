"""The one place where the engine's thread and Qt meet.

The thread imports torch itself, so that the window is there before; it publishes through a signal,
which Qt delivers in the window's thread. Events are only passed on here.
"""

import queue
import threading
import traceback
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from core.messages import Command, Failed, Shutdown
from core.notices import Notice


class EngineBridge(QObject):
    """Carries commands to the engine and its events into the window's thread.

    Signals: `happened` (any event of core.messages), delivered queued.
    """

    happened = Signal(object)

    def __init__(self, directory: Path | None = None, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._directory = directory
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)

    def start(self) -> None:
        """Start the engine's thread."""
        self._thread.start()

    def submit(self, command: Command) -> None:
        """Hand a command to the engine."""
        self._commands.put(command)

    def shutdown(self, seconds: float = 4.5) -> bool:
        """Ask the engine to save and end; True when it did in time."""
        if self._thread.is_alive():
            self._commands.put(Shutdown())
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        try:
            from core.warm_up import warm_up

            threading.Thread(target=warm_up, name="warm-up", daemon=True).start()
            from core.engine import Engine

            engine = Engine(self.happened.emit, commands=self._commands)
            engine.record_to(self._directory)
            engine.loop()
        except Exception as error:  # noqa: BLE001 - the window must live to say what happened
            notice = Notice(
                "the engine could not start: {what}", {"what": f"{type(error).__name__}: {error}"}
            )
            self.happened.emit(Failed(notice, None, traceback.format_exc()))
