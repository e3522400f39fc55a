"""What a person drops or pastes: pictures become 8-bit RGB, other files are told apart by name."""

from pathlib import Path

import numpy as np
from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QImage, QPainter

from core.messages import OwnPicture, readonly
from core.pictures import MAX_PIXELS, Picture, PictureError, load_picture

CHECKPOINTS = (".pt", ".pth", ".safetensors")


def is_welcome(mime: QMimeData) -> bool:
    """Whether something may be made of this; a file's content is looked at when it is dropped."""
    return bool(local_files(mime)) or mime.hasImage()


def local_files(mime: QMimeData) -> list[str]:
    """Return the paths of the local files among what was dropped."""
    return [url.toLocalFile() for url in mime.urls() if url.isLocalFile()]


def is_checkpoint(path: str) -> bool:
    """Whether the name is that of a weights file."""
    return Path(path).suffix.lower() in CHECKPOINTS


def from_file(path: str) -> Picture:
    """Read one picture; raise PictureError with the reason if that cannot be done."""
    return load_picture(path)


def from_image(image: QImage, name: str) -> Picture:
    """Take a picture out of the clipboard; transparent parts are shown on white, as in a file."""
    if image.isNull():
        raise PictureError("{name} holds no picture", name=name)
    if image.width() * image.height() > MAX_PIXELS:
        raise PictureError("{name} has more than {most} million pixels", name=name, most=MAX_PIXELS // 10**6)
    flat = QImage(image.width(), image.height(), QImage.Format.Format_RGB888)
    flat.fill(Qt.GlobalColor.white)
    painter = QPainter(flat)
    painter.drawImage(flat.rect(), image)  # by rectangle: an image's own pixel ratio plays no part
    painter.end()
    lines = np.frombuffer(flat.constBits(), np.uint8).reshape(flat.height(), flat.bytesPerLine())
    pixels = lines[:, : 3 * flat.width()].reshape(flat.height(), flat.width(), 3).copy()
    return Picture(name, readonly(pixels))


def own(picture: Picture) -> OwnPicture:
    """Make the request's picture."""
    return OwnPicture(picture.name, picture.pixels)
