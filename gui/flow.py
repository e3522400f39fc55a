"""A row of controls that goes on in the next line where the width does not suffice."""

from collections.abc import Sequence

from PySide6.QtCore import QEvent, QRect, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

GAP = 6
_BALANCE = 10  # pixels a line may be longer than it need be


class Flow(QWidget):
    """Places its widgets line by line; those that may grow share what a line leaves over."""

    def __init__(self, widgets: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._widgets = list(widgets)
        for widget in self._widgets:
            widget.setParent(self)
        policy = QSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def show_only(self, widgets: Sequence[QWidget]) -> None:
        """Place these of its widgets, in this order; the others are hidden until they are shown again."""
        if list(widgets) == self._widgets:
            return
        for widget in self._widgets:
            widget.setVisible(widget in widgets)
        self._widgets = list(widgets)
        for widget in self._widgets:
            widget.show()
        self.refit()

    def refit(self) -> None:
        """Place the widgets anew: one of them wants another width."""
        self._place()
        self.updateGeometry()

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.LayoutRequest:  # a widget wants another width
            self.refit()
        return super().event(event)

    def _balanced(self, width: int) -> list[list[QWidget]]:
        """Break into as few lines as the width allows, of lengths as equal as that number allows."""
        needs = [_hint(widget).width() for widget in self._widgets]  # asked once: it is slow
        lines = self._broken(needs, width)
        while width > _BALANCE and len(narrower := self._broken(needs, width - _BALANCE)) == len(lines):
            lines, width = narrower, width - _BALANCE
        return lines

    def _broken(self, needs: Sequence[int], width: int) -> list[list[QWidget]]:
        lines: list[list[QWidget]] = []
        left = 0
        for widget, needed in zip(self._widgets, needs, strict=True):
            if not lines or needed > left:
                lines.append([])
                left = width
            lines[-1].append(widget)
            left -= needed + GAP
        return lines

    def _place_line(self, line: list[QWidget], top: int, height: int) -> None:
        spare = self.width() - sum(_hint(widget).width() for widget in line) - GAP * (len(line) - 1)
        growing = [widget for widget in line if _grows(widget)]
        x = 0
        for widget in line:
            width = _hint(widget).width()
            if widget in growing:
                width += max(0, spare) // len(growing)
            rect = QRect(x, top, min(width, self.width()), height)
            if self.layoutDirection() == Qt.LayoutDirection.RightToLeft:
                rect.moveRight(self.width() - 1 - x)
            widget.setGeometry(rect)
            x += width + GAP

    def heightForWidth(self, width: int) -> int:  # noqa: N802
        lines = self._balanced(width)
        return sum(_height(line) for line in lines) + GAP * max(0, len(lines) - 1)

    def sizeHint(self) -> QSize:
        width = self.minimumSizeHint().width()
        return QSize(width, self.heightForWidth(max(width, self.width())))

    def minimumSizeHint(self) -> QSize:
        return QSize(max((_hint(widget).width() for widget in self._widgets), default=0), 0)

    def resizeEvent(self, _event: QResizeEvent) -> None:
        self._place()

    def _place(self) -> None:
        top = 0
        for line in self._balanced(self.width()):
            self._place_line(line, top, _height(line))
            top += _height(line) + GAP


def labelled(text: str, control: QWidget) -> QWidget:
    """Return a control with its label, its buddy, before it."""
    pair = QWidget()
    layout = QHBoxLayout(pair)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    label = QLabel(text, pair)
    label.setBuddy(control)
    layout.addWidget(label)
    layout.addWidget(control, 1)
    pair.setSizePolicy(control.sizePolicy().horizontalPolicy(), QSizePolicy.Policy.Fixed)
    return pair


def _grows(widget: QWidget) -> bool:
    return widget.sizePolicy().horizontalPolicy() == QSizePolicy.Policy.Expanding


def _hint(widget: QWidget) -> QSize:
    return widget.sizeHint().expandedTo(widget.minimumSizeHint()).expandedTo(widget.minimumSize())


def _height(line: list[QWidget]) -> int:
    return max(_hint(widget).height() for widget in line)
