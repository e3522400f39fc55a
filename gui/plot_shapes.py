"""Bars and bands of the instruments' plots: told apart by fill as well as by colour, vector all through."""

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QLineF, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPainterPath, QPen
from PySide6.QtWidgets import QGraphicsItem, QGraphicsPathItem, QStyleOptionGraphicsItem, QWidget

from core.findings import FloatArray
from gui.theme import Theme

Fill: TypeAlias = Literal["solid", "hatched", "hollow", "crossed"]
LANE_FILLS: tuple[Fill, ...] = ("solid", "hatched", "hollow", "crossed")

_HATCH = 4.0  # pixels from line to line
_GROUND = 50  # alpha behind a hatch
_BAND = 45  # alpha of a band


class Bars(QGraphicsItem):
    """Bars from zero, in the units of the plot's axes; a bar that is not finite is not drawn.

    A bar of height zero is a line: measured, and nothing found.
    """

    def __init__(self, fill: Fill = "solid") -> None:
        super().__init__()
        self.fill: Fill = fill
        self.left: FloatArray = np.empty(0)
        self.heights: FloatArray = np.empty(0)
        self.width = 1.0
        self.color = QColor()

    def set_bars(self, left: FloatArray, heights: FloatArray, width: float) -> None:
        """Show these: left edges, heights (below zero too), one width."""
        self.prepareGeometryChange()
        self.left, self.heights, self.width = left, heights, width
        self.update()

    def set_color(self, color: QColor) -> None:
        """Take another colour."""
        self.color = color
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802
        known = self.heights[np.isfinite(self.heights)]
        if len(known) == 0:
            return QRectF()
        low, high = min(float(known.min()), 0.0), max(float(known.max()), 0.0)
        left, right = float(self.left.min()), float(self.left.max()) + self.width
        return QRectF(left, low, right - left, max(high - low, 1e-9))

    def paint(
        self, painter: QPainter, _option: QStyleOptionGraphicsItem, _widget: QWidget | None = None
    ) -> None:
        scale = painter.worldTransform()
        pixel = (1 / max(abs(scale.m11()), 1e-9), 1 / max(abs(scale.m22()), 1e-9))
        for left, height in zip(self.left, self.heights, strict=True):
            if np.isfinite(height):
                rect = QRectF(left, min(height, 0.0), self.width, abs(height))
                paint_bar(painter, rect, self.color, self.fill, pixel)


def paint_bar(
    painter: QPainter, rect: QRectF, color: QColor, fill: Fill, pixel: tuple[float, float] = (1.0, 1.0)
) -> None:
    """Paint one bar; `pixel`: how much of either axis one pixel covers."""
    pen = QPen(color, 1.0)
    pen.setCosmetic(True)
    painter.setPen(pen)
    ground = QColor(color)
    ground.setAlpha({"solid": 255, "hollow": 0}.get(fill, _GROUND))
    painter.setBrush(ground)
    painter.drawRect(rect)
    if fill in ("hatched", "crossed"):
        painter.drawLines(_hatch(rect, pixel))
    if fill == "crossed":
        mirrored = [
            QLineF(rect.left() + rect.right() - line.x1(), line.y1(),
                   rect.left() + rect.right() - line.x2(), line.y2())
            for line in _hatch(rect, pixel)
        ]  # fmt: skip
        painter.drawLines(mirrored)


def _hatch(rect: QRectF, pixel: tuple[float, float]) -> list[QLineF]:
    """Diagonals through a rectangle: Qt's own patterns stretch with the axes and are lost in an SVG."""
    wide, high = rect.width() / pixel[0], rect.height() / pixel[1]
    lines = []
    for offset in np.arange(_HATCH, wide + high, _HATCH):  # x + y = offset, in pixels from a corner
        x1, x2 = max(offset - high, 0.0), min(offset, wide)
        start = QPointF(rect.left() + x1 * pixel[0], rect.top() + (offset - x1) * pixel[1])
        end = QPointF(rect.left() + x2 * pixel[0], rect.top() + (offset - x2) * pixel[1])
        lines.append(QLineF(start, end))
    return lines


class Band(QGraphicsPathItem):
    """A see-through strip between two curves, with the lane's line as its edge."""

    def set_edges(self, x: FloatArray, low: FloatArray, high: FloatArray) -> None:
        """Show the strip where all three are finite; one that is nowhere wider than a line is not drawn."""
        known: NDArray[np.bool_] = np.isfinite(x) & np.isfinite(low) & np.isfinite(high)
        path = QPainterPath()
        if (known & (high > low)).any():
            x, low, high = x[known], low[known], high[known]
            there = [QPointF(*point) for point in zip(x, low, strict=True)]
            back = [QPointF(*point) for point in zip(x[::-1], high[::-1], strict=True)]
            path.moveTo(there[0])
            for point in (*there[1:], *back):
                path.lineTo(point)
            path.closeSubpath()
        self.setPath(path)
        self.setVisible(not path.isEmpty())  # an SVG must not hold a path of nothing

    def set_lane(self, theme: Theme, lane: int) -> None:
        """Take a lane's colour and dash."""
        self.setBrush(theme.lane_color(lane, _BAND))
        pen = theme.lane_pen(lane)
        pen.setColor(theme.lane_color(lane, 2 * _BAND))
        self.setPen(pen)


def paint_band(painter: QPainter, rect: QRectF, color: QColor) -> None:
    """Paint a band's sample."""
    ground = QColor(color)
    ground.setAlpha(_BAND)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(ground)
    painter.drawRect(rect)
