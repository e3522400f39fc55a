"""A row of controls that goes on in the next line where the width does not suffice."""

from collections.abc import Sequence

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

GAP = 6


class Flow(QWidget):
    """Places its widgets line by line; those that may grow share what a line leaves over."""

    def __init__(self, widgets: Sequence[QWidget], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._widgets = list(widgets)
        for widget in self._widgets:
            widget.setParent(self)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def place(self) -> None:
        """Place the widgets for the present width; also after one was shown or hidden."""
        top = 0
        for line in self._lines():
            height = max(_hint(widget).height() for widget in line)
            self._place_line(line, top, height)
            top += height + GAP
        # The height follows from the width; a layout would ask for it before it knows the width.
        self.setFixedHeight(max(0, top - GAP))

    def _lines(self) -> list[list[QWidget]]:
        lines: list[list[QWidget]] = []
        left = 0
        for widget in self._widgets:
            if widget.isHidden():
                continue
            width = _hint(widget).width()
            if not lines or width > left:
                lines.append([])
                left = self.width()
            lines[-1].append(widget)
            left -= width + GAP
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

    def sizeHint(self) -> QSize:
        return QSize(self.minimumSizeHint().width(), self.height())

    def minimumSizeHint(self) -> QSize:
        return QSize(max((_hint(widget).width() for widget in self._widgets), default=0), 0)

    def resizeEvent(self, _event: QResizeEvent) -> None:
        self.place()


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
    return bool(widget.sizePolicy().horizontalPolicy() & QSizePolicy.Policy.Expanding)


def _hint(widget: QWidget) -> QSize:
    return widget.sizeHint().expandedTo(widget.minimumSizeHint())
