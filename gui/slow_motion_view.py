"""Draws one moment of a training step: the lanes side by side, their blocks as bars on a log axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from core.findings import SlowMotion
from gui.axis_ticks import decade_ticks
from gui.network_ink import scaled
from gui.network_words import number
from gui.slow_motion_frames import Frame, Phase, Strip, reading, strips
from gui.theme import LIGHT, Theme

Range: TypeAlias = tuple[float, float]  # of decades

_LEAST_DECADES = 3
_FOOT = 0.15  # of a decade under the lowest, so that a bar of just that is seen
_AXIS = 42.0  # pixels for the tick labels
_GAP = 16.0  # between lanes
_SHARES = {1: (1.0,), 2: (0.58, 0.42)}  # of the height, by number of strips
_LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
_RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True, eq=False)
class LaneMotion:
    """One lane's step: its place among the lanes (None: not one of them), its name, its blocks' names."""

    lane: int | None
    name: str
    blocks: tuple[str, ...]
    finding: SlowMotion


class SlowMotionView(QWidget):
    """The picture of one frame."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._lanes: tuple[LaneMotion, ...] = ()
        self._frame: Frame | None = None
        self._strips: tuple[Strip, ...] = ()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumHeight(120)

    def show_frame(self, lanes: Sequence[LaneMotion], frame: Frame | None) -> None:
        """Show a moment."""
        self._lanes, self._frame = tuple(lanes), frame
        self._strips = strips(frame.phase, [lane.finding for lane in lanes]) if frame is not None else ()
        self.setAccessibleDescription(self._spoken())
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def tooltip_at(self, place: QPointF) -> str:
        """Say what the bar at a place stands for; empty where there is none."""
        for column, lane in enumerate(self._lanes):
            for strip, area in zip(self._strips, self._areas(column), strict=True):
                if area.contains(place) and self._frame is not None:
                    block = int((place.x() - area.left()) / area.width() * len(lane.blocks))
                    block = min(max(block, 0), len(lane.blocks) - 1)
                    head = f"{strip.name} · {strip.explain}"
                    if not self._frame.is_passed(block, len(lane.blocks)):
                        return head
                    value = number(float(strip.lanes[column][block]))
                    return (
                        head
                        + "\n"
                        + self.tr("lane {name}, block {block}: {value}").format(
                            name=lane.name, block=lane.blocks[block], value=value
                        )
                    )
        return ""

    # ---- places ---------------------------------------------------------------------------

    def _line(self) -> float:
        return QFontMetricsF(self.font()).height()

    def _column(self, column: int) -> QRectF:
        count = len(self._lanes)
        width = (self.width() - _AXIS - 8 - _GAP * (count - 1)) / max(count, 1)
        return QRectF(_AXIS + column * (width + _GAP), 0, max(width, 1.0), self.height())

    def _head_height(self) -> float:
        return 4.6 * self._line()

    def _areas(self, column: int) -> list[QRectF]:
        """Where a lane's strips stand."""
        place, line = self._column(column), self._line()
        top, rest = self._head_height(), self.height() - self._head_height() - line - 2
        areas = []
        for share in _SHARES.get(len(self._strips), ()):
            height = rest * share
            areas.append(QRectF(place.left(), top + line, place.width(), max(height - line - 6, 8.0)))
            top += height
        return areas

    # ---- painting -------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(self.rect(), QColor(self._theme.background))
        if self._frame is not None:
            for column, lane in enumerate(self._lanes):
                self._draw_head(painter, column, lane, self._frame)
            for index, strip in enumerate(self._strips):
                self._draw_strip(painter, index, strip, self._frame)
            self._draw_ends(painter, self._frame)
        painter.end()

    def _draw_head(self, painter: QPainter, column: int, lane: LaneMotion, frame: Frame) -> None:
        place, line = self._column(column), self._line()
        color = self._theme.lane_pen(self._shade(column), width=2.5)
        painter.setPen(color)
        y = 0.75 * line
        painter.drawLine(QPointF(place.left(), y), QPointF(place.left() + 24, y))
        bold, large, small = (scaled(self.font(), size, bold=size > 0.9) for size in (1.0, 1.6, 0.88))
        name = QRectF(place.left() + 30, 0.2 * line, max(place.width() - 30, 1), line)
        self._text(painter, name, lane.name, bold, self._theme.text)
        value, what = reading(frame, lane.finding, lane.blocks)
        self._text(
            painter,
            QRectF(place.left(), 1.25 * line, place.width(), 1.9 * line),
            value,
            large,
            self._theme.text,
        )
        self._text(
            painter, QRectF(place.left(), 3.1 * line, place.width(), line), what, small, self._theme.muted
        )

    def _draw_strip(self, painter: QPainter, index: int, strip: Strip, frame: Frame) -> None:
        areas = [self._areas(column)[index] for column in range(len(self._lanes))]
        decades = log_range(strip)
        small = scaled(self.font(), 0.88)
        painter.setFont(small)
        self._draw_axis(painter, areas, decades)
        for column, area in enumerate(areas):
            self._draw_bars(painter, column, area, strip, frame, decades)
            if strip.guide is not None:
                painter.setPen(QPen(QColor(self._theme.text), 1, Qt.PenStyle.DashLine))
                y = _height(strip.guide, area, decades)
                painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            title = QRectF(area.left(), area.top() - self._line() - 1, area.width(), self._line())
            values = strip.lanes[column]
            block = frame.block(len(values))
            value = "" if block is None else number(float(values[block]))
            self._text(painter, title, value, small, self._theme.text, _RIGHT)
            title.setWidth(title.width() - QFontMetricsF(small).horizontalAdvance(value) - 4)
            self._text(painter, title, strip.name if column == 0 else "", small, self._theme.muted)

    def _draw_axis(self, painter: QPainter, areas: Sequence[QRectF], decades: Range) -> None:
        line = QFontMetricsF(painter.font()).height()
        for place, text in decade_ticks(*decades, areas[0].height() * 0.8)[0]:
            if not text or place != round(place):
                continue
            y = _at_decade(place, areas[0], decades)
            painter.setPen(QPen(QColor(self._theme.grid), 1))
            for area in areas:
                painter.drawLine(QPointF(area.left(), y), QPointF(area.right(), y))
            painter.setPen(QColor(self._theme.muted))
            painter.drawText(QRectF(0, y - line / 2, _AXIS - 6, line), _RIGHT, text)

    def _draw_bars(
        self, painter: QPainter, column: int, area: QRectF, strip: Strip, frame: Frame, decades: Range
    ) -> None:
        values = strip.lanes[column]
        slot = area.width() / max(len(values), 1)
        width = min(max(0.72 * slot, 1.0), 40.0)
        current = frame.block(len(values))
        base = area.bottom()
        if strip.from_guide and strip.guide is not None:
            base = _height(strip.guide, area, decades)
        for block, value in enumerate(values):
            center = area.left() + (block + 0.5) * slot
            if not frame.is_passed(block, len(values)):
                continue
            self._draw_bar(
                painter,
                QRectF(center - width / 2, base, width, 0),
                (area, decades),
                float(value),
                self._theme.lane_color(
                    self._shade(column), 255 if block == current or current is None else 165
                ),
            )
            if block == current:
                painter.setPen(QPen(QColor(self._theme.text), 1.2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                reach = min(3.0, slot / 2)
                painter.drawRect(
                    QRectF(center - width / 2 - reach / 2, area.top(), width + reach, area.height())
                )

    def _draw_bar(
        self, painter: QPainter, foot: QRectF, axis: tuple[QRectF, Range], value: float, color: QColor
    ) -> None:
        area, decades = axis
        center = foot.center().x()
        if not math.isfinite(value):
            painter.setPen(QPen(QColor(self._theme.warning), 1.6))
            reach = min(3.5, max(foot.width() / 2, 1.5))
            y = area.top() + 5
            painter.drawLine(QPointF(center - reach, y - reach), QPointF(center + reach, y + reach))
            painter.drawLine(QPointF(center - reach, y + reach), QPointF(center + reach, y - reach))
        elif value <= 0:
            reach = min(4.0, max(foot.width() / 2, 1.5))
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(color)
            y = area.bottom() - 1
            painter.drawPolygon(
                [
                    QPointF(center - reach, y - 1.6 * reach),
                    QPointF(center + reach, y - 1.6 * reach),
                    QPointF(center, y),
                ]
            )
        else:
            top = _height(value, area, decades)
            painter.fillRect(
                QRectF(foot.left(), min(top, foot.top()), foot.width(), max(abs(foot.top() - top), 1.0)),
                color,
            )

    def _draw_ends(self, painter: QPainter, frame: Frame) -> None:
        """Name the ends of the bars, and point the way of the pass."""
        if not self._strips:
            return
        small = scaled(self.font(), 0.88)
        arrows = {Phase.FORWARD: "→", Phase.BACKWARD: "←"}
        line = self._line()
        for column in range(len(self._lanes)):
            place = self._column(column)
            row = QRectF(place.left(), self.height() - line - 1, place.width(), line)
            self._text(painter, row, self.tr("stem"), small, self._theme.muted)
            self._text(painter, row, self.tr("head"), small, self._theme.muted, _RIGHT)
            if frame.phase in arrows:
                self._text(
                    painter,
                    row,
                    arrows[frame.phase],
                    self.font(),
                    self._theme.text,
                    Qt.AlignmentFlag.AlignCenter,
                )

    def _text(
        self,
        painter: QPainter,
        place: QRectF,
        text: str,
        font: QFont,
        color: str,
        side: Qt.AlignmentFlag = _LEFT,
    ) -> None:
        painter.setFont(font)
        painter.setPen(QColor(color))
        painter.drawText(
            place, side, QFontMetricsF(font).elidedText(text, Qt.TextElideMode.ElideRight, place.width())
        )

    def _shade(self, column: int) -> int:
        lane = self._lanes[column].lane
        return column if lane is None else lane

    def _spoken(self) -> str:
        if self._frame is None:
            return ""
        parts = []
        for lane in self._lanes:
            value, what = reading(self._frame, lane.finding, lane.blocks)
            parts.append(
                self.tr("Lane {name}: {what} {value}").format(name=lane.name, what=what, value=value)
            )
        return "; ".join(parts)

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.tooltip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def sizeHint(self) -> QSize:
        return QSize(600, 280)


def log_range(strip: Strip) -> Range:
    """Whole decades around all lanes' values, never fewer than a few: little shall look little.

    Bars that begin at a guide have as much room below it as above; others have a little at their feet.
    """
    values = np.concatenate([*strip.lanes, np.array([] if strip.guide is None else [strip.guide])])
    positive = values[np.isfinite(values) & (values > 0)]
    if strip.from_guide and strip.guide is not None:
        middle = math.log10(strip.guide)
        reach = max(math.ceil(float(np.abs(np.log10(positive) - middle).max())), 1)
        return middle - reach, middle + reach
    if len(positive) == 0:
        return -_LEAST_DECADES - _FOOT, 0.0
    low, high = math.floor(np.log10(positive.min())), math.ceil(np.log10(positive.max()))
    short = max(_LEAST_DECADES - (high - low), 0)
    return low - (short + 1) // 2 - _FOOT, float(high + short // 2)


def _height(value: float, area: QRectF, decades: Range) -> float:
    return _at_decade(math.log10(value), area, decades)


def _at_decade(decade: float, area: QRectF, decades: Range) -> float:
    low, high = decades
    return area.bottom() - area.height() * (decade - low) / (high - low)
