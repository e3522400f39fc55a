"""Rows of a list with some air above and below their text."""

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSize
from PySide6.QtWidgets import QStyledItemDelegate, QStyleOptionViewItem

LEADING = 8  # pixels a row is higher than its text


class RoomyRows(QStyledItemDelegate):
    """Makes rows higher; the text stays in their middle."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex) -> QSize:
        hint = super().sizeHint(option, index)
        return QSize(hint.width(), option.fontMetrics.height() + LEADING)
