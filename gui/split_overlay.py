"""Arrows at every addition that point back to the input: the shortcut's and the branch's part of ∂L/∂x.

Both begin where the two paths meet; their lengths are the parts' shares of the two norms' sum. The
shortcut's arrow is full and in the lane's colour, the branch's hollow and in that of text, so that
they are told apart without colour. Where blocks are narrow, both become one upright tick.
"""

import math
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF

from core.findings import GradientSplit
from gui.network_ink import ArcColors
from gui.network_layout import Arch, Row
from gui.network_words import number
from gui.theme import Theme
from gui.wording import whole

_TICK_BELOW = 24.0  # pixels of an arc's width
_TICK = 3.0  # widest a tick is


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """What was found for a lane, and when."""

    step: int
    finding: GradientSplit

    def shares(self, block: int) -> tuple[float, float] | None:
        """Return the shortcut's and the branch's share; None where there is no gradient, or no number."""
        shortcut, branch = float(self.finding.shortcut[block]), float(self.finding.branch[block])
        whole_norm = shortcut + branch
        if not math.isfinite(whole_norm) or whole_norm <= 0:
            return None
        return shortcut / whole_norm, branch / whole_norm

    def words(self, block: int) -> str:
        """Say the norms at one block, and how the two parts stand to each other."""
        cosine = float(self.finding.cosine[block])
        return QCoreApplication.translate(
            "Network",
            "∂L/∂x at its input, step {step}: {shortcut} through the shortcut, {branch} through the branch, "
            "cosine {cosine}; together {total}.",
        ).format(
            step=whole(self.step),
            shortcut=number(float(self.finding.shortcut[block])),
            branch=number(float(self.finding.branch[block])),
            cosine=number(None if math.isnan(cosine) else cosine, 2),
            total=number(float(self.finding.total[block])),
        )


def draw_split(painter: QPainter, row: Row, split: Split, colors: ArcColors, theme: Theme) -> None:
    """Draw the arrows of one lane; a cross in the warning colour where the parts are not finite."""
    for block, place in enumerate(row.blocks):
        shares = split.shares(block)
        if shares is not None:
            draw_parts(painter, place.arch, shares, colors, theme)
        elif not math.isfinite(float(split.finding.total[block])):
            _draw_lost(painter, place.arch, theme)


def draw_parts(
    painter: QPainter, arch: Arch, shares: tuple[float, float], colors: ArcColors, theme: Theme
) -> None:
    """Draw the two parts under one arc."""
    branch_ink = QColor(theme.text)
    for area, is_shortcut in part_areas(arch, shares):
        ink = colors.on if is_shortcut else branch_ink
        if arch.right - arch.left < _TICK_BELOW:
            painter.fillRect(area, ink)
        else:
            _draw_arrow(painter, area, ink, QColor(ink if is_shortcut else colors.ground))


def part_areas(arch: Arch, shares: tuple[float, float]) -> list[tuple[QRectF, bool]]:
    """Where the parts of a gradient are drawn: (area, whether it is the shortcut's); none for a share of 0."""
    width, height = arch.right - arch.left, arch.base - arch.top
    areas = []
    if width < _TICK_BELOW:
        tall = min(0.62 * height, 18.0)
        left = (arch.left + arch.right - min(_TICK, 0.4 * width)) / 2
        bottom = arch.base - 1
        for share, is_shortcut in ((shares[1], False), (shares[0], True)):  # the branch below, as it is drawn
            areas.append(
                (QRectF(left, bottom - share * tall, min(_TICK, 0.4 * width), share * tall), is_shortcut)
            )
            bottom -= share * tall
    else:
        thick = max(2 * round((min(7.0, 0.24 * height) - 1) / 2) + 1, 3)  # odd, so that edges are crisp
        reach = width - 8
        for line, share in enumerate(shares):
            bottom = math.floor(arch.base) - 2 - (1 - line) * (thick + 1)
            right = arch.right - 4
            areas.append((QRectF(right - share * reach, bottom - thick, share * reach, thick), line == 0))
    return [(area, is_shortcut) for area, is_shortcut in areas if area.width() > 0 and area.height() > 0]


def _draw_arrow(painter: QPainter, area: QRectF, ink: QColor, filling: QColor) -> None:
    """Draw an arrow that fills an area and points left."""
    middle, half = area.center().y(), area.height() / 2
    neck = area.left() + min(area.height() * 0.9, area.width())
    body_half = max(half - 1.5, 0.5)
    body = [
        QPointF(neck, middle - half), QPointF(neck, middle - body_half), QPointF(area.right(), middle - body_half),
        QPointF(area.right(), middle + body_half), QPointF(neck, middle + body_half), QPointF(neck, middle + half),
    ]  # fmt: skip
    painter.setPen(QPen(ink, 1))
    painter.setBrush(filling)
    painter.drawPolygon(QPolygonF([QPointF(area.left(), middle), *body]))


def _draw_lost(painter: QPainter, arch: Arch, theme: Theme) -> None:
    reach = min(3.5, 0.3 * (arch.right - arch.left))
    center = QPointF((arch.left + arch.right) / 2, arch.base - reach - 2)
    painter.setPen(QPen(QColor(theme.warning), 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.drawLine(center + QPointF(-reach, -reach), center + QPointF(reach, reach))
    painter.drawLine(center + QPointF(-reach, reach), center + QPointF(reach, -reach))
