"""One network's view of one picture: the map over it, its scale, and the most probable classes."""

from PySide6.QtCore import QEvent, QPoint, QRectF, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QEnterEvent,
    QFocusEvent,
    QFontMetrics,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QKeySequence,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QApplication, QMenu, QToolTip, QWidget

from core.overlay import Look, Overlay, flatten
from gui.explanation_layout import Places, Text, places
from gui.explanation_painter import ExplanationPainter, Sight, as_image
from gui.explanation_words import TOP, ages, frame_summary, note, scale_sentence, summary
from gui.frame_layout import frame_places
from gui.network_words import number
from gui.subject import Subject
from gui.theme import LIGHT, Theme
from gui.wording import say

__all__ = ["ExplanationView", "Subject", "line_height"]

_DOUBTFUL = 0.1  # a completeness error from which on it is shown as a warning
_COPIED_SIDE = 448  # pixels a copied overlay has at least along its longer side
_ARROWS = {
    Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1), Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0),
}  # fmt: skip


class ExplanationView(QWidget):
    """Draws one network's answer from what was handed in last.

    Signals: `moved` (rows, columns) when an arrow key leads to another view; `looked_at` when it
    gets the focus or the pointer; `figure_wanted` and `all_wanted`, of it alone or with all others.
    """

    moved = Signal(int, int)
    looked_at = Signal()
    figure_wanted = Signal()
    all_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.text_lines = TOP + 2  # that are kept free beside header and legend
        self.framed = False  # one frame of a table, which has the network's name
        self.subject: Subject | None = None
        self.overlay: Overlay | None = None
        self.look, self.table = Look(), "CET-D1"
        self.drawn: object = None  # what the overlay was drawn from, for whoever draws it
        self._image = QImage()
        self._now: int | None = None  # the lanes' present step
        self._state = ""
        self._stand = QRectF()  # where the picture stood last
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)

    # ---- data in --------------------------------------------------------------------------

    def show_subject(self, subject: Subject) -> None:
        """Show another picture or another answer, without a map until `set_overlay`.

        What is the same map of the same picture keeps the overlay it has.
        """
        before, self.subject = self.subject, subject
        if before is None or not _same_map(before, subject):
            self.overlay = None
            self._image = as_image(subject.picture)
        elif _same_words(before, subject):
            return
        self._describe()

    def set_overlay(self, overlay: Overlay | None, look: Look, table: str) -> None:
        """Lay a map over the picture; None shows the picture alone."""
        if self.subject is not None:
            self.overlay, self.look, self.table = overlay, look, table
            self._image = as_image(self.subject.picture if overlay is None else overlay.rgba)
            self._describe()

    def set_now(self, step: int | None, state: str) -> None:
        """Say what step the lanes have come to, and what stands over the picture."""
        if state != self._state:
            self.update()
        elif step != self._now and not self.framed:
            self.update(self._places().header)
        self._now, self._state = step, state

    def forget(self) -> None:
        """Show nothing, and keep no picture."""
        self.subject, self.overlay, self._image = None, None, QImage()
        self._state = ""

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        self.update()

    def summary(self) -> str:
        """Return everything that is shown, as text."""
        subject = self.subject
        if subject is None:
            return ""
        if not self.framed:
            return summary(subject.name, subject.answer, subject.explanation, self.overlay)
        return "\n".join(self.parts())

    def parts(self) -> tuple[str, ...]:
        """Return what there is to say of one frame, part by part."""
        if self.subject is None:
            return ()
        of = self.subject
        return frame_summary(of.name, of.title, of.answer, of.explanation, self.overlay)

    @property
    def pixels(self) -> int:
        """How many pixels the picture has along its longer side."""
        return max(self._image.width(), self._image.height())

    def picture_rect(self) -> QRectF:
        """Return where the picture was drawn last."""
        return QRectF(self._stand)

    def copied(self) -> QImage:
        """Return the overlay as an image, each of its pixels a square of whole pixels."""
        factor = max(1, -(-_COPIED_SIDE // max(self.pixels, 1)))
        return self._image.scaled(self._image.size() * factor)

    def copy(self) -> None:
        """Put the overlay on the clipboard."""
        QApplication.clipboard().setImage(self.copied())

    def _describe(self) -> None:
        assert self.subject is not None
        name = ", ".join(filter(None, (self.subject.name, self.subject.title)))
        self.setAccessibleName(self.tr("Explanation of {name}").format(name=name))
        self.setAccessibleDescription(self.summary().replace("\n", "; "))
        self.update()

    # ---- painting -------------------------------------------------------------------------

    def _places(self) -> Places:
        if self.framed:
            return frame_places(self.size(), line_height(self), self.text_lines, self.pixels)
        return places(self.size(), Text(line_height(self), self.text_lines), self.pixels)

    def _sight(self, subject: Subject) -> Sight:
        answer = subject.answer
        remark = "" if answer is None or answer.reason is None else say(answer.reason)
        if self.overlay is not None and self.overlay.notice is not None:
            remark = say(self.overlay.notice)
        error = None if answer is None else answer.completeness_error
        step = None if subject.explanation is None else subject.explanation.step
        noted = self.framed and self.text_lines <= 1
        lines, bars = subject.lines, subject.bars
        if noted:
            lines, bars = tuple(filter(None, (note(answer, subject.explanation),))), ()
        return Sight(
            name=subject.name, hue=subject.hue, ages=ages(step, self._now), image=self._image,
            overlay=self.overlay, look=self.look, table=self.table, state=self._state, remark=remark,
            lines=lines, warn=error is not None and not error <= _DOUBTFUL, bars=bars,
            compact=noted, difference=subject.is_difference,
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
        difference = self.subject is not None and self.subject.is_difference
        if self.overlay is not None and self._places().legend.contains(at):
            return scale_sentence(self.look.sign, difference=difference)
        pixel = self._pixel_text(at)
        if self.framed and pixel:
            return f"{pixel}\n{self.summary()}"
        return pixel or self.summary()

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

    # ---- Qt's side ------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.hover_text(event.pos()), self)
            return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif (by := _ARROWS.get(Qt.Key(event.key()))) is not None:
            self.moved.emit(*by)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        if self.subject is not None:
            self.menu().popup(event.globalPos())

    def menu(self) -> QMenu:
        """Return what can be done with this map; it is gone once it is closed."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Copy"), QKeySequence(QKeySequence.StandardKey.Copy), self.copy)
        menu.addAction(self.tr("Save figure…"), self.figure_wanted.emit)
        menu.addAction(self.tr("Save figure of all maps…"), self.all_wanted.emit)
        return menu

    def enterEvent(self, event: QEnterEvent) -> None:
        super().enterEvent(event)
        self.looked_at.emit()

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.looked_at.emit()


def _same_map(before: Subject, subject: Subject) -> bool:
    """Whether two subjects show the same map over the same picture."""
    if before.attribution is None and subject.attribution is None and before.answer is not subject.answer:
        return False
    return before.picture is subject.picture and before.attribution is subject.attribution


def _same_words(before: Subject, subject: Subject) -> bool:
    steps = [None if each.explanation is None else each.explanation.step for each in (before, subject)]
    same = (before.name, before.hue, before.title, before.arrangement) == (
        subject.name, subject.hue, subject.title, subject.arrangement,
    )  # fmt: skip
    return same and before.answer is subject.answer and steps[0] == steps[1]


def line_height(widget: QWidget) -> int:
    """Return the height of a line of text."""
    return QFontMetrics(widget.font()).height() + 2
