"""The window: places the panels and connects them with the engine; nothing else."""

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import QEvent, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QGuiApplication, QKeyEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QDockWidget,
    QFileDialog,
    QLabel,
    QMainWindow,
    QMenu,
    QVBoxLayout,
    QWidget,
)

from core.lessons import Judge, lesson_names, load_lesson
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
    OpenCheckpoint,
    Pause,
    PicturePage,
    Play,
    Progress,
    References,
    Reset,
    RunStarted,
    SaveCheckpoint,
    Saved,
    SetLearningRate,
    Setup,
    StateChanged,
    StepOnce,
    TrainingSlice,
)
from core.notices import SkipscopeError
from core.pictures import is_picture_name
from core.settings import RunSettings, default_run
from gui.actions import Entry, build_actions
from gui.banner import Banner
from gui.block_card import BlockCard
from gui.help_dialogs import AboutDialog, KeysDialog
from gui.lesson_bar import LessonBar
from gui.lesson_words import lesson_verdict
from gui.logs import log
from gui.network_panel import NetworkPanel
from gui.open_dialog import OpenDialog
from gui.paint_clock import PaintClock
from gui.panel import Panel
from gui.pictures_panel import PicturesPanel
from gui.run_bar import RunBar
from gui.setup_panel import SetupPanel
from gui.theme import DARK, LIGHT, Theme, app_palette
from gui.toggles import Toggles
from gui.window_state import WindowState
from gui.wording import say

REFRESH_MS = 2000  # of explanations that nobody asked for …
REFRESH_SHARE = 0.1  # … and at most this share of the engine's time
WIDE = 1600


if TYPE_CHECKING:
    from gui.curves_panel import CurvesPanel


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
        self._first_lesson = lesson
        self._waiting_files = list(files)
        self._state = EngineState.LOADING
        self._ready: EngineReady | None = None
        self._run: RunStarted | None = None
        self._judge: Judge | None = None
        self.engine_ended = True
        self.interrupted = False  # by a signal
        self._is_complete = False
        self._next_refresh = 0.0
        self._memory = WindowState()
        self._toggles = Toggles(self)
        self.curves: CurvesPanel
        self.network = NetworkPanel()
        self.card = BlockCard()
        self.pictures = PicturesPanel()
        self.setup = SetupPanel()
        self.run_bar = RunBar()
        self.lesson_bar = LessonBar()
        self.banner = Banner()
        self._panels: tuple[Panel, ...] = (
            self.network, self.run_bar, self.pictures, self.card, self.setup, self.lesson_bar,
        )  # fmt: skip
        self.clock = PaintClock(self._panels, self)
        self._place()
        self._actions = build_actions(self, self._entries())
        self._recent_menu = QMenu(self.tr("Open &recent"), self)
        self._add_menus()
        self._connect()
        self._refresh = QTimer(self)
        self._refresh.setInterval(REFRESH_MS)
        self._refresh.timeout.connect(self._refresh_pictures)
        self._refresh.start()
        self.set_appearance(self._memory.appearance)
        if not self._memory.restore(self, self._dock_host):
            self.reset_layout()
        self.run_bar.set_lessons(
            [(found.name, found.title, found.question) for found in map(load_lesson, lesson_names())]
        )
        bridge.happened.connect(self.on_event, Qt.ConnectionType.QueuedConnection)
        self.network.setFocus()
        self.clock.start()

    def complete(self) -> None:
        """Add the curves, with the first step: importing pyqtgraph earlier would delay torch and that step."""
        if self._is_complete:
            return
        self._is_complete = True
        import pyqtgraph as pg

        from gui.curves_panel import CurvesPanel

        pg.setConfigOptions(imageAxisOrder="row-major", antialias=True)
        self.curves = CurvesPanel()
        self._docks["curves"].setWidget(self.curves)
        self.curves.set_theme(self._theme())
        self._panels = (*self._panels, self.curves)
        self._toggles.applied.connect(self.curves.add_marker)
        if self._run is not None:
            self.curves.start_run(self._run)
        self.clock.add(self.curves)

    # ---- placing ----------------------------------------------------------------------------

    def _place(self) -> None:
        self._dock_host = QMainWindow()
        self._dock_host.setWindowFlags(Qt.WindowType.Widget)
        self._dock_host.setDockNestingEnabled(True)
        self._docks = {
            name: self._dock(name, title, widget)
            for name, title, widget in (
                ("network", self.tr("Network"), self.network),
                ("curves", self.tr("Curves"), _placeholder(self.tr("Loading PyTorch…"))),
                ("pictures", self.tr("Pictures"), self.pictures),
                ("setup", self.tr("Set-up"), self.setup),
                ("block", self.tr("Block"), self.card),
            )
        }
        center = QWidget(self)
        column = QVBoxLayout(center)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        for widget in (self.run_bar, self.lesson_bar, self.banner):
            column.addWidget(widget)
        column.addWidget(self._dock_host, 1)
        self.setCentralWidget(center)

    def _dock(self, name: str, title: str, widget: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self._dock_host)
        dock.setObjectName(name)
        dock.setWidget(widget)
        return dock

    def reset_layout(self) -> None:
        """Put every panel back where a new window has it, by the window's width."""
        screen = QGuiApplication.primaryScreen().availableGeometry()
        if not self.isVisible():
            self.resize(min(1920, max(1024, screen.width() - 40)), min(1080, max(640, screen.height() - 60)))
        host, docks = self._dock_host, self._docks
        for dock in docks.values():
            host.removeDockWidget(dock)
        left, right = Qt.DockWidgetArea.LeftDockWidgetArea, Qt.DockWidgetArea.RightDockWidgetArea
        host.addDockWidget(left, docks["network"])
        host.splitDockWidget(docks["network"], docks["curves"], Qt.Orientation.Vertical)
        host.addDockWidget(right, docks["pictures"])
        wide = self.width() >= WIDE
        if wide:
            host.splitDockWidget(docks["pictures"], docks["setup"], Qt.Orientation.Horizontal)
            host.splitDockWidget(docks["setup"], docks["block"], Qt.Orientation.Vertical)
        else:
            host.tabifyDockWidget(docks["pictures"], docks["setup"])
            host.tabifyDockWidget(docks["setup"], docks["block"])
        for dock in docks.values():
            dock.setFloating(False)
            dock.show()
        docks["pictures"].raise_()
        QTimer.singleShot(0, self._share_space)  # once the layout has taken in what was moved

    def _share_space(self) -> None:
        host, docks = self._dock_host, self._docks
        total = self.width()
        wide = not host.tabifiedDockWidgets(docks["pictures"])
        if wide:
            columns = [docks["network"], docks["pictures"], docks["setup"]]
            host.resizeDocks(columns, [total - 920, 560, 360], Qt.Orientation.Horizontal)
            host.resizeDocks([docks["setup"], docks["block"]], [600, 400], Qt.Orientation.Vertical)
        else:
            host.resizeDocks(
                [docks["network"], docks["pictures"]], [total - 440, 440], Qt.Orientation.Horizontal
            )
        host.resizeDocks([docks["network"], docks["curves"]], [36, 64], Qt.Orientation.Vertical)

    def set_appearance(self, appearance: str) -> None:
        """Take "light", "dark", or what the system has."""
        self._memory.appearance = appearance
        self._apply_theme()

    def _apply_theme(self) -> None:
        theme = self._theme()
        application = QApplication.instance()
        assert isinstance(application, QApplication)
        application.setPalette(app_palette(theme))
        for panel in self._panels:
            panel.set_theme(theme)
        self.banner.set_theme(theme)

    def _theme(self) -> Theme:
        if self._memory.appearance != "system":
            return DARK if self._memory.appearance == "dark" else LIGHT
        dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
        return DARK if dark else LIGHT

    # ---- menus ------------------------------------------------------------------------------

    def _entries(self) -> list[Entry]:
        file, run, networks = self.tr("&File"), self.tr("&Run"), self.tr("&Networks")
        view, help_ = self.tr("&View"), self.tr("&Help")
        submit = self._bridge.submit
        return [
            Entry(file, self.tr("&Open…"), "Ctrl+O", self._ask_file),
            Entry(file, self.tr("Open folder as &data set…"), "", self._ask_folder),
            Entry(file, self.tr("&Save weights…"), "Ctrl+S", self._ask_save),
            Entry(file, "-", "", lambda: None),
            Entry(file, self.tr("&Quit"), "Ctrl+Q", lambda: (self.close(), None)[1]),
            Entry(run, self.tr("&Play or pause"), "Space", self._play_or_pause),
            Entry(run, self.tr("&Single step"), ".", lambda: submit(StepOnce())),
            Entry(run, self.tr("&Reset: same seed, same weights"), "R", self._reset),
            Entry(run, self.tr("&Cut or restore the selected shortcut"), "S", self.network.toggle_selected),
            Entry(
                run, self.tr("Cut or restore &all shortcuts of the lane"), "Shift+S", self.network.toggle_all
            ),
            Entry(run, self.tr("Delete or restore the selected &branch"), "B", self.network.toggle_branch),
            Entry(networks, self.tr("Use the &pretrained twins"), "", self._use_pretrained),
            Entry(networks, self.tr("&ImageNet weights (ResNet-18)…"), "", self._use_imagenet),
            Entry(view, self.tr("&Follow the system"), "", lambda: self.set_appearance("system")),
            Entry(view, self.tr("&Light"), "", lambda: self.set_appearance("light")),
            Entry(view, self.tr("&Dark"), "", lambda: self.set_appearance("dark")),
            Entry(view, "-", "", lambda: None),
            Entry(view, self.tr("&Reset layout"), "", self.reset_layout),
            Entry(help_, self.tr("&Keyboard"), "F1", self._show_keys),
            Entry(help_, self.tr("&About Skipscope"), "", lambda: AboutDialog(self._ready, self).open()),
        ]

    def _show_keys(self) -> None:
        rows = [
            (action.shortcut().toString(), text.replace("&", ""))
            for text, action in self._actions.items() if not action.shortcut().isEmpty()
        ]  # fmt: skip
        rows.append(
            (
                self.tr("Arrows"),
                self.tr("In the network: choose block and lane; in the gallery: choose a picture"),
            )
        )
        rows.append((self.tr("Tab"), self.tr("Next control")))
        KeysDialog(rows, self).open()

    def _add_menus(self) -> None:
        file_menu, _, _, view_menu, _ = self.menuBar().findChildren(
            QMenu, options=Qt.FindChildOption.FindDirectChildrenOnly
        )
        file_menu.insertMenu(file_menu.actions()[1], self._recent_menu)
        view_menu.addSeparator()
        for dock in self._docks.values():
            view_menu.addAction(dock.toggleViewAction())

    def _fill_recent(self) -> None:
        self._recent_menu.clear()
        for path in self._memory.recent:
            action = self._recent_menu.addAction(path)
            action.setEnabled(Path(path).exists())
            action.triggered.connect(lambda _=False, path=path: self.open_path(path))
        self._recent_menu.setEnabled(bool(self._memory.recent))

    # ---- connecting -------------------------------------------------------------------------

    def _connect(self) -> None:
        submit = self._bridge.submit
        self._fill_recent()
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._apply_theme)
        for panel in (self.network, self.card):
            panel.strengths_requested.connect(self._toggles.request)
        self._toggles.requested.connect(self._on_toggle)
        self.network.block_selected.connect(self._on_block)
        bar = self.run_bar
        bar.play_clicked.connect(lambda: submit(Play()))
        bar.pause_clicked.connect(lambda: submit(Pause()))
        bar.step_clicked.connect(lambda: submit(StepOnce()))
        bar.reset_clicked.connect(self._reset)
        bar.learning_rate_changed.connect(self._on_shared_rate)
        bar.lesson_picked.connect(self.open_lesson)
        bar.cancel_clicked.connect(lambda request: submit(Cancel(request)))
        self.setup.apply_requested.connect(lambda settings: self.begin(settings))
        self.setup.learning_rate_changed.connect(self._on_lane_rate)
        self.setup.download_requested.connect(lambda name: submit(Download(name)))
        self.setup.folder_requested.connect(self._ask_folder)
        self.pictures.browse_requested.connect(submit)
        self.pictures.explain_requested.connect(submit)
        self.pictures.pretrained_requested.connect(self._use_pretrained)
        self.pictures.imagenet_requested.connect(self._use_imagenet)
        self.pictures.checkpoint_dropped.connect(self.open_path)
        self.banner.action_clicked.connect(lambda name: submit(Download(name)))

    def on_event(self, event: Event) -> None:  # noqa: C901 - one line an event
        """Pass an event on to the panels that show it."""
        match event:
            case TrainingSlice():
                self._on_slice(event)
            case Evaluation():
                self.complete()
                self.curves.add_evaluation(event)
                self.pictures.on_evaluation(event)
                if (browse := self.pictures.automatic_browse()) is not None:
                    self._bridge.submit(browse)
            case Explanation():
                self._next_refresh = time.monotonic() + event.seconds / REFRESH_SHARE
                self.pictures.on_explanation(event)
            case PicturePage():
                self.pictures.on_page(event)
            case RunStarted():
                self._on_run(event)
            case StateChanged():
                self._state = event.state
                self.run_bar.set_state(event)
                if event.notice is not None:
                    self.banner.show_text(say(event.notice))
            case EngineReady():
                self._on_ready(event)
            case Progress():
                self.run_bar.on_progress(event)
            case References():
                self.pictures.on_references(event)
            case CheckpointOpened():
                self._on_opened(event)
            case Downloaded():
                self.setup.set_local_datasets(event.datasets)
                self.banner.show_text(
                    self.tr("{name} is on this machine now.").format(name=event.what), bad=False
                )
            case Saved():
                self.banner.show_text(self.tr("Saved {path}").format(path=event.path), bad=False)
            case LibrariesLoaded():
                _keep_out_of_collection()
            case Failed():
                self._on_failed(event)
        self.event_seen.emit(event)

    @property
    def run_steps(self) -> int:
        """Planned length of the run at hand; 0 before there is one."""
        return self._run.steps if self._run is not None else 0

    def listen_at_once(self, listener: Callable[[Event], None]) -> None:
        """Call a listener on the engine's thread, when an event is published (for measurements)."""
        self._bridge.happened.connect(listener, Qt.ConnectionType.DirectConnection)

    def show_panel(self, name: str) -> None:
        """Bring a panel to the front: network, curves, pictures, setup, block."""
        self._docks[name].show()
        self._docks[name].raise_()

    def paint_everything(self) -> None:
        """Show at once all that is known: for screenshots."""
        self.complete()
        for panel in self._panels:
            panel.refresh_now()
        self.curves.refresh_all()

    def _on_ready(self, event: EngineReady) -> None:
        self._ready = event
        self.run_bar.set_engine(event)
        self.setup.set_engine(event)
        self.setup.set_local_datasets(event.datasets)
        if self._first_lesson is not None:
            self.open_lesson(self._first_lesson)
        else:
            self.begin(default_run(event.device != "cpu"))
        for path in self._waiting_files:
            self.open_path(path)
        self._waiting_files.clear()

    def _on_run(self, event: RunStarted) -> None:
        self._run = event
        self._toggles.start_run(event)
        self.network.blockSignals(True)
        for panel in (self.network, self.card, self.pictures, self.setup, self.run_bar):
            panel.start_run(event)
        if self._is_complete:
            self.curves.start_run(event)
        self.network.blockSignals(False)
        self.card.show_block(*self.network.selected)
        self._show_lesson(event.lesson)
        if event.notice is not None:
            self.banner.show_text(say(event.notice), bad=False)
        self.setWindowTitle(self.tr("{dataset} — Skipscope").format(dataset=event.settings.dataset))

    def _on_slice(self, event: TrainingSlice) -> None:
        self.complete()
        self.network.add_slice(event)
        self.card.add_slice(event)
        self.curves.add_slice(event)
        self.run_bar.add_slice(event)
        self.pictures.on_slice(event)
        self._toggles.add_slice(event)
        self._judge_lesson(event)
        if event.applied:
            self.network.refresh_now()
            self._refresh_pictures()

    def _show_lesson(self, name: str | None) -> None:
        self._judge = Judge(load_lesson(name)) if name is not None else None
        if self._judge is None:
            self.lesson_bar.clear()
        else:
            lesson = self._judge.lesson
            self.lesson_bar.set_lesson(lesson.title, lesson.question, lesson.watch)

    def _judge_lesson(self, event: TrainingSlice) -> None:
        found = self._judge.add_slice(event) if self._judge is not None else None
        if found:
            self.lesson_bar.set_verdict(*lesson_verdict(found))
            self.lesson_bar.refresh_now()

    def _on_toggle(self, command: Any) -> None:
        self.network.mark_requested(command.lane, command.shortcuts, command.branches, command.id)
        self.card.mark_requested(command.lane, command.shortcuts, command.branches, command.id)
        self._bridge.submit(command)
        if self._state is not EngineState.RUNNING and command.shortcuts is not None:
            # no slice will come that says so, but the lanes have these strengths from now on
            self.pictures.mark_strengths(command.lane, command.shortcuts)
            if (request := self.pictures.automatic_request()) is not None:
                self._bridge.submit(request)

    def _on_block(self, lane: int, block: int) -> None:
        self.card.show_block(lane, block)
        if self.isVisible():
            self._docks["block"].raise_()

    def _on_shared_rate(self, rate: float) -> None:
        self._bridge.submit(SetLearningRate(rate))
        self.setup.set_learning_rate(rate)

    def _on_lane_rate(self, lane: int, rate: float) -> None:
        self._bridge.submit(SetLearningRate(rate, lane))
        self.run_bar.set_learning_rate(rate, lane)

    def _on_opened(self, event: CheckpointOpened) -> None:
        dialog = OpenDialog(event, self)
        dialog.chosen.connect(lambda path, use: self._bridge.submit(OpenCheckpoint(path, use)))
        dialog.open()

    def _on_failed(self, event: Failed) -> None:
        if event.traceback is not None:
            log.error("%s\n%s", event.notice, event.traceback)
        self.pictures.on_failed(event)
        if event.request is not None:
            self.run_bar.end_progress(event.request)
            self.network.drop_request(event.request)
            self.card.drop_request(event.request)
        needs_download = event.request is not None and event.request == self._imagenet_request
        action = ("imagenet", self.tr("Download")) if needs_download else None
        if needs_download:
            self._imagenet_request = None
        self.banner.show_text(say(event.notice), action=action)

    _imagenet_request: int | None = None

    # ---- doing ------------------------------------------------------------------------------

    def begin(self, settings: RunSettings, lesson: str | None = None) -> None:
        """Begin a run."""
        self._bridge.submit(Setup(settings, lesson=lesson))

    def open_lesson(self, name: str) -> None:
        """Begin a lesson, or a free run for an empty name."""
        if not name:
            self.begin(default_run(self._ready is not None and self._ready.device != "cpu"))
            return
        try:
            lesson = load_lesson(name)
        except SkipscopeError as error:
            self.banner.show_text(say(error.notice))
            return
        self.begin(lesson.settings, name)

    def open_path(self, path: str) -> None:
        """Open a picture, a lesson, a folder of class folders, or a checkpoint."""
        if Path(path).is_dir():
            self.setup.set_dataset(path)
            self.show_panel("setup")
            self.banner.show_text(self.tr("The folder is in the form; Apply begins a run on it."), bad=False)
        elif is_picture_name(path):
            self.show_panel("pictures")
            self.pictures.open_pictures([path])
        elif path.endswith(".toml"):
            self.open_lesson(path)
        else:
            self._bridge.submit(OpenCheckpoint(path, "look"))
        if Path(path).exists():
            self._memory.add_recent(path)
            self._fill_recent()

    def _ask_file(self) -> None:
        dialog = QFileDialog(self, self.tr("Open"))
        dialog.setNameFilters([
            self.tr("Checkpoints, pictures, lessons (*.safetensors *.pt *.pth *.png *.jpg *.jpeg *.webp *.bmp "
                    "*.gif *.tif *.tiff *.toml)"),
            self.tr("All files (*)"),
        ])  # fmt: skip
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.open_path)
        dialog.open()

    def _ask_folder(self) -> None:
        dialog = QFileDialog(self, self.tr("Folder of class folders"))
        dialog.setFileMode(QFileDialog.FileMode.Directory)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(self.open_path)
        dialog.open()

    def _ask_save(self) -> None:
        lane, _ = self.network.selected
        dialog = QFileDialog(self, self.tr("Save the selected lane's weights"))
        dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        dialog.setDefaultSuffix("safetensors")
        dialog.setNameFilter("safetensors (*.safetensors)")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.fileSelected.connect(lambda path: self._bridge.submit(SaveCheckpoint(lane, Path(path))))
        dialog.open()

    def _play_or_pause(self) -> None:
        self._bridge.submit(Pause() if self._state is EngineState.RUNNING else Play())

    def _reset(self) -> None:
        self._bridge.submit(Reset(play=self._state is EngineState.RUNNING))

    def _use_pretrained(self) -> None:
        self._bridge.submit(OpenCheckpoint("pretrained", "reference"))

    def _use_imagenet(self) -> None:
        command = OpenCheckpoint("imagenet", "reference")
        self._imagenet_request = command.id
        self._bridge.submit(command)

    def _refresh_pictures(self) -> None:
        if self._state is not EngineState.RUNNING or time.monotonic() < self._next_refresh:
            return
        if (request := self.pictures.automatic_request()) is not None:
            self._bridge.submit(request)

    # ---- Qt ---------------------------------------------------------------------------------

    def event(self, event: QEvent) -> bool:
        """Leave the space bar to a focused button, and letters to a focused box, which they search."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            focus = self.focusWidget()
            presses = event.key() == Qt.Key.Key_Space and isinstance(focus, QAbstractButton | QComboBox)
            if presses or (event.text().strip() and isinstance(focus, QComboBox)):
                event.accept()
                return True
        return super().event(event)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        for url in event.mimeData().urls():
            if url.isLocalFile():
                self.open_path(url.toLocalFile())

    def closeEvent(self, event: QCloseEvent) -> None:
        self.clock.stop()
        self._refresh.stop()
        self._memory.save(self, self._dock_host)
        self.engine_ended = self._bridge.shutdown()
        if not self.engine_ended:
            log.error("the engine did not end in time; the journal holds what was committed")
        event.accept()


def _placeholder(text: str) -> QLabel:
    label = QLabel(text)
    label.setAlignment(Qt.AlignmentFlag.AlignCenter)
    return label


def _keep_out_of_collection() -> None:
    """Take what a big import made out of later collections: a full one then costs next to nothing."""
    gc.collect()
    gc.freeze()
