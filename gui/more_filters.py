"""The rarer controls over the gallery: how sure a network is, whose word counts, in which order."""

from PySide6.QtCore import QSignalBlocker, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QSpinBox, QToolButton, QVBoxLayout, QWidget

from core.messages import PictureOrder
from gui.combo import add_explained, fill, narrow_combo
from gui.flow import Flow, labelled

_ALL = (0, 100)  # percent


class MoreFilters(QWidget):
    """Signals: `changed` when another choice or order is asked for."""

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.least, self.most = self._bound(_ALL[0]), self._bound(_ALL[1])
        self.order = self._orders()
        self.network = narrow_combo(6)
        self.reset = QToolButton()
        self._layout()
        self.set_networks(())
        self.least.valueChanged.connect(self._on_least)
        self.most.valueChanged.connect(self._on_most)
        for combo in (self.order, self.network):
            combo.currentIndexChanged.connect(self._on_changed)
        self.reset.clicked.connect(self._on_reset)
        self._show()

    # ---- what is chosen -------------------------------------------------------------------

    def sure(self) -> tuple[float, float]:
        """Return the least and the greatest probability of the predicted class."""
        return self.least.value() / 100, self.most.value() / 100

    def chosen_order(self) -> PictureOrder:
        """Return the order."""
        order: PictureOrder = self.order.currentData()
        return order

    def chosen_network(self) -> int | None:
        """Return whose predictions count; None: any network's."""
        network: int | None = self.network.currentData()
        return network

    def choose_network(self, network: int | None) -> None:
        """Choose whose predictions count, without a word."""
        with QSignalBlocker(self.network):
            self.network.setCurrentIndex(max(0, self.network.findData(network)))
        self._show()

    def set_networks(self, names: tuple[str, ...]) -> bool:
        """Offer these networks; return whether the one chosen is no longer among them."""
        rows = [(self.tr("any network"), None), *((name, row) for row, name in enumerate(names))]
        if [
            (self.network.itemText(row), self.network.itemData(row)) for row in range(self.network.count())
        ] == rows:
            return False
        before = self.chosen_network() if self.network.count() else None
        fill(self.network, rows, before)
        self._show()
        return self.chosen_network() != before

    def active(self) -> int:
        """Return how many of the controls stand elsewhere than at rest."""
        moved = (
            (self.least.value(), self.most.value()) != _ALL,
            self.chosen_order() != "order",
            self.chosen_network() is not None,
        )
        return sum(moved)

    def clear(self) -> None:
        """Put every control to rest, without a word."""
        controls = (self.least, self.most, self.order, self.network)
        blockers = [QSignalBlocker(control) for control in controls]
        self.least.setValue(_ALL[0])
        self.most.setValue(_ALL[1])
        self.order.setCurrentIndex(0)
        self.network.setCurrentIndex(0)
        del blockers
        self._show()

    # ---- building -------------------------------------------------------------------------

    def _bound(self, value: int) -> QSpinBox:
        box = QSpinBox()
        box.setRange(*_ALL)
        box.setSingleStep(5)
        box.setSuffix(" %")
        box.setValue(value)
        box.setKeyboardTracking(False)
        box.setToolTip(self.tr("How probable a network holds the class it names"))
        return box

    def _orders(self) -> QComboBox:
        combo = narrow_combo(8)
        for text, data, explain in (
            (self.tr("as they lie"), "order", self.tr("In the album's own order")),
            (
                self.tr("highest loss first"),
                "loss",
                self.tr("The pictures whose true class the networks hold least probable come first"),
            ),
            (
                self.tr("least sure first"),
                "sure",
                self.tr("The pictures whose predicted class has the lowest probability come first"),
            ),
        ):
            add_explained(combo, text, data, explain)
        combo.setToolTip(self.tr("In which order pictures are shown"))
        return combo

    def _layout(self) -> None:
        self.least.setAccessibleName(self.tr("Sure from, in percent"))
        self.most.setAccessibleName(self.tr("Sure to, in percent"))
        self.network.setToolTip(self.tr("Whose predictions the order and “sure” go by"))
        self.reset.setText(self.tr("Reset"))
        self.reset.setToolTip(self.tr("Put these controls back to rest"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(
            Flow(
                (
                    self._range(),
                    labelled(self.tr("order"), self.order),
                    labelled(self.tr("as seen by"), self.network),
                    self.reset,
                )
            )
        )

    def _range(self) -> QWidget:
        pair = QWidget()
        row = QHBoxLayout(pair)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for text, box in ((self.tr("sure from"), self.least), (self.tr("to"), self.most)):
            label = QLabel(text, pair)
            label.setBuddy(box)
            row.addWidget(label)
            row.addWidget(box)
        return pair

    def _show(self) -> None:
        self.reset.setEnabled(self.active() > 0)

    # ---- slots ----------------------------------------------------------------------------

    def _on_least(self, value: int) -> None:
        with QSignalBlocker(self.most):
            self.most.setValue(max(value, self.most.value()))
        self._on_changed()

    def _on_most(self, value: int) -> None:
        with QSignalBlocker(self.least):
            self.least.setValue(min(value, self.least.value()))
        self._on_changed()

    def _on_changed(self) -> None:
        self._show()
        self.changed.emit()

    def _on_reset(self) -> None:
        self.clear()
        self.changed.emit()
