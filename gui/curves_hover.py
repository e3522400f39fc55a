"""Reads out what lies under the mouse in the curves panel, and crosses the plots over steps together."""

from collections.abc import Sequence
from html import escape
from typing import TypeAlias

from PySide6.QtCore import QCoreApplication

from core.history import RunHistory
from core.messages import LaneInfo
from gui.gradient_history import GradientHistory
from gui.gradient_profile import GradientProfile
from gui.loss_plot import LossPlot
from gui.wording import whole

_MARK_REACH = 6  # pixels from a mark within which its text is said
_MOST_MARKS = 4

StepPlot: TypeAlias = LossPlot | GradientHistory
Plot: TypeAlias = StepPlot | GradientProfile


class CurvesHover:
    """Where the mouse is, and what is said there; painted at once, and again when the plot is."""

    def __init__(self, step_plots: Sequence[StepPlot]) -> None:
        self._step_plots = step_plots
        self._history = RunHistory(())
        self._infos: Sequence[LaneInfo] = ()
        self._plot: Plot | None = None
        self._place = (0.0, 0.0)

    def start(self, history: RunHistory, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        self.clear()
        self._history, self._infos = history, infos

    def show(self, plot: Plot, x: float, y: float) -> None:
        """Read out what lies at a place of a plot."""
        if plot is not self._plot:
            self.clear()
        self._plot, self._place = plot, (x, y)
        self.renew(plot)

    def renew(self, plot: Plot) -> None:
        """Say it again if this is the plot under the mouse: its data changed."""
        if plot is not self._plot or self._history.first_step is None:
            return
        x, y = self._place
        if isinstance(plot, GradientProfile):
            plot.show_cross(x)
            lines = [self._lane_line(plot, lane, plot.words(lane, x)) for lane in range(len(self._infos))]
            plot.show_readout("<br>".join(lines), x)
            return
        step = min(max(round(x), self._history.first_step), self._history.last_step)
        for step_plot in self._step_plots:
            step_plot.show_cross(step)
        plot.show_readout("<br>".join(self._step_lines(plot, step, y)), step)

    def clear(self) -> None:
        """Say nothing: the mouse is gone."""
        if self._plot is None:
            return
        self._plot.show_readout("", 0.0)
        for plot in (self._plot, *self._step_plots):
            plot.show_cross(None)
        self._plot = None

    def _step_lines(self, plot: StepPlot, step: int, y: float) -> list[str]:
        head = QCoreApplication.translate("CurvesHover", "step {step}").format(step=whole(step))
        lanes = range(len(self._infos))
        if isinstance(plot, LossPlot):
            values = [self._lane_line(plot, lane, plot.words(lane, step)) for lane in lanes]
        else:
            values = [self._lane_line(plot, plot.lane_at(y), plot.words(step, y))]
        return [head, *values, *self._mark_lines(plot, step)]

    def _mark_lines(self, plot: StepPlot, step: int) -> list[str]:
        """Toggles and divergences close to a step."""
        reach = _MARK_REACH * plot.pixel_width()
        lines = []
        for marker in self._history.markers_between(step - reach, step + reach)[:_MOST_MARKS]:
            text = QCoreApplication.translate("CurvesHover", "{step}: {text}").format(
                step=whole(marker.step), text=marker.text
            )
            lines.append(escape(text) if marker.lane is None else self._lane_line(plot, marker.lane, text))
        for number, lane in enumerate(self._history.lanes):
            if lane.diverged_at is not None and abs(lane.diverged_at - step) <= reach:
                text = QCoreApplication.translate("CurvesHover", "diverged at {step}").format(
                    step=whole(lane.diverged_at)
                )
                lines.append(self._lane_line(plot, number, text))
        return lines

    def _lane_line(self, plot: Plot, lane: int, text: str) -> str:
        color = plot.theme.lane_color(lane).name()
        return f"<b style='color:{color}'>{escape(self._infos[lane].name)}</b> {escape(text)}"
