"""Loss, or accuracy, of every lane over the steps: raw faint, smoothed on it, held-out as points."""

import math
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QAction, QBrush, QColor, QPen
from PySide6.QtWidgets import QMenu, QWidget

from core.history import Quantity, RunHistory
from core.messages import FloatArray
from gui.axis_ticks import decade_ticks, linear_ticks, percent_ticks, step_ticks
from gui.network_words import number
from gui.plot_canvas import PlotCanvas, Range
from gui.step_marks import StepMarks
from gui.theme import Theme
from gui.wording import whole

MOST_POINTS = 500
LANE_SYMBOLS = ("o", "s", "t1", "d")
SYMBOL_SIZE = 6
_RAW_ALPHA = 60  # the mean must stand out from a band of raw values
_MEAN_WIDTH = 1.5  # dear together with antialiasing, hence fewer points
_MEAN_POINTS = 250
_MOST_HELD_OUT = 60  # points drawn a lane; a symbol costs far more than a bit of line
_FLOOR = 1e-8  # losses below it, zero too, stand there on a log axis
_OUTLIER = 4.0  # a curve that leaves the axis is drawn up to so many times its length


class LossPlot(PlotCanvas):
    """One quantity of all lanes over the steps."""

    def __init__(self, quantity: Quantity, parent: QWidget | None = None) -> None:
        super().__init__(step_ticks, linear_ticks if quantity == "loss" else percent_ticks, parent)
        self.quantity = quantity
        self.log = False
        self.averaged = 1
        self.log_action = QAction(self.tr("Logarithmic loss"), self)
        self.log_action.setCheckable(True)
        self._history = RunHistory(())
        self._raw: list[Any] = []
        self._smooth: list[Any] = []
        self._held_out: list[Any] = []
        self._inks: list[tuple[QPen, QBrush, QBrush]] = []  # shared: pyqtgraph keeps a picture of each
        self._drawn: list[tuple[object, ...]] = []
        self._marks: StepMarks | None = None
        self._beyond = 0.0  # the highest value that the axis leaves out, if it does
        self.set_x_label(self.tr("step"))
        self._retitle()

    def start(self, history: RunHistory) -> None:
        """Begin a run."""
        for item in (*self._raw, *self._smooth, *self._held_out):
            self.plot.removeItem(item)
        self._history = history
        lanes = range(len(history.lanes))
        self._raw = [pg.PlotCurveItem(antialias=False) for _ in lanes]
        self._smooth = [pg.PlotCurveItem(antialias=True) for _ in lanes]
        self._held_out = [pg.ScatterPlotItem(size=SYMBOL_SIZE, symbol=LANE_SYMBOLS[lane]) for lane in lanes]
        for item in (*self._raw, *self._smooth, *self._held_out):
            self.plot.addItem(item, ignoreBounds=True)
        self._drawn = [() for _ in lanes]
        if self._marks is not None:
            self._marks.remove()
        self._marks = StepMarks(self, len(history.lanes))
        self.follows_y = True
        self.set_theme(self.theme)

    def set_log(self, log: bool) -> None:
        """Switch between a linear and a logarithmic axis."""
        self.log = log
        self.follows_y = True
        self.log_action.setChecked(log)
        self.set_y_ticks(decade_ticks if log else linear_ticks)
        self.draw()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, (raw, smooth) in enumerate(zip(self._raw, self._smooth, strict=True)):
            pen = theme.lane_pen(lane, faint=True)
            pen.setColor(theme.lane_color(lane, _RAW_ALPHA))
            raw.setPen(pen)
            smooth.setPen(theme.lane_pen(lane, width=_MEAN_WIDTH))
        self._inks = [_inks(theme, lane) for lane in range(len(self._raw))]
        if self._marks is not None:
            self._marks.set_theme(theme)

    def draw(self) -> None:
        """Show what is known of the steps in view."""
        first, last = (math.floor(self.x_range[0]), math.ceil(self.x_range[1]))
        lanes = range(len(self._raw))
        raw = [self._history.curve(lane, self.quantity, first, last, MOST_POINTS) for lane in lanes]
        if self.follows_y:
            self._fit([*(values for _, values in raw), *self._held_out_values(first, last)])
        for lane in lanes:
            self._set_curve(self._raw[lane], *raw[lane])
            smooth = self._history.smoothed(lane, self.quantity, first, last, _MEAN_POINTS, self.averaged)
            self._set_curve(self._smooth[lane], *smooth)
            self._draw_held_out(lane, first, last)
        if self._marks is not None:
            self._marks.draw(self._history)
        self._retitle()

    def menu(self) -> QMenu:
        """Add the switch of the axis."""
        menu = super().menu()
        if self.quantity == "loss":
            menu.insertAction(menu.actions()[2], self.log_action)
        return menu

    def words(self, lane: int, step: int) -> str:
        """What one lane shows at a step."""
        value = self._history.value(lane, self.quantity, step)
        text = "–" if value is None else self._spoken(value[0])
        if value is not None and value[1] > value[0]:
            text = self.tr("{low} to {high}").format(low=text, high=self._spoken(value[1]))
        return text + self._held_out_words(lane, step)

    # ---- inside ---------------------------------------------------------------------------

    def _held_out_words(self, lane: int, step: int) -> str:
        held_out = self._history.held_out(lane, self.quantity)
        place = int(np.searchsorted(held_out.steps, step, side="right")) - 1
        if place < 0:
            return ""
        said = self.tr(" · held-out {value} at {step}").format(
            value=self._spoken(float(held_out.values[place])), step=whole(int(held_out.steps[place]))
        )
        return said + (self.tr(" (stale batch statistics)") if held_out.stale[place] else "")

    def _spoken(self, value: float) -> str:
        if self.quantity == "accuracy" and math.isfinite(value):
            return f"{100 * value:.1f} %"
        return number(value, 4)

    def _retitle(self) -> None:
        if self.quantity == "accuracy":
            self.set_title(self.tr("<b>Accuracy</b> (%) by step"))
            return
        title = (
            self.tr("<b>Loss</b> (nats, log axis) by step")
            if self.log
            else self.tr("<b>Loss</b> (nats) by step")
        )
        if self._beyond:
            title += " · " + self.tr("peaks to {value}").format(value=number(self._beyond))
        self.set_title(title)

    def placed(self, values: FloatArray) -> FloatArray:
        """Values to places on the axis: finite ones near it, so that nothing overflows."""
        placed = values.copy()
        placed[~np.isfinite(placed)] = np.nan
        if self.log:
            np.log10(np.maximum(placed, _FLOOR), out=placed)
        low, high = self.y_range
        reach = _OUTLIER * (high - low)
        return np.clip(placed, low - reach, high + reach)

    def _set_curve(self, item: Any, steps: FloatArray, values: FloatArray) -> None:
        placed = self.placed(values)
        gaps = bool(np.isnan(placed).any())
        item.setData(steps, placed, connect="finite" if gaps else "all", skipFiniteCheck=True)

    def _draw_held_out(self, lane: int, first: int, last: int) -> None:
        """Symbols are dear to draw: only when something about them changed."""
        held_out = self._history.held_out(lane, self.quantity)
        key = (self._history.evaluations, first, last, self.y_range, self.log, self.theme.dark)
        if key == self._drawn[lane]:
            return
        self._drawn[lane] = key
        # pyqtgraph dies of a scatter of nothing but NaN, so only finite figures go in
        seen = (held_out.steps >= first) & (held_out.steps <= last) & np.isfinite(held_out.values)
        known = np.flatnonzero(seen)
        known = known[:: max(math.ceil(len(known) / _MOST_HELD_OUT), 1)]
        pen, *brushes = self._inks[lane]
        self._held_out[lane].setData(
            x=held_out.steps[known],
            y=self.placed(held_out.values[known]),
            pen=pen,
            brush=[brushes[int(old)] for old in held_out.stale[known]],
        )

    def _fit(self, curves: list[FloatArray]) -> None:
        """Set the upright range; it stays as long as it suits, so that the picture rests."""
        if self.quantity == "accuracy":
            self.set_y_range(-0.02, 1.02)
            return
        values = np.concatenate(curves) if curves else np.empty(0)
        values = values[np.isfinite(values)]
        self._beyond = 0.0
        if len(values) == 0:
            return
        low, high = self._log_range(values) if self.log else self._linear_range(values)
        self.set_y_range(*_steady(self.y_range, low, high))

    def _held_out_values(self, first: int, last: int) -> list[FloatArray]:
        series = [self._history.held_out(lane, self.quantity) for lane in range(len(self._raw))]
        return [known.values[(known.steps >= first) & (known.steps <= last)] for known in series]

    def _log_range(self, values: FloatArray) -> Range:
        low, high = (math.log10(max(float(value), _FLOOR)) for value in (values.min(), values.max()))
        return low - 0.05, max(high + 0.05, low + 0.3)

    def _linear_range(self, values: FloatArray) -> Range:
        """From zero, or near the lowest; few huge values do not press the rest flat, the title says them."""
        high = float(values.max())
        usual = float(np.percentile(values, 95))
        if high > 8 * max(usual, 1e-3):
            self._beyond = high
            high = 2 * max(usual, 1e-3)
        low = float(values.min())
        low = low - 0.05 * (high - low) if low > 0.5 * high else min(low, 0.0)
        return low, max(high + 0.04 * (high - low), low + 1e-3)


def _steady(now: Range, low: float, high: float) -> Range:
    """The present range where it still suits, else a new one with some air."""
    span = now[1] - now[0]
    if now[0] <= low and high <= now[1] and high - low >= 0.6 * span:
        return now
    return low, high + 0.05 * (high - low)


def _inks(theme: Theme, lane: int) -> tuple[QPen, QBrush, QBrush]:
    """Pen, full and hollow brush of a lane's held-out symbols."""
    pen = QPen(theme.lane_color(lane), 1)
    pen.setCosmetic(True)
    return pen, QBrush(theme.lane_color(lane)), QBrush(QColor(theme.background))
