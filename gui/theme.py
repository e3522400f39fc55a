"""Every colour, pen and font. Lanes differ by hue (safe for the colour-blind) and by dash."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPalette, QPen

from core.paths import asset

LANE_DASHES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
# The scale of every gradient colour: fixed, so that a colour means the same in every lane, at every
# step and in every screenshot. Values beyond it take the end colours.
NORM_DECADES = (-9.0, 3.0)


@dataclass(frozen=True, slots=True)
class Theme:
    """The colours of one appearance, light or dark; contrast of text on background is at least 4.5."""

    dark: bool
    background: str  # behind plots and drawings
    surface: str  # raised parts: cards, block boxes
    text: str
    muted: str  # secondary text, axes
    grid: str
    accent: str  # selection, focus
    warning: str  # non-finite, diverged
    good: str
    bad: str
    lanes: tuple[str, str, str, str]

    def lane_color(self, lane: int, alpha: int = 255) -> QColor:
        """Colour of a lane by its place in the run."""
        color = QColor(self.lanes[lane % len(self.lanes)])
        color.setAlpha(alpha)
        return color

    def lane_pen(self, lane: int, *, faint: bool = False, width: float = 1.0) -> QPen:
        """Pen of a lane's curve: hue and dash. Width 1 keeps live curves cheap to draw."""
        pen = QPen(self.lane_color(lane, 90 if faint else 255), width)
        pen.setCosmetic(True)
        pen.setStyle(LANE_DASHES[lane % len(LANE_DASHES)] if not faint else Qt.PenStyle.SolidLine)
        return pen

    def norm_color(self, norm: float) -> QColor:
        """Colour of a gradient norm on the fixed log scale; non-finite and zero have their own."""
        if not math.isfinite(norm):
            return QColor(self.warning)
        if norm <= 0:
            return QColor(self.surface)
        low, high = NORM_DECADES
        place = min(max((math.log10(norm) - low) / (high - low), 0.0), 1.0)
        red, green, blue = norm_table()[round(place * 255)]
        return QColor(int(red), int(green), int(blue))


# Lane hues: Okabe & Ito's blue, vermilion, bluish green and reddish purple, lightened for dark.
LIGHT = Theme(
    dark=False, background="#ffffff", surface="#eef1f5", text="#1b2430", muted="#5a6675", grid="#d5dbe3",
    accent="#0b66d0", warning="#b3007a", good="#00734f", bad="#b3261e",
    lanes=("#0072b2", "#c84e00", "#00805c", "#a3478a"),
)  # fmt: skip
DARK = Theme(
    dark=True, background="#14181d", surface="#232a32", text="#e8edf2", muted="#9aa7b5", grid="#343d47",
    accent="#6cb4ff", warning="#ff6bc4", good="#4ecb9c", bad="#ff8a80",
    lanes=("#56b4e9", "#ff9a4d", "#3fd0a4", "#e09ac9"),
)  # fmt: skip


def theme_for(palette: QPalette) -> Theme:
    """Return the theme that goes with a window's palette."""
    return DARK if palette.color(QPalette.ColorRole.Window).lightness() < 128 else LIGHT


def app_palette(theme: Theme) -> QPalette:
    """Return the application's palette in a theme's colours (used where the system does not give one)."""
    palette = QPalette(QColor(theme.surface))
    window = "#1b2026" if theme.dark else "#f6f8fa"
    # fields are lighter than the window in the dark: Fusion's outlines are nearly black there
    field = "#2b343e" if theme.dark else theme.background
    roles = QPalette.ColorRole
    for role, color in (
        (roles.Window, window), (roles.WindowText, theme.text), (roles.Base, field),
        (roles.AlternateBase, theme.surface), (roles.Text, theme.text), (roles.Button, theme.surface),
        (roles.ButtonText, theme.text), (roles.ToolTipBase, theme.surface), (roles.ToolTipText, theme.text),
        (roles.Highlight, theme.accent), (roles.PlaceholderText, theme.muted), (roles.Link, theme.accent),
        (roles.HighlightedText, "#0b1016" if theme.dark else "#ffffff"),
        (roles.Mid, theme.grid), (roles.Dark, theme.grid),
    ):  # fmt: skip
        palette.setColor(role, QColor(color))
    for role in (roles.WindowText, roles.Text, roles.ButtonText):
        palette.setColor(QPalette.ColorGroup.Disabled, role, QColor(theme.muted))
    return palette


def style_plot(plot: Any, theme: Theme) -> None:
    """Give a pyqtgraph PlotWidget the theme's colours (pyqtgraph does not follow the palette)."""
    plot.setBackground(theme.background)
    item = plot.getPlotItem()
    for side in ("left", "bottom", "right", "top"):
        axis = item.getAxis(side)
        axis.setPen(theme.grid)
        axis.setTextPen(theme.muted)
    item.titleLabel.setAttr("color", theme.text)


_tables: dict[str, NDArray[np.uint8]] = {}


def norm_table() -> NDArray[np.uint8]:
    """Return the colours of gradient norms, (256, 3): dark is small, bright is large (cividis).

    They lie in assets, as pyqtgraph (which has them too) takes half a second to import.
    """
    if "norm" not in _tables:
        _tables["norm"] = np.loadtxt(asset("colors", "cividis.csv"), np.uint8, delimiter=",")
    return _tables["norm"]


def color_table(name: str) -> NDArray[np.uint8]:
    """Return a named pyqtgraph colour map as (256, 3) bytes."""
    if name not in _tables:
        import pyqtgraph as pg

        _tables[name] = pg.colormap.get(name).getLookupTable(nPts=256, alpha=False).astype(np.uint8)
    return _tables[name]
