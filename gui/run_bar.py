"""The run bar: lesson, play and pause, progress and time left, learning rate, device and speed."""

from collections.abc import Sequence

from PySide6.QtCore import QLocale, QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLayout, QPushButton, QWidget

from core.messages import EngineReady, EngineState, Progress, RunStarted, StateChanged, TrainingSlice
from core.settings import SETTING
from gui.panel import Panel
from gui.run_controls import RateField, RunButtons, controls_for
from gui.run_progress import (
    ProgressStrip,
    Readout,
    epoch_words,
    smoothed,
    step_words,
    time_left,
)
from gui.setting_fields import choice_words
from gui.theme import Theme
from gui.wording import display_locale, say, whole

HEIGHT = 46
MARGIN = 8
SPACING = 12
STRIP_WIDTH = 250  # the progress text comes before readouts
LESSON_WIDTH = 168


class RunBar(Panel):
    """Shows and drives the run. Events are stored; `refresh` shows them.

    Signals: `play_clicked` (also *Go on*), `pause_clicked`, `step_clicked`, `reset_clicked`,
    `learning_rate_changed(value)` for all lanes, `lesson_picked(name)` ("" is the free run),
    `cancel_clicked(request)`.
    """

    play_clicked = Signal()
    pause_clicked = Signal()
    step_clicked = Signal()
    reset_clicked = Signal()
    learning_rate_changed = Signal(float)
    lesson_picked = Signal(str)
    cancel_clicked = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._engine: EngineReady | None = None
        self._state: StateChanged | None = None
        self._progress: Progress | None = None
        self._run: RunStarted | None = None
        self._rates: list[float] = []
        self._step = 0
        self._planned = 0
        self._speed = 0.0
        self._last: TrainingSlice | None = None
        self.lesson = QComboBox()
        self.buttons = RunButtons()
        self.strip = ProgressStrip()
        self.cancel = QPushButton(self.tr("Cancel"))
        self.rate = RateField()
        self.device = Readout(
            self.tr("Device"), self.tr("{device} · {threads} threads").format(device="CPU", threads=16)
        )
        self.speed = Readout(self.tr("Pictures/s"), whole(88_888))
        self.memory = Readout(self.tr("Memory"), _size(888.8e6))
        self._arrange()
        self._connect()
        self.set_lessons(())
        self.set_theme(self.theme)

    def set_lessons(self, lessons: Sequence[tuple[str, str, str]]) -> None:
        """Offer lessons: (name, title, question). The run may have begun with one of them before."""
        chosen = self.lesson.currentData() or (self._run.lesson if self._run is not None else "")
        self.lesson.clear()
        self.lesson.addItem(self.tr("Free run"), "")
        for place, (name, title, question) in enumerate(lessons, start=1):
            self.lesson.addItem(title, name)
            self.lesson.setItemData(place, question, Qt.ItemDataRole.ToolTipRole)
        self._show_lesson(chosen or "")

    def set_engine(self, event: EngineReady) -> None:
        """Take the device and why it was chosen."""
        self._engine = event
        self.mark_dirty()

    def set_state(self, event: StateChanged) -> None:
        """Take the engine's state; going on past the planned length is for as long again."""
        was = self._state.state if self._state else None
        if was is EngineState.FINISHED and event.state is EngineState.RUNNING and self._run:
            self._planned += self._run.steps
        if was is EngineState.LOADING and event.state is not EngineState.LOADING:
            self._progress = None
        self._state = event
        self.mark_dirty()

    def on_progress(self, event: Progress) -> None:
        """Take how far long work is."""
        done = event.fraction is not None and event.fraction >= 1
        self._progress = None if done else event
        self.mark_dirty()

    def end_progress(self, request: int | None) -> None:
        """Forget long work that was given up or has failed."""
        if self._progress is not None and self._progress.request == request:
            self._progress = None
            self.mark_dirty()

    def start_run(self, event: RunStarted) -> None:
        """Begin at step 0 of a new run."""
        self._run = event
        self._planned = event.steps
        self._step, self._speed, self._last = 0, 0.0, None
        self._rates = [lane.learning_rate for lane in event.settings.lanes]
        self.rate.show_rate(self._rates)
        self._show_lesson(event.lesson or "")
        self.mark_dirty()

    def add_slice(self, event: TrainingSlice) -> None:
        """Take the newest step and speed."""
        self._last = event
        self._step = event.first_step + event.steps - 1
        self._speed = smoothed(self._speed, event.images_per_second)
        while self._run and self._run.steps > 0 and self._planned < self._step:  # resumed past its length
            self._planned += self._run.steps
        self.mark_dirty()

    def set_learning_rate(self, value: float, lane: int | None = None) -> None:
        """Take a learning rate of one lane, or of all, that was set elsewhere; no echo."""
        self._rates = [
            value if lane in (None, place) else rate for place, rate in enumerate(self._rates or [value])
        ]
        self.rate.show_rate(self._rates)

    def refresh(self) -> None:
        """Bring texts and buttons up to date."""
        state = self._state.state if self._state else None
        controls = controls_for(state, has_run=self._run is not None)
        self.buttons.show_state(state, controls, self.theme)
        self.rate.setEnabled(controls.learning_rate)
        self.lesson.setEnabled(controls.lesson)
        self._show_progress(state)
        self._show_device()
        if self._last is not None:
            self.speed.show_value(whole(round(self._speed)))
            self.memory.show_value(_size(self._last.memory_bytes))
        else:
            self.speed.show_value("–")
            self.memory.show_value("–")

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        for part in (self.strip, self.rate, self.device, self.speed, self.memory):
            part.set_theme(theme)
        super().set_theme(theme)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._drop_readouts()

    def minimumSizeHint(self) -> QSize:
        return QSize(640, HEIGHT)

    def sizeHint(self) -> QSize:
        return QSize(1180, HEIGHT)

    def _show_progress(self, state: EngineState | None) -> None:
        request = self._progress.request if self._progress else None
        if self.cancel.isHidden() != (request is None):
            self.cancel.setVisible(request is not None)
            self._drop_readouts()
        if self._progress is not None:
            what, fraction = say(self._progress.what), self._progress.fraction
            much = (
                "" if fraction is None else self.tr("{percent} %").format(percent=whole(int(100 * fraction)))
            )
            self.strip.show_parts(what, much, "", (what, much, ""))
            self.strip.show_fraction(fraction)
        elif self._run is None or state is EngineState.LOADING:
            words = self.tr("Starting…") if state is None else self.tr("Loading…")
            self.strip.show_parts(words, "", "", (words, "", ""))
            self.strip.show_fraction(None if state is not EngineState.STOPPED else 0.0)
        else:
            self._show_steps(self._run, state)

    def _show_steps(self, run: RunStarted, state: EngineState | None) -> None:
        last = self._planned
        self.strip.show_parts(
            step_words(self._step, last),
            epoch_words(self._step, run.steps_per_epoch),
            self._aside(run, state),
            (step_words(last, last), epoch_words(last, run.steps_per_epoch), time_left(50 * 60)),
        )
        self.strip.show_fraction(self._step / last if last else 0.0)

    def _aside(self, run: RunStarted, state: EngineState | None) -> str:
        if state is EngineState.RUNNING:
            if not self._speed:
                return ""
            return time_left((self._planned - self._step) * run.settings.batch_size / self._speed)
        if self._state is not None and self._state.notice is not None:
            return say(self._state.notice)
        return {EngineState.PAUSED: self.tr("paused"), EngineState.FINISHED: self.tr("finished")}.get(
            state or EngineState.STOPPED, self.tr("stopped")
        )

    def _show_device(self) -> None:
        if self._engine is None:
            self.device.show_value("–")
            return
        settings = self._run.settings if self._run is not None else None
        by_hand = settings is not None and settings.device != "auto"
        name = settings.device if settings is not None and by_hand else self._engine.device
        threads = settings.threads if settings is not None and settings.threads else self._engine.threads
        device = choice_words(SETTING["device"], name)
        if name == "cpu":
            words = (
                self.tr("{device} · 1 thread") if threads == 1 else self.tr("{device} · {threads} threads")
            )
            device = words.format(device=device, threads=threads)
        self.device.show_value(device)
        self.device.setToolTip(
            self.tr("Chosen by hand in the set-up") if by_hand else say(self._engine.reason)
        )

    def _show_lesson(self, name: str) -> None:
        self.lesson.setCurrentIndex(max(self.lesson.findData(name), 0))
        question = self.lesson.currentData(Qt.ItemDataRole.ToolTipRole)
        self.lesson.setToolTip(question or self.tr("Pick a lesson, or train freely"))

    def _drop_readouts(self) -> None:
        """Leave out, the least important first, what would squeeze the progress text."""
        taken = (self.buttons, self.cancel, self.rate)
        room = self.width() - STRIP_WIDTH - LESSON_WIDTH - 2 * MARGIN - 2 * SPACING
        room -= sum(widget.sizeHint().width() + SPACING for widget in taken if not widget.isHidden())
        for readout in (self.device, self.speed, self.memory):
            room -= readout.width() + SPACING
            readout.setVisible(room >= 0)

    def _arrange(self) -> None:
        self.setFixedHeight(HEIGHT)
        self.lesson.setFixedWidth(LESSON_WIDTH)
        self.lesson.setAccessibleName(self.tr("Lesson"))
        self.lesson.view().setTextElideMode(Qt.TextElideMode.ElideRight)
        self.cancel.setToolTip(self.tr("Give this up; the experiment stays as it is"))
        row = QHBoxLayout(self)
        row.setContentsMargins(MARGIN, 0, MARGIN, 0)
        row.setSpacing(SPACING)
        row.setSizeConstraint(QLayout.SizeConstraint.SetNoConstraint)
        row.addWidget(self.lesson)
        row.addWidget(self.buttons)
        row.addWidget(self.strip, 1)
        row.addWidget(self.cancel)
        row.addWidget(self.rate, 0, Qt.AlignmentFlag.AlignVCenter)
        for readout in (self.device, self.speed, self.memory):
            readout.value.setMinimumHeight(self.rate.editor.sizeHint().height())  # in line with the rate
            row.addWidget(readout, 0, Qt.AlignmentFlag.AlignVCenter)

    def _connect(self) -> None:
        self.buttons.play_clicked.connect(self.play_clicked)
        self.buttons.pause_clicked.connect(self.pause_clicked)
        self.buttons.step_clicked.connect(self.step_clicked)
        self.buttons.reset_clicked.connect(self.reset_clicked)
        self.rate.changed.connect(self._on_rate)
        self.lesson.activated.connect(self._on_lesson)
        self.cancel.clicked.connect(self._on_cancel)

    def _on_rate(self, value: float) -> None:
        self._rates = [value] * len(self._rates)
        self.learning_rate_changed.emit(value)

    def _on_lesson(self, place: int) -> None:
        self._show_lesson(self.lesson.itemData(place))
        self.lesson_picked.emit(self.lesson.itemData(place))

    def _on_cancel(self) -> None:
        if self._progress is not None and self._progress.request is not None:
            self.cancel_clicked.emit(self._progress.request)


def _size(number: float) -> str:
    return display_locale().formattedDataSize(round(number), 1, QLocale.DataSizeFormat.DataSizeSIFormat)
