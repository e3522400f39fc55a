"""A small plot of one check: what the map gives, solid, and a random order, dashed."""

from collections.abc import Sequence

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import (
    QColor,
    QFontMetricsF,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPolygonF,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from core.messages import Assessed, FloatArray
from gui.explanation_words import percent
from gui.network_ink import scaled
from gui.network_words import number
from gui.stop_keys import stop_after
from gui.theme import LIGHT, Theme
from gui.trust_words import Axes, axes, point_words

_HEIGHT = 132
_WIDEST = 560  # a wider one would only be flatter
_SAMPLE = 22  # pixels of a line in the key
_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_DOT = 2.2  # radius


class TrustPlot(QWidget):
    """Draws one finding; the mouse or the arrow keys read out its points."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.found: Assessed | None = None
        self.place: int | None = None  # the point that is read out
        self._blocks = 0
        self._color = QColor()
        self._theme: Theme = LIGHT
        self.setFont(scaled(self.font(), 0.9))
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMaximumWidth(_WIDEST)

    def show_finding(self, found: Assessed, blocks: int, color: QColor, theme: Theme) -> None:
        """Show this, in a network's colour."""
        self.found, self._blocks, self._color, self._theme = found, blocks, color, theme
        if self.place is not None and self.place not in self.stops():
            self.place = None
        self.setAccessibleDescription(self.words())
        self.update()

    def stops(self) -> list[int]:
        """Return the points that are known."""
        return [] if self.found is None else np.flatnonzero(np.isfinite(self.found.curve)).tolist()

    def words(self) -> str:
        """Say what lies at the point that is read out; empty where none is."""
        if self.found is None or self.place is None:
            return ""
        return point_words(self.found.check, self.place, self.found, self._blocks)

    def sizeHint(self) -> QSize:
        return QSize(240, _HEIGHT)

    # ---- drawing --------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self.found is None:
            return
        painter = QPainter(self)
        named = axes(self.found.check)
        low = self._lowest()
        area = self._area()
        self._draw_frame(painter, area, low, named)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_line(painter, area, low, self.found.control, self._control_pen())
        self._draw_line(painter, area, low, self.found.curve, QPen(self._color, 1.8))
        if self.found.check == "randomisation":
            self._draw_dots(painter, area, low)
        self._draw_key(painter, area, named)
        self._draw_readout(painter, area, low)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
            painter.setPen(QColor(self._theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _area(self) -> QRectF:
        """Where the curves are: the key above, the axes left and below."""
        metrics = QFontMetricsF(self.font())
        line = metrics.height()
        left = line + metrics.horizontalAdvance("−0.5") + 10
        right = metrics.horizontalAdvance(percent(1.0)) / 2 + 3
        return QRectF(self.rect()).adjusted(left, line + 5, -right, -2 * line - 7)

    def _lowest(self) -> float:
        """The lower end of the axis: 0, or the step of a half below a correlation under zero."""
        assert self.found is not None
        known = self.found.curve[np.isfinite(self.found.curve)]
        return -0.5 * np.ceil(-2 * float(known.min(initial=0.0)) - 0.1)

    def _draw_frame(self, painter: QPainter, area: QRectF, low: float, named: Axes) -> None:
        metrics = QFontMetricsF(self.font())
        line = metrics.height()
        for value in np.arange(low, 1.01, 0.5):
            y = self._y(area, low, float(value))
            painter.setPen(QColor(self._theme.muted if value == 0 else self._theme.grid))
            painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(self._theme.muted))
            text = number(float(value), 2)
            place = QRectF(line, y - line / 2, area.left() - line - 5, line)
            painter.drawText(place, _MIDDLE | Qt.AlignmentFlag.AlignRight, text)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            x = area.left() + share * area.width()
            painter.setPen(QColor(self._theme.grid))
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
            painter.setPen(QColor(self._theme.muted))
            width = metrics.horizontalAdvance(percent(1.0)) + 8
            place = QRectF(x - width / 2, area.bottom() + 3, width, line)
            painter.drawText(place, Qt.AlignmentFlag.AlignCenter, percent(share))
        along = QRectF(0, area.bottom() + 3 + line, self.width(), line)
        painter.drawText(along, Qt.AlignmentFlag.AlignCenter, named.along)
        painter.save()
        painter.translate(line / 2 + 1, area.center().y())
        painter.rotate(-90)
        up = metrics.elidedText(named.up, Qt.TextElideMode.ElideRight, area.height() + 2 * line)
        span = area.height() + 2 * line
        painter.drawText(QRectF(-span / 2, -line / 2, span, line), Qt.AlignmentFlag.AlignCenter, up)
        painter.restore()

    def _y(self, area: QRectF, low: float, value: float) -> float:
        return area.bottom() - (value - low) / (1 - low) * area.height()

    def _points(self, area: QRectF, low: float, curve: FloatArray) -> list[QPointF]:
        assert self.found is not None
        return [
            QPointF(area.left() + share * area.width(), self._y(area, low, value))
            for share, value in zip(self.found.shares.tolist(), curve.tolist(), strict=False)
            if np.isfinite(value)
        ]

    def _draw_line(self, painter: QPainter, area: QRectF, low: float, curve: FloatArray, pen: QPen) -> None:
        painter.setPen(pen)
        painter.drawPolyline(QPolygonF(self._points(area, low, curve)))

    def _draw_dots(self, painter: QPainter, area: QRectF, low: float) -> None:
        assert self.found is not None
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(self._color)
        for point in self._points(area, low, self.found.curve):
            painter.drawEllipse(point, _DOT, _DOT)

    def _control_pen(self) -> QPen:
        return QPen(QColor(self._theme.muted), 1.4, Qt.PenStyle.DashLine)

    def _draw_key(self, painter: QPainter, area: QRectF, named: Axes) -> None:
        metrics = QFontMetricsF(self.font())
        entries: Sequence[tuple[str, QPen]] = ((named.curve, QPen(self._color, 1.8)),)
        if named.control:
            entries = (*entries, (named.control, self._control_pen()))
        x, line = area.left(), metrics.height()
        for text, pen in entries:
            painter.setPen(pen)
            painter.drawLine(QPointF(x, line / 2 + 1), QPointF(x + _SAMPLE, line / 2 + 1))
            painter.setPen(QColor(self._theme.text))
            width = metrics.horizontalAdvance(text) + 2
            painter.drawText(QRectF(x + _SAMPLE + 4, 1, width, line), _MIDDLE, text)
            x += _SAMPLE + width + 16

    def _draw_readout(self, painter: QPainter, area: QRectF, low: float) -> None:
        if self.found is None or self.place is None:
            return
        x = area.left() + float(self.found.shares[self.place]) * area.width()
        y = self._y(area, low, float(self.found.curve[self.place]))
        painter.setPen(QColor(self._theme.text))
        painter.drawLine(QPointF(x, area.top()), QPointF(x, area.bottom()))
        painter.setBrush(QColor(self._theme.background))
        painter.drawEllipse(QPointF(x, y), 3.5, 3.5)
        metrics = QFontMetricsF(self.font())
        size = QRectF(0, 0, metrics.horizontalAdvance(self.words()) + 10, metrics.height() + 4)
        left = min(max(x - size.width() / 2, 1.0), max(self.width() - size.width() - 1, 1.0))
        plate = size.translated(left, 0.0)  # over the key, so that no point is covered
        painter.setPen(QColor(self._theme.grid))
        painter.setBrush(QColor(self._theme.surface))
        painter.drawRoundedRect(plate, 3, 3)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, self.words())

    # ---- reading out ----------------------------------------------------------------------

    def read_out(self, place: int | None) -> None:
        """Say what lies at a point, or nothing."""
        if place != self.place:
            self.place = place
            self.setAccessibleDescription(self.words())
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        area, stops, found = self._area(), self.stops(), self.found
        if found is not None and stops and area.width() > 0:
            share = (event.position().x() - area.left()) / area.width()
            self.read_out(min(stops, key=lambda stop: abs(float(found.shares[stop]) - share)))

    def leaveEvent(self, event: QEvent) -> None:
        self.read_out(None)
        super().leaveEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk through the points with the arrow keys; Escape says nothing more."""
        stop = stop_after(event.key(), self.stops(), self.place)
        if stop is not None:
            self.read_out(stop)
        elif event.key() == Qt.Key.Key_Escape and self.place is not None:
            self.read_out(None)
        else:
            super().keyPressEvent(event)
