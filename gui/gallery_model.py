"""The held-out pictures that pass the filter, page by page; only pages that were looked at are here."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QImage

from core.messages import PicturePage
from gui.explanation_words import class_name, percent
from gui.wording import whole

PAGE = 60
MOST_BYTES = 64_000_000  # of pages; older ones are fetched again when they come into view
MOST_THUMBNAILS = 600

Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in a page stand for."""

    networks: tuple[str, ...] = ()
    hues: tuple[int, ...] = ()  # a lane's place in the run; empty: the networks are no lanes
    labels: tuple[str, ...] = ()  # the data set's classes
    predicted: tuple[str, ...] = ()  # the networks' classes

    @property
    def comparable(self) -> bool:
        """Whether a prediction can be right: the networks know the data set's classes."""
        return self.labels == self.predicted

    def hue(self, network: int) -> int | None:
        """Return the lane whose colour a network has."""
        return self.hues[network] if network < len(self.hues) else None

    def network(self, network: int) -> str:
        """Return a network's name."""
        return self.networks[network] if network < len(self.networks) else str(network + 1)


@dataclass(frozen=True, slots=True, eq=False)
class GalleryPicture:
    """One held-out picture and what each network says of it."""

    index: int  # in the held-out set
    pixels: NDArray[np.uint8]  # (height, width, 3)
    label: int
    predicted: tuple[int, ...]  # -1: not known yet
    confidence: tuple[float, ...]
    step: int | None

    def marks(self, names: Names) -> tuple[bool | None, ...]:
        """Say of each network whether it is right; None where that is not known."""
        return tuple(
            None if each < 0 or not names.comparable else each == self.label for each in self.predicted
        )


class GalleryModel(QAbstractListModel):
    """As many rows as pictures pass the filter; rows whose page is not here yet are empty."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.names = Names()
        self._rows = 0
        self._pages: OrderedDict[int, PicturePage] = OrderedDict()  # by number, least recently used first
        self._thumbnails: OrderedDict[tuple[int, int], QImage] = OrderedDict()

    # ---- data in --------------------------------------------------------------------------

    def forget(self, *, pictures: bool = False) -> None:
        """Empty the list; `pictures`: the data set itself is another one."""
        self.beginResetModel()
        self._rows = 0
        self._pages.clear()
        if pictures:
            self._thumbnails.clear()
        self.endResetModel()

    def take(self, page: PicturePage) -> None:
        """Keep a page, in place of what was known of these rows."""
        self._resize(page.matching)
        number = page.offset // PAGE
        self._pages[number] = page
        self._pages.move_to_end(number)
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
        return GalleryPicture(
            int(page.indices[place]),
            page.pixels[place],
            int(page.labels[place]),
            tuple(int(each) for each in page.predicted[:, place]),
            tuple(float(each) for each in page.confidence[:, place]),
            page.step,
        )

    def row_of(self, picture: int) -> int | None:
        """Return the row a held-out picture stands in, if its page is here."""
        for number, page in self._pages.items():
            (places,) = np.nonzero(page.indices == picture)
            if len(places):
                return number * PAGE + int(places[0])
        return None

    def missing(self, first: int, last: int) -> int | None:
        """Return the offset of the first page that these rows need and that is not here."""
        for number in range(max(0, first) // PAGE, min(last, self._rows - 1) // PAGE + 1):
            if number not in self._pages:
                return number * PAGE
        return None

    def oldest(self, first: int, last: int) -> tuple[int, int | None] | None:
        """Return offset and step of the page of these rows whose predictions are the oldest."""
        numbers = range(max(0, first) // PAGE, min(last, self._rows - 1) // PAGE + 1)
        known = [(self._pages[number].step, number) for number in numbers if number in self._pages]
        if not known:
            return None
        step, number = min(known, key=lambda each: -1 if each[0] is None else each[0])
        return number * PAGE, step

    def thumbnail(self, picture: GalleryPicture, side: int) -> QImage:
        """Return a picture at most `side` device pixels wide and high, small ones in whole multiples."""
        key = (picture.index, side)
        if key not in self._thumbnails:
            self._thumbnails[key] = _thumbnail(picture.pixels, side)
            if len(self._thumbnails) > MOST_THUMBNAILS:
                self._thumbnails.popitem(last=False)
        self._thumbnails.move_to_end(key)
        return self._thumbnails[key]

    def label_name(self, picture: GalleryPicture) -> str:
        """Return the name of a picture's true class."""
        return class_name(self.names.labels, picture.label)

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
        return self._described(picture)

    def _described(self, picture: GalleryPicture) -> str:
        lines = [
            self.tr("{label} (held-out picture {index})").format(
                label=self.label_name(picture), index=whole(picture.index)
            )
        ]
        lines += [self._said(picture, network) for network in range(len(picture.predicted))]
        if picture.step is not None:
            lines.append(self.tr("predicted at step {step}").format(step=whole(picture.step)))
        return "\n".join(lines)

    def _said(self, picture: GalleryPicture, network: int) -> str:
        name, predicted = self.names.network(network), picture.predicted[network]
        if predicted < 0:
            return self.tr("{network}: nothing predicted yet").format(network=name)
        right = picture.marks(self.names)[network]
        text = {
            True: self.tr("{network}: {said}, {confidence} – right"),
            False: self.tr("{network}: {said}, {confidence} – wrong"),
            None: self.tr("{network}: {said}, {confidence}"),
        }[right]
        said = class_name(self.names.predicted, predicted)
        return text.format(network=name, said=said, confidence=percent(picture.confidence[network]))


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
