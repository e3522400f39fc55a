"""The strip under the network drawing that says what its colours and signs mean."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetricsF, QLinearGradient, QPainter, QPen

from gui.network_ink import (
    NON_FINITE,
    ZERO,
    ArcLook,
    Shades,
    arc_colors,
    draw_arc,
    readable_ink,
)
from gui.network_layout import Arch
from gui.network_words import power_of_ten
from gui.split_overlay import draw_parts
from gui.theme import NORM_DECADES, Theme

_SPACE = 14.0


class Legend:
    """Entries from the most to the least needed; those that do not fit are left out."""

    def __init__(self, metrics: QFontMetricsF, *, with_split: bool = False) -> None:
        self._line = metrics.height()
        self._digit = metrics.horizontalAdvance("0")
        self._title = QCoreApplication.translate("Network", "gradient norm")
        self._signs = (
            (QCoreApplication.translate("Network", "shortcut"), ArcLook(1)),
            (QCoreApplication.translate("Network", "cut"), ArcLook(0)),
            (QCoreApplication.translate("Network", "requested"), ArcLook(1, requested=True)),
            (QCoreApplication.translate("Network", "changes shape"), ArcLook(1, marked=True)),
        )
        self._boxes = (
            (QCoreApplication.translate("Network", "zero"), ZERO),
            (QCoreApplication.translate("Network", "not finite"), NON_FINITE),
        )
        self._parts = (
            (
                (QCoreApplication.translate("Network", "∂L/∂x by the shortcut"), (1.0, 0.0)),
                (QCoreApplication.translate("Network", "by the branch"), (0.0, 1.0)),
            )
            if with_split
            else ()
        )
        signs = (*self._parts, *self._signs)
        texts = [self._title, *(text for text, _ in self._boxes), *(text for text, _ in signs)]
        widths = [metrics.horizontalAdvance(text) for text in texts]
        self._bar = 28 * self._digit  # with it, all entries fit in one line of the smallest usual window
        self._widths = (
            widths[0] + 6 + self._bar,
            *(self._line + 6 + width for width in widths[1:3]),
            *(2.2 * self._line + 5 + width for width in widths[3:]),
        )

    def lines(self, width: float, most: int) -> int:
        """How many lines the entries take in this width, at most `most`.

        The arrows' entries do not count: the drawing shall not move when they come and go.
        """
        first = 1 + len(self._boxes)
        widths = (*self._widths[:first], *self._widths[first + len(self._parts) :])
        used = 1 + max((line for _, line in flow(widths, width, most)), default=0)
        return min(used, most)

    def draw(self, painter: QPainter, area: QRectF, theme: Theme, shades: Shades) -> None:
        """Draw as many entries as the area holds."""
        height = self._line + 4
        lines = max(int(area.height() // height), 1)
        for entry, (x, line) in enumerate(flow(self._widths, area.width(), lines)):
            place = QRectF(area.left() + x, area.top() + 2 + line * height, self._widths[entry], self._line)
            if entry == 0:
                self._draw_scale(painter, place, theme)
            elif entry <= len(self._boxes):
                self._draw_box(painter, place, entry - 1, theme, shades)
            elif entry <= len(self._boxes) + len(self._parts):
                self._draw_part(painter, place, entry - 1 - len(self._boxes), theme)
            else:
                self._draw_sign(painter, place, entry - 1 - len(self._boxes) - len(self._parts), theme)

    def _draw_scale(self, painter: QPainter, place: QRectF, theme: Theme) -> None:
        _draw_text(painter, place, self._title, theme)
        bar = QRectF(place.right() - self._bar, place.top(), self._bar, place.height())
        gradient = QLinearGradient(bar.topLeft(), bar.topRight())
        low, high = NORM_DECADES
        for step in range(33):
            gradient.setColorAt(step / 32, theme.norm_color(10 ** (low + (high - low) * step / 32)))
        painter.setPen(QPen(QColor(theme.grid), 1))
        painter.setBrush(gradient)
        painter.drawRect(bar)
        for decade in range(int(low), int(high) + 1):
            x = bar.left() + bar.width() * (decade - low) / (high - low)
            ink = readable_ink(theme.norm_color(10.0**decade))
            painter.setPen(QPen(ink, 1))
            if decade % 3 == 0:
                self._draw_decade(painter, bar, x, decade)
            else:
                painter.drawLine(QPointF(x, bar.bottom() - 4), QPointF(x, bar.bottom()))

    def _draw_decade(self, painter: QPainter, bar: QRectF, x: float, decade: int) -> None:
        text = power_of_ten(decade)
        width = 5 * self._digit
        left = min(max(x - width / 2, bar.left() + 2), bar.right() - width - 2)
        side = Qt.AlignmentFlag.AlignHCenter
        if left != x - width / 2:
            side = Qt.AlignmentFlag.AlignLeft if left > x - width / 2 else Qt.AlignmentFlag.AlignRight
        painter.drawText(
            QRectF(left, bar.top() - 1, width, bar.height()), side | Qt.AlignmentFlag.AlignVCenter, text
        )

    def _draw_box(self, painter: QPainter, place: QRectF, index: int, theme: Theme, shades: Shades) -> None:
        text, shade = self._boxes[index]
        painter.setPen(QPen(QColor(theme.muted), 1))
        painter.setBrush(shades.brushes[shade])
        side = place.height() - 3
        painter.drawRoundedRect(QRectF(place.left(), place.top() + 1.5, side, side), 3, 3)
        _draw_text(painter, place.adjusted(self._line + 5, 0, 4, 0), text, theme)

    def _draw_sign(self, painter: QPainter, place: QRectF, index: int, theme: Theme) -> None:
        text, look = self._signs[index]
        base = place.bottom() - 2
        arch = Arch(place.left() + 2, place.left() + 2.1 * self._line, base, place.top() + 3, base)
        draw_arc(painter, arch, look, arc_colors(theme, 0))
        _draw_text(painter, place.adjusted(2.2 * self._line + 5, 0, 4, 0), text, theme)

    def _draw_part(self, painter: QPainter, place: QRectF, index: int, theme: Theme) -> None:
        text, shares = self._parts[index]
        left, middle = place.left() + 2, place.center().y()
        # no taller than an arrow of the drawing, which stands above (or below) the other's place
        arch = Arch(
            left - 4, left + 2.1 * self._line + 4, middle + 2 + (12 if index == 0 else 4), middle - 28, 0
        )
        draw_parts(painter, arch, shares, arc_colors(theme, 0), theme)
        _draw_text(painter, place.adjusted(2.2 * self._line + 5, 0, 4, 0), text, theme)


def flow(widths: Sequence[float], available: float, lines: int) -> list[tuple[float, int]]:
    """Place entries one after another, line by line: (x, line) of each that fits."""
    places = []
    x, line = 0.0, 0
    for width in widths:
        if x and x + width > available:
            x, line = 0.0, line + 1
        if line >= lines:
            break
        places.append((x, line))
        x += width + _SPACE
    return places


def _draw_text(painter: QPainter, place: QRectF, text: str, theme: Theme) -> None:
    painter.setPen(QColor(theme.muted))
    painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
