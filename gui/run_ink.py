"""Pens and swatches of stored runs that are drawn behind the live ones: thin, dotted, numbered."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen

from gui.theme import Theme

MOST_OVERLAID = 8
SWATCH = (40, 16)  # width, height in device-independent pixels

# Hues that no lane has; contrast with the plots' background is at least 3. Runs next to each other
# in number differ in their dashes too, and every swatch, legend entry and curve carries its number.
_LIGHT = ("#8a6d00", "#3535b5", "#d6336c", "#6f4a34", "#5f8f00", "#701a3f", "#6b7683", "#9a70e8")
_DARK = ("#e3c53b", "#8080ff", "#ff5c8a", "#b98a6b", "#a9d14f", "#c43c78", "#9aa7b5", "#c9a6ff")
_DASHES = ((1.0, 2.0), (5.0, 3.0), (1.0, 4.0), (5.0, 2.0, 1.0, 2.0))  # line, gap, … in pen widths


@dataclass(frozen=True, slots=True)
class Overlaid:
    """A stored run that is drawn behind the live curves."""

    slot: int  # 0 to 7: its colour, dashes and number
    directory: Path
    label: str
    lanes: tuple[str, ...]  # names

    @property
    def number(self) -> str:
        """What stands beside its curves."""
        return str(self.slot + 1)


def stored_color(theme: Theme, slot: int) -> QColor:
    """Return the colour of a stored run."""
    colors = _DARK if theme.dark else _LIGHT
    return QColor(colors[slot % len(colors)])


def stored_pen(theme: Theme, slot: int) -> QPen:
    """Return the pen of a stored run's curves."""
    pen = QPen(stored_color(theme, slot), 1.0)
    pen.setCosmetic(True)
    pen.setDashPattern(_DASHES[slot % len(_DASHES)])
    return pen


def draw_swatch(painter: QPainter, theme: Theme, slot: int, area: QRectF, font: QFont) -> None:
    """Draw the number and a piece of the line."""
    pen = stored_pen(theme, slot)
    pen.setWidthF(1.6)
    painter.setFont(font)
    painter.setPen(QColor(theme.text))
    digit = QRectF(area.left(), area.top(), 10, area.height())
    painter.drawText(digit, Qt.AlignmentFlag.AlignCenter, str(slot + 1))
    painter.setPen(pen)
    y = round(area.center().y()) + 0.5
    painter.drawLine(QPointF(digit.right() + 2, y), QPointF(area.right(), y))
