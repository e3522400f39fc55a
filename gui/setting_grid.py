"""A section of the set-up form: a heading and labelled editors, with marks and one line under each."""

from collections.abc import Mapping, Sequence, Set
from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QFontMetrics, QPalette
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from core.settings import Setting
from gui.setting_fields import Editor, make_editor, setting_label
from gui.theme import Theme

MARK = "●"


class SettingGrid(QWidget):
    """Editors for some rows of the settings table.

    Signals: `edited(name)` at every change by a person.
    """

    edited = Signal(str)

    def __init__(self, settings: Sequence[Setting]) -> None:
        super().__init__()
        self.heading = SectionHeading()
        self.editors: dict[str, Editor] = {}
        self._rows: dict[str, _Row] = {}
        self._grid = QGridLayout()
        self._grid.setHorizontalSpacing(6)
        self._grid.setVerticalSpacing(4)
        self._grid.setColumnStretch(2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.heading)
        layout.addLayout(self._grid)
        for setting in settings:
            self._add(setting)

    @property
    def label_width(self) -> int:
        """Room the widest label needs."""
        return max(row.label.minimumWidth() for row in self._rows.values())

    def set_label_width(self, width: int) -> None:
        """Give the labels as much room as those of another section have."""
        self._grid.setColumnMinimumWidth(1, width)

    def add_beside(self, name: str, widget: QWidget) -> None:
        """Put a button to the right of an editor."""
        self._rows[name].beside.addWidget(widget)
        self._rows[name].controls.append(widget)

    @property
    def controls(self) -> list[QWidget]:
        """What the keyboard reaches, top to bottom."""
        return [control for row in self._rows.values() for control in row.controls]

    def show_values(self, values: Mapping[str, Any]) -> None:
        """Show values without echo; whatever is being typed stays if it means the same."""
        for name, editor in self.editors.items():
            editor.set_value(values[name])

    def show_marks(
        self, changed: Set[str], faults: Mapping[str, str], notes: Mapping[str, str], theme: Theme
    ) -> None:
        """Mark what differs from the run, and put a line under what is wrong or needs a word."""
        for name, row in self._rows.items():
            row.show_mark(name in changed, theme)
            show_line(row.line, faults.get(name, ""), notes.get(name, ""), theme)

    def _add(self, setting: Setting) -> None:
        editor = make_editor(setting)
        editor.edited.connect(lambda name=setting.name: self.edited.emit(name))
        row = self._rows[setting.name] = _Row(setting_label(setting), editor)
        place = 2 * len(self.editors)
        self._grid.addWidget(row.mark, place, 0)
        self._grid.addWidget(row.label, place, 1)
        self._grid.addLayout(row.beside, place, 2)
        self._grid.addWidget(row.line, place + 1, 1, 1, 2)
        self.editors[setting.name] = editor


class _Row:
    """The widgets of one setting."""

    def __init__(self, name: str, editor: Editor) -> None:
        self.mark = mark_label()
        self.label = QLabel(name)
        self.label.setBuddy(editor)
        self.label.setToolTip(editor.control.toolTip())
        font = self.label.font()
        font.setBold(True)
        self.label.setMinimumWidth(QFontMetrics(font).horizontalAdvance(name) + 2)  # bold does not move it
        self.line = line_label()
        self.beside = QHBoxLayout()
        self.beside.setSpacing(4)
        self.beside.addWidget(editor, 1)
        self.controls = [editor.control]

    def show_mark(self, changed: bool, theme: Theme) -> None:
        font = self.label.font()
        if font.bold() != changed:
            font.setBold(changed)
            self.label.setFont(font)
        show_mark(self.mark, changed, theme)


class SectionHeading(QWidget):
    """A section's title over a line, with room for buttons at its right."""

    def __init__(self) -> None:
        super().__init__()
        self.mark = mark_label()
        self._title = QLabel()
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        font = self._title.font()
        font.setBold(True)
        font.setPointSizeF(font.pointSizeF() * 1.1)
        self._title.setFont(font)
        self._row = QHBoxLayout(self)
        self._row.setContentsMargins(0, 0, 0, 0)
        self._row.setSpacing(4)
        self._row.addWidget(self._title)
        self._row.addWidget(self.mark)
        self._row.addStretch(1)
        self.setMinimumHeight(26)

    def set_title(self, title: str) -> None:
        """Name the section."""
        self._title.setText(title)

    def add_button(self, button: QWidget) -> None:
        """Put a control at the right end."""
        self._row.addWidget(button)


def mark_label() -> QLabel:
    """Return a label of the width of a change mark, so that marks move nothing."""
    label = QLabel()
    label.setFixedWidth(label.fontMetrics().horizontalAdvance(MARK) + 1)
    return label


def line_label() -> QLabel:
    """Return a hidden label for a remark or a fault under an editor."""
    label = QLabel()
    label.setTextFormat(Qt.TextFormat.PlainText)  # a folder's name is no markup
    label.setWordWrap(True)
    label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
    label.hide()
    return label


def show_mark(label: QLabel, changed: bool, theme: Theme) -> None:
    """Show or hide a change mark."""
    label.setText(MARK if changed else "")
    label.setToolTip(label.tr("Differs from the running run; Apply resets the run to it.") if changed else "")
    paint_text(label, theme.accent)


def show_line(label: QLabel, fault: str, note: str, theme: Theme) -> None:
    """Show a fault, or else a remark, or nothing."""
    text = fault or note
    if label.text() != text:
        label.setText(text)
    label.setVisible(bool(text))
    paint_text(label, theme.bad if fault else theme.muted)


def paint_text(label: QWidget, color: str) -> None:
    """Give a label's text, or a line, a colour of the theme."""
    palette = label.palette()
    if palette.color(QPalette.ColorRole.WindowText) != QColor(color):
        palette.setColor(QPalette.ColorRole.WindowText, QColor(color))
        label.setPalette(palette)
