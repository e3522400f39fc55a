"""Keys that a control needs for itself, though they are shortcuts of the window."""

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QAbstractButton, QComboBox, QWidget


class KeyGuard(QWidget):
    """Leaves the space bar to a focused button inside it, and letters to a focused box, which they search.

    Not the window itself does this: it gets an event for every frame that is painted, and Python
    called with each would hold the interpreter meanwhile.
    """

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            focus = self.focusWidget()
            presses = event.key() == Qt.Key.Key_Space and isinstance(focus, QAbstractButton | QComboBox)
            if presses or (event.text().strip() and isinstance(focus, QComboBox)):
                event.accept()
                return True
        return super().event(event)
