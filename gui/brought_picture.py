"""Pictures a person brings along: one that is dropped, pasted or opened becomes 8-bit RGB, several an album.

One picture is read in the GUI thread: the loader's limits keep that short.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication, QImage, QPainter
from PySide6.QtWidgets import QFileDialog, QWidget

from core.messages import readonly
from core.pictures import MAX_PIXELS, SUFFIXES, Picture, PictureError, load_picture
from gui.wording import say

CHECKPOINTS = (".pt", ".pth", ".safetensors")


class BroughtPicture(QObject):
    """Makes pictures of what is brought.

    Signals: `picture` (core.pictures.Picture); `album` (list of paths) where there are several files, or a
    folder; `checkpoint` (path) where it is a weights file; `refused` (one line) where nothing can be made
    of it.
    """

    picture = Signal(object)
    album = Signal(list)
    checkpoint = Signal(str)
    refused = Signal(str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._window = parent

    def take(self, mime: QMimeData) -> None:
        """Take what was dropped or pasted: a file if there is one, else the picture itself."""
        if paths := local_files(mime):
            self.take_files(paths)
        elif mime.hasImage():
            image, name = QImage(mime.imageData()), self.tr("pasted picture")
            if (picture := self._made(lambda: picture_from_image(image, name))) is not None:
                self.picture.emit(picture)
        else:
            self.refused.emit(self.tr("There is no picture in it"))

    def take_files(self, paths: list[str]) -> None:
        """Take one file by itself; several files, or a folder, as an album."""
        if len(paths) == 1 and not Path(paths[0]).is_dir():
            self.take_file(paths[0])
        elif all(_is_checkpoint(path) for path in paths):
            self.refused.emit(self.tr("One weights file at a time, please"))
        else:
            self.album.emit(paths)

    def take_file(self, path: str) -> None:
        """Take a picture or a weights file."""
        if _is_checkpoint(path):
            self.checkpoint.emit(path)
        elif (picture := self.read(path)) is not None:
            self.picture.emit(picture)

    def read(self, path: str) -> Picture | None:
        """Read a picture file; None where that cannot be done, which is said."""
        return self._made(lambda: load_picture(path))

    def paste(self) -> None:
        """Take what is in the clipboard."""
        self.take(QGuiApplication.clipboard().mimeData())

    def choose_file(self) -> QFileDialog:
        """Let pictures be chosen; the window goes on meanwhile."""
        dialog = QFileDialog(self._window, self.tr("Open pictures"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        patterns = " ".join(f"*{suffix}" for suffix in sorted(SUFFIXES))
        dialog.setNameFilters(
            [self.tr("Pictures ({patterns})").format(patterns=patterns), self.tr("All files (*)")]
        )
        dialog.filesSelected.connect(self.take_files)
        dialog.open()
        return dialog

    def choose_folder(self) -> QFileDialog:
        """Let a folder of pictures be chosen; those in its folders belong to it."""
        dialog = QFileDialog(self._window, self.tr("Open folder of pictures"))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.filesSelected.connect(self.take_files)
        dialog.open()
        return dialog

    def _made(self, read: Callable[[], Picture]) -> Picture | None:
        try:
            return read()
        except PictureError as error:
            self.refused.emit(say(error.notice))
            return None


def _is_checkpoint(path: str) -> bool:
    return Path(path).suffix.lower() in CHECKPOINTS


def is_welcome(mime: QMimeData) -> bool:
    """Whether something may be made of this; a file's content is looked at when it is dropped."""
    return bool(local_files(mime)) or mime.hasImage()


def local_files(mime: QMimeData) -> list[str]:
    """Return the paths of the local files among what was dropped."""
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]


def picture_from_image(image: QImage, name: str) -> Picture:
    """Turn an image into 8-bit RGB; transparent parts are shown on white, as in a file."""
    if image.isNull():
        raise PictureError("{name} is empty", name=name)
    if image.width() * image.height() > MAX_PIXELS:
        raise PictureError("{name} has more than {most} million pixels", name=name, most=MAX_PIXELS // 10**6)
    flat = QImage(image.size(), QImage.Format.Format_RGB888)
    flat.fill(Qt.GlobalColor.white)
    painter = QPainter(flat)
    painter.drawImage(flat.rect(), image)  # into a rectangle: its own pixel ratio plays no part
    painter.end()
    lines = np.frombuffer(flat.constBits(), np.uint8).reshape(flat.height(), flat.bytesPerLine())
    pixels = lines[:, : 3 * flat.width()].reshape(flat.height(), flat.width(), 3).copy()
    return Picture(name, readonly(pixels))
