"""The fields of a method's parameters: a number whose default is written in grey, or a choice."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QSizePolicy

from core.methods import METHODS, STEM, Parameter, Size, Value
from gui.block_names import place_name
from gui.method_words import said
from gui.setting_fields import NumberBox, QuietComboBox
from gui.wording import plain

LOOSE = 1e12  # a bound that is none


class NumberField(NumberBox):
    """A number; an empty line is the default, which is written there in grey.

    Signals: `edited` at every change; `entered` when Enter is pressed.
    """

    edited = Signal()
    entered = Signal()

    def __init__(self, parameter: Parameter) -> None:
        super().__init__(whole=parameter.kind == "int", low=parameter.low, high=min(parameter.high, LOOSE))
        self.parameter = parameter
        self._default: Value = 0
        self.setMinimumWidth(72)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.lineEdit().textEdited.connect(self.edited)
        self.stepped.connect(self.edited)

    def chosen(self) -> Value | None:
        """Return what is typed, a text where it is no number; None: the default."""
        value = self.number()
        return None if value == "" else value

    def show_value(self, value: Value | None) -> None:
        """Show a value; None: the default."""
        if value is None:
            self.lineEdit().clear()
        elif value != self.chosen():
            self.show_number(value)

    def fit(self, size: Size) -> None:
        """Take the default and the bounds for a picture and a network of this size."""
        self._default = self.parameter.default(size)
        low, high = self.parameter.bounds(size)
        self._bounds = (low, min(high, LOOSE))
        self.lineEdit().setPlaceholderText(plain(float(self._default)))

    def stepBy(self, steps: int) -> None:  # noqa: N802 - Qt's name
        if self.chosen() is None:
            self.show_number(self._default)
        super().stepBy(steps)

    def stepEnabled(self) -> NumberBox.StepEnabledFlag:  # noqa: N802 - Qt's name
        if self.chosen() is None:
            return self.StepEnabledFlag.StepUpEnabled | self.StepEnabledFlag.StepDownEnabled
        return super().stepEnabled()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        super().keyPressEvent(event)
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.entered.emit()


class ChoiceField(QuietComboBox):
    """One of several words, or a place in the network. Signals: `edited`; `entered` never."""

    edited = Signal()
    entered = Signal()

    def __init__(self, parameter: Parameter) -> None:
        super().__init__()
        self.parameter = parameter
        self._default: Value = ""
        self.setSizeAdjustPolicy(QuietComboBox.SizeAdjustPolicy.AdjustToContents)
        self.currentIndexChanged.connect(self.edited)

    def chosen(self) -> Value | None:
        """Return what is chosen; None: the default."""
        value: Value = self.currentData()
        return None if value == self._default else value

    def show_value(self, value: Value | None) -> None:
        """Show a value; None, or one that is not offered: the default."""
        place = self.findData(self._default if value is None else value)
        with QSignalBlocker(self):
            self.setCurrentIndex(place if place >= 0 else self.findData(self._default))

    def fit(self, size: Size) -> None:
        """Offer what there is in a network of this size."""
        chosen = self.chosen() if self.count() else None
        self._default = self.parameter.default(size)
        with QSignalBlocker(self):
            self.clear()
            if self.parameter.kind == "block":
                for block in range(STEM, size.blocks):
                    self.addItem(place_name(block, size.blocks), block)
            else:
                for choice in self.parameter.choices:
                    self.addItem(said(METHODS[choice].label) if choice in METHODS else choice, choice)
        self.show_value(chosen)
