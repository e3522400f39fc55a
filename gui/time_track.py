"""The line of time of a run: a slider with ticks at its checkpoints and marks at its toggles."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QSlider, QToolTip, QWidget

from core.history import Marker
from gui.theme import LIGHT, Theme
from gui.wording import whole

_HEIGHT = 34
_EDGE = 9  # pixels left and right of the line: half a handle
_HANDLE = 7.0  # radius
_TICK = 6.0
_NEAR = 5.0  # pixels from a mark within which it is meant
_MOST_MARKS = 300  # drawn; more would be a wall


class TimeTrack(QSlider):
    """A slider over steps. Arrow keys go from checkpoint to checkpoint, with Shift from step to step.

    Signals: `moved_by_hand(step)`: by mouse or key; `left_to_present`: Escape.
    """

    moved_by_hand = Signal(int)
    left_to_present = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(Qt.Orientation.Horizontal, parent)
        self.theme: Theme = LIGHT
        self.is_live = True
        self._checkpoints: list[int] = []
        self._markers: list[Marker] = []
        self.setRange(0, 0)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMouseTracking(True)

    # ---- what is shown ----------------------------------------------------------------------

    def set_steps(self, first: int, last: int) -> None:
        """Cover these steps; a handle at the present stays there."""
        self.setRange(first, max(first, last))
        if self.is_live:
            self.setValue(self.maximum())
        self.update()

    def set_checkpoints(self, steps: Sequence[int]) -> None:
        """Mark these steps as ones that can be gone back to."""
        self._checkpoints = sorted(set(steps))
        self.update()

    def set_markers(self, markers: Sequence[Marker]) -> None:
        """Mark what was done."""
        self._markers = list(markers)
        self.update()

    def checkpoint_at(self, step: int) -> int | None:
        """Return the last checkpoint at or before a step."""
        place = bisect_right(self._checkpoints, step)
        return self._checkpoints[place - 1] if place else None

    def neighbour(self, step: int, forward: bool) -> int:
        """Return the next checkpoint after a step, or the last before it; else the end of the line."""
        known = self._checkpoints
        if forward:
            place = bisect_right(known, step)
            return known[place] if place < len(known) else self.maximum()
        place = bisect_left(known, step)
        return known[place - 1] if place else self.minimum()

    # ---- places -----------------------------------------------------------------------------

    def x_of(self, step: float) -> float:
        """Return where a step stands, in pixels."""
        span = max(self.maximum() - self.minimum(), 1)
        return _EDGE + (self.width() - 2 * _EDGE) * (step - self.minimum()) / span

    def step_at(self, x: float) -> int:
        """Return the step at a place."""
        share = (x - _EDGE) / max(self.width() - 2 * _EDGE, 1)
        step = self.minimum() + share * (self.maximum() - self.minimum())
        return min(max(round(step), self.minimum()), self.maximum())

    def words_at(self, x: float) -> str:
        """Say what stands at a place: what was done there, or its step."""
        near = [marker for marker in self._markers if abs(self.x_of(marker.step) - x) <= _NEAR]
        lines = [
            self.tr("step {step}: {text}").format(step=whole(marker.step), text=marker.text)
            for marker in near[:6]
        ]
        if lines:
            return "\n".join(lines)
        step = self.step_at(x)
        checkpoint = self.checkpoint_at(step)
        if checkpoint is None:
            return self.tr("step {step}").format(step=whole(step))
        return self.tr("step {step} · checkpoint of step {checkpoint}").format(
            step=whole(step), checkpoint=whole(checkpoint)
        )

    # ---- hand -------------------------------------------------------------------------------

    def go(self, step: int) -> None:
        """Move the handle as a hand does."""
        step = min(max(step, self.minimum()), self.maximum())
        self.setValue(step)
        self.moved_by_hand.emit(step)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self.go(self._meant(event.position().x()))
        event.accept()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if event.buttons() & Qt.MouseButton.LeftButton:
            self.go(self.step_at(event.position().x()))
        event.accept()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        by_step = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        now, keys = self.value(), Qt.Key
        backward, forward = (keys.Key_Left, keys.Key_Down), (keys.Key_Right, keys.Key_Up)
        match event.key():
            case key if key in (*backward, *forward):
                ahead = key in forward
                self.go(now + (1 if ahead else -1) if by_step else self.neighbour(now, ahead))
            case keys.Key_PageUp | keys.Key_PageDown:
                tenth = max((self.maximum() - self.minimum()) // 10, 1)
                self.go(now + (tenth if event.key() == keys.Key_PageUp else -tenth))
            case keys.Key_Home:
                self.go(self.minimum())
            case keys.Key_End:
                self.go(self.maximum())
            case keys.Key_Escape if not self.is_live:
                self.left_to_present.emit()
            case _:
                event.ignore()

    def event(self, event: QEvent) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip and self.isEnabled():
            QToolTip.showText(event.globalPos(), self.words_at(event.pos().x()), self)
            return True
        return super().event(event)

    def _meant(self, x: float) -> int:
        """A press near a mark or a checkpoint means it."""
        steps = [*self._checkpoints, *(marker.step for marker in self._markers)]
        near = [step for step in steps if abs(self.x_of(step) - x) <= _NEAR]
        return min(near, key=lambda step: abs(self.x_of(step) - x)) if near else self.step_at(x)

    # ---- picture ----------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        y = self.height() / 2 + 3
        self._draw_line(painter, y)
        if self.isEnabled():
            self._draw_checkpoints(painter, y)
            self._draw_markers(painter, y)
            self._draw_handle(painter, y)
        painter.end()

    def _draw_line(self, painter: QPainter, y: float) -> None:
        theme = self.theme
        left, right, at = self.x_of(self.minimum()), float(self.width() - _EDGE), self.x_of(self.value())
        painter.setPen(_pen(theme.grid, 4.0))
        painter.drawLine(QPointF(left, y), QPointF(right, y))
        if self.isEnabled():
            painter.setPen(_pen(theme.accent if self.is_live else theme.muted, 4.0))
            painter.drawLine(QPointF(left, y), QPointF(at, y))

    def _draw_checkpoints(self, painter: QPainter, y: float) -> None:
        painter.setPen(_pen(self.theme.muted, 1.0))
        for step in self._checkpoints:
            if self.minimum() <= step <= self.maximum():
                x = round(self.x_of(step)) + 0.5
                painter.drawLine(QPointF(x, y + 4), QPointF(x, y + 4 + _TICK))

    def _draw_markers(self, painter: QPainter, y: float) -> None:
        """A small triangle above the line, in the lane's colour."""
        thin = max(-(-len(self._markers) // _MOST_MARKS), 1)
        painter.setPen(Qt.PenStyle.NoPen)
        for marker in self._markers[::thin]:
            x = self.x_of(marker.step)
            plain = QColor(self.theme.text)
            painter.setBrush(plain if marker.lane is None else self.theme.lane_color(marker.lane))
            top = y - 13
            painter.drawPolygon(QPolygonF((QPointF(x - 4, top), QPointF(x + 4, top), QPointF(x, top + 7))))

    def _draw_handle(self, painter: QPainter, y: float) -> None:
        theme, x = self.theme, self.x_of(self.value())
        if self.hasFocus():
            painter.setPen(_pen(theme.accent, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(QPointF(x, y), _HANDLE + 1.2, _HANDLE + 1.2)
        painter.setPen(_pen(theme.background, 1.5))
        painter.setBrush(QColor(theme.accent if self.is_live else theme.text))
        if self.is_live:
            painter.drawEllipse(QPointF(x, y), _HANDLE - 1, _HANDLE - 1)
        else:  # another shape too: a bar, as of a paused tape
            painter.drawRoundedRect(QRectF(x - 4, y - _HANDLE, 8, 2 * _HANDLE), 2, 2)

    def sizeHint(self) -> QSize:
        return QSize(400, _HEIGHT)

    def minimumSizeHint(self) -> QSize:
        return QSize(120, _HEIGHT)


def _pen(color: str, width: float) -> QPen:
    pen = QPen(QColor(color), width)
    pen.setCapStyle(Qt.PenCapStyle.RoundCap if width > 2 else Qt.PenCapStyle.FlatCap)
    return pen
