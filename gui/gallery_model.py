"""The pictures that pass the filter, page by page; only pages that were looked at are here."""

from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QImage

from core.messages import HELD_OUT, PicturePage
from core.thumbnails import GREY
from gui.gallery_picture import GalleryPicture, Names, State
from gui.gallery_words import described, label_name, why_unreadable

PAGE = 60
MOST_BYTES = 64_000_000  # of pages; older ones are fetched again when they come into view
MOST_THUMBNAILS = 600
MOST_REASONS = 500
MOST_AGAIN = 3

Index = QModelIndex | QPersistentModelIndex


class GalleryModel(QAbstractListModel):
    """As many rows as pictures pass the filter; rows whose page is not here yet are empty."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.names = Names()
        self.album = HELD_OUT
        self._rows = 0
        self._pages: OrderedDict[int, PicturePage] = OrderedDict()  # by number, least recently used first
        self._last = -1  # the page that came last
        self._asked_again: dict[int, int] = {}  # how often, by number
        self._old: set[int] = set()  # pages that are shown until they have come again
        self._thumbnails: OrderedDict[tuple[str, int, int], QImage] = OrderedDict()
        self._reasons: OrderedDict[str, str] = OrderedDict()  # why files cannot be read

    # ---- data in --------------------------------------------------------------------------

    def forget(self, *, pictures: bool = False) -> None:
        """Empty the list; `pictures`: the albums themselves are other ones."""
        self.beginResetModel()
        self._rows = 0
        self._pages.clear()
        self._old.clear()
        self._asked_again.clear()
        if pictures:
            self._thumbnails.clear()
            self._reasons.clear()
        self.endResetModel()

    def mark_old(self) -> None:
        """Have every page fetched again as it comes into view; until then it is shown as it is."""
        self._old = set(self._pages)

    def take(self, page: PicturePage) -> None:
        """Keep a page, in place of what was known of these rows."""
        self.album = page.album
        self._resize(page.matching)
        number = page.offset // PAGE
        self._pages[number] = page
        self._last = number
        self._pages.move_to_end(number)
        self._old.discard(number)
        while len(self._pages) > 3 and sum(each.pixels.nbytes for each in self._pages.values()) > MOST_BYTES:
            self._pages.popitem(last=False)
        last = min(page.offset + len(page.indices), self._rows) - 1
        if last >= page.offset:
            self.dataChanged.emit(self.index(page.offset), self.index(last))

    def _resize(self, rows: int) -> None:
        if rows > self._rows:
            self.beginInsertRows(QModelIndex(), self._rows, rows - 1)
            self._rows = rows
            self.endInsertRows()
        elif rows < self._rows:
            self.beginRemoveRows(QModelIndex(), rows, self._rows - 1)
            self._rows = rows
            self.endRemoveRows()

    # ---- what is known --------------------------------------------------------------------

    def picture(self, row: int) -> GalleryPicture | None:
        """Return a row's picture, if its page is here."""
        number, place = divmod(row, PAGE)
        page = self._pages.get(number)
        if page is None or not 0 <= place < len(page.indices):
            return None
        self._pages.move_to_end(number)
        predicted = tuple(page.predicted[:, place].tolist())
        return GalleryPicture(
            int(page.indices[place]),
            page.pixels[place],
            int(page.labels[place]),
            predicted,
            tuple(page.confidence[:, place].tolist()),
            page.step,
            () if page.losses is None else tuple(page.losses[:, place].tolist()),
            page.paths[place] if page.paths else "",
            _state(page, place, predicted),
        )

    def row_of(self, picture: int) -> int | None:
        """Return the row a picture of the album stands in, if its page is here."""
        for number, page in self._pages.items():
            (places,) = np.nonzero(page.indices == picture)
            if len(places):
                return number * PAGE + int(places[0])
        return None

    def missing(self, first: int, last: int) -> int | None:
        """Return the offset of the first page that these rows need and that is not here, or is old."""
        needed = self._numbers(first, last)
        lacking = [number for number in needed if number not in self._pages]
        lacking += [number for number in needed if number in self._old]
        return lacking[0] * PAGE if lacking else None

    def unfinished(self, first: int, last: int) -> int | None:
        """Return the offset of a page of these rows that came without all its pictures or predictions.

        Not of the one that came last, and not of one again and again.
        """
        for number in self._numbers(first, last):
            page = self._pages.get(number)
            asked = self._asked_again.get(number, 0)
            if page is None or number == self._last or asked >= MOST_AGAIN or _is_finished(page):
                continue
            self._asked_again[number] = asked + 1
            return number * PAGE
        return None

    def oldest(self, first: int, last: int) -> tuple[int, int | None] | None:
        """Return offset and step of the page of these rows whose predictions are the oldest."""
        known = [
            (self._pages[number].step, number)
            for number in self._numbers(first, last)
            if number in self._pages
        ]
        if not known:
            return None
        step, number = min(known, key=lambda each: -1 if each[0] is None else each[0])
        return number * PAGE, step

    def _numbers(self, first: int, last: int) -> range:
        return range(max(0, first) // PAGE, min(last, self._rows - 1) // PAGE + 1)

    def thumbnail(self, picture: GalleryPicture, side: int) -> QImage:
        """Return a picture at most `side` device pixels wide and high, small ones in whole multiples."""
        key = (self.album, picture.index, side)
        if key not in self._thumbnails:
            self._thumbnails[key] = _thumbnail(picture.pixels, side)
            if len(self._thumbnails) > MOST_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        self._thumbnails.move_to_end(key)
        return self._thumbnails[key]

    def label_name(self, picture: GalleryPicture) -> str:
        """Return the name of a picture's true class, or of its file."""
        return label_name(picture, self.names)

    # ---- Qt's side ------------------------------------------------------------------------

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else self._rows

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> str | None:
        if role not in (
            Qt.ItemDataRole.DisplayRole,
            Qt.ItemDataRole.ToolTipRole,
            Qt.ItemDataRole.AccessibleTextRole,
        ):
            return None
        picture = self.picture(index.row())
        if picture is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.label_name(picture)
        # The reason is looked for where somebody asks for it: that reads the file.
        wanted = picture.state == "unreadable" and role == Qt.ItemDataRole.ToolTipRole
        return described(picture, self.names, self._reason(picture.path) if wanted else "")

    def _reason(self, path: str) -> str:
        if path not in self._reasons:
            self._reasons[path] = why_unreadable(path)
            if len(self._reasons) > MOST_REASONS:
                self._reasons.popitem(last=False)
        return self._reasons[path]


def _state(page: PicturePage, place: int, predicted: tuple[int, ...]) -> State:
    """A file that is not read yet comes as plain grey; once networks have seen it, it was read."""
    if not page.paths:
        return "shown"
    if page.unreadable and page.unreadable[place]:
        return "unreadable"
    if max(predicted, default=-1) < 0 and bool((page.pixels[place, ::9, ::9] == GREY).all()):
        return "loading"
    return "shown"


def _is_finished(page: PicturePage) -> bool:
    """Whether every file of a page was read, and predicted."""
    readable = ~np.array(page.unreadable or (False,) * len(page.indices), bool)
    return bool((page.predicted.max(0, initial=-1) >= 0)[readable].all())


def _thumbnail(pixels: NDArray[np.uint8], side: int) -> QImage:
    height, width = pixels.shape[:2]
    longest = max(height, width)
    whole_factor = side // longest
    rows = np.ascontiguousarray(pixels)
    image = QImage(rows.data, width, height, 3 * width, QImage.Format.Format_RGB888)
    image = image.convertToFormat(QImage.Format.Format_RGB32)  # a copy: the array may go
    if whole_factor >= 1:
        return image.scaled(width * whole_factor, height * whole_factor)
    return image.scaled(
        side, side, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    )
