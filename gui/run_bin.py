"""Puts a run's folder into the system's bin, and takes it back."""

import os
import shutil
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QFile


def put_away(directory: Path) -> tuple[bool, Path | None]:
    """Move a folder to the bin; whether it was moved, and where it is there, as far as that is known."""
    file = QFile(str(directory))
    moved = file.moveToTrash()
    known = moved and file.fileName() not in ("", str(directory))  # Qt names the new place, where it can
    return moved, Path(file.fileName()) if known else None


def take_back(place: Path, directory: Path) -> None:
    """Move a folder from the bin to where it was; raises OSError, and then it is still in the bin."""
    if os.path.lexists(directory):
        words = QCoreApplication.translate("Runs", "there is a folder of that name again")
        raise FileExistsError(None, words)
    shutil.move(place, directory)
    _forget_in_bin(place)


def _forget_in_bin(place: Path) -> None:
    """Remove the bin's note of a folder that was put back (freedesktop.org's Trash specification)."""
    note = place.parent.parent / "info" / f"{place.name}.trashinfo"
    if place.parent.name == "files":
        note.unlink(missing_ok=True)
