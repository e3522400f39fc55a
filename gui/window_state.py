"""What the window remembers between starts: geometry, docks, recent files, appearance."""

from pathlib import Path

from PySide6.QtCore import QByteArray, QSettings
from PySide6.QtWidgets import QMainWindow

from core.paths import data_folder

VERSION = 1  # of the arrangement of docks; an older one is not restored
MOST_RECENT = 10


class WindowState:
    """Reads and writes window.ini in the user's data folder. Experiment settings are not kept here."""

    def __init__(self) -> None:
        self._settings = QSettings(str(data_folder() / "window.ini"), QSettings.Format.IniFormat)

    def restore(self, window: QMainWindow, dock_host: QMainWindow) -> bool:
        """Put the window where it was; False when nothing usable is remembered."""
        geometry = self._settings.value("geometry")
        docks = self._settings.value("docks")
        if not isinstance(geometry, QByteArray) or not isinstance(docks, QByteArray):
            return False
        # Qt moves a window back onto a screen that exists
        return bool(window.restoreGeometry(geometry) and dock_host.restoreState(docks, VERSION))

    def save(self, window: QMainWindow, dock_host: QMainWindow) -> None:
        """Remember where the window is."""
        self._settings.setValue("geometry", window.saveGeometry())
        self._settings.setValue("docks", dock_host.saveState(VERSION))
        self._settings.sync()

    @property
    def appearance(self) -> str:
        """One of "system", "light", "dark"."""
        value = str(self._settings.value("appearance", "system"))
        return value if value in ("system", "light", "dark") else "system"

    @appearance.setter
    def appearance(self, value: str) -> None:
        self._settings.setValue("appearance", value)

    @property
    def recent(self) -> list[str]:
        """Files opened last, newest first."""
        value = self._settings.value("recent", [])
        paths = [value] if isinstance(value, str) else value
        return [str(path) for path in paths][:MOST_RECENT] if isinstance(paths, list) else []

    def add_recent(self, path: str) -> None:
        """Put a file on top of the list."""
        full = str(Path(path).absolute())
        self._settings.setValue("recent", [full, *(old for old in self.recent if old != full)][:MOST_RECENT])
