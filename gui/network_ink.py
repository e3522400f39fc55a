"""The signs of the network drawing: colours of gradient norms, arcs, rings, switches."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPainterPath, QPen

from core.messages import FloatArray
from gui.network_layout import Arch
from gui.theme import NORM_DECADES, Theme

_STEPS = 256
ZERO, NON_FINITE, UNKNOWN = _STEPS, _STEPS + 1, _STEPS + 2


class Shades:
    """Brushes of gradient norms in one theme, with the ink that can be read on each."""

    def __init__(self, theme: Theme) -> None:
        low, high = NORM_DECADES
        norms = [10 ** (low + (high - low) * step / (_STEPS - 1)) for step in range(_STEPS)]
        colors = [theme.norm_color(norm) for norm in (*norms, 0.0, float("nan"))]
        colors.append(QColor(theme.background))
        self.brushes = [QBrush(color) for color in colors]
        self.inks = [readable_ink(color) for color in colors]

    def indices(self, norms: FloatArray | None, count: int) -> list[int]:
        """Return for each block which brush it takes."""
        if norms is None:
            return [UNKNOWN] * count
        low, high = NORM_DECADES
        finite = np.isfinite(norms)
        positive = finite & (norms > 0)
        decades = np.log10(norms, where=positive, out=np.full(norms.shape, low))
        place = np.rint((decades - low) / (high - low) * (_STEPS - 1)).clip(0, _STEPS - 1)
        place[~positive] = ZERO
        place[~finite] = NON_FINITE
        return [int(index) for index in place]


def readable_ink(color: QColor) -> QColor:
    """Black or white, whichever stands out more (WCAG relative luminance)."""
    linear = [
        channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
        for channel in (color.redF(), color.greenF(), color.blueF())
    ]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return QColor(Qt.GlobalColor.black if luminance > 0.179 else Qt.GlobalColor.white)


def scaled(font: QFont, factor: float, *, bold: bool = False) -> QFont:
    """Return the font in another size; fonts may be sized in points or in pixels."""
    result = QFont(font)
    if font.pointSizeF() > 0:
        result.setPointSizeF(font.pointSizeF() * factor)
    else:
        result.setPixelSize(max(round(font.pixelSize() * factor), 1))
    result.setBold(bold)
    return result


@dataclass(frozen=True, slots=True)
class ArcColors:
    """What an arc is drawn with."""

    on: QColor
    cut: QColor
    cross: QColor
    requested: QColor
    ground: QColor


@dataclass(frozen=True, slots=True)
class ArcLook:
    """What an arc says."""

    strength: float
    requested: bool = False
    marked: bool = False  # the shortcut changes the shape …
    hollow_mark: bool = False  # … by zero-padding, without parameters


def arc_colors(theme: Theme, lane: int) -> ArcColors:
    """Return a lane's arc colours."""
    return ArcColors(
        theme.lane_color(lane), QColor(theme.muted), QColor(theme.bad), QColor(theme.accent),
        QColor(theme.background),
    )  # fmt: skip


def draw_arc(painter: QPainter, arch: Arch, look: ArcLook, colors: ArcColors) -> None:
    """Draw a shortcut: solid, faded or broken, with its marks."""
    width = arch.right - arch.left
    color = QColor(colors.cut if look.strength == 0 else colors.on)
    if look.requested:
        color = QColor(colors.requested)
    if 0 < look.strength < 1:
        color.setAlphaF(0.3 + 0.6 * look.strength)
    pen = QPen(color, 2.0 if width > 24 else 1.5 if width > 12 else 1.2)
    pen.setCapStyle(Qt.PenCapStyle.FlatCap)
    if look.strength == 0 and width > 20:
        pen.setDashPattern([3.0, 1.8])
    painter.setPen(pen)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawPath(arc_path(arch, broken=look.strength == 0))
    size = min(5.0, 0.3 * width, 0.4 * (arch.base - arch.top))
    if look.marked:
        _draw_mark(painter, arch, look, colors)
    if look.strength == 0:
        _draw_cross(
            painter, arch.point(0.5), size, QColor(colors.requested if look.requested else colors.cross)
        )
    if look.requested:
        painter.setBrush(Qt.BrushStyle.NoBrush if look.strength < 1 else colors.ground)
        draw_ring(painter, arch.point(0.5), size + 1.5, colors.requested)


def arc_path(arch: Arch, *, broken: bool = False) -> QPainterPath:
    """Return an arc's path, legs included; a broken one leaves out its top."""
    path = QPainterPath(QPointF(arch.left, arch.foot))
    path.lineTo(arch.left, arch.base)
    pieces = ((0.0, 0.36), (0.64, 1.0)) if broken else ((0.0, 1.0),)
    for start, end in pieces:
        first, control1, control2, last = arch.piece(start, end)
        if start:
            path.moveTo(first)
        path.cubicTo(control1, control2, last)
    path.lineTo(arch.right, arch.foot)
    return path


def draw_ring(painter: QPainter, center: QPointF, radius: float, color: QColor) -> None:
    """Draw the sign for *requested, not yet applied*, in the painter's brush."""
    painter.setPen(QPen(color, 1.6))
    painter.drawEllipse(center, radius, radius)


def draw_glyph(painter: QPainter, center: QPointF, radius: float, color: QColor, strength: float) -> None:
    """Draw a group's state: a full, hollow or half disc (all on, all cut, in between)."""
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(color if strength == 1 else Qt.BrushStyle.NoBrush)
    painter.drawEllipse(center, radius, radius)
    if 0 < strength < 1:
        painter.setBrush(color)
        square = QRectF(center.x() - radius, center.y() - radius, 2 * radius, 2 * radius)
        painter.drawChord(square, 90 * 16, 180 * 16)


def _draw_cross(painter: QPainter, center: QPointF, size: float, color: QColor) -> None:
    size = max(size * 0.8, 1.8)
    painter.setPen(QPen(color, 1.8 if size > 2.5 else 1.3))
    painter.drawLine(center + QPointF(-size, -size), center + QPointF(size, size))
    painter.drawLine(center + QPointF(-size, size), center + QPointF(size, -size))


def _draw_mark(painter: QPainter, arch: Arch, look: ArcLook, colors: ArcColors) -> None:
    width = arch.right - arch.left
    half = min(4.0, 0.22 * width, 0.25 * (arch.base - arch.top))
    color = colors.requested if look.requested else (colors.on if look.strength else colors.cut)
    center = arch.point(0.24 if width > 16 else 0.2)
    painter.setPen(QPen(color, 1.4))
    painter.setBrush(colors.ground if look.hollow_mark else color)
    painter.drawRect(QRectF(center.x() - half, center.y() - half, 2 * half, 2 * half))
