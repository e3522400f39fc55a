"""Our own drawings in assets/icons, tinted with the theme's colours."""

from functools import cache

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from core.paths import asset
from gui.theme import Theme

# Sizes in device pixels: 16, 20 and 24 at a pixel ratio of 1 to 3; QIcon takes the one that fits.
SIZES = (16, 20, 24, 32, 40, 48, 64)
APP_SIZES = (16, 24, 32, 48, 64, 128, 256)


@cache
def icon(name: str, theme: Theme) -> QIcon:
    """Return a drawing in the theme's text colour, and in its muted colour where disabled."""
    made = QIcon()
    renderer = QSvgRenderer(str(asset("icons", f"{name}.svg")))
    for size in SIZES:
        drawing = _drawn(renderer, size)
        made.addPixmap(_tinted(drawing, theme.text), QIcon.Mode.Normal)
        made.addPixmap(_tinted(drawing, theme.muted, opacity=0.6), QIcon.Mode.Disabled)
    return made


@cache
def app_icon() -> QIcon:
    """Return the program's icon: a shortcut over a block, in its own colours."""
    made = QIcon()
    renderer = QSvgRenderer(str(asset("icons", "app.svg")))
    for size in APP_SIZES:
        made.addPixmap(_drawn(renderer, size))
    return made


@cache
def swatch(color: str) -> QIcon:
    """Return a filled disc in a lane's colour."""
    made = QIcon()
    for size in SIZES:
        pixmap = _empty(size)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(color))
        margin = size / 6
        painter.drawEllipse(QRectF(margin, margin, size - 2 * margin, size - 2 * margin))
        painter.end()
        made.addPixmap(pixmap)
    return made


def _empty(size: int) -> QPixmap:
    pixmap = QPixmap(size, size)
    pixmap.fill(Qt.GlobalColor.transparent)
    return pixmap


def _drawn(renderer: QSvgRenderer, size: int) -> QPixmap:
    pixmap = _empty(size)
    painter = QPainter(pixmap)
    renderer.render(painter, QRectF(0, 0, size, size))
    painter.end()
    return pixmap


def _tinted(drawing: QPixmap, color: str, opacity: float = 1.0) -> QPixmap:
    tinted = _empty(drawing.width())
    painter = QPainter(tinted)
    painter.setOpacity(opacity)
    painter.drawPixmap(0, 0, drawing)
    painter.setOpacity(1.0)
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(tinted.rect(), QColor(color))
    painter.end()
    return tinted
