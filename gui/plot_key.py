"""The key under an instrument's head: what each fill, line and symbol means; breaks into lines."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.loss_plot import LANE_SYMBOLS, SYMBOL_SIZE
from gui.plot_shapes import Fill, paint_band, paint_bar
from gui.theme import LIGHT, Theme

Mark: TypeAlias = Callable[[QPainter, QRectF, Theme], None]

MARK = 24  # pixels wide
LONG_MARK = 52  # … of two samples
GHOST_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine)  # by source
_SPACE = 4
_BETWEEN = 12
_MARGIN = 6


@dataclass(frozen=True, slots=True)
class KeyEntry:
    """A sample and what it stands for."""

    text: str
    mark: Mark
    width: int = MARK  # pixels of the sample


class PlotKey(QWidget):
    """Entries one after another, in as many lines as the width asks for."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self.entries: tuple[KeyEntry, ...] = ()
        font = QFont(self.font())
        font.setPointSizeF(max(font.pointSizeF() * 0.9, 7.0))
        self.setFont(font)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_entries(self, *entries: KeyEntry) -> None:
        """Show these."""
        self.entries = entries
        self.setAccessibleName(self.tr("Key: {entries}").format(entries=", ".join(e.text for e in entries)))
        self.updateGeometry()
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def _lines(self, width: int) -> list[list[KeyEntry]]:
        metrics = self.fontMetrics()
        lines: list[list[KeyEntry]] = []
        left = 0
        for entry in self.entries:
            needed = _width(metrics, entry)
            if not lines or needed > left:
                lines.append([])
                left = width - 2 * _MARGIN
            lines[-1].append(entry)
            left -= needed + _BETWEEN
        return lines

    def _line_height(self) -> int:
        return self.fontMetrics().height() + 2

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        return len(self._lines(width)) * self._line_height() + 2

    def sizeHint(self) -> QSize:
        return QSize(200, self.heightForWidth(max(self.width(), 200)))

    def minimumSizeHint(self) -> QSize:
        return QSize(0, self._line_height())

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = self.fontMetrics()
        height = self._line_height()
        for number, line in enumerate(self._lines(self.width())):
            x, top = float(_MARGIN), number * height
            for entry in line:
                painter.save()
                entry.mark(painter, QRectF(x, top, entry.width, height), self._theme)
                painter.restore()
                painter.setPen(QColor(self._theme.text))
                baseline = top + (height + metrics.ascent() - metrics.descent()) / 2
                painter.drawText(QPointF(x + entry.width + _SPACE, baseline), entry.text)
                x += _width(metrics, entry) + _BETWEEN
        painter.end()


def bar_mark(fill: Fill, lane: int | None = None) -> Mark:
    """A bar's sample, in a lane's colour or in none's."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        color = QColor(theme.muted) if lane is None else theme.lane_color(lane)
        inner = area.adjusted(4, 3, -4, -4)
        paint_bar(painter, QRectF(inner.toRect()), color, fill)

    return mark


def line_mark(lane: int, symbol: str | None = None) -> Mark:
    """A lane's line, with its symbol on it."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        y = area.center().y()
        painter.setPen(theme.lane_pen(lane, width=1.5))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        wanted = symbol or LANE_SYMBOLS[lane % len(LANE_SYMBOLS)]
        _paint_symbol(painter, area.center(), wanted, theme.lane_color(lane), theme.lane_color(lane))

    return mark


def lane_mark(lane: int, fill: Fill) -> Mark:
    """A lane's bar and its line, one beside the other."""
    bar, line = bar_mark(fill, lane), line_mark(lane)

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        bar(painter, QRectF(area.left() - 4, area.top(), MARK, area.height()), theme)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        line(painter, QRectF(area.right() - MARK, area.top(), MARK, area.height()), theme)

    return mark


def symbol_mark(symbol: str, color: Callable[[Theme], str], *, hollow: bool = False) -> Mark:
    """A symbol's sample."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        ink = QColor(color(theme))
        _paint_symbol(painter, area.center(), symbol, ink, QColor(0, 0, 0, 0) if hollow else ink)

    return mark


def ghost_mark(kind: int, source: int) -> Mark:
    """A published curve's sample: hollow, in no lane's colour."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        y = area.center().y()
        painter.setPen(ghost_pen(theme, source))
        painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
        symbol = LANE_SYMBOLS[kind % len(LANE_SYMBOLS)]
        _paint_symbol(painter, area.center(), symbol, QColor(theme.muted), QColor(theme.background))

    return mark


def ghost_pen(theme: Theme, source: int) -> QPen:
    """Pen of a published curve; its dash tells the source."""
    pen = QPen(QColor(theme.muted), 1.0, GHOST_DASHES[source % len(GHOST_DASHES)])
    pen.setCosmetic(True)
    return pen


def band_mark() -> Mark:
    """A band's sample, in no lane's colour."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        paint_band(painter, area.adjusted(0, 3, 0, -3), QColor(theme.muted))

    return mark


def rule_mark() -> Mark:
    """The sample of a line that stands for no lane."""

    def mark(painter: QPainter, area: QRectF, theme: Theme) -> None:
        painter.setPen(rule_pen(theme))
        painter.drawLine(QPointF(area.left(), area.center().y()), QPointF(area.right(), area.center().y()))

    return mark


def rule_pen(theme: Theme) -> QPen:
    """Pen of a line that stands for no lane: no lane's dash."""
    pen = QPen(QColor(theme.muted), 1.0, Qt.PenStyle.CustomDashLine)
    pen.setDashPattern([6.0, 2.0, 1.0, 2.0, 1.0, 2.0])
    pen.setCosmetic(True)
    return pen


def _paint_symbol(painter: QPainter, place: QPointF, symbol: str, pen: QColor, brush: QColor) -> None:
    painter.translate(place)
    painter.scale(SYMBOL_SIZE + 1, SYMBOL_SIZE + 1)
    ink = QPen(pen, 1)
    ink.setCosmetic(True)
    painter.setPen(ink)
    painter.setBrush(brush)
    painter.drawPath(Symbols[symbol])


def _width(metrics: QFontMetrics, entry: KeyEntry) -> int:
    return entry.width + _SPACE + int(metrics.horizontalAdvance(entry.text)) + 1
