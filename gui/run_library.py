"""The library: every recorded run, to be found, compared, gone on with, looked at, branched, put away."""

from pathlib import Path

from PySide6.QtCore import QPoint, QSignalBlocker, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QAction, QDesktopServices, QGuiApplication, QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import (
    QLabel,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.library import RunSummary
from core.messages import RunStarted
from core.notices import SkipscopeError
from core.records import rename_run, runs_folder
from gui import run_words
from gui.banner import Banner
from gui.branch_editor import BranchFrom
from gui.flow import Flow
from gui.icons import icon
from gui.panel import Panel
from gui.run_bin import put_away, take_back
from gui.run_model import RunModel
from gui.run_search import Found, RunSearch
from gui.run_view import RunView
from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.wording import say, whole

_TALL = 260  # pixels; below it the details stay in the hint


class RunLibrary(Panel):
    """Lists the runs.

    Signals: `resume_requested(path)`, `open_requested(path)` to look at it, `branch_requested(path, step)`;
    `overlay_changed`, a list of gui.run_ink.Overlaid: the runs to draw behind the live curves.
    """

    resume_requested = Signal(object)
    open_requested = Signal(object)
    branch_requested = Signal(object, int)
    overlay_changed = Signal(object)

    def __init__(
        self, folder: Path | None = None, search: RunSearch | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._folder = folder
        self._search = search or RunSearch()
        self._number = 0  # of the search that is on or was the last
        self._seen: set[Path] | None = None  # by the search that is on
        self._fault = ""
        self._held_back: list[Found] = []  # while a name is being typed
        self._put_away: tuple[Path, Path] | None = None  # the run last deleted, and where in the bin it is
        self._current: Path | None = None
        self.model = RunModel(self)
        self.view = RunView(self.model)
        self.finder = QLineEdit()
        self.count = QLabel()
        self.details = QLabel()
        self.bar = Banner()
        self.branch_editor = BranchFrom()
        self.refresh_button = QToolButton()
        self.actions_by_name: dict[str, QAction] = {}
        self._buttons: dict[str, QToolButton] = {}
        self._pages = QStackedWidget()
        self._empty = QLabel()
        self._make_actions()
        self._layout()
        self._connect()
        self.set_theme(self.theme)

    # ---- what the window says ---------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Take which run is on; it cannot be deleted or gone on with."""
        self.model.set_present(event.directory)
        if self.isVisible():
            self.look()

    def look(self) -> None:
        """Read the folder anew, in a thread."""
        self._fault = ""
        self._seen = set()
        self._number = self._search.start(self._folder or runs_folder())
        self.mark_dirty()

    def stop(self) -> None:
        """Give up reading: the window closes."""
        self._search.stop()
        self._seen = None

    # ---- drawing ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what is known."""
        shown, count = self.model.rowCount(), self.model.count
        searching = self._seen is not None
        self.count.setText(self._count_words(shown, count, searching) if count or searching else "")
        if shown:
            self._pages.setCurrentWidget(self.view)
        else:
            self._empty.setText(self._empty_words(count, searching))
            self._pages.setCurrentWidget(self._empty)
        paint_text(self._empty, self.theme.bad if self._fault else self.theme.muted)
        run = self._run()
        lineage = "" if run is None else self.model.lineage(run)
        self.details.setText(
            "" if run is None else run_words.details(run, self.model.is_present(run), lineage)
        )
        paint_text(self.details, self.theme.bad if run is not None and run.error else self.theme.muted)
        self.details.setVisible(bool(shown) and self.height() >= _TALL)
        self._enable(run)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.view.set_theme(theme)
        self.bar.set_theme(theme)
        self.refresh_button.setIcon(icon("reset", theme))
        paint_text(self.count, theme.muted)
        super().set_theme(theme)

    def _count_words(self, shown: int, count: int, searching: bool) -> str:
        if searching and not count:
            return self.tr("reading…")
        words = self.tr("{count} runs, {size}") if shown == count else self.tr("{shown} of {count} runs")
        if count == 1 == shown:
            words = self.tr("1 run, {size}")
        text = words.format(
            shown=whole(shown), count=whole(count), size=run_words.size_words(self.model.bytes)
        )
        return self.tr("{text} · reading…").format(text=text) if searching else text

    def _empty_words(self, count: int, searching: bool) -> str:
        if self._fault:
            return self.tr("The runs could not be read: {why}").format(why=self._fault)
        if count:
            return self.tr(
                "No run fits “{text}”.\nWords of the name, the data set or the lesson, a depth, or a date "
                "such as 2025-03 are looked for."
            ).format(text=self.finder.text().strip())
        if searching:
            return self.tr("Reading the runs…")
        return self.tr(
            "No runs yet.\nEvery run is recorded by itself and will stand here: to be compared, gone on "
            "with, or branched from an earlier step."
        )

    # ---- what can be done ---------------------------------------------------------------------

    def _make_actions(self) -> None:
        for name, text, explain in (
            ("resume", self.tr("Go on"), self.tr("Train on where the run stopped")),
            ("look", self.tr("Look at it"), self.tr("Open the run to go back and forth in it (Enter)")),
            ("branch", self.tr("Branch…"), self.tr("Begin a new run from one of its checkpoints")),
            ("behind", self.tr("Draw behind"), self.tr(
                "Draw its loss behind the live curves, or no more (Space)")),
            ("rename", self.tr("Rename"), self.tr("Give the run a name (F2)")),
            ("delete", self.tr("Delete"), self.tr("Move the run to the bin (Del)")),
            ("reveal", self.tr("Show in file manager"), self.tr("Open the run's folder")),
            ("copy", self.tr("Copy path"), self.tr("Copy the path of the run's folder (Ctrl+C)")),
        ):  # fmt: skip
            action = QAction(text, self)
            action.setToolTip(explain)
            self.actions_by_name[name] = action
        do = {
            "resume": self._on_resume, "look": self._on_look, "branch": self._on_branch,
            "behind": self._on_behind, "rename": self.view.edit_name, "delete": self._on_delete,
            "reveal": self._on_reveal, "copy": self._on_copy,
        }  # fmt: skip
        for name, slot in do.items():
            self.actions_by_name[name].triggered.connect(slot)

    def _enable(self, run: RunSummary | None) -> None:
        """What cannot be done with the current run is off, and its hint says why."""
        readable = run is not None and run.error is None
        present = run is not None and self.model.is_present(run)
        elsewhere = run is not None and run.state == "running" and not present
        allowed = {
            "resume": readable and not present and not elsewhere,
            "look": readable and not present,
            "branch": readable and run is not None and run.steps > 0,
            "behind": readable and not present,
            "rename": readable,
            "delete": run is not None and not present and not elsewhere,
            "reveal": run is not None,
            "copy": run is not None,
        }
        for name, action in self.actions_by_name.items():
            action.setEnabled(allowed[name])
        for name, button in self._buttons.items():
            action = self.actions_by_name[name]
            button.setEnabled(action.isEnabled())
            why = ""
            if present and not action.isEnabled():
                why = self.tr("This is the present run.")
            elif elsewhere and not action.isEnabled():
                why = self.tr("Another Skipscope is at this run.")
            button.setToolTip("\n".join(filter(None, (action.toolTip(), why))))

    def _run(self) -> RunSummary | None:
        row = self.view.current_row()
        return None if row is None else self.model.run(row)

    def _on_resume(self) -> None:
        if (run := self._run()) is not None:
            self.resume_requested.emit(run.directory)

    def _on_look(self) -> None:
        if (run := self._run()) is not None:
            self.open_requested.emit(run.directory)

    def _on_behind(self) -> None:
        if (row := self.view.current_row()) is not None:
            run = self.model.run(row)
            self.model.set_overlaid(
                row, all(each.directory != run.directory for each in self.model.overlaid())
            )

    def _on_reveal(self) -> None:
        if (run := self._run()) is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(run.directory)))

    def _on_copy(self) -> None:
        if (run := self._run()) is not None:
            QGuiApplication.clipboard().setText(str(run.directory))
            self.bar.show_text(self.tr("Copied: {path}").format(path=run.directory), bad=False)

    def _on_branch(self) -> None:
        if (run := self._run()) is not None:
            self.branch_editor.ask(run)

    def _on_rename_wished(self, directory: Path, name: str) -> None:
        try:
            rename_run(directory, name)
        except SkipscopeError as error:
            self.bar.show_text(say(error.notice))
        else:
            self.model.rename(directory, name)
            if any(each.directory == directory for each in self.model.overlaid()):
                self.overlay_changed.emit(self.model.overlaid())

    # ---- putting away -------------------------------------------------------------------------

    def _on_delete(self) -> None:
        if (run := self._run()) is not None:
            self._current = run.directory
            self.bar.show_text(
                self.tr("Move “{name}” ({size}) to the bin?").format(
                    name=run_words.run_name(run), size=run_words.size_words(run.bytes)
                ),
                bad=False,
                action=("delete", self.tr("Move to the bin")),
            )

    def _put_to_bin(self) -> None:
        row = self.model.row_of(self._current)
        if row is None:
            return
        run = self.model.run(row)
        if self.model.is_present(run):
            self.bar.show_text(self.tr("The present run cannot be deleted."))
            return
        moved, place = put_away(run.directory)
        if not moved:
            self.bar.show_text(
                self.tr("{path} could not be moved to the bin; it is where it was.").format(
                    path=run.directory
                )
            )
            return
        self.model.remove(run.directory)
        self.refresh_now()
        name = run_words.run_name(run)
        if place is not None:
            self._put_away = (run.directory, place)
            self.bar.show_text(
                self.tr("“{name}” is in the bin.").format(name=name),
                bad=False,
                action=("undo", self.tr("Undo")),
            )
        else:
            self.bar.show_text(
                self.tr("“{name}” is in the bin; it can be put back from there.").format(name=name), bad=False
            )

    def _take_back(self) -> None:
        if self._put_away is None:
            return
        (directory, place), self._put_away = self._put_away, None
        try:
            take_back(place, directory)
        except OSError as error:
            self.bar.show_text(
                self.tr("The run could not be put back from {place}: {why}").format(
                    place=place, why=error.strerror or error
                )
            )
            return
        self._current = directory
        self.look()

    def _on_bar(self, name: str) -> None:
        {"delete": self._put_to_bin, "undo": self._take_back}[name]()

    # ---- the list -----------------------------------------------------------------------------

    def _on_found(self, number: int, batch: list[Found]) -> None:
        if number != self._number:
            return
        if self._seen is not None:
            self._seen.update(each.run.directory for each in batch)
        self._held_back += batch
        self._let_in()

    def _on_ended(self, number: int, fault: str) -> None:
        if number != self._number or self._seen is None:
            return
        seen, self._seen = self._seen, None
        self._fault = fault
        if not fault and not self.view.is_editing:
            self.model.keep_only(seen)
        self.refresh_now()

    def _let_in(self) -> None:
        """Take what was found, unless that would end the typing of a name."""
        if self.view.is_editing:
            return
        batch, self._held_back = self._held_back, []
        self.model.take(batch)
        self.refresh_now()

    def _on_filter(self, text: str) -> None:
        self.model.set_filter(text)
        self.refresh_now()

    def _on_current(self) -> None:
        run = self._run()
        if run is not None:
            self._current = run.directory
        self.branch_editor.hide()
        self.refresh_now()

    def _keep_current(self) -> None:
        """Rows were placed anew: the current run stays the current one."""
        row = self.model.row_of(self._current)
        if row is None and self.model.rowCount():
            row = 0
        if row is not None:
            with QSignalBlocker(self.view.selectionModel()):
                self.view.setCurrentIndex(self.model.index(row, 1))
            self.view.viewport().update()

    def _on_key(self, meant: str) -> None:
        action = self.actions_by_name[meant]
        if action.isEnabled() or meant == "behind":  # which says why it cannot be
            action.trigger() if action.isEnabled() else self._on_behind()

    def _on_menu(self, place: QPoint) -> None:
        if self._run() is None:
            return
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addActions(list(self.actions_by_name.values()))
        menu.popup(self.view.viewport().mapToGlobal(place))

    # ---- building -----------------------------------------------------------------------------

    def _layout(self) -> None:
        self.setAccessibleName(self.tr("Runs"))
        self.finder.setPlaceholderText(self.tr("Find runs: name, data set, lesson, depth, date"))
        self.finder.setClearButtonEnabled(True)
        self.finder.setAccessibleName(self.tr("Find runs"))
        self.finder.setMinimumWidth(180)
        self.finder.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.refresh_button.setToolTip(self.tr("Read the folder of runs anew (F5)"))
        self.refresh_button.setAccessibleName(self.tr("Refresh"))
        self.refresh_button.setShortcut("F5")
        self.refresh_button.setIconSize(QSize(16, 16))
        self.view.setAccessibleName(self.tr("Runs"))
        controls: list[QWidget] = [self.finder, self.refresh_button]
        for name in ("resume", "look", "branch", "rename", "delete"):
            controls.append(self._button(name))
        more = QToolButton()
        more.setText(self.tr("More"))
        more.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        menu = QMenu(more)
        menu.addActions([self.actions_by_name[name] for name in ("behind", "reveal", "copy")])
        more.setMenu(menu)
        controls.append(more)
        for control in controls[1:]:
            control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for label in (self._empty, self.details, self.count):
            label.setTextFormat(Qt.TextFormat.PlainText)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(16)
        self.details.setWordWrap(True)
        self.details.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.details.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.details.setMinimumHeight(3 * self.fontMetrics().lineSpacing())
        self.details.setAlignment(Qt.AlignmentFlag.AlignTop)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self.view)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(6)
        layout.addWidget(Flow(controls))
        layout.addWidget(self.bar)
        layout.addWidget(self.branch_editor)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.details)
        layout.addWidget(self.count)

    def _button(self, name: str) -> QToolButton:
        action, button = self.actions_by_name[name], QToolButton()
        button.setText(action.text())
        button.clicked.connect(action.trigger)
        self._buttons[name] = button
        return button

    def _connect(self) -> None:
        self._search.found.connect(self._on_found)
        self._search.ended.connect(self._on_ended)
        self.finder.textChanged.connect(self._on_filter)
        self.refresh_button.clicked.connect(self.look)
        self.model.overlay_changed.connect(lambda: self.overlay_changed.emit(self.model.overlaid()))
        self.model.refused.connect(self.bar.show_text)
        self.model.rename_wished.connect(self._on_rename_wished)
        self.model.modelReset.connect(self._keep_current)
        self.view.selectionModel().currentRowChanged.connect(self._on_current)
        self.view.key_meant.connect(self._on_key)
        self.view.doubleClicked.connect(lambda index: self._on_key("look"))
        self.view.customContextMenuRequested.connect(self._on_menu)
        self.view.itemDelegate().closeEditor.connect(self._let_in, Qt.ConnectionType.QueuedConnection)
        self.bar.action_clicked.connect(self._on_bar)
        self.branch_editor.confirmed.connect(self.branch_requested)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        if not event.spontaneous():
            self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        if not event.spontaneous():
            self.stop()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.details.setVisible(self.model.rowCount() > 0 and self.height() >= _TALL)
