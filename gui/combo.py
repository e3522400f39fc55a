"""Combo boxes that may be narrow and whose rows can be exchanged without a word."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QComboBox, QSizePolicy

Row = tuple[str, Any]  # what is read, what it stands for


def narrow_combo(characters: int) -> QComboBox:
    """Return a combo box that needs the width of so few characters and takes more where there is room."""
    combo = QComboBox()
    combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    combo.setMinimumContentsLength(characters)
    combo.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return combo


def add_explained(combo: QComboBox, text: str, data: Any, explain: str) -> None:
    """Add a row whose meaning is said on hover."""
    combo.addItem(text, data)
    combo.setItemData(combo.count() - 1, explain, Qt.ItemDataRole.ToolTipRole)


def fill(combo: QComboBox, rows: Sequence[Row], chosen: Any) -> None:
    """Exchange the rows without a signal and choose one; the first where there is no such row."""
    with QSignalBlocker(combo):
        combo.clear()
        for text, data in rows:
            combo.addItem(text, data)
        combo.setCurrentIndex(max(0, combo.findData(chosen)))


def offer_classes(combo: QComboBox, none: str, names: Sequence[str]) -> None:
    """Offer *none* (data None) and the classes (data: their number); nothing changes for the same names."""
    if [combo.itemText(row) for row in range(combo.count())] != [none, *names]:
        fill(combo, [(none, None), *((name, number) for number, name in enumerate(names))], None)
