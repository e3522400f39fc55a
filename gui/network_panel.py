"""The network panel: every lane's blocks and shortcuts, to be cut and restored with a click."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QPoint, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QMenu, QSizePolicy, QToolTip, QWidget

from core.findings import GradientSplit
from core.messages import RunStarted, TrainingSlice
from gui.lane_state import LaneState, RunState, Strengths, switched, switched_together, with_strength
from gui.network_layout import Hit, NetworkLayout, Part
from gui.network_painter import NetworkPainter, View
from gui.network_words import block_summary, hover, lane_summary
from gui.panel import Panel
from gui.split_overlay import Split
from gui.theme import Theme

STRENGTH_STEPS = 20  # a drag or the wheel moves in twentieths
_DRAG_PIXELS = 5  # per twentieth
_DRAG_STARTS = 4  # pixels
_NEWS_MS = 6000  # how long *applied at step N* stays
_CLICKABLE = (Part.ARC, Part.BLOCK, Part.STAGE, Part.ALL, Part.NAME)


@dataclass(slots=True)
class _Drag:
    """A press on an arc: a click until the mouse has moved up or down."""

    hit: Hit
    start: float  # y
    strength: float  # when it began
    value: float  # last asked for
    moved: bool = False


class NetworkPanel(Panel):
    """Draws the lanes and turns clicks, drags, scrolling and keys into strengths.

    Signals: `strengths_requested` (lane, shortcuts, branches), the whole lane's strengths as they
    shall be; `block_selected` (lane, block). Nothing changes in the drawing until the strengths
    come back through `mark_requested`, and they count as applied when a slice says so.
    """

    strengths_requested = Signal(int, object, object)
    block_selected = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run = RunState()
        self._past: tuple[LaneState, ...] = ()  # looked back at, in place of the present
        self._selected = (0, 0)
        self._hovered: Hit | None = None
        self._drag: _Drag | None = None
        self._wheel = 0  # eighths of a degree not yet used
        self._painter: NetworkPainter | None = None
        self._splits: dict[int, Split] = {}  # by lane
        self._passed: dict[int, int] = {}  # block by lane
        self._news = QTimer(self, singleShot=True, interval=_NEWS_MS)
        self._news.timeout.connect(self._forget_news)
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setAccessibleName(self.tr("Network"))
        self._describe()

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Show a new run's lanes."""
        self._run.start(event)
        self._past = ()
        self._hovered = self._drag = self._painter = None
        self._splits.clear()
        self._passed.clear()
        if not self._run.has(*self._selected):
            self._selected = (0, 0)
        self._describe()
        self.refresh_now()
        self.block_selected.emit(*self._selected)

    def add_slice(self, event: TrainingSlice) -> None:
        """Keep a slice's last readings and strengths."""
        waiting = [len(lane.requests) for lane in self._run.lanes]
        self._run.take(event)
        self.mark_dirty()
        if waiting != [len(lane.requests) for lane in self._run.lanes]:
            self._news.start()
            self._describe()

    def mark_requested(
        self, lane: int, shortcuts: Strengths | None, branches: Strengths | None, command_id: int
    ) -> None:
        """Show strengths as requested until a slice carries the command."""
        self._run.request(lane, shortcuts, branches, command_id)
        self._describe()
        self.refresh_now()

    def drop_request(self, command_id: int) -> None:
        """Show no longer as requested what the engine could not do."""
        self._run.drop(command_id)
        self._describe()
        self.refresh_now()

    def set_split(self, lane: int, step: int, finding: GradientSplit) -> None:
        """Show at a lane's additions how its gradient splits, as found at a step."""
        if self._run.has(lane, len(finding.shortcut) - 1) and len(finding.shortcut) == len(
            self._run.lanes[lane].blocks
        ):
            self._keep_splits({**self._splits, lane: Split(step, finding)})

    def clear_splits(self) -> None:
        """Show no splits any more."""
        self._keep_splits({})

    def set_highlight(self, blocks: Sequence[int | None]) -> None:
        """Light a block of each lane (None: none of it)."""
        wanted = {lane: block for lane, block in enumerate(blocks) if block is not None}
        self._passed = {lane: block for lane, block in wanted.items() if self._run.has(lane, block)}
        self.update()

    def highlight_block(self, lane: int, block: int) -> None:
        """Light a block of one lane, or (-1) none of it."""
        blocks: list[int | None] = [self._passed.get(number) for number in range(len(self._run.lanes))]
        if 0 <= lane < len(blocks):
            blocks[lane] = block if block >= 0 else None
            self.set_highlight(blocks)

    def look_back(self, past: Sequence[LaneState]) -> None:
        """Show the lanes as they were at an earlier step; nothing given: as they are."""
        self._past = tuple(past)
        self._painter = None
        self._describe()
        self.refresh_now()

    def clear(self) -> None:
        """Go back to the empty state."""
        self._run.clear()
        self._hovered = self._drag = self._painter = None
        self._splits.clear()
        self._passed.clear()
        self._describe()
        self.refresh_now()

    def refresh(self) -> None:
        """Repaint; the readings are drawn from what is known at that moment."""
        self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._painter = None
        super().set_theme(theme)

    # ---- what the window's actions call ---------------------------------------------------

    @property
    def lanes(self) -> tuple[LaneState, ...]:
        """The lanes as last heard of."""
        return self._run.lanes

    @property
    def selected(self) -> tuple[int, int]:
        """The chosen block: lane and index."""
        return self._selected

    def select(self, lane: int, block: int) -> None:
        """Choose a block."""
        if self._run.has(lane, block) and (lane, block) != self._selected:
            self._selected = (lane, block)
            self._describe()
            self.refresh_now()
            self.block_selected.emit(lane, block)

    def move_selection(self, dx: int, dy: int) -> None:
        """Choose another block: along the lane, or the one at the same depth of another lane."""
        if not self._run.lanes:
            return
        lane, block = self._selected
        other = min(max(lane + dy, 0), len(self._run.lanes) - 1)
        here, there = len(self._run.lanes[lane].blocks), len(self._run.lanes[other].blocks)
        if other != lane:
            block = int((block + 0.5) / here * there)
        self.select(other, min(max(block + dx, 0), there - 1))

    def toggle_selected(self) -> None:
        """Cut or restore the chosen block's shortcut."""
        lane, block = self._selected
        if self._run.has(lane, block):
            self._set_shortcuts(lane, (block,), switched(self._run.lanes[lane].shown_shortcuts[block]))

    def toggle_branch(self) -> None:
        """Delete or restore the chosen block's residual branch."""
        lane, block = self._selected
        if self._run.has(lane, block):
            self._set_branches(lane, (block,), switched(self._run.lanes[lane].shown_branches[block]))

    def toggle_all(self) -> None:
        """Cut all shortcuts of the chosen lane, or restore them where any is missing."""
        lane = self._selected[0]
        if self._run.lanes:
            self._toggle_group(lane, range(len(self._run.lanes[lane].blocks)))

    def accessible_summary(self) -> str:
        """Say in words what is drawn."""
        if not self._run.lanes:
            return self.tr("No run yet.")
        lane, block = self._selected
        chosen = self.tr("Selected: {block}").format(block=block_summary(self._run.lanes[lane], block))
        return "\n".join([*(lane_summary(state) for state in self._past or self._run.lanes), chosen])

    # ---- requests -------------------------------------------------------------------------

    def _toggle_group(self, lane: int, blocks: Iterable[int]) -> None:
        state = self._run.lanes[lane]
        self._ask(lane, switched_together(state.shown_shortcuts, blocks), state.shown_branches)

    def _set_shortcuts(self, lane: int, blocks: Iterable[int], value: float) -> None:
        state = self._run.lanes[lane]
        self._ask(lane, with_strength(state.shown_shortcuts, blocks, value), state.shown_branches)

    def _set_branches(self, lane: int, blocks: Iterable[int], value: float) -> None:
        state = self._run.lanes[lane]
        self._ask(lane, state.shown_shortcuts, with_strength(state.shown_branches, blocks, value))

    def _ask(self, lane: int, shortcuts: Strengths, branches: Strengths) -> None:
        if self._past:
            return  # what is drawn is not what would be changed
        state = self._run.lanes[lane]
        changed = (shortcuts, branches) != (state.shown_shortcuts, state.shown_branches)
        # A lane that diverged takes no more steps, so nothing could ever be applied to it.
        if changed and state.diverged_at is None:
            self.strengths_requested.emit(lane, shortcuts, branches)

    # ---- the rest of the state ------------------------------------------------------------

    def _keep_splits(self, splits: dict[int, Split]) -> None:
        if bool(splits) != bool(self._splits):
            self._painter = None  # its legend has one entry more, or less
        self._splits = splits
        self.refresh_now()

    def _describe(self) -> None:
        self.setAccessibleDescription(self.accessible_summary())

    def _forget_news(self) -> None:
        for lane in self._run.lanes:
            lane.applied_at = None
        self.refresh_now()

    def drawing(self) -> NetworkLayout:
        """Return where everything stands now."""
        return self._current_painter().layout

    def _current_painter(self) -> NetworkPainter:
        if self._painter is None:
            self._painter = NetworkPainter(
                self._past or self._run.lanes,
                self.size(),
                self.font(),
                self.theme,
                ratio=self.devicePixelRatioF(),
                with_split=bool(self._splits),
            )
        return self._painter

    def _hit(self, position: QPointF) -> Hit | None:
        return self.drawing().hit(position.x(), position.y()) if self._run.lanes else None

    def _hover(self, hit: Hit | None) -> None:
        if hit == self._hovered:
            return
        self._hovered = hit
        if hit is not None and hit.part in _CLICKABLE:
            self.setCursor(Qt.CursorShape.PointingHandCursor)
        else:
            self.unsetCursor()
        self.update()

    # ---- mouse ----------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        hit = self._hit(event.position())
        if hit is None or event.button() != Qt.MouseButton.LeftButton:
            return
        QToolTip.hideText()
        if hit.part is Part.ARC:
            strength = self._run.lanes[hit.lane].shown_shortcuts[hit.index]
            self._drag = _Drag(hit, event.position().y(), strength, strength)
        elif hit.part is Part.BLOCK:
            self.select(hit.lane, hit.index)
            if event.modifiers() & Qt.KeyboardModifier.AltModifier:
                self.toggle_branch()
        elif hit.part is Part.STAGE:
            self._toggle_group(hit.lane, self.drawing().rows[hit.lane].stages[hit.index].blocks)
        elif hit.part is Part.ALL:
            self._toggle_group(hit.lane, range(len(self._run.lanes[hit.lane].blocks)))
        elif hit.part is Part.NAME:
            self.move_selection(0, hit.lane - self._selected[0])

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        drag = self._drag
        if drag is None:
            self._hover(self._hit(event.position()))
            return
        up = drag.start - event.position().y()
        drag.moved = drag.moved or abs(up) >= _DRAG_STARTS
        if drag.moved:
            value = _on_grid(drag.strength + up / _DRAG_PIXELS / STRENGTH_STEPS)
            if value != drag.value:
                drag.value = value
                self._set_strength(drag.hit, value, event.globalPosition().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        drag, self._drag = self._drag, None
        if drag is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if not drag.moved:
            self._set_shortcuts(drag.hit.lane, (drag.hit.index,), switched(drag.strength))
        self._hover(self._hit(event.position()))

    def wheelEvent(self, event: QWheelEvent) -> None:
        hit = self._hit(event.position())
        if hit is None or hit.part is not Part.ARC:
            event.ignore()
            return
        if hit != self._hovered:
            self._wheel = 0
            self._hover(hit)
        self._wheel += event.angleDelta().y()
        notches = int(self._wheel / 120)
        self._wheel -= 120 * notches
        if notches:
            strength = self._run.lanes[hit.lane].shown_shortcuts[hit.index]
            value = _on_grid(strength + notches / STRENGTH_STEPS)
            self._set_strength(hit, value, event.globalPosition().toPoint())

    def leaveEvent(self, _event: QEvent) -> None:
        self._hover(None)

    def _set_strength(self, hit: Hit, value: float, place: QPoint) -> None:
        self._set_shortcuts(hit.lane, (hit.index,), value)
        QToolTip.showText(place, self.tr("shortcut strength {value}").format(value=f"{value:.2f}"), self)

    # ---- context menu ---------------------------------------------------------------------

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        hit = self._hit(QPointF(event.pos()))
        by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        if by_key or (hit is not None and hit.part in (Part.BLOCK, Part.ARC)):
            if hit is not None and not by_key:
                self.select(hit.lane, hit.index)
            if self._run.lanes:
                self.context_menu().popup(self._menu_place() if by_key else event.globalPos())

    def context_menu(self) -> QMenu:
        """Make the menu of the chosen block."""
        lane, block = self._selected
        state = self._run.lanes[lane]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        has_shortcut, has_branch = state.shown_shortcuts[block] > 0, state.shown_branches[block] > 0
        menu.addSection(self.tr("Block {block} of lane {name}").format(
            block=state.blocks[block].name, name=state.info.name))  # fmt: skip
        shortcut = self.tr("Cut the shortcut") if has_shortcut else self.tr("Restore the shortcut")
        branch = self.tr("Delete the branch") if has_branch else self.tr("Restore the branch")
        menu.addAction(shortcut, self.toggle_selected)
        menu.addAction(branch, self.toggle_branch)
        stage = [shape.index for shape in state.blocks if shape.stage == state.blocks[block].stage]
        self._add_group(menu, self.tr("Stage {stage}").format(stage=state.blocks[block].stage), lane, stage)
        self._add_group(menu, self.tr("The whole network"), lane, range(len(state.blocks)))
        menu.setEnabled(state.diverged_at is None)
        return menu

    def _add_group(self, menu: QMenu, title: str, lane: int, blocks: Iterable[int]) -> None:
        chosen = tuple(blocks)
        menu.addSection(title)
        menu.addAction(self.tr("Cut its shortcuts"), lambda: self._set_shortcuts(lane, chosen, 0.0))
        menu.addAction(self.tr("Restore its shortcuts"), lambda: self._set_shortcuts(lane, chosen, 1.0))
        menu.addAction(self.tr("Restore its branches"), lambda: self._set_branches(lane, chosen, 1.0))

    def _menu_place(self) -> QPoint:
        lane, block = self._selected
        return self.mapToGlobal(self.drawing().rows[lane].blocks[block].box.bottomLeft().toPoint())

    # ---- keys, hover, painting ------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {
            Qt.Key.Key_Left: (-1, 0),
            Qt.Key.Key_Right: (1, 0),
            Qt.Key.Key_Up: (0, -1),
            Qt.Key.Key_Down: (0, 1),
        }
        key = Qt.Key(event.key())
        plain = event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        shifted = plain == Qt.KeyboardModifier.ShiftModifier
        if plain not in (Qt.KeyboardModifier.NoModifier, Qt.KeyboardModifier.ShiftModifier):
            super().keyPressEvent(event)
        elif key in moves and not shifted:
            self.move_selection(*moves[key])
        elif key == Qt.Key.Key_S:
            self.toggle_all() if shifted else self.toggle_selected()
        elif key == Qt.Key.Key_B and not shifted:
            self.toggle_branch()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, _event: QFocusEvent) -> None:
        self._describe()
        self.update()

    def focusOutEvent(self, _event: QFocusEvent) -> None:
        self.update()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange, QEvent.Type.LanguageChange):
            self._painter = None
            self.update()
        super().changeEvent(event)

    def resizeEvent(self, _event: QEvent) -> None:
        self._painter = None

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            self._painter = None
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.tooltip_at(QPointF(event.pos())), self)
            return True
        return super().event(event)

    def tooltip_at(self, position: QPointF) -> str:
        """Explain what lies at a point; empty where there is nothing."""
        hit = self._hit(position)
        if hit is None:
            return ""
        text = hover(hit, self.drawing(), self._past or self._run.lanes)
        if hit.part in (Part.BLOCK, Part.ARC) and hit.lane in self._splits:
            text += "\n" + self._splits[hit.lane].words(hit.index)
        return text

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        if self._run.lanes:
            view = View(self._selected, self._hovered, self.hasFocus(), self._splits, self._passed)
            self._current_painter().paint(painter, view)
            return
        painter.fillRect(self.rect(), self.theme.background)
        painter.setPen(self.theme.muted)
        painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, self.tr("Loading…"))

    def sizeHint(self) -> QSize:
        return QSize(900, 300)

    def minimumSizeHint(self) -> QSize:
        return QSize(420, 160)


def _on_grid(value: float) -> float:
    """The nearest twentieth in [0, 1]."""
    return min(max(round(value * STRENGTH_STEPS), 0), STRENGTH_STEPS) / STRENGTH_STEPS
