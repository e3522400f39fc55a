"""The parameters of a method, in a form made from the table in core.methods."""

from collections.abc import Mapping

from PySide6.QtCore import QCoreApplication, QTimer, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from core.methods import (
    DEFAULT_METHOD,
    METHODS,
    Method,
    MethodError,
    Parameter,
    Parameters,
    Size,
    Value,
)
from gui.flow import Flow, labelled
from gui.method_fields import LOOSE, ChoiceField, NumberField
from gui.method_words import said
from gui.theme import Theme
from gui.wording import plain

PAUSE_MS = 300  # after the last change, before it counts


class MethodForm(QWidget):
    """Shows one method's parameters and remembers for each method what differs from the defaults.

    Signals: `changed`, a while after the last change or at once on Enter, never while a value is
    none; `drafted` before that, at every change: what is typed then costs what `draft` gives.
    """

    changed = Signal()
    drafted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._size = Size(28, 8)
        self._method = METHODS[DEFAULT_METHOD]
        self._hidden: frozenset[str] = frozenset()
        self._kept: dict[str, dict[str, Value]] = {}
        self._draft: dict[str, Value] | None = None  # what is typed, until it counts
        self._pages: dict[str, _Page] = {}
        self.defaults = QPushButton(self.tr("Defaults"), self)
        self.price, self.problem = QLabel(self), QLabel(self)
        self.none = QLabel(self.tr("This method has no parameters"), self)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE_MS)
        self._layout()
        self._pause.timeout.connect(self._on_pause)
        self.defaults.clicked.connect(self._on_defaults)
        self.show_method(self._method)

    # ---- what is chosen -------------------------------------------------------------------

    def parameters(self, method: str | None = None) -> Parameters:
        """Return what differs from the defaults and is right for this size, in the table's order."""
        name = self._method.name if method is None else method
        return self._differing(name, self._kept.get(name, {}))

    def draft(self) -> Parameters:
        """Return what will differ from the defaults once it counts."""
        kept = self._kept.get(self._method.name, {}) if self._draft is None else self._draft
        return self._differing(self._method.name, kept)

    def show_method(self, method: Method, hidden: frozenset[str] = frozenset()) -> None:
        """Show a method's parameters but for the `hidden` ones."""
        self._take_draft()
        self._method, self._hidden = method, hidden
        page = self._page(method)
        for each in self._pages.values():
            each.setVisible(each is page)
        page.show_only(hidden)
        page.show_values(self._right(method.name))
        asked = [each for each in method.parameters if each.name not in hidden]
        self.none.setVisible(not asked)
        self.defaults.setVisible(bool(asked))
        self._say("")
        self._offer_defaults()

    def fit(self, size: Size) -> None:
        """Take the defaults for a picture and a network of this size."""
        if size == self._size:
            return
        self._take_draft()
        self._size = size
        for name, page in self._pages.items():
            page.fit(size)
            page.show_values(self._right(name))
        self._offer_defaults()

    def set_price(self, text: str) -> None:
        """Say what the question costs."""
        if text != self.price.text():
            self.price.setText(text)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        for label, color in ((self.price, theme.muted), (self.none, theme.muted), (self.problem, theme.bad)):
            palette = label.palette()
            palette.setColor(QPalette.ColorRole.WindowText, QColor(color))
            label.setPalette(palette)

    def fields(self) -> dict[str, NumberField | ChoiceField]:
        """Return the fields of the method that is shown, by parameter."""
        return dict(self._page(self._method).fields)

    def _differing(self, method: str, kept: Mapping[str, Value]) -> Parameters:
        right = self._right(method, kept)
        return tuple(
            (each.name, right[each.name])
            for each in METHODS[method].parameters
            if each.name in right and right[each.name] != each.default(self._size)
        )

    def _right(self, method: str, kept: Mapping[str, Value] | None = None) -> dict[str, Value]:
        """What was kept for a method, as far as it can be used at this size."""
        kept = self._kept.get(method, {}) if kept is None else kept
        return {
            each.name: kept[each.name]
            for each in METHODS[method].parameters
            if each.name in kept and _is_right(each, kept[each.name], self._size)
        }

    # ---- building -------------------------------------------------------------------------

    def _page(self, method: Method) -> "_Page":
        if method.name not in self._pages:
            page = _Page(method, self)
            page.fit(self._size)
            for field in page.fields.values():
                field.edited.connect(self._on_edited)
                field.entered.connect(self._on_entered)
            self._pages[method.name] = page
            self._column.insertWidget(0, page)
        return self._pages[method.name]

    def _layout(self) -> None:
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(3)
        below = QHBoxLayout()
        below.addWidget(self.none)
        below.addWidget(self.defaults)
        below.addWidget(self.price, 1)
        self._column.addLayout(below)
        self._column.addWidget(self.problem)
        self.problem.setWordWrap(True)
        self.problem.hide()
        self.price.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.defaults.setToolTip(self.tr("Take back every change of this method's parameters"))

    # ---- slots ----------------------------------------------------------------------------

    def _on_edited(self) -> None:
        self._pause.stop()
        self._draft = self._read()
        if self._draft is not None:
            self._pause.start()
            self.drafted.emit()
        self._offer_defaults()

    def _on_entered(self) -> None:
        if self._pause.isActive():
            self._on_pause()

    def _on_pause(self) -> None:
        self._take_draft()
        self._offer_defaults()
        self.changed.emit()

    def _take_draft(self) -> None:
        self._pause.stop()
        if self._draft is not None:
            self._kept[self._method.name] = self._draft
        self._draft = None

    def _on_defaults(self) -> None:
        self._kept.pop(self._method.name, None)
        self._draft = None
        self._page(self._method).show_values({})
        self._pause.stop()
        self._say("")
        self._offer_defaults()
        self.changed.emit()

    def _read(self) -> dict[str, Value] | None:
        """Return what is typed if all of it is right, else say what is wrong."""
        kept: dict[str, Value] = {}
        for name, field in self._page(self._method).fields.items():
            value = field.chosen()
            if value is None:
                continue
            try:
                kept[name] = field.parameter.check(value, self._size)
            except MethodError:
                self._say(_bounds_words(field.parameter, self._size))
                return None
        self._say("")
        return kept

    def _offer_defaults(self) -> None:
        self.defaults.setEnabled(bool(self.draft()) or bool(self.problem.text()))

    def _say(self, text: str) -> None:
        self.problem.setText(text)
        self.problem.setVisible(bool(text))


class _Page(QWidget):
    """The fields of one method."""

    def __init__(self, method: Method, parent: QWidget) -> None:
        super().__init__(parent)
        self.fields: dict[str, NumberField | ChoiceField] = {}
        self._pairs: dict[str, QWidget] = {}
        for parameter in method.parameters:
            worded = parameter.kind in ("choice", "block")
            field = ChoiceField(parameter) if worded else NumberField(parameter)
            field.setToolTip(said(parameter.explain))
            field.setAccessibleName(said(parameter.label))
            field.setAccessibleDescription(said(parameter.explain))
            self.fields[parameter.name] = field
            self._pairs[parameter.name] = labelled(said(parameter.label), field)
        self._flow = Flow(tuple(self._pairs.values()), self)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._flow)

    def fit(self, size: Size) -> None:
        """Take defaults and choices for a size."""
        for field in self.fields.values():
            field.fit(size)

    def show_only(self, hidden: frozenset[str]) -> None:
        """Leave out these parameters."""
        self._flow.show_only([pair for name, pair in self._pairs.items() if name not in hidden])

    def show_values(self, kept: Mapping[str, Value]) -> None:
        """Show what differs from the defaults."""
        for name, field in self.fields.items():
            field.show_value(kept.get(name))


def _is_right(parameter: Parameter, value: Value, size: Size) -> bool:
    try:
        parameter.check(value, size)
    except MethodError:
        return False
    return True


def _bounds_words(parameter: Parameter, size: Size) -> str:
    """Say in one line what a parameter takes."""
    low, high = parameter.bounds(size)
    if high > LOOSE:
        text = QCoreApplication.translate("Method", "{name}: a number from {low}")
    elif parameter.kind == "int":
        text = QCoreApplication.translate("Method", "{name}: a whole number from {low} to {high}")
    else:
        text = QCoreApplication.translate("Method", "{name}: a number from {low} to {high}")
    return text.format(name=said(parameter.label), low=plain(low), high=plain(min(high, LOOSE)))
