"""Pictures the user brought: which files those are, and the classes their folders are named after.

Knows no torch, and opens no file whose name says that it is a picture.
"""

import os
import re
import stat
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.folder_walk import FolderWalk, listed, status_of
from core.notices import Notice, SkipscopeError
from core.pictures import PictureError, is_picture_name, load_picture

MOST_PICTURES = 500_000
_DIGITS = re.compile("[0-9]+")


class AlbumError(SkipscopeError):
    """Files or folders without a picture that could be shown."""


class AlbumCancelledError(AlbumError):
    """The search was given up because the caller asked for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Album:
    """Picture files in the order they are shown; none of them was opened yet."""

    title: str
    paths: tuple[str, ...]
    folders: tuple[str, ...]  # names of the folders that pictures lie in
    folder_of: NDArray[np.int64]  # (pictures,) index into `folders`
    notice: Notice | None  # what was left out

    def labels(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """Return each picture's class: the one its folder is named after, else -1.

        A name that two classes have says nothing.
        """
        names = [_folded(name) for name in class_names]
        once = {name for name, count in Counter(names).items() if count == 1}
        number = {name: place for place, name in enumerate(names) if name in once}
        known = np.array([number.get(_folded(folder), -1) for folder in self.folders], np.int64)
        return known[self.folder_of] if len(known) else np.zeros(0, np.int64)


def find_pictures(paths: Sequence[str], found: Callable[[int], None], cancelled: Callable[[], bool]) -> Album:
    """Search files and folders for pictures; `found` is told how many there are so far.

    Raises AlbumError where there is none, AlbumCancelledError soon after `cancelled` says so.
    """
    return _Search(found, cancelled).album(paths)


class _Search:
    """One search, and the account of what it left out."""

    def __init__(self, found: Callable[[int], None], cancelled: Callable[[], bool]) -> None:
        self._found = found
        self._cancelled = cancelled
        self._walk = FolderWalk(self._check)
        self._paths: list[str] = []
        self._unreadable: list[str] = []
        self._odd = 0  # neither files nor folders
        self._empty = 0
        self._is_full = False

    def album(self, paths: Sequence[str]) -> Album:
        """Search all paths."""
        for path in paths:
            self._check()
            self._add(os.path.abspath(path) if "\0" not in path else path)
        if not self._paths:
            raise AlbumError(
                "there is no picture in {title}{left_out}", title=_title(paths), left_out=self._remark()
            )
        self._paths.sort(key=_natural)
        self._check()
        numbers: dict[str, int] = {}
        folder_of = np.empty(len(self._paths), np.int64)
        for row, path in enumerate(self._paths):
            folder = os.path.basename(os.path.dirname(path))
            folder_of[row] = numbers.setdefault(folder, len(numbers))
        return Album(_title(paths), tuple(self._paths), tuple(numbers), folder_of, self._notice())

    def _check(self) -> None:
        if self._cancelled():
            raise AlbumCancelledError("looking for pictures was given up")

    def _add(self, path: str) -> None:
        """Add a file that was named, or everything in a folder."""
        status = status_of(path)
        if status is None:
            self._unreadable.append(path)
        elif not self._walk.is_new(status):
            self._walk.links += 1
        elif stat.S_ISDIR(status.st_mode):
            for inside, found in self._walk.pictures(path):
                self._take(inside, found)
        elif is_picture_name(path) or not stat.S_ISREG(status.st_mode) or _holds_picture(path):
            self._take(path, status)
        else:
            self._walk.others += 1

    def _take(self, path: str, status: os.stat_result | None) -> None:
        if len(self._paths) >= MOST_PICTURES:
            self._is_full = True
        elif status is None:
            self._unreadable.append(path)
        elif not stat.S_ISREG(status.st_mode):
            self._odd += 1
        elif not status.st_size:
            self._empty += 1
        elif not os.access(path, os.R_OK):
            self._unreadable.append(path)
        else:
            self._paths.append(path)
            self._found(len(self._paths))

    def _left_out(self) -> list[Notice]:
        unreadable = [*self._walk.unreadable, *self._unreadable]
        parts: list[tuple[int, str, dict[str, Any]]] = [
            (len(unreadable), "{count:,} could not be read: {names}", {"names": listed(unreadable)}),
            (self._empty, "{count:,} empty files", {}),
            (self._odd, "{count:,} that are no files", {}),
            (self._walk.links, "{count:,} links to what was there already", {}),
            (self._walk.others, "{count:,} other files", {}),
            (int(self._is_full), "all after the first {most:,} pictures", {"most": MOST_PICTURES}),
        ]
        return [Notice(text, {"count": count, **more}) for count, text, more in parts if count]

    def _notice(self) -> Notice | None:
        parts = self._left_out()
        if not parts:
            return None
        return Notice("left out: {parts}", {"parts": _joined(parts)})

    def _remark(self) -> Notice | str:
        parts = self._left_out()
        return Notice("; {parts}", {"parts": _joined(parts)}) if parts else ""


def _joined(parts: Sequence[Notice]) -> Notice:
    """Put notices side by side; each stays one of its own, to be translated."""
    text = "; ".join(f"{{part{place}}}" for place in range(len(parts)))
    return Notice(text, {f"part{place}": part for place, part in enumerate(parts)})


def _holds_picture(path: str) -> bool:
    try:
        load_picture(path)
    except PictureError:
        return False
    return True


def _title(paths: Sequence[str]) -> str:
    return listed([path.rstrip(os.sep) or path for path in paths]) or "–"


def _natural(path: str) -> tuple[str, str]:
    """Sort as people do: picture 2 before picture 10, large letters beside small ones."""
    return _DIGITS.sub(lambda digits: digits[0].zfill(12), path.casefold()), path


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold().strip()
