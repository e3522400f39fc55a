"""One line at the top of the window for what went wrong or was done; it never blocks."""

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from gui.theme import LIGHT, Theme

SHOWN_MS = 12_000


class Banner(QWidget):
    """Shows one sentence, with at most one action, until dismissed or its time is up.

    Signals: `action_clicked` (the name given with the sentence).
    """

    action_clicked = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._is_bad = False
        self._action_name = ""
        self._text = QLabel(self)
        self._text.setWordWrap(True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._action = QPushButton(self)
        self._dismiss = QPushButton(self.tr("Dismiss"), self)
        self._action.clicked.connect(self._on_action)
        self._dismiss.clicked.connect(self.hide)
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(10, 4, 6, 4)
        layout.addWidget(self._text, 1)
        layout.addWidget(self._action)
        layout.addWidget(self._dismiss)
        self.setAutoFillBackground(True)
        self.hide()

    def show_text(
        self, text: str, *, bad: bool = True, action: tuple[str, str] | None = None, stays: bool = False
    ) -> None:
        """Show a sentence; `action` is (name, label of its button); with one, or told so, it stays."""
        self._text.setText(text)
        self._text.setAccessibleName(text)
        self._action.setVisible(action is not None)
        if action is not None:
            self._action_name, label = action
            self._action.setText(label)
        self._is_bad = bad
        self._paint_text()
        self.show()
        if action is not None or stays:
            self._timer.stop()
        else:
            self._timer.start(SHOWN_MS)

    def text(self) -> str:
        """Return the sentence shown."""
        return self._text.text()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self._paint_text()

    def _paint_text(self) -> None:
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(self._theme.surface))
        color = self._theme.bad if self._is_bad else self._theme.text
        palette.setColor(QPalette.ColorRole.WindowText, QColor(color))
        self.setPalette(palette)

    def _on_action(self) -> None:
        self.hide()
        self.action_clicked.emit(self._action_name)
