"""The runs of the degradation chart as a table, one line each."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont, QFontMetrics
from PySide6.QtWidgets import QAbstractItemView, QTableWidget, QTableWidgetItem, QWidget

from core.history import Cell
from gui.network_words import number
from gui.wording import whole

_ROW_AIR = 6  # pixels in a row


class DegradationTable(QTableWidget):
    """Every run that is shown, with its size and how it was trained."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(0, 0, parent)
        heads = [
            self.tr("depth"), self.tr("shortcuts"), self.tr("seed"), self.tr("loss"), self.tr("error"),
            self.tr("parameters"), self.tr("multiply-adds"), self.tr("rate"), self.tr("steps"),
            self.tr("data set"), self.tr("width"), self.tr("lane"), self.tr("run"),
        ]  # fmt: skip
        self.setColumnCount(len(heads))
        self.setHorizontalHeaderLabels(heads)
        small = QFont(self.font())
        small.setPointSizeF(max(small.pointSizeF() * 0.9, 7.0))
        self.setFont(small)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(QFontMetrics(small).height() + _ROW_AIR)
        self.setAccessibleName(self.tr("Runs by depth"))

    def show_rows(self, rows: Sequence[Sequence[Cell]]) -> None:
        """Show these, in the order of the columns."""
        self.setRowCount(len(rows))
        for line, row in enumerate(rows):
            for column, cell in enumerate(row):
                item = QTableWidgetItem(_spoken(cell))
                if not isinstance(cell, str):
                    item.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
                self.setItem(line, column, item)
        self.resizeColumnsToContents()


def _spoken(cell: Cell) -> str:
    if isinstance(cell, str):
        return cell
    return number(cell) if isinstance(cell, float) else whole(cell)
