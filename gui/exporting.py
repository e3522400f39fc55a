"""Writes the present run, or its set-up, to a file of the user's choice."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.messages import Event, RunStarted
from core.notices import SkipscopeError
from core.settings import RunSettings
from gui.ask import ask_directory, ask_name
from gui.wording import say

if TYPE_CHECKING:
    from gui.main_window import MainWindow


class Exporting(QObject):
    """Asks for the file, writes in a thread, and says what became of it.

    Signals: `ended` (sentence, whether it is bad).
    """

    ended = Signal(str, bool)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._directory: Path | None = None
        self._settings: RunSettings | None = None
        self.ended.connect(lambda text, bad: window.tell(text, bad=bad))

    def take(self, event: Event) -> None:
        """Take the present run."""
        if isinstance(event, RunStarted):
            self._directory, self._settings = event.directory, event.settings

    def csv(self) -> None:
        """Write every step of the run as a table."""

        def write(path: Path, directory: Path) -> None:
            from core.export_csv import run_csv
            from core.stored_run import read_run

            run_csv(read_run(directory, with_steps=False), path)

        self._ask_run(self.tr("Export the run as a table"), self.tr("Tables (*.csv)"), "csv", write)

    def tensorboard(self) -> None:
        """Write the run as TensorBoard's event files."""

        def write(path: Path, directory: Path) -> None:
            from core.export_tensorboard import tensorboard
            from core.stored_run import read_run

            tensorboard(read_run(directory, with_steps=False), path)

        self._ask_run(self.tr("Export the run for TensorBoard: a folder"), "", "", write)

    def script(self) -> None:
        """Write the present set-up as a PyTorch script."""
        from core.export_script import script

        self._ask_setup(self.tr("Export as a PyTorch script"), self.tr("Python (*.py)"), "py", script)

    def setup(self) -> None:
        """Write the present set-up as a small text file."""
        from core.setup_text import setup_text

        self._ask_setup(self.tr("Export the set-up"), self.tr("Set-ups (*.toml)"), "toml", setup_text)

    def _ask_setup(self, title: str, kinds: str, suffix: str, text: Callable[[RunSettings], str]) -> None:
        settings = self._settings
        if settings is None:
            return

        def write(path: Path) -> None:
            from core.exports import write_file

            write_file(path, text(settings).encode())

        self._ask(title, kinds, suffix, write)

    def _ask_run(self, title: str, kinds: str, suffix: str, write: Callable[[Path, Path], None]) -> None:
        directory = self._directory
        if directory is None:
            self.ended.emit(self.tr("This run is not recorded, so there is nothing to export."), True)
            return
        self._ask(title, kinds, suffix, lambda path: write(path, directory))

    def _ask(self, title: str, kinds: str, suffix: str, write: Callable[[Path], None]) -> None:
        if suffix:
            ask_name(self._window, title, {suffix: kinds}, lambda name: self.write(Path(name), write))
        else:
            ask_directory(self._window, title, lambda name: self.write(Path(name), write))

    def write(self, path: Path, write: Callable[[Path], None]) -> threading.Thread:
        """Write to a path in a thread; `ended` says how it went."""

        def work() -> None:
            try:
                write(path)
            except SkipscopeError as error:
                self.ended.emit(say(error.notice), True)
            except OSError as error:
                text = self.tr("{path} could not be written: {why}")
                self.ended.emit(text.format(path=path, why=error.strerror or error), True)
            else:
                self.ended.emit(self.tr("Written: {path}").format(path=path), False)

        thread = threading.Thread(target=work, name="export", daemon=True)
        thread.start()
        return thread
