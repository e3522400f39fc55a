"""Where the parts of a confusion matrix stand, and which cell lies under a place; no widgets."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, QRect, QSize

MOST_CELL = QSize(96, 44)
BARS = 92  # pixels for the accuracies right of the cells
GAP = 4


@dataclass(frozen=True, slots=True)
class MatrixLayout:
    """Cells between their headings: labels at the left, classes above, accuracies at the right."""

    classes: int
    left: int
    top: int
    cell: QSize
    area: QRect  # where cells are seen; the rest is scrolled to
    offset: QPoint  # of what is seen

    @property
    def whole(self) -> QSize:
        """How much room all cells need."""
        return QSize(self.classes * self.cell.width(), self.classes * self.cell.height())

    def rect(self, row: int, column: int) -> QRect:
        """Return where a cell stands."""
        corner = self.area.topLeft() - self.offset
        corner += QPoint(column * self.cell.width(), row * self.cell.height())
        return QRect(corner, self.cell)

    def rows(self) -> range:
        """Return the rows that are seen."""
        return _seen(self.offset.y(), self.area.height(), self.cell.height(), self.classes)

    def columns(self) -> range:
        """Return the columns that are seen."""
        return _seen(self.offset.x(), self.area.width(), self.cell.width(), self.classes)

    def at(self, place: QPoint) -> tuple[int, int] | None:
        """Return row and column of the cell under a place."""
        if not self.area.contains(place):
            return None
        inside = place - self.area.topLeft() + self.offset
        row, column = inside.y() // self.cell.height(), inside.x() // self.cell.width()
        return (row, column) if 0 <= row < self.classes and 0 <= column < self.classes else None

    def row_at(self, place: QPoint) -> int | None:
        """Return the row at a place's height, wherever it is across."""
        if not self.area.top() <= place.y() <= self.area.bottom():
            return None
        row = (place.y() - self.area.top() + self.offset.y()) // self.cell.height()
        return row if 0 <= row < self.classes else None


def fitted(classes: int, room: QSize, headings: QSize, least: int, zoom: float, bars: int) -> MatrixLayout:
    """Lay out so many classes in a room: cells grow to fill it, and no less than `least` pixels."""
    inner = QSize(room.width() - headings.width() - bars, room.height() - headings.height())
    count = max(classes, 1)
    width = min(max(inner.width() // count, least), MOST_CELL.width())
    height = min(max(inner.height() // count, least), MOST_CELL.height(), max(width, least + 6))
    cell = QSize(max(round(width * zoom), 3), max(round(height * zoom), 3))
    area = QRect(
        headings.width(), headings.height(),
        max(min(inner.width(), classes * cell.width()), 1), max(min(inner.height(), classes * cell.height()), 1),
    )  # fmt: skip
    return MatrixLayout(classes, headings.width(), headings.height(), cell, area, QPoint(0, 0))


def _seen(offset: int, length: int, size: int, count: int) -> range:
    return range(max(0, offset // size), min(count, (offset + length - 1) // size + 1))
