"""Where the parts of an explanation stand, and how several of them share an area; plain geometry."""

import math
from dataclasses import dataclass

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize
from PySide6.QtGui import QTransform

MARGIN = 4
GAP = 12  # between two networks
SMALLEST_SIDE = 84  # of a picture; below it the area scrolls …
SCROLLED_SIDE = 112  # … and the pictures are this large
NARROWEST = 150  # of a network's column: class names need it
_BESIDE = 130  # width of the text where it stands beside the picture


@dataclass(frozen=True, slots=True)
class Text:
    """How much text there is."""

    line: int  # height of a line
    lines: int  # besides header and legend


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
        return QRect(QPoint(column * (self.cell.width() + GAP), row * (self.cell.height() + GAP)), self.cell)


def places(size: QSize, text: Text, pixels: int) -> Places:
    """Stand the text under the picture or beside it, whichever leaves more for the picture.

    `pixels` is how many the picture has along its longer side: its square is a multiple of that.
    """
    width, height = size.width() - 2 * MARGIN, size.height() - 2 * MARGIN
    line = text.line
    under = _multiple(min(width, height - (text.lines + 2) * line - 3 * MARGIN), pixels)
    beside = _multiple(min(width - _BESIDE - 2 * MARGIN, height - 2 * line - 2 * MARGIN), pixels)
    side = max(under, beside)
    header = QRect(MARGIN, MARGIN, width, line)
    top = header.bottom() + 1 + MARGIN
    if beside > under:
        picture = QRect(MARGIN, top, side, side)
        words = QRect(picture.right() + 1 + 2 * MARGIN, top, width - side - 2 * MARGIN, line)
        legend = QRect(MARGIN, picture.bottom() + 1 + MARGIN, side, line)
    else:
        picture = QRect(MARGIN + (width - side) // 2, top, side, side)
        # Over the whole width: the numbers need more room than a small picture gives.
        legend = QRect(MARGIN, picture.bottom() + 1 + MARGIN, width, line)
        words = legend.translated(0, line + MARGIN)
    return Places(
        header, picture, legend, tuple(words.translated(0, row * line) for row in range(text.lines))
    )


def grid(count: int, area: QSize, text: Text, pixels: int) -> Grid:
    """Choose the columns that make the pictures largest; where none fits the cells grow downwards."""
    candidates = [_grid(count, columns, area) for columns in range(1, count + 1)]
    fitting = [each for each in candidates if each.cell.width() >= NARROWEST or each.columns == 1]
    best = max(fitting, key=lambda each: places(each.cell, text, pixels).side)
    if places(best.cell, text, pixels).side >= SMALLEST_SIDE:
        return best
    most = max(1, min(count, (area.width() + GAP) // (NARROWEST + GAP)))
    columns = math.ceil(count / math.ceil(count / most))  # four in two and two, not in three and one
    width = (area.width() + GAP) // columns - GAP
    picture = min(width - 2 * MARGIN, SCROLLED_SIDE)
    return Grid(columns, QSize(width, picture + (text.lines + 2) * text.line + 5 * MARGIN))


def _grid(count: int, columns: int, area: QSize) -> Grid:
    rows = math.ceil(count / columns)
    width = (area.width() + GAP) // columns - GAP
    return Grid(columns, QSize(width, (area.height() + GAP) // rows - GAP))


def _multiple(side: int, pixels: int) -> int:
    return max(1, side if side < pixels else side // pixels * pixels)


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
