"""A quantity of every block against its relative depth, all lanes in one plot."""

import math
from collections.abc import Sequence
from enum import Enum
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QMenu, QWidget

from core.messages import FloatArray, LaneInfo
from gui.axis_ticks import Ticks, decade_ticks, depth_ticks, linear_ticks, percent_ticks
from gui.loss_plot import LANE_SYMBOLS
from gui.plot_canvas import PlotCanvas, Range
from gui.theme import Theme

_DOTS_UP_TO = 20  # blocks; more dots than that would hide the line
_LEAST_DECADES = 4
_AIR = 0.06  # of the range, above and below it
_REST = 3  # decades that may stay empty before the range shrinks
_STEADY = 0.6  # a linear range stays while the data fill so much of it


class Scale(Enum):
    """How values stand on the upright axis."""

    LOG = "log"
    LINEAR = "linear"
    SHARE = "share"  # from 0 to 1, told in percent


class DepthPlot(PlotCanvas):
    """Curves over depth; on a log axis zeros stand on a floor of their own, lost values at the top."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(depth_ticks, self._ticks, parent)
        self.scale = Scale.LOG
        self._infos: Sequence[LaneInfo] = ()
        self._curves: list[Any] = []
        self._dots: list[Any] = []
        self._floors: list[Any] = []
        self._lost = pg.ScatterPlotItem(size=7, symbol="x")
        self._guide = pg.InfiniteLine(angle=0)
        self._has_zeros = False
        self._decades: Range = (-4.0, 2.0)
        self._guide.setZValue(-10)
        self._guide.hide()
        self.plot.addItem(self._guide, ignoreBounds=True)
        self.plot.addItem(self._lost, ignoreBounds=True)
        self.set_x_label(self.tr("relative depth"))
        self.set_x_range(-0.02, 1.02)
        self.set_y_range(*self._decades)

    # ---- what the plots that stand on it use ------------------------------------------------

    def start_lanes(self, infos: Sequence[LaneInfo]) -> None:
        """Begin a run: one curve a lane."""
        for item in (*self._curves, *self._dots, *self._floors):
            self.plot.removeItem(item)
        self._infos = infos
        self._curves = [pg.PlotCurveItem(antialias=True) for _ in infos]
        self._dots = [
            pg.ScatterPlotItem(size=5, symbol=LANE_SYMBOLS[lane % len(LANE_SYMBOLS)])
            for lane in range(len(infos))
        ]
        self._floors = [pg.ScatterPlotItem(size=8, symbol="t") for _ in infos]
        for item in (*self._curves, *self._dots, *self._floors):
            self.plot.addItem(item, ignoreBounds=True)
        self._decades = (0.0, 0.0)
        self.view_all()
        self.set_theme(self.theme)

    def show_values(
        self,
        curves: Sequence[FloatArray],
        dots: Sequence[FloatArray] | None = None,
        also: Sequence[float] = (),
    ) -> None:
        """Draw each lane's values, block by block; `dots`, where others than these carry the symbols.

        `also` are values that must be seen besides. NaN is a gap; infinite values are said at the top.
        """
        shown = [*curves, *(dots or ())]
        self._fit(np.concatenate([*shown, np.array(also, float)]) if shown else np.empty(0))
        for lane, values in enumerate(curves):
            self._draw_lane(lane, values, None if dots is None else dots[lane])

    def show_lost(self, lost: Sequence[tuple[float, float]]) -> None:
        """Mark what is not finite: (relative depth, place on the axis)."""
        if len(lost) or len(self._lost.data):
            self._lost.setData(pos=np.array(lost, float).reshape(-1, 2))

    def show_guide(self, value: float | None) -> None:
        """Draw a faint line at a value; the title says what it is, as words on it would hide curves."""
        self._guide.setVisible(value is not None)
        if value is not None:
            self._guide.setValue(math.log10(value) if self.scale is Scale.LOG else value)

    def top(self) -> float:
        """Where lost values are marked."""
        low, high = self.y_range
        return high - _AIR / 2 * (high - low)

    def view_all(self) -> None:
        """Undo the user's zoom."""
        self.follows_y = True
        self.set_x_range(-0.02, 1.02)

    def block_at(self, lane: int, depth: float) -> int:
        """Number of the block of a lane nearest to a relative depth."""
        blocks = self._infos[lane].network.block_count
        return min(max(math.floor(depth * blocks), 0), blocks - 1)

    def block_name(self, lane: int, depth: float) -> str:
        """Name of that block."""
        return self._infos[lane].network.blocks[self.block_at(lane, depth)].name

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, curve in enumerate(self._curves):
            curve.setPen(theme.lane_pen(lane, width=1.5))
            for item in (self._dots[lane], self._floors[lane]):
                item.setPen(None)
                item.setBrush(theme.lane_color(lane))
        pen = QPen(QColor(theme.warning), 1)
        pen.setCosmetic(True)
        self._lost.setPen(pen)
        self._lost.setBrush(QColor(theme.warning))
        guide = QPen(QColor(theme.muted), 1, Qt.PenStyle.DashDotDotLine)
        guide.setCosmetic(True)
        self._guide.setPen(guide)

    def menu(self) -> QMenu:
        """There are no steps here to look at the last of."""
        menu = super().menu()
        menu.removeAction(menu.actions()[1])
        return menu

    # ---- inside ---------------------------------------------------------------------------

    def _ticks(self, low: float, high: float, pixels: float) -> Ticks:
        if self.scale is Scale.LINEAR:
            return linear_ticks(low, high, pixels)
        if self.scale is Scale.SHARE:
            return percent_ticks(low, high, pixels)
        major, minor = decade_ticks(low, high, pixels)
        if not self._has_zeros:
            return [major, minor]
        above = self._decades[0] + 0.5
        kept = [tick for tick in major if tick[0] > above]
        return [[*kept, (self._decades[0], "0")], [tick for tick in minor if tick[0] > above]]

    def _fit(self, values: FloatArray) -> None:
        if self.scale is Scale.LOG:
            self._fit_decades(values)
        elif self.follows_y:
            self._fit_linear(values[np.isfinite(values)])

    def _fit_decades(self, values: FloatArray) -> None:
        """Cover every decade of the data; the range stays while it is not much too wide."""
        positive = values[np.isfinite(values) & (values > 0)]
        zeros = bool((values == 0).any())
        if len(positive):
            low, high = math.floor(np.log10(positive.min())), math.ceil(np.log10(positive.max()))
            short = max(_LEAST_DECADES - (high - low), 0)
            low, high = low - short // 2, high + (short + 1) // 2
        else:
            low, high = -_LEAST_DECADES, 0
        low -= zeros  # the floor's own decade
        now_low, now_high = self._decades
        rests = now_low <= low and high <= now_high and (low - now_low) + (now_high - high) < _REST
        if not rests or (zeros != self._has_zeros):
            self._decades = (float(low), float(high))
        self._has_zeros = zeros
        if self.follows_y:
            air = _AIR * (self._decades[1] - self._decades[0])
            self.set_y_range(self._decades[0] - air, self._decades[1] + air)

    def _fit_linear(self, values: FloatArray) -> None:
        """From zero; a share always from 0 to 1, so that little looks little."""
        if self.scale is Scale.SHARE:
            self.set_y_range(-0.03, 1.03)
            return
        low = min(float(values.min(initial=0.0)), 0.0)
        high = max(float(values.max(initial=0.0)), 0.0)
        if high == low:
            high = low + 1.0
        now_low, now_high = self.y_range
        if now_low <= low and high <= now_high and high - low >= _STEADY * (now_high - now_low):
            return
        air = 2 * _AIR * (high - low)
        self.set_y_range(low - air * (low < 0) - 0.01 * (high - low), high + air)

    def _place(self, values: FloatArray) -> FloatArray:
        """Where values stand on the axis; NaN where they are not finite."""
        if self.scale is Scale.LOG:
            with np.errstate(divide="ignore", invalid="ignore"):
                places = np.where(values == 0, self._decades[0], np.log10(values))
        else:
            places = values.astype(np.float64)
        places[~np.isfinite(places)] = np.nan
        return places

    def _draw_lane(self, lane: int, values: FloatArray, dots: FloatArray | None) -> None:
        depth = depths(len(values))
        places = self._place(values)
        self._curves[lane].setData(depth, places, connect="finite", skipFiniteCheck=True)
        floored = (values == 0) & (self.scale is Scale.LOG)
        if dots is not None:
            self._set_dots(lane, depth, self._place(dots), np.asarray(dots != 0))
        else:
            self._set_dots(lane, depth, places, ~floored & (len(values) <= _DOTS_UP_TO))
        if floored.any() or len(self._floors[lane].data):
            self._floors[lane].setData(x=depth[floored], y=places[floored])

    def _set_dots(self, lane: int, depth: FloatArray, places: FloatArray, wanted: NDArray[np.bool_]) -> None:
        seen = np.isfinite(places) & wanted
        if seen.any() or len(self._dots[lane].data):
            self._dots[lane].setData(x=depth[seen], y=places[seen])

    def _lane_words(self, lane: int, words: str) -> str:
        """A lane's name and what is said of it, in its colour (rich text)."""
        color = self.theme.lane_color(lane).name()
        name = escape(self._infos[lane].name)
        text = f"<b>{name}</b> {escape(words)}".rstrip()
        return f"<span style='white-space:nowrap; color:{color}'>{text}</span>"


def depths(blocks: int) -> FloatArray:
    """Relative depth of each block: the middle of its share, so that lanes of any depth share the axis."""
    return (np.arange(blocks) + 0.5) / max(blocks, 1)
