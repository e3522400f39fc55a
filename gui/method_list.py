"""A button with a list of methods to be checked: those whose maps stand side by side."""

from collections.abc import Mapping

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QFont
from PySide6.QtWidgets import (
    QListWidget,
    QListWidgetItem,
    QMenu,
    QSizePolicy,
    QToolButton,
    QWidget,
    QWidgetAction,
)

from core.messages import MOST_METHODS
from core.methods import METHODS, Size
from gui.method_words import groups, offer_words, said

_FIRST = ("saliency", "input_x_gradient", "integrated_gradients", "grad_cam")


class MethodList(QToolButton):
    """Chooses one to MOST_METHODS methods. Signals: `changed` when it chose others."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = Size(28, 8)
        self._reasons: Mapping[str, str] = {}
        self.rows = QListWidget()
        self._items: dict[str, QListWidgetItem] = {}
        self._fill()
        self.choose(_FIRST)
        menu = QMenu(self)
        action = QWidgetAction(menu)
        action.setDefaultWidget(self.rows)
        menu.addAction(action)
        menu.aboutToShow.connect(self.rows.setFocus)
        self.setMenu(menu)
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName(self.tr("Methods side by side"))
        self.setToolTip(
            self.tr(
                "Which methods stand side by side; each has its default parameters but for the one chosen last"
            )
        )
        self.rows.setAccessibleName(self.accessibleName())
        self.rows.itemChanged.connect(self._on_item)

    def chosen(self) -> tuple[str, ...]:
        """Return the methods that are checked, in the list's order."""
        return tuple(name for name, item in self._items.items() if _checked(item))

    def choose(self, names: tuple[str, ...]) -> None:
        """Check these methods and no others, without a signal."""
        with QSignalBlocker(self.rows):
            for name, item in self._items.items():
                item.setCheckState(Qt.CheckState.Checked if name in names else Qt.CheckState.Unchecked)
        self._explain()

    def set_reasons(self, reasons: Mapping[str, str]) -> None:
        """Grey these methods and say why; those that were checked are no more, as long as another is."""
        if reasons == self._reasons:
            return
        self._reasons = dict(reasons)
        before = self.chosen()
        self.choose(tuple(name for name in before if name not in reasons) or before)

    def set_size(self, size: Size) -> None:
        """Say what methods cost on a picture and a network of this size."""
        if size != self._size:
            self._size = size
            self._explain()

    # ---- inside ---------------------------------------------------------------------------

    def _fill(self) -> None:
        for title, methods in groups():
            head = QListWidgetItem(title, self.rows)
            head.setFlags(Qt.ItemFlag.NoItemFlags)
            font = QFont(self.font())
            font.setBold(True)
            head.setFont(font)
            for method in methods:
                item = QListWidgetItem(said(method.label), self.rows)
                item.setData(Qt.ItemDataRole.UserRole, method.name)
                item.setCheckState(Qt.CheckState.Unchecked)
                self._items[method.name] = item
        self.rows.setFrameShape(QListWidget.Shape.NoFrame)
        self.rows.setFixedWidth(self.rows.sizeHintForColumn(0) + 40)
        self.rows.setFixedHeight(self.rows.sizeHintForRow(0) * self.rows.count() + 8)

    def _explain(self) -> None:
        """Grey what is not right, what would be one too many, and the last one that is left."""
        names = self.chosen()
        full, last = len(names) >= MOST_METHODS, len(names) == 1
        with QSignalBlocker(self.rows):
            for name, item in self._items.items():
                checked, reason = name in names, self._reasons.get(name, "")
                usable = (not last) if checked else not (full or reason)
                flags = Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemIsUserCheckable
                item.setFlags(flags | Qt.ItemFlag.ItemIsEnabled if usable else flags)
                item.setToolTip(offer_words(METHODS[name], self._size, reason))
        words = self.tr("{count} of at most {most} methods")
        self.setText(words.format(count=len(names), most=MOST_METHODS))

    def _on_item(self) -> None:
        self._explain()
        self.changed.emit()


def _checked(item: QListWidgetItem) -> bool:
    return item.checkState() == Qt.CheckState.Checked
