"""Walks through folders of pictures as they are found on disks: loops of links, odd names, no permission.

Knows no torch. Names are told by their endings; no file is opened.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence

from core.pictures import is_picture_name

_CHECK_EVERY = 500  # entries of one folder


class FolderWalk:
    """What is met on a walk through any number of folders; each folder and file counts once.

    `check` is called often and may raise, which ends the walk.
    """

    def __init__(self, check: Callable[[], None]) -> None:
        self.unreadable: list[str] = []  # folders
        self.links = 0  # to what was met already, left out
        self.others = 0  # files not named like a picture
        self._check = check
        # By device and inode: ends loops of links, and keeps one file from counting under two names.
        self._met: set[tuple[int, int]] = set()

    def entries(self, folder: str) -> list[os.DirEntry[str]]:
        """Return what is in a folder, sorted, hidden things left out."""
        shown: list[os.DirEntry[str]] = []
        try:
            with os.scandir(folder) as entries:
                for number, entry in enumerate(entries):
                    if number % _CHECK_EVERY == 0:
                        self._check()
                    if not entry.name.startswith("."):
                        shown.append(entry)
        except OSError:
            self.unreadable.append(folder)
            return []
        return sorted(shown, key=lambda entry: entry.name)

    def pictures(self, folder: str) -> Iterator[tuple[str, os.stat_result | None]]:
        """Yield what is named like a picture in a folder and below it, with its status.

        That may be no regular file; without a status it is a link that leads nowhere.
        """
        waiting = [folder]
        while waiting:
            for entry in self.entries(waiting.pop()):
                self._check()
                goes_deeper = _leads_to_folder(entry)
                if not (goes_deeper or is_picture_name(entry.name)):
                    self.others += 1
                    continue
                status = status_of(entry.path)
                if not self.is_new(status):
                    self.links += 1
                elif goes_deeper:
                    waiting.append(entry.path)
                else:
                    yield entry.path, status

    def is_new(self, status: os.stat_result | None) -> bool:
        """Whether something is met for the first time; what leads nowhere always is."""
        if status is None or not status.st_ino:  # some network drives number no files
            return True
        key = (status.st_dev, status.st_ino)
        new = key not in self._met
        self._met.add(key)
        return new


def status_of(path: str) -> os.stat_result | None:
    """Return a path's status, links followed, or None where there is nothing."""
    try:
        return os.stat(path)
    except (OSError, ValueError):  # ValueError: a path with a zero byte
        return None


def is_folder(path: str) -> bool:
    """Whether a path leads to a folder."""
    status = status_of(path)
    return status is not None and stat.S_ISDIR(status.st_mode)


def listed(paths: Sequence[str]) -> str:
    """Return the first names of some paths, for a sentence."""
    names = ", ".join(shown(os.path.basename(path)) for path in paths[:3])
    return names + (", …" if len(paths) > 3 else "")


def shown(name: str) -> str:
    """Return a file name that can be printed on one line: what is no character of text becomes a mark."""
    return "".join(letter if letter.isprintable() else "�" for letter in name)


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False
