"""Where the parts of an explanation stand, and how several of them share an area; plain geometry."""

import math
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize
from PySide6.QtGui import QTransform

MARGIN = 4
GAP = 12  # between two networks
SMALLEST_SIDE = 84  # of a picture; below it the area scrolls
NARROWEST = 120  # of a network's column
_BESIDE = 150  # width of the text where it stands beside the picture


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of one network's explanation."""

    header: QRect
    picture: QRect  # square; the picture is centred in it, in whole device pixels
    legend: QRect
    lines: tuple[QRect, ...]

    @property
    def side(self) -> int:
        """The side of the picture's square."""
        return self.picture.width()


@dataclass(frozen=True, slots=True)
class Grid:
    """How several explanations share an area."""

    columns: int
    cell: QSize

    def rect(self, index: int) -> QRect:
        """Return the cell of one of them."""
        row, column = divmod(index, self.columns)
        return QRect(
            QPoint(column * (self.cell.width() + GAP), row * (self.cell.height() + GAP)), self.cell
        )


def places(size: QSize, line: int, lines: int) -> Places:
    """Stand the text under the picture or beside it, whichever leaves more for the picture.

    `line` is the height of a line, `lines` how many there are besides header and legend.
    """
    width, height = size.width() - 2 * MARGIN, size.height() - 2 * MARGIN
    under = min(width, height - (lines + 2) * line - 3 * MARGIN)
    beside = min(width - _BESIDE - 2 * MARGIN, height - 2 * line - 2 * MARGIN)
    side = max(under, beside, 1)
    header = QRect(MARGIN, MARGIN, width, line)
    top = header.bottom() + 1 + MARGIN
    if beside > under:
        picture = QRect(MARGIN, top, side, side)
        text = QRect(picture.right() + 1 + 2 * MARGIN, top, width - side - 2 * MARGIN, lines * line)
    else:
        picture = QRect(MARGIN + (width - side) // 2, top, side, side)
        text = QRect(MARGIN, picture.bottom() + 1 + line + 2 * MARGIN, width, lines * line)
    legend = QRect(picture.left(), picture.bottom() + 1 + MARGIN, side, line)
    if beside <= under:  # numbers need more room than a small picture gives
        legend.setLeft(MARGIN)
        legend.setWidth(width)
    rows = tuple(QRect(text.left(), text.top() + row * line, text.width(), line) for row in range(lines))
    return Places(header, picture, legend, rows)


def grid(count: int, area: QSize, line: int, lines: int) -> Grid:
    """Choose the columns that make the pictures largest; where none fits the cells grow downwards."""
    candidates = [_grid(count, columns, area) for columns in range(1, count + 1)]
    fitting = [each for each in candidates if each.cell.width() >= NARROWEST or each.columns == 1]
    best = max(fitting, key=lambda each: places(each.cell, line, lines).side)
    if places(best.cell, line, lines).side >= SMALLEST_SIDE:
        return best
    columns = max(1, min(count, (area.width() + GAP) // (NARROWEST + GAP)))
    width = (area.width() + GAP) // columns - GAP
    picture = min(width - 2 * MARGIN, 2 * SMALLEST_SIDE)
    return Grid(columns, QSize(width, picture + (lines + 2) * line + 5 * MARGIN))


def _grid(count: int, columns: int, area: QSize) -> Grid:
    rows = math.ceil(count / columns)
    width = (area.width() + GAP) // columns - GAP
    return Grid(columns, QSize(width, (area.height() + GAP) // rows - GAP))


def crisp(box: QRect, width: int, height: int, transform: QTransform) -> QRectF:
    """Place a picture in a box so that each of its pixels covers the same square of device pixels.

    A picture with more pixels than the box has device pixels is fitted in instead. `transform`
    leads from the widget to the device.
    """
    ratio = transform.m11()
    factor = box.width() * ratio / max(width, height)
    if factor >= 1:
        factor = math.floor(factor + 1e-9)  # 3.0000000001 and 2.9999999999 are both 3
    across, down = max(1, round(width * factor)), max(1, round(height * factor))
    corner = transform.map(QPointF(box.topLeft()))
    left = round(corner.x() + (box.width() * ratio - across) / 2)
    top = round(corner.y() + (box.height() * ratio - down) / 2)
    back = transform.inverted()[0]
    return QRectF(back.map(QPointF(left, top)), back.map(QPointF(left + across, top + down)))
