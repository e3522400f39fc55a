"""The window: places the panels and connects them with the engine; nothing else.

What is not needed to be seen is imported and made with the first training step (`complete`): until
then every import and every widget would take the interpreter from torch's import.
"""

import gc
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, cast

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QShowEvent
from PySide6.QtWidgets import QApplication, QMainWindow, QVBoxLayout

from core.messages import (
    Cancel,
    CheckpointOpened,
    Command,
    Download,
    Downloaded,
    EngineReady,
    EngineState,
    Evaluation,
    Event,
    Explanation,
    Failed,
    LibrariesLoaded,
    Pause,
    Play,
    Progress,
    References,
    RunStarted,
    Saved,
    SetStrengths,
    StateChanged,
    StepOnce,
    TrainingSlice,
)
from core.settings import RunSettings
from gui.banner import Banner
from gui.docks import Docks
from gui.exporting import Exporting
from gui.feeds import feed_block, feed_curves, feed_network, feed_pictures, feed_run_bar, feed_setup
from gui.inspection import Inspection
from gui.instruments import Instruments
from gui.key_guard import KeyGuard
from gui.lesson_stage import LessonStage
from gui.logs import log
from gui.menus import Menus
from gui.network_panel import NetworkPanel
from gui.opening import Opening
from gui.paint_clock import PaintClock
from gui.panel import Panel
from gui.run_bar import RunBar
from gui.run_docks import RunDocks
from gui.theme import DARK, LIGHT, Theme, app_palette
from gui.toggles import Toggles
from gui.undoable import Undoing
from gui.window_state import WindowState
from gui.wording import say

if TYPE_CHECKING:
    from core.acts import Act
    from gui.block_card import BlockCard
    from gui.curves_panel import CurvesPanel
    from gui.pictures_panel import PicturesPanel
    from gui.setup_panel import SetupPanel

REFRESH_MS = 2000  # of explanations that nobody asked for …
REFRESH_SHARE = 0.1  # … and at most this share of the engine's time


class Bridge(Protocol):
    """What the window needs of the engine."""

    happened: Any  # Signal(object)

    def submit(self, command: Command) -> None:
        """Hand in a command."""

    def shutdown(self, seconds: float = 4.5) -> bool:
        """Save and end."""


class MainWindow(QMainWindow):
    """Places the panels.

    Signals: `event_seen` (any event) once the panels have it.
    """

    event_seen = Signal(object)

    def __init__(self, bridge: Bridge, lesson: str | None = None, files: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.setWindowTitle("Skipscope")
        self.setAcceptDrops(True)
        self._bridge = bridge
        self.submit = bridge.submit
        self._first_lesson = lesson
        self._waiting_files = list(files)
        self._state = EngineState.LOADING
        self._ready: EngineReady | None = None
        self._run: RunStarted | None = None
        self.engine_ended = True
        self.interrupted = False  # by a signal
        self._is_complete = False
        self._next_refresh = 0.0
        self._memory = WindowState()
        self._strips: list[Panel] = []  # over the docks
        self.lessons = LessonStage(self)
        self.opening = Opening(self)
        self.toggles = Toggles(self)
        self.undoing = Undoing(self.toggles, self)
        self.network = NetworkPanel()
        self.run_bar = RunBar()
        self._strips.append(self.run_bar)
        self.banner = Banner()
        self.clock = PaintClock((self.run_bar,), self)
        self.docks = Docks()
        self._place()
        self.menus = Menus(self)
        self._connect()
        self._refresh = QTimer(self)
        self._refresh.setInterval(REFRESH_MS)
        self._refresh.timeout.connect(self._refresh_pictures)
        self._refresh.start()
        self.set_appearance(self._memory.appearance)
        if not self._memory.restore(self, self.docks):
            self.reset_layout()
        bridge.happened.connect(self.on_event, Qt.ConnectionType.QueuedConnection)
        self.network.setFocus()
        self.clock.start()

    # ---- placing ----------------------------------------------------------------------------

    def _place(self) -> None:
        docks = self.docks
        docks.built.connect(self._on_built)
        docks.wanted.connect(self.complete)
        docks.add("network", self.tr("Network"), self._make_network, feed_network)
        docks.add("curves", self.tr("Curves"), self._make_curves, feed_curves)
        docks.add("pictures", self.tr("Pictures"), self._make_pictures, feed_pictures)
        docks.add("setup", self.tr("Set-up"), self._make_setup, feed_setup)
        docks.add("block", self.tr("Block"), self._make_block, feed_block)
        self.instruments = Instruments(self)
        self.inspection = Inspection(self)
        self.run_docks = RunDocks(self)
        self.exporting = Exporting(self)
        docks.panel("network")
        center = KeyGuard(self)
        self._column = QVBoxLayout(center)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(0)
        self._column.addWidget(self.run_bar)
        self._column.addWidget(self.banner)
        self._column.addWidget(docks, 1)
        self.setCentralWidget(center)

    def complete(self) -> None:
        """Make what the window did not need in order to be seen, once."""
        if self._is_complete:
            return
        self._is_complete = True
        from core.lessons import lesson_names, load_lesson

        self.docks.fill()
        self.docks.panel("shock")  # it needs to see every toggle
        self.run_bar.set_lessons(
            [(found.name, found.title, found.question) for found in map(load_lesson, lesson_names())]
        )

    def _add_strip(self, strip: Panel) -> None:
        self._column.insertWidget(len(self._strips), strip)
        self._strips.append(strip)
        self._on_built("", strip)

    def _on_built(self, _name: str, panel: Panel) -> None:
        panel.set_theme(self._theme())
        self.clock.add(panel)

    def _panels(self) -> tuple[Panel, ...]:
        return (*self._strips, *self.docks.panels())

    # Each of these makes a dock's panel, when it is first needed, and connects what it asks for.

    def _make_network(self) -> NetworkPanel:
        self.network.strengths_requested.connect(self.toggles.request)
        self.network.block_selected.connect(self._on_block)
        return self.network

    def _make_curves(self) -> "CurvesPanel":
        import pyqtgraph as pg

        from gui.curves_panel import CurvesPanel

        pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)
        panel = CurvesPanel()
        self.toggles.applied.connect(panel.add_marker)
        panel.said.connect(self.tell)
        self.run_docks.serve(panel.time_machine)
        self.clock.add(panel.time_machine)
        return panel

    def _make_pictures(self) -> "PicturesPanel":
        from gui.pictures_panel import PicturesPanel

        panel = PicturesPanel()
        self.inspection.serve(panel)
        panel.pretrained_requested.connect(self.opening.use_pretrained)
        panel.imagenet_requested.connect(self.opening.use_imagenet)
        panel.checkpoint_dropped.connect(self.opening.open_path)
        return panel

    def _make_setup(self) -> "SetupPanel":
        from gui.setup_panel import SetupPanel

        panel = SetupPanel()
        panel.apply_requested.connect(lambda settings: self.begin(settings))
        panel.learning_rate_changed.connect(lambda lane, rate: self.undoing.rates.set_rate(rate, lane))
        panel.download_requested.connect(lambda name: self.submit(Download(name)))
        panel.folder_requested.connect(self.opening.ask_folder)
        return panel

    def _make_block(self) -> "BlockCard":
        from gui.block_card import BlockCard

        panel = BlockCard()
        panel.strengths_requested.connect(self.toggles.request)
        return panel

    @property
    def curves(self) -> "CurvesPanel":
        """The curves, made now if they are not there yet; so with the panels below."""
        return cast("CurvesPanel", self.docks.panel("curves"))

    @property
    def pictures(self) -> "PicturesPanel":
        """The pictures and explanations."""
        return cast("PicturesPanel", self.docks.panel("pictures"))

    @property
    def setup(self) -> "SetupPanel":
        """The set-up."""
        return cast("SetupPanel", self.docks.panel("setup"))

    @property
    def card(self) -> "BlockCard":
        """The block card."""
        return cast("BlockCard", self.docks.panel("block"))

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front, by the name of its dock."""
        self.docks.show_panel(name)

    def reset_layout(self) -> None:
        """Put every panel back where a new window has it, by the window's width."""
        screen = QGuiApplication.primaryScreen().availableGeometry()
        if not self.isVisible():
            self.resize(min(1920, max(1024, screen.width() - 40)), min(1080, max(640, screen.height() - 60)))
        self.docks.arrange(self.width())

    def set_appearance(self, appearance: str) -> None:
        """Take "light", "dark", or what the system has."""
        self._memory.appearance = appearance
        self._apply_theme()

    def _apply_theme(self) -> None:
        theme = self._theme()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.setPalette(app_palette(theme))
        for panel in self._panels():
            panel.set_theme(theme)
        self.banner.set_theme(theme)

    def _theme(self) -> Theme:
        if self._memory.appearance != "system":
            return DARK if self._memory.appearance == "dark" else LIGHT
        dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return DARK if dark else LIGHT

    # ---- connecting -------------------------------------------------------------------------

    def _connect(self) -> None:
        self.menus.show_recent(self._memory.recent)
        self.opening.opened.connect(self._on_file)
        self.lessons.strip_made.connect(self._add_strip)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply_theme)
        self.toggles.requested.connect(self._on_toggle)
        self.undoing.requested.connect(self.submit)
        self.undoing.rates.shown.connect(self._show_rate)
        bar = self.run_bar
        bar.play_clicked.connect(lambda: self.submit(Play()))
        bar.pause_clicked.connect(lambda: self.submit(Pause()))
        bar.step_clicked.connect(lambda: self.submit(StepOnce()))
        bar.reset_clicked.connect(self.reset)
        bar.learning_rate_changed.connect(lambda rate: self.undoing.rates.set_rate(rate))
        bar.lesson_picked.connect(self.lessons.open)
        bar.cancel_clicked.connect(lambda request: self.submit(Cancel(request)))
        self.banner.action_clicked.connect(lambda name: self.submit(Download(name)))

    def on_event(self, event: Event) -> None:  # noqa: C901 - one line an event
        """Pass an event on to the panels, then do what the window itself does with it."""
        if not _is_of_start(event):
            self.complete()
        feed_run_bar(self.run_bar, event)
        self.docks.take(event)
        for part in (self.instruments, self.run_docks, self.exporting):
            part.take(event)
        match event:
            case TrainingSlice():
                self._on_slice(event)
            case Evaluation():
                if (browse := self.pictures.automatic_browse()) is not None:
                    self.submit(browse)
            case Explanation():
                self._next_refresh = time.monotonic() + event.seconds / REFRESH_SHARE
            case RunStarted():
                self._on_run(event)
            case StateChanged():
                self._state = event.state
                if event.notice is not None:
                    self.banner.show_text(say(event.notice))
            case EngineReady():
                self._on_ready(event)
            case CheckpointOpened():
                self.opening.offer(event)
            case References() if event.notice is not None:
                self.banner.show_text(say(event.notice), bad=False)
            case Downloaded():
                text = self.tr("{name} is on this machine now.").format(name=event.what)
                self.banner.show_text(text, bad=False)
            case Saved():
                self.banner.show_text(self.tr("Saved {path}").format(path=event.path), bad=False)
            case LibrariesLoaded():
                _keep_out_of_collection()
            case Failed():
                self._on_failed(event)
            case _:
                pass
        self.lessons.take(event)
        self.event_seen.emit(event)

    @property
    def run_steps(self) -> int:
        """Planned length of the run at hand; 0 before there is one."""
        return self._run.steps if self._run is not None else 0

    def listen_at_once(self, listener: Callable[[Event], None]) -> None:
        """Call a listener on the engine's thread, when an event is published (for measurements)."""
        self._bridge.happened.connect(listener, Qt.ConnectionType.DirectConnection)

    def paint_everything(self) -> None:
        """Show at once all that is known: for screenshots."""
        self.complete()
        for panel in self._panels():
            panel.refresh_now()
        self.curves.refresh_all()

    def _on_ready(self, event: EngineReady) -> None:
        self._ready = event
        _keep_out_of_collection()
        self.lessons.set_device(event.device)
        self.lessons.open(self._first_lesson or "")
        for path in self._waiting_files:
            self.opening.open_path(path)
        self._waiting_files.clear()

    def _on_run(self, event: RunStarted) -> None:
        self._run = event
        self.toggles.start_run(event)
        self.undoing.start_run(event)
        self.lessons.start_run(event)
        if event.notice is not None:
            self.banner.show_text(say(event.notice), bad=False)
        self.setWindowTitle(self.tr("{dataset} — Skipscope").format(dataset=event.settings.dataset))

    def _on_slice(self, event: TrainingSlice) -> None:
        self.toggles.add_slice(event)
        self.undoing.add_slice(event)
        if event.applied:
            self.network.refresh_now()
            self._refresh_pictures()

    def _on_toggle(self, command: SetStrengths) -> None:
        self.network.mark_requested(command.lane, command.shortcuts, command.branches, command.id)
        self.card.mark_requested(command.lane, command.shortcuts, command.branches, command.id)
        self.submit(command)
        if self._state is not EngineState.RUNNING:
            # no slice will come that says so, but the lanes have these strengths from now on
            self.pictures.mark_strengths(command.lane, command.shortcuts, command.branches)

    def _on_file(self, path: str) -> None:
        self._memory.add_recent(path)
        self.menus.show_recent(self._memory.recent)

    def _on_block(self, lane: int, block: int) -> None:
        self.card.show_block(lane, block)
        if self.isVisible():
            self.docks["block"].raise_()

    def _show_rate(self, rate: float, lane: int | None) -> None:
        self.run_bar.set_learning_rate(rate, lane)
        if lane is None:
            self.setup.set_learning_rate(rate)
        else:
            self.setup.set_learning_rate(rate, lane)

    def _on_failed(self, event: Failed) -> None:
        if event.traceback is not None:
            log.error("%s\n%s", event.notice, event.traceback)
        self.undoing.on_failed(event)
        action = self.opening.download_for(event.request)
        # without an engine nothing else will happen: the reason must not go away by itself
        self.banner.show_text(say(event.notice), action=action, stays=self._ready is None)

    # ---- doing ------------------------------------------------------------------------------

    def begin(
        self, settings: RunSettings, lesson: str | None = None, script: "tuple[Act, ...]" = ()
    ) -> None:  # fmt: skip
        """Begin a run."""
        self.undoing.setups.begin(settings, lesson, script=script)

    def tell(self, text: str, *, bad: bool = False) -> None:
        """Say a sentence at the top of the window."""
        self.banner.show_text(text, bad=bad)

    def play_or_pause(self) -> None:
        """Pause what is running; else go on."""
        self.submit(Pause() if self._state is EngineState.RUNNING else Play())

    def reset(self) -> None:
        """Begin the same run again, running if it was."""
        self.undoing.setups.reset(play=self._state is EngineState.RUNNING)

    def show_about(self) -> None:
        """Show versions, device and log file."""
        from gui.help_dialogs import AboutDialog

        AboutDialog(self._ready, self).open()

    def _refresh_pictures(self) -> None:
        if self._state is not EngineState.RUNNING or time.monotonic() < self._next_refresh:
            return
        if self._is_complete and (request := self.pictures.automatic_request()) is not None:
            self.inspection.explain(request)

    # ---- Qt ---------------------------------------------------------------------------------

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        QTimer.singleShot(0, self.docks.watch)  # when the docks have come to rest

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.opening.open_path(url.toLocalFile())

    def closeEvent(self, event: QCloseEvent) -> None:
        self.clock.stop()
        self._refresh.stop()
        self.run_docks.stop()
        self._memory.save(self, self.docks)
        self.engine_ended = self._bridge.shutdown()
        if not self.engine_ended:
            log.error("the engine did not end in time; the journal holds what was committed")
        event.accept()


def _is_of_start(event: Event) -> bool:
    """Whether an event comes before the first training step, when all goes well."""
    if isinstance(event, StateChanged):
        return event.state in (EngineState.LOADING, EngineState.RUNNING)
    return isinstance(event, EngineReady | RunStarted | Progress | References)


def _keep_out_of_collection() -> None:
    """Take what a big import made out of later collections: a full one then costs next to nothing.

    Not collected before: that would hold this thread for a fifth of a second and find a few thousand objects.
    """
    gc.freeze()
