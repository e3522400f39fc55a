"""The combo box of attribution methods: grouped, and grey where a method is not right."""

from collections.abc import Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QComboBox, QSizePolicy, QWidget

from core.methods import DEFAULT_METHOD, METHODS, Method, Size
from gui.method_words import groups, offer_words, said


class MethodBox(QComboBox):
    """Chooses one method. Signals: `chosen` when another one is."""

    chosen = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = Size(28, 8)
        self._reasons: Mapping[str, str] = {}
        self._items: dict[str, QStandardItem] = {}
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMaxVisibleItems(20)
        self.setModel(self._filled())
        self.setCurrentIndex(self.findData(DEFAULT_METHOD))
        self._explain()
        self.currentIndexChanged.connect(self._on_index)

    def method(self) -> Method:
        """Return the method."""
        return METHODS[self.currentData()]

    def choose(self, name: str) -> None:
        """Choose a method by its name in core.methods."""
        self.setCurrentIndex(self.findData(name))

    def set_reasons(self, reasons: Mapping[str, str]) -> None:
        """Grey these methods and say why."""
        if reasons != self._reasons:
            self._reasons = dict(reasons)
            self._explain()

    def set_size(self, size: Size) -> None:
        """Say what methods cost on a picture and a network of this size."""
        if size != self._size:
            self._size = size
            self._explain()

    def offered(self) -> list[str]:
        """Return the names of the methods that can be chosen."""
        return [name for name, item in self._items.items() if item.isEnabled()]

    def _filled(self) -> QStandardItemModel:
        model = QStandardItemModel(self)
        for title, methods in groups():
            head = QStandardItem(title)
            head.setEnabled(False)
            font = QFont(self.font())
            font.setBold(True)
            head.setFont(font)
            model.appendRow(head)
            for method in methods:
                item = QStandardItem(said(method.label))
                item.setData(method.name, Qt.ItemDataRole.UserRole)
                model.appendRow(item)
                self._items[method.name] = item
        return model

    def _explain(self) -> None:
        for name, item in self._items.items():
            reason = self._reasons.get(name, "")
            item.setEnabled(not reason)
            item.setToolTip(offer_words(METHODS[name], self._size, reason))
        self.setToolTip(self._items[self.currentData()].toolTip())

    def _on_index(self) -> None:
        self._explain()
        self.chosen.emit()
