"""The curves panel: loss, accuracy, gradient profile and gradient history of all lanes.

Events only go into the history. Each `refresh` draws one plot, the one that has waited longest,
and leaves the panel dirty until all are up to date: painting comes in small bites.
"""

import math
from collections.abc import Callable
from enum import Enum
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.history import Reading, RunHistory
from core.messages import Evaluation, LaneInfo, RunStarted, TrainingSlice
from gui.combo import add_explained
from gui.curves_hover import CurvesHover, Plot, StepPlot
from gui.curves_legend import CurvesLegend, LegendEntry
from gui.gradient_history import GradientHistory
from gui.gradient_profile import GradientProfile
from gui.loss_plot import LossPlot
from gui.overlay_legend import OverlayLegend
from gui.panel import Panel
from gui.plot_export import Table, export, export_dialog
from gui.profile_quantity import ProfileQuantity, choices
from gui.run_overlay import RunOverlay
from gui.stored_reader import StoredReader
from gui.theme import Theme
from gui.time_machine import TimeMachine
from gui.wording import whole

RECENT_STEPS = 500
_WINDOWS = (5, 10, 25, 50, 100, 250, 500, 1000)  # steps a smoothed curve averages over
_SHARE_OF_VIEW = 60  # … the longest that is at most such a part of what is seen


class View(Enum):
    """What the plots over steps show."""

    ALL = "all"
    RECENT = "recent"
    FREE = "free"  # what the user zoomed to


class CurvesPanel(Panel):
    """Four plots of one run under one legend.

    Signals: `said`, a sentence for the status bar (a file was written, or could not be).
    """

    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.history = RunHistory(())
        self._infos: tuple[LaneInfo, ...] = ()
        self._earlier: list[TrainingSlice | Evaluation] | None = None  # what came while steps are read
        self._view = View.ALL
        self._waiting: list[Plot] = []
        self.legend = CurvesLegend(self)
        self.loss = LossPlot("loss", self)
        self.accuracy = LossPlot("accuracy", self)
        self.profile = GradientProfile(self)
        self.map = GradientHistory(self)
        self.overlay = RunOverlay(self.loss, parent=self)
        self.overlay_legend = OverlayLegend(self)
        self.time_machine = TimeMachine(self)
        self.reading = QComboBox(self)
        self.log_button = QToolButton(self)
        self._pages = QStackedWidget(self)
        self._empty = QLabel(self)
        self._plots: tuple[Plot, ...] = (self.loss, self.accuracy, self.profile, self.map)
        self._step_plots: tuple[StepPlot, ...] = (self.loss, self.accuracy, self.map)
        self._hover = CurvesHover(self._step_plots)
        self._layout()
        self._connect()
        self.set_theme(self.theme)

    # ---- events: store only ---------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run; of one that is gone on with, read the steps before in a thread."""
        self._show(RunHistory.of(run), run.lanes)
        self.time_machine.start_run(run)
        self._earlier = None
        if run.done > run.begins_at and run.directory is not None:
            self._earlier = []
            self._reader = StoredReader(run.directory, run.done, self._take_earlier)

    def _take_earlier(self, history: RunHistory | None) -> None:
        waiting, self._earlier = self._earlier or [], None
        if history is not None:
            self._show(history, self._infos)
        for part in waiting:
            self.add_evaluation(part) if isinstance(part, Evaluation) else self._take_slice(part)

    def _show(self, history: RunHistory, infos: tuple[LaneInfo, ...]) -> None:
        markers = self.history.markers if infos is self._infos else []
        self.history = history
        for marker in markers:
            history.add_marker(marker.step, marker.lane, marker.text)
        self._hover.start(history, infos)
        self._infos = infos
        self._view = View.ALL
        for plot in (self.loss, self.accuracy):
            plot.start(self.history)
        for deep in (self.profile, self.map):
            deep.start(self.history, infos)
        for right in (self.accuracy, self.map):
            right.set_axis_width(self.map.names_width())
        self._await(*self._plots)
        self._pages.setCurrentWidget(self._empty)

    def add_slice(self, part: TrainingSlice) -> None:
        """Take in training steps."""
        self.time_machine.add_slice(part)
        if self._earlier is not None:
            self._earlier.append(part)  # the steps before it are still being read
        else:
            self._take_slice(part)

    def _take_slice(self, part: TrainingSlice) -> None:
        self.history.add_slice(part)
        self.profile.add_slice(part)
        self._await(*self._plots)

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Take in held-out figures."""
        if self._earlier is not None:
            self._earlier.append(evaluation)
            return
        self.history.add_evaluation(evaluation)
        self._await(self.loss, self.accuracy)

    def add_marker(self, step: int, lane: int | None, text: str) -> None:
        """Mark what was done to a lane (None: to all) at a step; `text` is shown as it is."""
        self.history.add_marker(step, lane, text)
        self.time_machine.add_marker(step, lane, text)
        self._await(*self._step_plots)

    # ---- drawing --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the plot that has waited longest."""
        self._prepare()
        if self._waiting:
            self._draw(self._waiting[0])
        self.dirty = bool(self._waiting)

    def refresh_all(self) -> None:
        """Draw all that is not up to date, at once."""
        self._prepare()
        while self._waiting:
            self._draw(self._waiting[0])
        self.dirty = False

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
        self.setPalette(palette)
        self._empty.setPalette(palette)
        self.legend.set_theme(theme)
        for plot in self._plots:
            plot.set_theme(theme)
        for part in (self.overlay, self.overlay_legend, self.time_machine):
            part.set_theme(theme)
        self._await(*self._plots)
        self.refresh_all()
        self.update()

    def view_all(self) -> None:
        """Show the whole run, and go on showing it."""
        self._look(View.ALL)

    def view_recent(self) -> None:
        """Show the last 500 steps, and go on showing them."""
        self._look(View.RECENT)

    def set_log(self, log: bool) -> None:
        """Give the loss a logarithmic axis, or a linear one."""
        self.loss.set_log(log)

    def set_reading(self, reading: Reading) -> None:
        """Choose what the gradient plots show."""
        norms = reading == "gradient_norms"
        self.set_quantity(ProfileQuantity.NORM if norms else ProfileQuantity.OUTPUT)

    def set_quantity(self, quantity: ProfileQuantity) -> None:
        """Choose what the profile shows; the history shows the reading behind it."""
        self.reading.setCurrentIndex(list(ProfileQuantity).index(quantity))
        self.profile.quantity, self.map.reading = quantity, quantity.reading
        self._await(self.profile, self.map)
        self.refresh_all()

    def export(self, plot: Plot, path: Path) -> None:
        """Write what a plot shows, by the ending: SVG, PNG, or (also without one) CSV."""
        self.said.emit(export(plot, self._table(plot), path if path.suffix else path.with_suffix(".csv")))

    def _table(self, plot: Plot) -> Table:
        """What a plot shows; of loss and accuracy every step kept in full."""
        if isinstance(plot, LossPlot):
            head, rows = self.history.table([info.name for info in self._infos])
            return head, list(rows)
        head, rows = plot.table()
        return head, list(rows)

    # ---- inside ---------------------------------------------------------------------------

    def _layout(self) -> None:
        grid_page = QWidget(self)
        grid = QGridLayout(grid_page)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for number, plot in enumerate(self._plots):
            grid.addWidget(plot, number // 2, number % 2)
        for place in (0, 1):
            grid.setColumnStretch(place, 1)
            grid.setRowStretch(place, 1)
        self._empty.setText(self.tr("The curves begin with the first training step."))
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(grid_page)
        head = QHBoxLayout()
        head.setContentsMargins(4, 2, 6, 2)
        head.setSpacing(8)
        head.addWidget(self.legend, 1)
        head.addWidget(self.reading)
        head.addWidget(self.log_button)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self.overlay_legend)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.time_machine)
        self.setAutoFillBackground(True)
        self.setMinimumSize(440, 300)
        self._name_controls()

    def _name_controls(self) -> None:
        for choice in choices():
            add_explained(self.reading, choice.label, choice.quantity, choice.explain)
        self.reading.setToolTip(
            self.tr(
                "What the gradient plots show of each block: the norm of the gradient of its residual "
                "branch's parameters, or of the gradient at its output"
            )
        )
        self.reading.setAccessibleName(self.reading.toolTip())
        self.reading.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Fixed)
        self.loss.log_action.setIconText(self.tr("Log loss"))
        self.loss.log_action.setToolTip(self.tr("Logarithmic axis for the loss"))
        self.log_button.setDefaultAction(self.loss.log_action)
        names = (
            self.tr("Loss"),
            self.tr("Accuracy"),
            self.tr("Gradient profile"),
            self.tr("Gradient history"),
        )
        for plot, name in zip(self._plots, names, strict=True):
            plot.setAccessibleName(name)

    def _connect(self) -> None:
        self.loss.log_action.toggled.connect(self.set_log)
        self.overlay.changed.connect(self._on_overlay)
        self.overlay.said.connect(self.said)
        self.reading.activated.connect(self._on_reading)
        for plot in self._plots:
            plot.hovered.connect(self._hovering(plot))
            plot.left.connect(self._hover.clear)
            plot.export_chosen.connect(self._exporting(plot))
        for step_plot in self._step_plots:
            step_plot.x_moved.connect(self._on_x_moved)
            step_plot.view_all_chosen.connect(self.view_all)
            step_plot.recent_chosen.connect(self.view_recent)
        self.profile.view_all_chosen.connect(self._on_profile_view_all)

    def _await(self, *plots: Plot) -> None:
        self._waiting += [plot for plot in plots if plot not in self._waiting]
        self.mark_dirty()

    def _prepare(self) -> None:
        """Bring up to date what is cheap: the range of steps, the legend, the page."""
        if self.history.first_step is None:
            self._waiting.clear()
        else:
            self._pages.setCurrentIndex(1)
            self._follow()
        self._show_legend()

    def _draw(self, plot: Plot) -> None:
        self._waiting.remove(plot)
        plot.draw()
        if plot is self.loss:
            self.overlay.draw(self.loss.placed, self.loss.averaged)
        self._hover.renew(plot)

    def _follow(self) -> None:
        """Move the range of steps on; in leaps, so that axes are drawn anew but seldom."""
        first, last = self.history.first_step or 1, self.history.last_step
        if self._view is View.ALL:
            self._show_steps(first - 1.0, first - 1.0 + _leap(last - first + 1))
        elif self._view is View.RECENT:
            edge = max(math.ceil(last / 50) * 50, first + RECENT_STEPS - 1)
            self._show_steps(float(edge - RECENT_STEPS), float(edge))

    def _show_steps(self, low: float, high: float) -> None:
        if self.loss.x_range == (low, high) == self.map.x_range == self.accuracy.x_range:
            return
        wanted = (high - low) / _SHARE_OF_VIEW
        averaged = max((size for size in _WINDOWS if size <= wanted), default=_WINDOWS[0])
        for plot in self._step_plots:
            plot.set_x_range(low, high)
        self.loss.averaged = self.accuracy.averaged = averaged
        self._await(*self._step_plots)

    def _look(self, view: View) -> None:
        self._view = view
        self.loss.follows_y = self.accuracy.follows_y = True
        self._await(*self._step_plots)
        self.refresh_all()

    def _show_legend(self) -> None:
        entries = tuple(
            LegendEntry(info.name, self._about(lane), self._alarm(lane), self._kept(lane))
            for lane, info in enumerate(self._infos)
        )
        note = self.tr("line: mean of {count} steps · symbol: held-out").format(count=self.loss.averaged)
        if self.history.has_stale:
            note += self.tr(" · hollow: batch statistics from before a toggle")
        self.legend.show_lanes(entries, note if entries else "")

    def _about(self, lane: int) -> str:
        text = self.tr("{depth} layers").format(depth=self._infos[lane].network.depth)
        kept = self._kept(lane)
        return self.tr("{layers}, {shortcuts}").format(layers=text, shortcuts=kept) if kept else text

    def _kept(self, lane: int) -> str:
        strengths = self.history.lanes[lane].shortcuts
        kept = sum(strength > 0 for strength in strengths)
        return self.tr("{kept}/{all} shortcuts").format(kept=kept, all=len(strengths)) if strengths else ""

    def _alarm(self, lane: int) -> str:
        step = self.history.lanes[lane].diverged_at
        return "" if step is None else self.tr("diverged at {step}").format(step=whole(step))

    def _on_overlay(self) -> None:
        self.overlay_legend.show_runs(self.overlay.entries)
        self._await(self.loss)

    def _hovering(self, plot: Plot) -> Callable[[float, float], None]:
        return lambda x, y: self._hover.show(plot, x, y)

    # ---- slots ----------------------------------------------------------------------------

    def _on_x_moved(self, low: float, high: float) -> None:
        self._view = View.FREE
        self._show_steps(low, high)
        self.refresh_all()

    def _on_profile_view_all(self) -> None:
        self.profile.view_all()
        self._await(self.profile)
        self.refresh_all()

    def _on_reading(self, index: int) -> None:
        self.set_quantity(list(ProfileQuantity)[index])

    def _exporting(self, plot: Plot) -> Callable[[], None]:
        def on_export() -> None:
            export_dialog(plot, lambda: self._table(plot), self.said.emit)

        return on_export


def _leap(steps: int) -> float:
    """The next round number of steps that holds so many."""
    if steps <= 20:
        return 20.0
    unit = max(10 ** math.floor(math.log10(steps)) // 4, 5)
    return float(math.ceil(steps / unit) * unit)
