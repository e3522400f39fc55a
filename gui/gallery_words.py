"""What is said of a picture in the gallery: under its thumbnail, on hover, to a screen reader."""

import math
from pathlib import Path

from PySide6.QtCore import QCoreApplication

from core.pictures import PictureError, load_picture
from gui.explanation_words import class_name, percent
from gui.gallery_picture import GalleryPicture, Names
from gui.network_words import number
from gui.wording import say, whole


def label_name(picture: GalleryPicture, names: Names) -> str:
    """Return the name of a picture's true class; of a file whose class is not known, the file's name."""
    if picture.label >= 0:
        return class_name(names.labels, picture.label)
    return file_name(picture.path) if picture.path else "–"


def described(picture: GalleryPicture, names: Names, reason: str = "") -> str:
    """Return all that is known of a picture as lines of text; `reason`: why it cannot be read."""
    lines = [_head(picture, names)]
    if picture.path:
        lines.append(_printable(picture.path))
    if picture.state == "unreadable":
        lines.append(reason or QCoreApplication.translate("Gallery", "This file cannot be read"))
        return "\n".join(lines)
    if picture.state == "loading":
        lines.append(QCoreApplication.translate("Gallery", "This file is being read"))
    lines += [_said(picture, names, network) for network in range(len(picture.predicted))]
    if picture.step is not None:
        text = QCoreApplication.translate("Gallery", "predicted at step {step}")
        lines.append(text.format(step=whole(picture.step)))
    return "\n".join(lines)


def why_unreadable(path: str) -> str:
    """Return the loader's reason why nothing can be made of a file."""
    try:
        load_picture(path)
    except PictureError as error:
        return say(error.notice)
    return QCoreApplication.translate("Gallery", "It could not be read; by now it can")


def file_name(path: str) -> str:
    """Return a file's name; bytes that are no text are replaced."""
    return _printable(Path(path).name or path)


def _printable(path: str) -> str:
    return path.encode("utf-8", "replace").decode()


def _head(picture: GalleryPicture, names: Names) -> str:
    if not picture.path:
        text = QCoreApplication.translate("Gallery", "{label} (held-out picture {index})")
        return text.format(label=label_name(picture, names), index=whole(picture.index))
    if picture.label < 0:
        return file_name(picture.path)
    text = QCoreApplication.translate("Gallery", "{label} ({file})")
    return text.format(label=class_name(names.labels, picture.label), file=file_name(picture.path))


def _said(picture: GalleryPicture, names: Names, network: int) -> str:
    """Say what one network makes of a picture."""
    predicted, name = picture.predicted[network], names.network(network)
    if predicted < 0:
        if len(picture.predicted) == 1:
            return QCoreApplication.translate("Gallery", "no prediction yet")
        return QCoreApplication.translate("Gallery", "{network}: no prediction yet").format(network=name)
    text = {
        True: QCoreApplication.translate("Gallery", "{network}: {said}, {confidence} – right"),
        False: QCoreApplication.translate("Gallery", "{network}: {said}, {confidence} – wrong"),
        None: QCoreApplication.translate("Gallery", "{network}: {said}, {confidence}"),
    }[picture.marks(names)[network]]
    said = text.format(
        network=name,
        said=class_name(names.predicted, predicted),
        confidence=percent(picture.confidence[network]),
    )
    loss = picture.losses[network] if network < len(picture.losses) else math.nan
    if not math.isfinite(loss):
        return said
    return QCoreApplication.translate("Gallery", "{said}, loss {loss}").format(
        said=said, loss=number(loss, 2)
    )
