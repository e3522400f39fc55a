"""Maps laid out for print: a table of them with colour bars and captions, on white, at 300 dots an inch.

The page is the same for a PNG and an SVG. Its unit is the dot; pixels of a picture become whole squares of dots.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QPointF, QRect, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QImage, QPainter, QPen, QTextLayout, QTextOption

from core.export_attribution import MapFacts
from core.map_picture import color_bar
from core.overlay import Look, Pixels, draw
from gui.explanation_painter import as_image
from gui.explanation_words import scale_ends
from gui.theme import LANE_DASHES, LIGHT, color_table
from gui.wording import say

DPI = 300
NARROWEST = 40.0  # mm, of a page
WIDEST = 420.0
_MM = DPI / 25.4  # dots
_POINT = DPI / 72
_MARGIN, _GAP = 3.0, 4.0  # mm: around the page, between maps
_CELL = 22.0  # mm: the narrowest a map may be before a row is broken
_BAR = 2.0  # mm, height of the colour bar
_SPACE = 1.0  # mm, between the parts of a map
_DASH = 6.0  # mm, of the sample of a lane's line


@dataclass(frozen=True, slots=True, eq=False)
class FigureFrame:
    """One map of a figure."""

    row: int
    row_name: str  # of the network
    hue: int | None  # of a lane
    title: str  # of its column; may be empty
    picture: Pixels  # (height, width, 3)
    attribution: NDArray[np.float32] | None  # (channels, height, width); None: `reason` says why
    look: Look
    table: str  # name of the colour map
    scale: float  # |a| at the end of the colours
    caption: tuple[str, ...]  # what it is, in parts; empty while there is no answer
    who: str = ""  # the part that names the network: it is left out where the row's name says it
    reason: str = ""
    facts: MapFacts | None = None  # for its array


@dataclass(frozen=True, slots=True, eq=False)
class _Cell:
    """A map's place, in dots."""

    frame: FigureFrame
    image: QImage  # the picture with its map over it
    picture: QRect
    head: tuple[str, ...]  # lines over it
    head_top: int
    bar: QRect | None
    lines: tuple[str, ...]  # under it


@dataclass(frozen=True, slots=True, eq=False)
class _RowName:
    """A row's name over it, and what all its maps have in common."""

    frame: FigureFrame
    top: int
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """A figure whose every part has its place; `picture_rects` and `bar_rects` in dots, in order."""

    width: int
    height: int
    cells: tuple[_Cell, ...]
    names: tuple["_RowName", ...]
    caption: tuple[str, ...]  # lines at the bottom
    caption_top: int

    @property
    def picture_rects(self) -> list[QRect]:
        """Where the pictures stand."""
        return [cell.picture for cell in self.cells]

    @property
    def bar_rects(self) -> list[QRect]:
        """Where the colour bars stand."""
        return [cell.bar for cell in self.cells if cell.bar is not None]


# ---- words ----------------------------------------------------------------------------------


def shared_caption(frames: Sequence[FigureFrame]) -> tuple[str, ...]:
    """Return the parts that all captions have in common: they are said once, at the bottom."""
    captions = [frame.caption for frame in frames if frame.caption]
    return tuple(part for part in captions[0] if all(part in each for each in captions)) if captions else ()


def font(points: float, *, bold: bool = False) -> QFont:
    """Return the application's font in a printed size."""
    made = QFont()
    made.setPixelSize(round(points * _POINT))
    made.setBold(bold)
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)  # as wide in an SVG as in a PNG
    return made


def _title_font() -> QFont:
    return font(8, bold=True)


def _text_font() -> QFont:
    return font(7)


def _small_font() -> QFont:
    return font(6.5)


def wrapped(text: str, made: QFont, width: float) -> tuple[str, ...]:
    """Break a text into lines that are no wider than `width` dots."""
    layout = QTextLayout(text, made)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    lines = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(width)
        lines.append(text[line.textStart() : line.textStart() + line.textLength()].strip())
    layout.endLayout()
    return tuple(lines)


def _line(made: QFont) -> int:
    return round(QFontMetricsF(made).height())


# ---- placing --------------------------------------------------------------------------------


def page(frames: Sequence[FigureFrame], width_mm: float) -> Page:
    """Place every part of a figure of this width; the height follows."""
    width = round(min(max(width_mm, NARROWEST), WIDEST) * _MM)
    room = width - 2 * _dots(_MARGIN)
    shared = shared_caption(frames)
    rows = rows_of(frames)
    one_a_row = all(len(row) == 1 for row in rows)
    if one_a_row:  # networks side by side
        rows = [[frame for row in rows for frame in row]]
    most = max(1, int((room + _dots(_GAP)) // (_dots(_CELL) + _dots(_GAP))))
    broken = [_broken(row, most) for row in rows]
    columns = max(len(part) for parts in broken for part in parts)
    cell = (room - (columns - 1) * _dots(_GAP)) // columns
    names: list[_RowName] = []
    cells: list[_Cell] = []
    top = _dots(_MARGIN)
    for row, parts in zip(rows, broken, strict=True):
        said = list(shared)
        if not one_a_row:
            common = [part for part in shared_caption(row) if part not in shared and part != row[0].who]
            said += common
            name = _row_name(row[0], common, top, room)
            names.append(name)
            top += _name_height(name)
        for part in parts:
            placed = _place_row(part, top, cell, said, named=one_a_row)
            cells += placed
            top = max(_bottom(each) for each in placed) + _dots(_GAP)
    caption = wrapped(" · ".join(shared), _text_font(), room) if shared else ()
    height = top - _dots(_GAP) + _dots(_MARGIN)
    if caption:
        height += _dots(_SPACE) + len(caption) * _line(_text_font())
    return Page(width, height, tuple(cells), tuple(names), caption, top - _dots(_GAP) + 2 * _dots(_SPACE))


def _row_name(frame: FigureFrame, common: Sequence[str], top: int, room: int) -> _RowName:
    return _RowName(frame, top, wrapped(" · ".join(common), _text_font(), room) if common else ())


def _name_height(name: _RowName) -> int:
    return _line(_title_font()) + len(name.lines) * _line(_text_font()) + _dots(_SPACE)


def rows_of(frames: Sequence[FigureFrame]) -> list[list[FigureFrame]]:
    """Return the frames row by row."""
    return [list(row) for _, row in groupby(frames, key=lambda frame: frame.row)]


def _broken(row: list[FigureFrame], most: int) -> list[list[FigureFrame]]:
    """Break a row that does not fit into lines of about the same length."""
    lines = -(-len(row) // most)
    length = -(-len(row) // lines)
    return [row[start : start + length] for start in range(0, len(row), length)]


def _place_row(
    row: Sequence[FigureFrame], top: int, cell: int, shared: Sequence[str], *, named: bool
) -> list[_Cell]:
    heads = [_head(frame, cell, named=named) for frame in row]
    under_heads = top + max(map(len, heads)) * _line(_title_font()) + (_dots(_SPACE) if any(heads) else 0)
    placed = []
    for column, (frame, head) in enumerate(zip(row, heads, strict=True)):
        left = _dots(_MARGIN) + column * (cell + _dots(_GAP))
        height, width = frame.picture.shape[:2]
        factor: float = cell / max(width, height)
        factor = int(factor) if factor >= 1 else factor
        picture = QRect(left, under_heads, max(1, round(width * factor)), max(1, round(height * factor)))
        bar = None
        if frame.attribution is not None and frame.scale > 0:
            bar = QRect(left, picture.bottom() + 1 + _dots(_SPACE), picture.width(), _dots(_BAR))
        image, notice = _image(frame)
        own = [part for part in frame.caption if part not in shared and part != frame.who]
        own += [frame.reason, notice]
        lines = [line for part in own if part for line in wrapped(part, _small_font(), cell)]
        placed.append(_Cell(frame, image, picture, head, top, bar, tuple(lines)))
    return placed


def _image(frame: FigureFrame) -> tuple[QImage, str]:
    """Return the picture with its map over it, and what there is to say of that."""
    if frame.attribution is None:
        return as_image(frame.picture), ""
    overlay = draw(frame.picture, frame.attribution, color_table(frame.table), frame.look, frame.scale)
    return as_image(overlay.rgba), "" if overlay.notice is None else say(overlay.notice)


def _head(frame: FigureFrame, cell: int, *, named: bool) -> tuple[str, ...]:
    text = " · ".join(filter(None, (frame.row_name if named else "", frame.title)))
    dash = _dots(_DASH + _SPACE) if named and frame.hue is not None else 0
    return wrapped(text, _title_font(), cell - dash) if text else ()


def _bottom(cell: _Cell) -> int:
    bottom = cell.picture.bottom() + 1
    if cell.bar is not None:
        bottom = cell.bar.bottom() + 1 + _line(_small_font())
    if cell.lines:
        bottom += _dots(_SPACE / 2)
    return bottom + len(cell.lines) * _line(_small_font())


def _dots(mm: float) -> int:
    return round(mm * _MM)


# ---- painting -------------------------------------------------------------------------------


def paint(painter: QPainter, made: Page) -> None:
    """Paint a page in black on white, whatever the window's appearance."""
    painter.fillRect(QRect(0, 0, made.width, made.height), QColor(LIGHT.background))
    for name in made.names:
        at = QPointF(_dots(_MARGIN), name.top)
        _paint_head(painter, name.frame, (name.frame.row_name,), at, dashed=True)
        under = QPointF(at.x(), at.y() + _line(_title_font()))
        _paint_lines(painter, name.lines, under, _text_font(), LIGHT.text)
    for cell in made.cells:
        _paint_cell(painter, cell, dashed=not made.names)
    _paint_lines(painter, made.caption, QPointF(_dots(_MARGIN), made.caption_top), _text_font(), LIGHT.text)


def _paint_cell(painter: QPainter, cell: _Cell, *, dashed: bool) -> None:
    frame, picture = cell.frame, cell.picture
    _paint_head(painter, frame, cell.head, QPointF(picture.left(), cell.head_top), dashed=dashed)
    _paint_pixels(painter, cell.image, picture)
    top = float(picture.bottom() + 1)
    if cell.bar is not None:
        colors = color_bar(color_table(frame.table), frame.look, cell.bar.width())
        _paint_pixels(painter, as_image(colors.repeat(cell.bar.height(), 0)), cell.bar)
        painter.setPen(QPen(QColor(LIGHT.muted), 1))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(cell.bar.adjusted(-1, -1, 0, 0))
        top = cell.bar.bottom() + 1.0
        _paint_numbers(painter, frame, cell.bar)
        top += _line(_small_font())
    _paint_lines(
        painter, cell.lines, QPointF(picture.left(), top + _dots(_SPACE / 2)), _small_font(), LIGHT.text
    )


def _paint_pixels(painter: QPainter, image: QImage, place: QRect) -> None:
    """Enlarge by whole squares here, so that no reader of an SVG smooths between pixels."""
    smaller = place.width() < image.width()
    how = Qt.TransformationMode.SmoothTransformation if smaller else Qt.TransformationMode.FastTransformation
    painter.drawImage(place.topLeft(), image.scaled(place.size(), Qt.AspectRatioMode.IgnoreAspectRatio, how))


def _paint_numbers(painter: QPainter, frame: FigureFrame, bar: QRect) -> None:
    """Write what the colour bar's ends stand for, and where zero is if there is room."""
    low, high = scale_ends(frame.scale, frame.look.sign)
    metrics = QFontMetricsF(_small_font())
    painter.setFont(_small_font())
    painter.setPen(QColor(LIGHT.muted))
    baseline = bar.bottom() + 1 + metrics.ascent()
    widths = metrics.horizontalAdvance(low), metrics.horizontalAdvance(high)
    painter.drawText(QPointF(bar.left(), baseline), low)
    painter.drawText(QPointF(bar.right() + 1 - widths[1], baseline), high)
    zero = metrics.horizontalAdvance("0")
    if frame.look.sign == "both" and max(widths) + zero * 1.5 < bar.width() / 2:
        painter.drawText(QPointF(bar.left() + (bar.width() - zero) / 2, baseline), "0")


def _paint_head(
    painter: QPainter, frame: FigureFrame, lines: Sequence[str], at: QPointF, *, dashed: bool
) -> None:
    left = at.x()
    if dashed and frame.hue is not None:
        pen = QPen(LIGHT.lane_color(frame.hue), 2.5 * _POINT / 2)
        pen.setStyle(LANE_DASHES[frame.hue % len(LANE_DASHES)])
        pen.setCapStyle(Qt.PenCapStyle.FlatCap)
        painter.setPen(pen)
        middle = at.y() + _line(_title_font()) / 2
        painter.drawLine(QPointF(left, middle), QPointF(left + _dots(_DASH), middle))
        left += _dots(_DASH + _SPACE)
    _paint_lines(painter, lines, QPointF(left, at.y()), _title_font(), LIGHT.text)


def _paint_lines(painter: QPainter, lines: Sequence[str], at: QPointF, made: QFont, color: str) -> None:
    painter.setFont(made)
    painter.setPen(QColor(color))
    ascent, height = QFontMetricsF(made).ascent(), _line(made)
    for number, line in enumerate(lines):
        painter.drawText(QPointF(at.x(), at.y() + ascent + number * height), line)
