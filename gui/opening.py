"""Opens what the user brings: pictures, checkpoints, runs, lessons, set-ups, folders, published weights."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from core.messages import CheckpointOpened, OpenCheckpoint, Resume, SaveCheckpoint
from core.notices import SkipscopeError
from gui.wording import say

if TYPE_CHECKING:
    from gui.main_window import MainWindow

RUN_SETTINGS = "settings.json"  # what makes a folder a run's


class Opening(QObject):
    """The window's ways of opening and saving.

    Signals: `opened` (path) for the list of recent files.
    """

    opened = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self._window = window
        self._imagenet: OpenCheckpoint | None = None  # asked for, perhaps not on this machine

    def open_path(self, path: str) -> None:
        """Open a picture, a lesson or set-up, a run, a folder of class folders, or a checkpoint."""
        from core.pictures import is_picture_name  # imports Pillow

        window = self._window
        if (Path(path) / RUN_SETTINGS).is_file():
            window.submit(Resume(Path(path)))
        elif Path(path).is_dir():
            window.setup.set_dataset(path)
            window.show_panel("setup")
            window.tell(self.tr("The folder is in the form; Apply begins a run on it."))
        elif is_picture_name(path):
            window.show_panel("pictures")
            window.pictures.open_pictures([path])
        elif path.endswith(".toml"):
            self._open_text(path)
        else:
            window.submit(OpenCheckpoint(path, "look"))
        if Path(path).exists():
            self.opened.emit(path)

    def _open_text(self, path: str) -> None:
        """Open a lesson, or a set-up written as text."""
        from core.setup_text import read_setup

        try:
            settings = read_setup(Path(path))
        except SkipscopeError as error:
            self._window.tell(say(error.notice), bad=True)
            return
        if settings is None:
            self._window.lessons.open(path)
        else:
            self._window.begin(settings)

    def offer(self, event: CheckpointOpened) -> None:
        """Ask what to do with a checkpoint that was looked at."""
        from gui.open_dialog import OpenDialog

        dialog = OpenDialog(event, self._window)
        dialog.chosen.connect(lambda path, use: self._window.submit(OpenCheckpoint(path, use)))
        dialog.open()

    # ---- dialogs ----------------------------------------------------------------------------

    def ask_file(self) -> None:
        """Ask for a file and open it."""
        from gui.ask import ask_file

        ask_file(self._window, self.open_path)

    def ask_folder(self) -> None:
        """Ask for a folder of pictures and put it into the set-up."""
        from gui.ask import ask_folder

        ask_folder(self._window, self.open_path)

    def ask_save(self) -> None:
        """Ask where to save the selected lane's weights."""
        from gui.ask import ask_weights

        lane, _ = self._window.network.selected
        ask_weights(self._window, lambda path: self._window.submit(SaveCheckpoint(lane, Path(path))))

    # ---- published networks -----------------------------------------------------------------

    def use_pretrained(self) -> None:
        """Keep the twins that ship beside the run."""
        self._window.submit(OpenCheckpoint("pretrained", "reference"))

    def use_imagenet(self, which: str) -> None:
        """Keep an ImageNet network beside the run; where it is not here, its download is offered."""
        self._imagenet = OpenCheckpoint(which, "reference")
        self._window.submit(self._imagenet)

    def download_for(self, request: int | None) -> tuple[str, str] | None:
        """Return what to download (name, button) where a request failed for want of it."""
        asked = self._imagenet
        if asked is None or request != asked.id:
            return None
        self._imagenet = None
        return asked.path, self.tr("Download")
