"""One editor for each kind of Setting, made from the table."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from PySide6.QtCore import QT_TRANSLATE_NOOP, QCoreApplication, QSignalBlocker, Signal
from PySide6.QtGui import QValidator, QWheelEvent
from PySide6.QtWidgets import QAbstractSpinBox, QCheckBox, QComboBox, QHBoxLayout, QWidget

from core.settings import DATASETS, FOUR_STAGES, Setting
from gui.wording import display_locale, plain

# How a choice is worded; one that is not here is shown as it is.
WORDS: Mapping[tuple[str, str], Any] = {
    ("dataset", "fashion-mnist"): QT_TRANSLATE_NOOP("Choice", "Fashion-MNIST"),
    ("dataset", "cifar10"): QT_TRANSLATE_NOOP("Choice", "CIFAR-10"),
    ("dataset", "cifar100"): QT_TRANSLATE_NOOP("Choice", "CIFAR-100"),
    ("stem", "3x3"): QT_TRANSLATE_NOOP("Choice", "3×3"),
    ("stem", "7x7"): QT_TRANSLATE_NOOP("Choice", "7×7, max-pooling"),
    ("block", "post"): QT_TRANSLATE_NOOP("Choice", "Post-activation"),
    ("block", "pre"): QT_TRANSLATE_NOOP("Choice", "Pre-activation"),
    ("block", "pre_shared"): QT_TRANSLATE_NOOP("Choice", "Pre-act., shared"),
    ("norm", "batch"): QT_TRANSLATE_NOOP("Choice", "Batch norm"),
    ("norm", "none"): QT_TRANSLATE_NOOP("Choice", "None"),
    ("activation", "relu"): QT_TRANSLATE_NOOP("Choice", "ReLU"),
    ("activation", "tanh"): QT_TRANSLATE_NOOP("Choice", "tanh"),
    ("activation", "sigmoid"): QT_TRANSLATE_NOOP("Choice", "Sigmoid"),
    ("projection", "conv"): QT_TRANSLATE_NOOP("Choice", "1×1 convolution"),
    ("projection", "pad"): QT_TRANSLATE_NOOP("Choice", "Zero-padding"),
    ("init", "he"): QT_TRANSLATE_NOOP("Choice", "He"),
    ("init", "torch"): QT_TRANSLATE_NOOP("Choice", "torch's default"),
    ("branch_init", "normal"): QT_TRANSLATE_NOOP("Choice", "As initialised"),
    ("branch_init", "small"): QT_TRANSLATE_NOOP("Choice", "A tenth of it"),
    ("branch_init", "zero"): QT_TRANSLATE_NOOP("Choice", "Zero"),
    ("schedule", "constant"): QT_TRANSLATE_NOOP("Choice", "Constant"),
    ("schedule", "cosine"): QT_TRANSLATE_NOOP("Choice", "Half cosine"),
    ("precision", "float32"): QT_TRANSLATE_NOOP("Choice", "float32"),
    ("precision", "bfloat16"): QT_TRANSLATE_NOOP("Choice", "bfloat16"),
    ("device", "auto"): QT_TRANSLATE_NOOP("Choice", "Automatic"),
}
LADDER = (1.0, 2.0, 5.0)
SMALLEST = 1e-6  # below it, a step down is zero
FOLDER = "folder…"  # an entry that asks for a folder; no data set is called so


class Editor(QWidget):
    """A widget that holds one value as typed; setting it from outside does not echo.

    Signals: `edited` at every change by a person, `finished` once it is meant.
    """

    edited = Signal()
    finished = Signal()

    def __init__(self, control: QWidget) -> None:
        super().__init__()
        self.control = control
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(control)
        self.setFocusProxy(control)

    def value(self) -> Any:
        """Return what is typed: of the setting's type if it can be read so, else the text."""
        raise NotImplementedError

    def set_value(self, value: Any) -> None:
        """Show a value."""
        raise NotImplementedError

    def describe(self, name: str, explain: str) -> None:
        """Say what the control is, to the eye and to a screen reader."""
        self.control.setAccessibleName(name)
        self.control.setAccessibleDescription(explain)
        self.control.setToolTip(explain)


class NumberEditor(Editor):
    """A number as text, so that 1e-4 can be typed; the arrows step by one or along 1 – 2 – 5."""

    def __init__(self, setting: Setting) -> None:
        self._box = NumberBox(whole=setting.kind == "int", low=setting.low, high=setting.high)
        super().__init__(self._box)
        self._box.lineEdit().textEdited.connect(self.edited)
        self._box.stepped.connect(self.edited)
        self._box.stepped.connect(self.finished)
        self._box.editingFinished.connect(self.finished)

    def value(self) -> Any:
        return self._box.number()

    def set_value(self, value: Any) -> None:
        if self.value() != value:  # the same number, written another way, stays as it was typed
            self._box.show_number(value)

    def set_placeholder(self, text: str) -> None:
        """Say what an empty line means."""
        self._box.lineEdit().setPlaceholderText(text)


class NumberBox(QAbstractSpinBox):
    """A spin box over a line of text; anything can be typed, whoever reads it judges it."""

    stepped = Signal()

    def __init__(self, *, whole: bool, low: float, high: float) -> None:
        super().__init__()
        self._whole = whole
        self._bounds = (low, high)

    def number(self) -> Any:
        """Return the number typed, or the text if it is none."""
        text = self.lineEdit().text().strip()
        value, read = display_locale().toDouble(text)
        if not read:
            try:
                value = float(text)
            except ValueError:
                return text
        return int(value) if self._whole and value.is_integer() else value

    def show_number(self, value: Any) -> None:
        """Show a number (or text that is none)."""
        self.lineEdit().setText(plain(value) if isinstance(value, int | float) else str(value))

    def stepBy(self, steps: int) -> None:  # noqa: N802 - Qt's name
        value = self.number()
        if isinstance(value, str):
            return
        for _ in range(abs(steps)):
            value = value + math.copysign(1, steps) if self._whole else ladder_step(value, steps > 0)
        value = min(max(value, self._bounds[0]), self._bounds[1])
        self.show_number(int(value) if self._whole else value)
        self.selectAll()
        self.stepped.emit()

    def stepEnabled(self) -> QAbstractSpinBox.StepEnabledFlag:  # noqa: N802 - Qt's name
        flags = QAbstractSpinBox.StepEnabledFlag
        value = self.number()
        if isinstance(value, str):
            return flags.StepNone
        up = flags.StepUpEnabled if value < self._bounds[1] else flags.StepNone
        return up | (flags.StepDownEnabled if value > self._bounds[0] else flags.StepNone)

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        return QValidator.State.Acceptable, text, position

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Scroll the form, not a value that happens to lie under the pointer."""
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class ChoiceEditor(Editor):
    """One of several values, by name. Signals: `folder_wanted` when the entry *Folder…* is chosen."""

    folder_wanted = Signal()

    def __init__(self, setting: Setting, choices: Sequence[str | int]) -> None:
        self._box = QuietComboBox()
        super().__init__(self._box)
        self._setting = setting
        self._before = 0
        self._box.setMinimumContentsLength(6)
        self._box.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.set_choices(choices)
        self._box.activated.connect(self._on_activated)

    def set_choices(self, choices: Iterable[str | int], words: dict[str, str] | None = None) -> None:
        """Offer other values; `words` overrides how one is shown."""
        chosen = self._box.currentData()
        with QSignalBlocker(self._box):
            self._box.clear()
            for choice in choices:
                self._box.addItem((words or {}).get(str(choice), choice_words(self._setting, choice)), choice)
        if chosen is not None:
            self.set_value(chosen)

    def value(self) -> Any:
        return self._box.currentData()

    def set_value(self, value: Any) -> None:
        place = self._box.findData(value)
        if place < 0:  # a checkpoint's block order, a folder
            last = self._box.count() - (self._box.findData(FOLDER) >= 0)
            self._box.insertItem(last, choice_words(self._setting, value), value)
            place = last
        self._box.setCurrentIndex(place)
        self._before = place

    def _on_activated(self, place: int) -> None:
        if self._box.itemData(place) == FOLDER:
            self._box.setCurrentIndex(self._before)
            self.folder_wanted.emit()
        elif place != self._before:
            self._before = place
            self.edited.emit()
            self.finished.emit()


class QuietComboBox(QComboBox):
    """A combo box that leaves the wheel to the form until it has the focus."""

    def wheelEvent(self, event: QWheelEvent) -> None:
        if self.hasFocus():
            super().wheelEvent(event)
        else:
            event.ignore()


class SwitchEditor(Editor):
    """Yes or no."""

    def __init__(self) -> None:
        self._box = QCheckBox()
        super().__init__(self._box)
        self._box.clicked.connect(self.edited)
        self._box.clicked.connect(self.finished)

    def value(self) -> Any:
        return self._box.isChecked()

    def set_value(self, value: Any) -> None:
        self._box.setChecked(bool(value))


def make_editor(setting: Setting) -> Editor:
    """Return the editor for a setting's kind, told what it is."""
    editor: Editor
    if setting.kind in ("int", "float"):
        editor = NumberEditor(setting)
    elif setting.kind == "bool":
        editor = SwitchEditor()
    elif setting.kind == "dataset":
        editor = ChoiceEditor(setting, (*DATASETS, FOLDER))
    elif setting.kind == "device":
        editor = ChoiceEditor(setting, ("auto",))
    else:
        editor = ChoiceEditor(setting, setting.choices)
    editor.describe(setting_label(setting), setting_explanation(setting))
    return editor


def setting_label(setting: Setting) -> str:
    """Return a setting's name in the window's language."""
    return QCoreApplication.translate("Setting", setting.label)


def setting_explanation(setting: Setting) -> str:
    """Return what a setting does, in the window's language."""
    return QCoreApplication.translate("Setting", setting.explain)


def choice_words(setting: Setting, choice: str | int) -> str:
    """Return how a value of a setting is shown."""
    if setting.name == "depth":
        four = choice in FOUR_STAGES
        words = QCoreApplication.translate("Choice", "{depth}, {stages} stages")
        return words.format(depth=choice, stages=4 if four else 3)
    if choice == FOLDER:
        return QCoreApplication.translate("Choice", "Folder…")
    if (setting.name, choice) in WORDS:
        return QCoreApplication.translate("Choice", WORDS[setting.name, str(choice)])
    if setting.name == "dataset":
        return str(choice).replace("\\", "/").rstrip("/").rpartition("/")[2]  # a folder: its own name
    return str(choice).upper() if setting.name == "device" else str(choice)


def ladder_step(value: float, up: bool) -> float:
    """Return the neighbour of a number on the ladder 1, 2, 5, 10 … (0 below the smallest rung)."""
    if value <= 0:
        return SMALLEST if up else 0.0
    decade = math.floor(math.log10(value))
    rungs = [rung * 10.0**power for power in range(decade - 1, decade + 2) for rung in LADDER]
    if up:
        found = next(rung for rung in rungs if rung > value * (1 + 1e-9))
    else:
        found = next(rung for rung in reversed(rungs) if rung < value * (1 - 1e-9))
    return float(f"{found:.0e}") if found >= SMALLEST else 0.0
