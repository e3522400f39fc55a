"""One network's view of one picture: the map over it, its scale, and the most probable classes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QPoint, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QHelpEvent, QImage, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from core.messages import Attributed, Explanation
from core.overlay import Look, Overlay, Pixels, flatten
from gui.explanation_layout import Places, Text, places
from gui.explanation_painter import ExplanationPainter, Sight, as_image
from gui.explanation_words import TOP, Bar, ages, bars, completeness, scale_sentence, summary, target
from gui.network_words import number
from gui.theme import LIGHT, Theme
from gui.wording import say

_DOUBTFUL = 0.1  # a completeness error from which on it is shown as a warning


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """What a view shows: a network, a picture, and the answer once it is there."""

    name: str
    hue: int | None  # of a lane
    picture: Pixels  # (height, width, 3)
    explanation: Explanation | None = None
    answer: Attributed | None = None

    @property
    def attribution(self) -> NDArray[np.float32] | None:
        """The map, if there is one."""
        return None if self.answer is None else self.answer.attribution

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines over the bars."""
        if self.answer is None or self.explanation is None:
            return ()
        return tuple(filter(None, (target(self.answer, self.explanation), completeness(self.answer))))

    @property
    def bars(self) -> tuple[Bar, ...]:
        """The classes with their probabilities."""
        if self.answer is None or self.explanation is None:
            return ()
        return bars(self.answer, self.explanation)


class ExplanationView(QWidget):
    """Draws one network's answer from what was handed in last."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.text_lines = TOP + 2  # that are kept free beside header and legend
        self.subject: Subject | None = None
        self._overlay: Overlay | None = None
        self._look, self._table = Look(), "CET-D1"
        self._image = QImage()
        self._now: int | None = None  # the lanes' present step
        self._state = ""
        self._stand = QRectF()  # where the picture stood last
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    # ---- data in --------------------------------------------------------------------------

    def show_subject(self, subject: Subject) -> None:
        """Show another picture or another answer, without a map until `set_overlay`."""
        self.subject = subject
        self._overlay = None
        self._image = as_image(subject.picture)
        self._describe()

    def set_overlay(self, overlay: Overlay | None, look: Look, table: str) -> None:
        """Lay a map over the picture; None shows the picture alone."""
        if self.subject is not None:
            self._overlay, self._look, self._table = overlay, look, table
            self._image = as_image(self.subject.picture if overlay is None else overlay.rgba)
            self._describe()

    def set_now(self, step: int | None, state: str) -> None:
        """Say what step the lanes have come to, and what stands over the picture."""
        if state != self._state:
            self.update()
        elif step != self._now:
            self.update(self._places().header)
        self._now, self._state = step, state

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        self.update()

    def summary(self) -> str:
        """Return everything that is shown, as text."""
        subject = self.subject
        if subject is None:
            return ""
        return summary(subject.name, subject.answer, subject.explanation, self._overlay)

    @property
    def pixels(self) -> int:
        """How many pixels the picture has along its longer side."""
        return max(self._image.width(), self._image.height())

    def picture_rect(self) -> QRectF:
        """Return where the picture was drawn last."""
        return QRectF(self._stand)

    def _describe(self) -> None:
        assert self.subject is not None
        self.setAccessibleName(self.tr("Explanation of {name}").format(name=self.subject.name))
        self.setAccessibleDescription(self.summary().replace("\n", "; "))
        self.update()

    # ---- painting -------------------------------------------------------------------------

    def _places(self) -> Places:
        return places(self.size(), Text(line_height(self), self.text_lines), self.pixels)

    def _sight(self, subject: Subject) -> Sight:
        answer = subject.answer
        remark = "" if answer is None or answer.reason is None else say(answer.reason)
        if self._overlay is not None and self._overlay.notice is not None:
            remark = say(self._overlay.notice)
        error = None if answer is None else answer.completeness_error
        step = None if subject.explanation is None else subject.explanation.step
        return Sight(
            name=subject.name, hue=subject.hue, ages=ages(step, self._now), image=self._image,
            overlay=self._overlay, look=self._look, table=self._table, state=self._state, remark=remark,
            lines=subject.lines, warn=error is not None and not error <= _DOUBTFUL, bars=subject.bars,
        )  # fmt: skip

    def paintEvent(self, _event: QPaintEvent) -> None:
        if self.subject is None:
            return
        painter = QPainter(self)
        self._stand = ExplanationPainter(painter, self.theme).draw(self._sight(self.subject), self._places())
        if self.hasFocus():
            painter.setPen(QPen(QColor(self.theme.accent), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    # ---- hover ----------------------------------------------------------------------------

    def hover_text(self, at: QPoint) -> str:
        """Return what is said at a place: a pixel's number, the colour strip's meaning, the summary."""
        if self._overlay is not None and self._places().legend.contains(at):
            return scale_sentence(self._look.sign)
        return self._pixel_text(at) or self.summary()

    def _pixel_text(self, at: QPoint) -> str:
        attribution = None if self.subject is None else self.subject.attribution
        if attribution is None or not self._stand.contains(at):
            return ""
        rows, columns = attribution.shape[1:]
        row = int((at.y() - self._stand.top()) / self._stand.height() * rows)
        column = int((at.x() - self._stand.left()) / self._stand.width() * columns)
        row, column = min(row, rows - 1), min(column, columns - 1)
        value = float(flatten(attribution[:, row : row + 1, column : column + 1])[0, 0])
        text = self.tr("row {row}, column {column}: {value}")
        return text.format(row=row, column=column, value=number(value))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.hover_text(event.pos()), self)
            return True
        return super().event(event)


def line_height(widget: QWidget) -> int:
    """Return the height of a line of text."""
    return QFontMetrics(widget.font()).height() + 2
