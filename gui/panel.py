"""What every panel has: a dirty flag, a refresh, a theme."""

from collections.abc import Iterable

from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QWidget

from gui.theme import LIGHT, Theme


class Panel(QWidget):
    """A part of the window that shows what the engine said.

    Events only store data and call `mark_dirty`; the paint clock calls `refresh` when the panel is
    visible and dirty, and no more often than painting may cost. Clicks, hover and keys call
    `refresh_now`.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.dirty = False

    def mark_dirty(self) -> None:
        """Say that something shown has changed."""
        self.dirty = True

    def refresh_now(self) -> None:
        """Show what is known, at once."""
        self.dirty = False
        self.refresh()

    def refresh(self) -> None:
        """Bring the picture up to date with the data; overridden by each panel."""

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        self.refresh_now()
        self.update()


def tint(panel: QWidget, theme: Theme, muted: Iterable[QWidget] = ()) -> None:
    """Give a panel the theme's ground and ink, and some of its labels the muted one."""
    palette = panel.palette()
    palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
    palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
    panel.setPalette(palette)
    pale = QPalette(palette)
    pale.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
    for label in muted:
        label.setPalette(pale)
