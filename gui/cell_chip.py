"""The filter of one confusion cell: a chip that says which, and goes away at a click."""

from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy, QWidget


@dataclass(frozen=True, slots=True)
class Cell:
    """Pictures of one class that a network takes for one class."""

    label: int
    predicted: int


class CellChip(QPushButton):
    """A button; a click, Delete or Backspace removes what it stands for: it is `clicked` each time."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(40)
        self.setToolTip(self.tr("Only these pictures are shown; a click shows the others again"))
        self._words = ""

    def show_words(self, words: str) -> None:
        """Say what is filtered, at as much length as there is room for."""
        self._words = words
        self.setText(f"{words} ✕")
        self.setAccessibleName(self.tr("Remove the filter {words}").format(words=words))

    def words(self) -> str:
        """Return what is filtered."""
        return self._words

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace):
            self.click()
        else:
            super().keyPressEvent(event)
