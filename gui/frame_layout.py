"""Where the frames of a table of maps stand: rows of networks, columns of frames; plain geometry."""

from dataclasses import dataclass

from PySide6.QtCore import QRect, QSize

from gui.explanation_layout import NARROWEST, SCROLLED_SIDE, Places

GAP = 6  # between two frames
ROW_GAP = 8  # between two networks
INSET = 2  # between a frame's edge and what is in it
LEAST_SIDE = 56  # of a picture: below it the table scrolls
ROOMY_SIDE = 112  # of a picture from which on there is room for the classes under it …
ROOMY_SHARE = 0.75  # … if it is not much smaller than it would be without them
NOTED_WIDTH = 132  # of a frame with a line of words under it, where there is room


@dataclass(frozen=True, slots=True)
class Measures:
    """What the table's layout depends on."""

    line: int  # height of a line of text
    pixels: int  # of the picture along its longer side
    full: int  # lines of text under a picture where there is room
    noted: bool  # a line under each picture where there is not


@dataclass(frozen=True, slots=True)
class FrameGrid:
    """A table of equal frames; each row has a line for its network's name above it."""

    rows: int
    columns: int
    cell: QSize
    title: int  # height of a row's name
    lines: int  # of text under a picture, besides the legend

    def rect(self, row: int, column: int) -> QRect:
        """Return a frame's place."""
        top = row * (self.title + self.cell.height() + ROW_GAP) + self.title
        left = column * (self.cell.width() + GAP)
        return QRect(left, top, self.cell.width(), self.cell.height())

    def name(self, row: int) -> QRect:
        """Return the place of a row's name, as wide as the table."""
        first = self.rect(row, 0)
        return QRect(0, first.top() - self.title, self.size.width(), self.title)

    @property
    def size(self) -> QSize:
        """The size of the whole table."""
        width = self.columns * (self.cell.width() + GAP) - GAP
        height = self.rows * (self.title + self.cell.height() + ROW_GAP) - ROW_GAP
        return QSize(max(width, 0), max(height, 0))


def frame_grid(rows: int, columns: int, area: QSize, measures: Measures) -> FrameGrid:
    """Make the pictures as large as the area allows, and no smaller than can be read.

    The classes stand under each picture where that leaves it large. What does not fit scrolls.
    """
    roomy = _fitting(rows, columns, area, measures, measures.full)
    close = _fitting(rows, columns, area, measures, int(measures.noted))
    side = _side(roomy, measures)
    large = side >= max(ROOMY_SIDE, ROOMY_SHARE * _side(close, measures))
    return roomy if large and roomy.cell.width() >= NARROWEST else close


def _fitting(rows: int, columns: int, area: QSize, measures: Measures, lines: int) -> FrameGrid:
    line = measures.line
    words = (lines + 1) * line + 3 * INSET
    across = (area.width() + GAP) // columns - GAP - 2 * INSET
    down = (area.height() + ROW_GAP) // rows - ROW_GAP - line - words
    least = _least(measures.pixels)
    if across < least:  # it scrolls sideways, so the width is free
        side = min(max(down, least), SCROLLED_SIDE)
    else:
        side = min(across, max(down, least))
    side = max(_multiple(side, measures.pixels), 1)
    narrowest = NARROWEST if lines > 1 else NOTED_WIDTH if lines else 0
    width = max(side + 2 * INSET, min(narrowest, across + 2 * INSET))
    return FrameGrid(rows, columns, QSize(width, side + words), line, lines)


def frame_places(size: QSize, line: int, lines: int, pixels: int) -> Places:
    """Stand picture, legend and lines of a frame under each other."""
    width = size.width() - 2 * INSET
    side = min(width, size.height() - (lines + 1) * line - 3 * INSET)
    side = max(_multiple(side, pixels), 1)
    picture = QRect(INSET + (width - side) // 2, INSET, side, side)
    legend = QRect(INSET, picture.bottom() + 1 + INSET, width, line)
    rows = tuple(legend.translated(0, (row + 1) * line) for row in range(lines))
    return Places(QRect(), picture, legend, rows)


def _side(grid: FrameGrid, measures: Measures) -> int:
    return frame_places(grid.cell, measures.line, grid.lines, measures.pixels).side


def _least(pixels: int) -> int:
    """The side below which a picture is not shrunk: a multiple of a small picture's own."""
    if pixels > LEAST_SIDE:
        return LEAST_SIDE
    return -(-LEAST_SIDE // pixels) * pixels


def _multiple(side: int, pixels: int) -> int:
    return side if side < pixels else side // pixels * pixels
