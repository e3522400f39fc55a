"""The time machine: a strip under the curves that goes back along the run, and branches off it.

Training goes on meanwhile. What is looked at is the last checkpoint at or before the chosen step, as
the weights of other steps are not kept.
"""

from collections.abc import Sequence

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.history import Marker
from core.messages import Failed, LookedBack, RunStarted, TrainingSlice
from gui.branch_editor import BranchEditor, Keep
from gui.icons import icon
from gui.lane_state import Strengths
from gui.panel import Panel
from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.time_track import TimeTrack
from gui.wording import say, whole

PRESENT = -1  # what `step_chosen` carries for it
SETTLE_MS = 160  # the handle has to rest so long before anything is opened
PLAY_MS = 100
WIDE = 560  # pixels; below it the speed gives way and the lineage has a line of its own
SPEEDS = (10, 20, 60)  # seconds for the whole run


class TimeMachine(Panel):
    """Looks back, plays back and branches.

    Signals: `step_chosen(step)` once the handle rests, PRESENT (-1) for the present; `step_moved(step)`
    at every move, for a line in the curves; `branch_requested(step, shortcuts, branches)`, strengths per
    lane or None, as core.messages.Branch takes them.
    """

    step_chosen = Signal(int)
    step_moved = Signal(int)
    branch_requested = Signal(int, object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: RunStarted | None = None
        self._last = 0
        self._checkpoints: tuple[int, ...] = ()
        self._markers: list[Marker] = []
        self._strengths: list[tuple[Strengths, Strengths]] = []  # as the network panel shows them
        self._looked: LookedBack | None = None  # the reply to what was asked last
        self._asked: int | None = None  # the step that was asked for last
        self._request: int | None = None
        self._fault = ""
        self._played = 0.0  # where play-back is, between steps
        self.track = TimeTrack()
        self.play = QToolButton()
        self.speed = QComboBox()
        self.live = QToolButton()
        self.branch = QToolButton()
        self.where = QLabel()
        self.lineage = QLabel()
        self.editor = BranchEditor()
        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._playing = QTimer(self)
        self._playing.setInterval(PLAY_MS)
        self._layout()
        self._name_controls()
        self._connect()
        self.set_theme(self.theme)

    # ---- events: store only -----------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Begin at the present of a new run."""
        self._run = event
        self._last = event.done
        self._checkpoints, self._markers = (), []
        self._strengths = [(lane.shortcuts, lane.branches) for lane in event.settings.lanes]
        self._playing.stop()
        self._settle.stop()
        self._forget()
        self.editor.hide()
        self.mark_dirty()

    def add_slice(self, event: TrainingSlice) -> None:
        """Take the newest step and the strengths in force."""
        self._last = event.first_step + event.steps - 1
        for place, lane in enumerate(event.lanes[: len(self._strengths)]):
            self._strengths[place] = (lane.shortcuts, lane.branches)
        self.mark_dirty()

    def mark_requested(self, lane: int, shortcuts: Strengths | None, branches: Strengths | None) -> None:
        """Take strengths that were asked for; None leaves them."""
        if lane < len(self._strengths):
            old = self._strengths[lane]
            self._strengths[lane] = (
                old[0] if shortcuts is None else shortcuts, old[1] if branches is None else branches,
            )  # fmt: skip

    def set_checkpoints(self, steps: Sequence[int]) -> None:
        """Take the steps that can be gone back to."""
        self._checkpoints = tuple(sorted(set(steps)))
        self.mark_dirty()

    def add_marker(self, step: int, lane: int | None, text: str) -> None:
        """Mark what was done to a lane (None: to all) at a step."""
        self._markers.append(Marker(step, lane, text))
        self.mark_dirty()

    def asked(self, request: int) -> None:
        """Take the id of the command that `step_chosen` led to, so that its failure can be told."""
        self._request = request

    def on_looked_back(self, event: LookedBack) -> None:
        """Take which checkpoint is open."""
        if event.step is None and self._asked is not None:
            return  # the answer to an earlier return to the present
        self._looked = event if event.step is not None else None
        self._fault = ""
        self.refresh_now()

    def on_failed(self, event: Failed) -> None:
        """Say why the checkpoint could not be opened."""
        if event.request is not None and event.request == self._request:
            self._fault = say(event.notice)
            self.refresh_now()

    # ---- what is chosen ---------------------------------------------------------------------

    @property
    def step(self) -> int:
        """The chosen step; PRESENT while the present is shown."""
        return PRESENT if self.track.is_live else self.track.value()

    def go_to(self, step: int) -> None:
        """Choose a step, as a hand does."""
        self.track.go(step)

    def go_live(self) -> None:
        """Go back to the present."""
        self._playing.stop()
        self._settle.stop()
        was_live = self.track.is_live
        self._forget()
        self.editor.hide()
        self.refresh_now()
        if not was_live:
            self.step_moved.emit(PRESENT)
            self.step_chosen.emit(PRESENT)

    def strengths_for(self, keep: Keep) -> tuple[object, object]:
        """Return shortcuts and branches per lane that a branch would begin with; None: as they were."""
        if keep is Keep.THEN:
            return None, None
        if keep is Keep.NOW:
            return tuple(lane[0] for lane in self._strengths), tuple(lane[1] for lane in self._strengths)
        value = 1.0 if keep is Keep.ALL else 0.0
        return tuple((value,) * len(lane[0]) for lane in self._strengths), None

    # ---- drawing ----------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show where we are."""
        first = self._run.begins_at if self._run is not None else 0
        reason = self._why_off()
        self.track.setEnabled(not reason)
        self.track.set_checkpoints(self._checkpoints)
        self.track.set_markers(self._markers)
        self.track.set_steps(first, self._last)
        back = not self.track.is_live
        for widget in (self.play, self.speed, self.branch):
            widget.setEnabled(not reason)
        self.live.setEnabled(back)
        self.live.setChecked(not back)
        playing = self._playing.isActive()
        self.play.setIcon(icon("pause" if playing else "play", self.theme))
        self.play.setAccessibleName(self.tr("Stop playing back") if playing else self.tr("Play back"))
        text = reason or self._where_words()
        self.where.setText(text)
        paint_text(self.where, self.theme.bad if self._fault and back else
                   self.theme.muted if reason else self.theme.text)  # fmt: skip
        self.track.setAccessibleDescription(text)
        self.lineage.setText(self._lineage_words())
        self.lineage.setVisible(bool(self.lineage.text()))
        self.editor.show_step(self._branch_step())

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.track.theme = theme
        paint_text(self.lineage, theme.muted)
        super().set_theme(theme)

    # ---- words ------------------------------------------------------------------------------

    def _why_off(self) -> str:
        if self._run is None:
            return self.tr("Going back begins with the first run.")
        if self._run.directory is None:
            return self.tr("This run is not being recorded, so there is nothing to go back to.")
        if self._last <= self._run.begins_at:
            return self.tr("Going back begins with the first training step.")
        return ""

    def _where_words(self) -> str:
        if self.track.is_live:
            return self.tr("step {step} · the present").format(step=whole(self._last))
        step = whole(self.track.value())
        if self._fault:
            return self.tr("step {step} · cannot be opened: {why}").format(step=step, why=self._fault)
        opened = self._looked.step if self._looked is not None else None
        if opened is not None and self._asked == self.track.value():
            return self.tr("step {step} · network and pictures: checkpoint of step {checkpoint}").format(
                step=step, checkpoint=whole(opened)
            )
        known = self.track.checkpoint_at(self.track.value())
        if known is None:
            return self.tr("step {step} · opening the checkpoint before it…").format(step=step)
        return self.tr("step {step} · opening the checkpoint of step {checkpoint}…").format(
            step=step, checkpoint=whole(known)
        )

    def _lineage_words(self) -> str:
        if self._run is None or self._run.parent is None:
            return ""
        return self.tr("branched off {run} at step {step}").format(
            run=self._run.parent.name, step=whole(self._run.begins_at)
        )

    def _branch_step(self) -> int:
        """The step a branch would begin from."""
        step = self._last if self.track.is_live else self.track.value()
        if self._looked is not None and self._looked.step is not None and self._asked == step:
            return self._looked.step
        known = self.track.checkpoint_at(step)
        return step if known is None else known

    # ---- moving -----------------------------------------------------------------------------

    def _forget(self) -> None:
        """Be at the present."""
        self.track.is_live = True
        self._looked = self._asked = self._request = None
        self._fault = ""

    def _on_moved(self, step: int) -> None:
        """The hand moved the handle; play-back gives way to it."""
        self._playing.stop()
        self._move(step)
        self._settle.start()

    def _move(self, step: int) -> None:
        self.track.is_live = False
        self.track.setValue(step)
        self._fault = ""
        self.refresh_now()
        self.step_moved.emit(step)

    def _choose(self) -> None:
        step = self.track.value()
        if step == self._asked or self.track.is_live:
            return
        self._asked, self._looked = step, None
        self.step_chosen.emit(step)
        self.refresh_now()

    def _on_play(self) -> None:
        if self._playing.isActive():
            self._playing.stop()
            self._choose()
        else:
            begins = self.track.is_live or self.track.value() >= self._last
            self._played = float(self.track.minimum() if begins else self.track.value())
            self._settle.stop()
            self._move(round(self._played))
            self._choose()
            self._playing.start()
        self.refresh_now()

    def _play_on(self) -> None:
        """Move on; a checkpoint is opened when it comes, not at every step between two of them."""
        before = self.track.checkpoint_at(self.track.value())
        seconds = float(self.speed.currentData())
        self._played += (self._last - self.track.minimum()) / seconds * PLAY_MS / 1000
        if self._played >= self._last:
            self.go_live()
            return
        asked, looked = self._asked, self._looked
        self._move(round(self._played))
        if not self._checkpoints or self.track.checkpoint_at(self.track.value()) != before:
            self._choose()
        else:  # the same checkpoint is right for this step too
            self._asked, self._looked = (self.track.value() if asked is not None else None), looked
            self.refresh_now()

    def _on_branch(self) -> None:
        self.editor.setVisible(not self.editor.isVisible())
        self.branch.setChecked(self.editor.isVisible())
        if self.editor.isVisible():
            self._playing.stop()
            self.refresh_now()
            self.editor.choice.setFocus()

    def _on_branch_confirmed(self) -> None:
        step = self._branch_step()
        shortcuts, branches = self.strengths_for(self.editor.keep())
        self._close_editor()
        self.branch_requested.emit(step, shortcuts, branches)

    def _close_editor(self) -> None:
        self.editor.hide()
        self.branch.setChecked(False)
        self.branch.setFocus()

    # ---- building ---------------------------------------------------------------------------

    def _layout(self) -> None:
        for label in (self.where, self.lineage):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._line = QHBoxLayout()
        self._line.setSpacing(6)
        for widget in (self.play, self.speed):
            self._line.addWidget(widget)
        self._line.addWidget(self.track, 1)
        for widget in (self.live, self.branch):
            self._line.addWidget(widget)
        self._words = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._words.setSpacing(0)
        self._words.addWidget(self.where, 3)
        self._words.addWidget(self.lineage, 2)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 2, 8, 4)
        layout.setSpacing(2)
        layout.addLayout(self._line)
        layout.addLayout(self._words)
        layout.addWidget(self.editor)
        self.editor.hide()
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)  # words wrap; a Maximum would be the height for another width
        self.setSizePolicy(policy)

    def _name_controls(self) -> None:
        self.setAccessibleName(self.tr("Time machine"))
        self.track.setAccessibleName(self.tr("Step to look at"))
        self.track.setToolTip(
            self.tr(
                "Arrows: from checkpoint to checkpoint; Shift+arrows: from step to step; Home and End: first "
                "and last step; Escape: the present"
            )
        )
        for button, text, explain in (
            (self.play, "", self.tr("Play back: go along the run from here, checkpoint by checkpoint")),
            (self.live, self.tr("Live"), self.tr("Back to the present (Escape)")),
            (
                self.branch,
                self.tr("Branch here…"),
                self.tr("Begin a new run from the checkpoint at or before this step"),
            ),
        ):
            button.setText(text)
            button.setToolTip(explain)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.play.setIconSize(QSize(16, 16))
        self.live.setCheckable(True)
        self.branch.setCheckable(True)
        for seconds in SPEEDS:
            self.speed.addItem(self.tr("in {count} s").format(count=seconds), seconds)
        self.speed.setCurrentIndex(1)
        self.speed.setAccessibleName(self.tr("Speed of playing back"))
        self.speed.setToolTip(self.tr("How long playing back the whole run takes"))

    def _connect(self) -> None:
        self.track.moved_by_hand.connect(self._on_moved)
        self.track.left_to_present.connect(self.go_live)
        self._settle.timeout.connect(self._choose)
        self._playing.timeout.connect(self._play_on)
        self.play.clicked.connect(self._on_play)
        self.live.clicked.connect(self._on_live)
        self.branch.clicked.connect(self._on_branch)
        self.editor.confirmed.connect(self._on_branch_confirmed)
        self.editor.given_up.connect(self._close_editor)

    def _on_live(self) -> None:
        self.go_live()
        self.refresh_now()  # the button stays pressed while the present is shown

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        wide = self.width() >= WIDE
        self.speed.setVisible(wide)
        ways = QBoxLayout.Direction
        self._words.setDirection(ways.LeftToRight if wide else ways.TopToBottom)
