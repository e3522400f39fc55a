"""Data sets of the user's own: a folder of class folders, read once and split by seed. Knows no torch."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from core.dataset import Dataset, DatasetError, Images, Labels, Watch, measured
from core.folder_walk import FolderWalk, is_folder, listed, shown, status_of
from core.notices import Notice
from core.pictures import PictureError, load_picture
from core.transform import Transform, fit

HELD_OUT_SHARE = 0.2
FEWEST_PICTURES = 5
MAX_FOLDER_BYTES = 4_000_000_000


@dataclass(slots=True)
class _Half:
    """Pictures read so far for training, or held out: (order, label, pixels)."""

    rows: list[tuple[float, int, Images]] = field(default_factory=list)

    def arrays(self, side: int) -> tuple[Images, Labels]:
        """Return pictures and labels in an order that mixes classes; empties the list."""
        self.rows.sort(key=lambda row: row[:2], reverse=True)
        images = np.empty((len(self.rows), 3, side, side), np.uint8)
        labels = np.empty(len(self.rows), np.int64)
        for index in range(len(self.rows)):
            _, labels[index], images[index] = self.rows.pop()  # one copy of each at a time
        return images, labels


def picture_folder(name: str, folder: str, image_size: int, seed: int, watch: Watch) -> Dataset:
    """Read a folder; `name` is how it was asked for. Raises DatasetError where it is no data set."""
    return _FolderReader(folder, image_size, seed, watch).dataset(name)


class _FolderReader:
    """Reads one folder of class folders once, and keeps account of what it met."""

    def __init__(self, root: str, image_size: int, seed: int, watch: Watch) -> None:
        self._root = root
        self._seed = seed
        self._watch = watch
        self._transform = Transform(image_size, None, (0, 0, 0), (1, 1, 1))
        # One walk for all: no file is trained on under one name and held out under another.
        self._walk = FolderWalk(watch.check)
        self._walk.is_new(status_of(root))
        self._unread: list[str] = []
        self._empty: list[str] = []
        self._done = 0
        self._total = 0

    def dataset(self, name: str) -> Dataset:
        """Read everything; `name` is how the folder was asked for."""
        training, held_out = _Half(), _Half()
        given = self._given_split()
        train_files = self._scan(given[0] if given else self._root)
        held_files = self._scan(given[1]) if given else {}
        self._check_amount(train_files, held_files)
        class_names: list[str] = []
        for class_name, files in train_files.items():
            rows = self._read(files)
            if not rows:
                self._empty.append(class_name)
                continue
            apart = set() if given else _held_out([order for order, _ in rows])
            for order, pixels in rows:
                (held_out if order in apart else training).rows.append((order, len(class_names), pixels))
            class_names.append(class_name)
        for class_name, files in held_files.items():
            for order, pixels in self._read(files):
                held_out.rows.append((order, self._known(class_name, class_names), pixels))
        self._check_use(class_names, training, held_out)
        return self._made(name, given, class_names, training, held_out)

    def _made(
        self,
        name: str,
        given: tuple[str, str] | None,
        class_names: list[str],
        training: _Half,
        held_out: _Half,
    ) -> Dataset:
        notice = self._notice(given, len(training.rows), len(held_out.rows))
        images, labels = training.arrays(self._transform.size)
        held_out_images, held_out_labels = held_out.arrays(self._transform.size)
        mean, std = measured(images)
        names = tuple(shown(each) for each in class_names)
        return Dataset(name, images, labels, held_out_images, held_out_labels, names, mean, std, notice)

    # scanning

    def _given_split(self) -> tuple[str, str] | None:
        """Return the folders of a split made by others: train and test, or train and val."""
        train = os.path.join(self._root, "train")
        for other in ("test", "val"):
            held_out = os.path.join(self._root, other)
            if _has_folders(train) and _has_folders(held_out):
                return train, held_out
        return None

    def _scan(self, folder: str) -> dict[str, list[str]]:
        """Return the picture files of each class folder, sorted."""
        found = {}
        for entry in self._walk.entries(folder):
            if is_folder(entry.path) and self._walk.is_new(status_of(entry.path)):
                found[entry.name] = self._pictures(entry.path)
                self._total += len(found[entry.name])
                self._watch.say(self._doing, None)
        return found

    def _pictures(self, folder: str) -> list[str]:
        """Return the picture files in a folder and below it, sorted."""
        return sorted(path for path, _ in self._walk.pictures(folder))

    # reading

    @property
    def _doing(self) -> Notice:
        folder = shown(os.path.basename(os.path.abspath(self._root)))
        return Notice("reading {count:,} pictures from {folder}", {"count": self._total, "folder": folder})

    def _read(self, files: Sequence[str]) -> list[tuple[float, Images]]:
        """Read and fit pictures: (order in [0, 1) from seed and path, pixels)."""
        rows = []
        for path in files:
            self._watch.check()
            try:
                fitted = fit(load_picture(path).pixels, self._transform)
                rows.append((self._order(path), np.ascontiguousarray(fitted.transpose(2, 0, 1))))
            except PictureError:
                self._unread.append(path)
            self._done += 1
            if self._done % 20 == 0 or self._done == self._total:
                self._watch.say(self._doing, self._done / self._total)
        return rows

    def _order(self, path: str) -> float:
        """Return a number in [0, 1) that depends on the seed and the path within the folder only."""
        relative = os.path.relpath(path, self._root).replace(os.sep, "/")
        digest = hashlib.blake2b(f"{self._seed}/{relative}".encode("utf-8", "surrogateescape"), digest_size=6)
        return int.from_bytes(digest.digest(), "big") / 2**48

    # judging

    @property
    def _unreadable(self) -> list[str]:
        """Folders and pictures that could not be read."""
        return [*self._walk.unreadable, *self._unread]

    def _check_amount(self, *halves: dict[str, list[str]]) -> None:
        count = sum(len(files) for half in halves for files in half.values())
        needed = count * 3 * self._transform.size**2
        if needed > MAX_FOLDER_BYTES:
            raise DatasetError(
                "{count:,} pictures of {size} × {size} need {needed:.1f} GB of memory; {most:.0f} GB is the "
                "most: choose a smaller picture size or fewer pictures",
                count=count, size=self._transform.size, needed=needed / 1e9, most=MAX_FOLDER_BYTES / 1e9,
            )  # fmt: skip

    def _known(self, class_name: str, class_names: list[str]) -> int:
        if class_name not in class_names:
            raise DatasetError("{name} has pictures to test on, but none to train on", name=shown(class_name))
        return class_names.index(class_name)

    def _check_use(self, class_names: list[str], training: _Half, held_out: _Half) -> None:
        folder = shown(self._root)
        if len(class_names) < 2:
            raise DatasetError(
                "{folder} needs at least two class folders with pictures, not {count}{unread}",
                folder=folder, count=len(class_names), unread=self._unread_remark(),
            )  # fmt: skip
        count = len(training.rows) + len(held_out.rows)
        if count < FEWEST_PICTURES or not held_out.rows:
            raise DatasetError(
                "{folder} has too few pictures: {count} to train on, {held_out} held out{unread}",
                folder=folder, count=len(training.rows), held_out=len(held_out.rows),
                unread=self._unread_remark(),
            )  # fmt: skip

    def _unread_remark(self) -> str:
        if not self._unreadable:
            return ""
        return f" ({len(self._unreadable)} could not be read: {listed(self._unreadable)})"

    def _notice(self, given: tuple[str, str] | None, train: int, held_out: int) -> Notice:
        values: dict[str, Any] = {"train": train, "held_out": held_out, "seed": self._seed}
        parts = ["{train:,} to train, {held_out:,} held out, split by seed {seed}"]
        if given:
            parts = ["{train:,} to train, {held_out:,} held out, as in the folders train and {other}"]
            values["other"] = os.path.basename(given[1])
        if self._empty:
            parts.append("class folders without a picture, left out: {empty}")
            values["empty"] = listed(self._empty)
        if self._unreadable:
            parts.append("{unreadable:,} could not be read: {names}")
            values |= {"unreadable": len(self._unreadable), "names": listed(self._unreadable)}
        if self._walk.links:
            parts.append("{links:,} links to what was there already, left out")
            values["links"] = self._walk.links
        return Notice("; ".join(parts), values)


def _held_out(orders: Sequence[float]) -> set[float]:
    """Choose a class's held-out pictures: those whose own number is low.

    Each picture is chosen by itself, so that adding files moves none across; only where a class
    would be left with nothing on one side is the outermost picture put there.
    """
    chosen = {order for order in orders if order < HELD_OUT_SHARE}
    if len(orders) > 1 and not chosen:
        return {min(orders)}
    if len(chosen) == len(orders):
        chosen.discard(max(orders))
    return chosen


def _has_folders(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(not entry.name.startswith(".") and is_folder(entry.path) for entry in entries)
    except OSError:
        return False
