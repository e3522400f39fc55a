"""The one legend of the curves panel: every lane's line, held-out symbol, name and what it is."""

from dataclasses import dataclass

from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from PySide6.QtCore import QPointF, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.loss_plot import LANE_SYMBOLS, SYMBOL_SIZE
from gui.theme import LIGHT, Theme

_LINE = 26
_SPACE = 5
_BETWEEN = 12
_ANY = 1000  # wider than any text
_LEAST_NOTE = 110  # pixels; a shorter piece of the note says nothing


@dataclass(frozen=True, slots=True)
class LegendEntry:
    """A lane's words: its name, what is said where there is room, and what always is."""

    name: str
    about: str
    alarm: str = ""  # diverged at step …
    brief: str = ""  # the half of `about` that is said where there is room for no more


class CurvesLegend(QWidget):
    """One line of entries; what a lane is gives way first (by halves), then names are elided."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._entries: tuple[LegendEntry, ...] = ()
        self._note = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @property
    def entries(self) -> tuple[LegendEntry, ...]:
        """What is shown."""
        return self._entries

    @property
    def note(self) -> str:
        """What is said after the lanes."""
        return self._note

    def show_lanes(self, entries: tuple[LegendEntry, ...], note: str = "") -> None:
        """Show these lanes, and a remark after them."""
        if (entries, note) == (self._entries, self._note):
            return
        self._entries, self._note = entries, note
        words = [" ".join(filter(None, (entry.name, entry.about, entry.alarm))) for entry in entries]
        text = "\n".join(filter(None, (*words, note)))
        self.setToolTip(text)
        self.setAccessibleName(text)
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(200, self.fontMetrics().height() + 8)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        metrics = self.fontMetrics()
        abouts = self._abouts(metrics)
        most = self._most_name(metrics)
        x = _SPACE
        for lane, (entry, about) in enumerate(zip(self._entries, abouts, strict=True)):
            self._draw_line(painter, lane, x)
            x += _LINE + _SPACE
            for text, color in self._parts(entry, about):
                shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, most)
                x += self._draw_text(painter, metrics, x, shown, color)
            x += _BETWEEN
        left = self.width() - x
        if self._note and left > _LEAST_NOTE:
            note = metrics.elidedText(self._note, Qt.TextElideMode.ElideRight, left)
            self._draw_text(painter, metrics, x, note, self._theme.muted)
        painter.end()

    def _abouts(self, metrics: QFontMetrics) -> list[str]:
        """What is said of each lane: all, or half where only then the whole note fits; or nothing."""
        full = [entry.about for entry in self._entries]
        brief = [entry.brief or entry.about for entry in self._entries]
        none = [""] * len(full)
        note = int(metrics.horizontalAdvance(self._note)) + _SPACE if self._note else 0
        choices = ((full, note), (brief, note), (full, 0), (brief, 0))
        fitting = (words for words, more in choices if self._width(metrics, words) + more <= self.width())
        return next(fitting, none)

    def _most_name(self, metrics: QFontMetrics) -> int:
        """The widest a text may be for all to fit."""
        if self._width(metrics) <= self.width():
            return _ANY
        fitting = (most for most in range(200, 20, -10) if self._fits(metrics, most))
        return next(fitting, 20)

    def _fits(self, metrics: QFontMetrics, most: int) -> bool:
        return self._width(metrics, most=most) <= self.width()

    def _parts(self, entry: LegendEntry, about: str) -> list[tuple[str, str]]:
        theme = self._theme
        parts = [(entry.name, theme.text), (about, theme.muted)]
        return [(text, color) for text, color in (*parts, (entry.alarm, theme.warning)) if text]

    def _width(self, metrics: QFontMetrics, abouts: list[str] | None = None, most: int = _ANY) -> int:
        total = _SPACE
        for entry, about in zip(self._entries, abouts or [""] * len(self._entries), strict=True):
            words = [
                min(int(metrics.horizontalAdvance(text)), most) + _SPACE
                for text, _ in self._parts(entry, about)
            ]
            total += _LINE + _SPACE + sum(words) + _BETWEEN
        return total

    def _draw_line(self, painter: QPainter, lane: int, x: int) -> None:
        y = self.height() / 2
        painter.setPen(self._theme.lane_pen(lane, width=1.5))
        painter.drawLine(QPointF(x, y), QPointF(x + _LINE, y))
        painter.save()
        painter.translate(x + _LINE / 2, y)
        painter.scale(SYMBOL_SIZE, SYMBOL_SIZE)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._theme.lane_color(lane))
        painter.drawPath(Symbols[LANE_SYMBOLS[lane % len(LANE_SYMBOLS)]])
        painter.restore()

    def _draw_text(self, painter: QPainter, metrics: QFontMetrics, x: int, text: str, color: str) -> int:
        painter.setPen(QColor(color))
        baseline = (self.height() + metrics.ascent() - metrics.descent()) / 2
        painter.drawText(QPointF(x, baseline), text)
        return int(metrics.horizontalAdvance(text)) + _SPACE
