"""The menus and keys, as one table."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu


@dataclass(frozen=True, slots=True)
class Entry:
    """One action: its menu, words ("-" is a line between actions), key and what it does."""

    menu: str
    text: str
    key: str = ""
    do: Callable[[], object] = lambda: None


def build_actions(window: QMainWindow, entries: list[Entry]) -> tuple[dict[str, QMenu], dict[str, QAction]]:
    """Make the menus and their actions; returns both by text."""
    menus: dict[str, QMenu] = {}
    actions: dict[str, QAction] = {}
    for entry in entries:
        if entry.menu not in menus:
            menus[entry.menu] = window.menuBar().addMenu(entry.menu)
        if entry.text == "-":
            menus[entry.menu].addSeparator()
            continue
        action = QAction(entry.text, window)
        if entry.key:
            action.setShortcut(QKeySequence(entry.key))
            action.setShortcutContext(Qt.ShortcutContext.WindowShortcut)
        action.triggered.connect(lambda _=False, do=entry.do: do())
        menus[entry.menu].addAction(action)
        actions[entry.text] = action
    return menus, actions
