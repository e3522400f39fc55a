"""One step, slowly: a training step of all lanes taken apart and played back, phase by phase."""

from PySide6.QtCore import QRect, QSignalBlocker, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QHideEvent, QPalette, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.findings import SlowMotion
from core.messages import Analyse, Analysed, Failed, LaneInfo, RunStarted
from gui.icons import icon
from gui.panel import Panel
from gui.setting_grid import paint_text
from gui.slow_motion_frames import PHASES, Frame, frames, interval, phase_name, phase_sentence
from gui.slow_motion_view import LaneMotion, SlowMotionView
from gui.theme import Theme
from gui.wording import say, whole


class SlowMotionPanel(Panel):
    """Asks for a step taken apart and plays it. Nothing runs while the panel is hidden.

    Signals: `analyse_requested` (Analyse); `highlight` (lane, block, phase): the block of a lane that
    is being passed, -1 for none.
    """

    analyse_requested = Signal(object)
    highlight = Signal(int, int, str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._infos: tuple[LaneInfo, ...] = ()
        self._lanes: list[LaneMotion] = []
        self._request: int | None = None  # that is under way
        self._shown_request: int | None = None
        self._frames: tuple[Frame, ...] = ()
        self._place = 0
        self._playing = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._advance)
        self.ask = QPushButton(self.tr("Take one step apart"))
        self.note = QLabel()
        self.sentence = QLabel()
        self.view = SlowMotionView()
        self.play = self._button(self.tr("Play"))
        self.back = self._button(self.tr("Previous"))
        self.forth = self._button(self.tr("Next"))
        self.slider = QSlider(Qt.Orientation.Horizontal)
        self.rail = tuple(QToolButton() for _ in PHASES)
        self._rail_box = QWidget()
        self._pages = QStackedWidget()
        self._empty = QLabel()
        self._layout()
        self._connect()
        self.set_theme(self.theme)

    # ---- data in --------------------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run's step."""
        self._infos = run.lanes
        self.stop()
        self._request = self._shown_request = None
        self._show_lanes([])

    def on_analysed(self, event: Analysed) -> None:
        """Take in one network's step; the last of them begins the playback."""
        if not isinstance(event.finding, SlowMotion):
            return
        lanes = list(self._lanes) if event.request == self._shown_request else []
        self._shown_request = event.request
        lanes = [known for known in lanes if (known.lane, known.name) != (event.lane, event.name)]
        lanes.append(LaneMotion(event.lane, event.name, self._names(event), event.finding))
        lanes.sort(key=lambda known: -1 if known.lane is None else known.lane)
        self._show_lanes(lanes)
        if event.last:
            if self._request is not None and event.request >= self._request:
                self._request = None  # answered, or taken over by the same question asked by a lesson
            self.play_from(0)
        self.refresh_now()

    def on_failed(self, event: Failed) -> None:
        """Say why there is no step to show."""
        if self._request is not None and event.request == self._request:
            self._request = None
            self._empty.setText(say(event.notice))
            self.refresh_now()

    # ---- playing --------------------------------------------------------------------------

    @property
    def frame(self) -> Frame | None:
        """The moment that is shown."""
        return self._frames[self._place] if self._frames else None

    @property
    def is_playing(self) -> bool:
        """Whether it plays, or will as soon as it is seen again."""
        return self._playing

    @property
    def is_ticking(self) -> bool:
        """Whether a timer runs."""
        return self._timer.isActive()

    def play_from(self, place: int) -> None:
        """Play from a frame on."""
        if self._frames:
            self._playing = True
            self.go_to(place)

    def stop(self) -> None:
        """Play no more; the moment stays."""
        self._playing = False
        self._timer.stop()
        self._show_play()

    def go_to(self, place: int) -> None:
        """Show a moment by number; playing goes on from there."""
        if not self._frames:
            return
        self._place = min(max(place, 0), len(self._frames) - 1)
        self._show_frame()
        self._wait()

    def go_to_phase(self, index: int) -> None:
        """Show the first moment of a phase."""
        if self._frames:
            self.go_to(next(n for n, frame in enumerate(self._frames) if frame.phase is PHASES[index]))

    # ---- what is shown --------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what is known."""
        is_asking = self._request is not None
        self.ask.setEnabled(bool(self._infos) and not is_asking)
        self.ask.setText(self.tr("Taking it apart…") if is_asking else self.tr("Take one step apart"))
        steps = sorted({lane.finding.step for lane in self._lanes})
        self.note.setText(self.tr("step {step}").format(step=whole(steps[-1])) if steps else "")
        self._pages.setCurrentIndex(int(bool(self._frames)))
        for control in (self.back, self.play, self.forth, self.slider, self._rail_box):
            control.setEnabled(bool(self._frames))
        self._show_frame()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        self.setPalette(palette)
        self.view.set_theme(theme)
        for label in (self._empty, self.note):
            paint_text(label, theme.muted)
        paint_text(self.sentence, theme.text)
        self.back.setIcon(icon("previous", theme))
        self.forth.setIcon(icon("next", theme))
        self.theme = theme
        self._show_play()
        super().set_theme(theme)

    # ---- inside ---------------------------------------------------------------------------

    def _button(self, name: str) -> QToolButton:
        button = QToolButton()
        button.setAutoRaise(True)
        button.setIconSize(QSize(18, 18))
        button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        button.setToolTip(name)
        button.setAccessibleName(name)
        return button

    def _layout(self) -> None:
        self.ask.setToolTip(
            self.tr(
                "Shows what the next training step of every lane would do, number by number; the run stays as it is."
            )
        )
        self._empty.setText(
            self.tr("Forward, loss, backward, gradients, update: one training step, block by block.")
        )
        for label in (self._empty, self.sentence):
            label.setWordWrap(True)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setMargin(16)
        self.sentence.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.slider.setAccessibleName(self.tr("Moment of the step"))
        head, controls = QHBoxLayout(), QHBoxLayout()
        head.setSpacing(10)
        head.addWidget(self.ask)
        head.addWidget(self.note, 1)
        for widget in (self.back, self.play, self.forth):
            controls.addWidget(widget)
        controls.addWidget(self.slider, 1)
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self._rail())
        column.addWidget(self.sentence)
        column.addWidget(self.view, 1)
        column.addLayout(controls)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(page)
        everything = QVBoxLayout(self)
        everything.setContentsMargins(8, 6, 8, 6)
        everything.setSpacing(4)
        everything.addLayout(head)
        everything.addWidget(self._pages, 1)
        self.setAutoFillBackground(True)
        self.setMinimumSize(320, 260)
        self.setAccessibleName(self.tr("One step, slowly"))
        self.view.setAccessibleName(self.tr("One step, slowly"))

    def _rail(self) -> QWidget:
        row = QHBoxLayout(self._rail_box)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(2)
        group = QButtonGroup(self)
        for index, button in enumerate(self.rail):
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
            button.setToolTip(phase_name(PHASES[index]))
            button.setAccessibleName(phase_name(PHASES[index]))
            group.addButton(button, index)
            row.addWidget(button)
        row.addStretch(1)
        group.idClicked.connect(self.go_to_phase)
        return self._rail_box

    def _connect(self) -> None:
        self.ask.clicked.connect(self._on_ask)
        self.play.clicked.connect(self._on_play)
        self.back.clicked.connect(lambda: self._on_step(-1))
        self.forth.clicked.connect(lambda: self._on_step(1))
        self.slider.valueChanged.connect(self.go_to)

    def _names(self, event: Analysed) -> tuple[str, ...]:
        count = len(event.finding.outputs) if isinstance(event.finding, SlowMotion) else 0
        if event.lane is not None and event.lane < len(self._infos):
            names = tuple(block.name for block in self._infos[event.lane].network.blocks)
            if len(names) == count:
                return names
        return tuple(str(block) for block in range(count))

    def _show_lanes(self, lanes: list[LaneMotion]) -> None:
        if not lanes:
            self._clear_highlight()
        self._lanes = lanes
        self._frames = frames(max(len(lane.blocks) for lane in lanes)) if lanes else ()
        self._place = min(self._place, max(len(self._frames) - 1, 0))
        with QSignalBlocker(self.slider):
            self.slider.setRange(0, max(len(self._frames) - 1, 0))
        self.refresh_now()

    def _show_frame(self) -> None:
        frame = self.frame
        self.view.show_frame(self._lanes, frame)
        if frame is None:
            return
        with QSignalBlocker(self.slider):
            self.slider.setValue(self._place)
        index = PHASES.index(frame.phase)
        self.rail[index].setChecked(True)
        self.sentence.setText(phase_sentence(frame.phase))
        self._fit_rail()
        self._show_play()
        if self.isVisible():
            for lane in self._lanes:
                if lane.lane is not None:
                    block = frame.block(len(lane.blocks))
                    self.highlight.emit(lane.lane, -1 if block is None else block, frame.phase.value)

    def _fit_rail(self) -> None:
        """Name every phase where there is room, else number those that are not shown."""
        words = [
            self.tr("{number} {phase}").format(number=number, phase=phase_name(phase))
            for number, phase in enumerate(PHASES, start=1)
        ]
        metrics = self.fontMetrics()
        needed = sum(metrics.horizontalAdvance(text) + 14 for text in words)
        for number, (button, text) in enumerate(zip(self.rail, words, strict=True), start=1):
            button.setText(text if needed <= self.width() - 16 or button.isChecked() else str(number))

    def _fit_sentence(self) -> None:
        """Keep room for the longest sentence, so that nothing moves from phase to phase."""
        width = max(self.width() - 16, 1)
        box = QRect(0, 0, width, 1000)
        wrap = Qt.TextFlag.TextWordWrap
        heights = [
            self.sentence.fontMetrics().boundingRect(box, wrap, phase_sentence(phase)).height()
            for phase in PHASES
        ]
        self.sentence.setMinimumHeight(max(heights))
        self.sentence.setAlignment(Qt.AlignmentFlag.AlignTop)

    def _show_play(self) -> None:
        name = self.tr("Pause") if self._playing else self.tr("Play")
        self.play.setIcon(icon("pause" if self._playing else "play", self.theme))
        self.play.setToolTip(name)
        self.play.setAccessibleName(name)

    def _wait(self) -> None:
        """Let the frame stand for its time; the last one ends the playback."""
        if self._playing and self._place == len(self._frames) - 1:
            self.stop()
        frame = self.frame
        if self._playing and self.isVisible() and frame is not None:
            blocks = max(len(lane.blocks) for lane in self._lanes)
            self._timer.start(interval(frame, blocks))

    def _clear_highlight(self) -> None:
        for lane in self._lanes:
            if lane.lane is not None:
                self.highlight.emit(lane.lane, -1, "")

    # ---- slots ----------------------------------------------------------------------------

    def _advance(self) -> None:
        self.go_to(self._place + 1)

    def _on_ask(self) -> None:
        command = Analyse("slow_motion")
        self._request = command.id
        self.refresh_now()
        self.analyse_requested.emit(command)

    def _on_play(self) -> None:
        if self._playing:
            self.stop()
        elif self._place == len(self._frames) - 1:
            self.play_from(0)
        else:
            self.play_from(self._place)

    def _on_step(self, by: int) -> None:
        self.stop()
        self.go_to(self._place + by)

    # ---- Qt -------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._show_frame()
        self._wait()

    def hideEvent(self, event: QHideEvent) -> None:
        self._timer.stop()
        self._clear_highlight()
        super().hideEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_rail()
        self._fit_sentence()
