"""The norm of every block's gradient against its relative depth, all lanes, on a log axis."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QMenu, QWidget

from core.history import Cell, Reading, RunHistory
from core.messages import FloatArray, LaneInfo
from core.verdict import Regime, Verdict, judge
from gui.axis_ticks import Ticks, decade_ticks, depth_ticks
from gui.network_words import number
from gui.plot_canvas import PlotCanvas, Range
from gui.theme import Theme

_DOTS_UP_TO = 20  # blocks; more dots than that would hide the line
_LEAST_DECADES = 4
_AIR = 0.06  # of the decades, above and below them
_REST = 3  # decades that may stay empty before the range shrinks


class GradientProfile(PlotCanvas):
    """Latest norms of all lanes; zeros stand on a floor of their own, non-finite ones at the top."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(depth_ticks, self._ticks, parent)
        self.reading: Reading = "gradient_norms"
        self._history = RunHistory(())
        self._infos: Sequence[LaneInfo] = ()
        self._curves: list[Any] = []
        self._dots: list[Any] = []
        self._floors: list[Any] = []
        self._lost = pg.ScatterPlotItem(size=7, symbol="x")
        self._has_zeros = False
        self._decades: Range = (-4.0, 2.0)
        self.plot.addItem(self._lost, ignoreBounds=True)
        self.set_x_label(self.tr("relative depth"))
        self.title.setToolTip(
            self.tr(
                "The first block's norm divided by the last block's: above 100 the gradient is called "
                "exploding towards the input, below 0.001 vanishing, healthy between. "
                "▼: zero. ×: not finite."
            )
        )
        self.set_x_range(-0.02, 1.02)
        self.set_y_range(*self._decades)

    def start(self, history: RunHistory, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        for item in (*self._curves, *self._dots, *self._floors):
            self.plot.removeItem(item)
        self._history, self._infos = history, infos
        self._curves = [pg.PlotCurveItem(antialias=True) for _ in infos]
        self._dots = [pg.ScatterPlotItem(size=4, symbol="o") for _ in infos]
        self._floors = [pg.ScatterPlotItem(size=8, symbol="t") for _ in infos]
        for item in (*self._curves, *self._dots, *self._floors):
            self.plot.addItem(item, ignoreBounds=True)
        self._decades = (0.0, 0.0)
        self.view_all()
        self.set_theme(self.theme)

    def view_all(self) -> None:
        """Undo the user's zoom."""
        self.follows_y = True
        self.set_x_range(-0.02, 1.02)

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

    def draw(self) -> None:
        """Show the latest norms."""
        profiles = [self._history.profile(lane, self.reading) for lane in range(len(self._curves))]
        self._fit([norms for _, norms in profiles])
        lost: list[tuple[float, float]] = []
        top = self._decades[1] + _AIR / 3 * (self._decades[1] - self._decades[0])
        for lane, (depth, norms) in enumerate(profiles):
            self._draw_lane(lane, depth, norms)
            lost += [(place, top) for place in depth[~np.isfinite(norms)]]
        if lost or len(self._lost.data):
            self._lost.setData(pos=np.array(lost).reshape(-1, 2))
        self.set_title(self._heading([judge(norms) for _, norms in profiles if len(norms)]))

    def menu(self) -> QMenu:
        """There are no steps here to look at the last of."""
        menu = super().menu()
        menu.removeAction(menu.actions()[1])
        return menu

    def block_at(self, lane: int, depth: float) -> int:
        """Number of the block of a lane nearest to a relative depth."""
        blocks = self._history.lanes[lane].blocks
        return min(max(math.floor(depth * blocks), 0), blocks - 1)

    def words(self, lane: int, depth: float) -> str:
        """What one lane shows at a relative depth."""
        norms = self._history.profile(lane, self.reading)[1]
        if len(norms) == 0:
            return "–"
        block = self.block_at(lane, depth)
        name = self._infos[lane].network.blocks[block].name
        return self.tr("block {block}: {norm}").format(block=name, norm=number(float(norms[block])))

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Head and rows of what is shown."""
        rows: list[list[Cell]] = []
        for lane, info in enumerate(self._infos):
            for block, (depth, norm) in enumerate(
                zip(*self._history.profile(lane, self.reading), strict=True)
            ):
                rows.append([info.name, info.network.blocks[block].name, float(depth), float(norm)])
        return ["lane", "block", "relative depth", self.reading], rows

    # ---- inside ---------------------------------------------------------------------------

    def _ticks(self, low: float, high: float, pixels: float) -> Ticks:
        major, minor = decade_ticks(low, high, pixels)
        if not self._has_zeros:
            return [major, minor]
        above = self._decades[0] + 0.5
        kept = [tick for tick in major if tick[0] > above]
        return [[*kept, (self._decades[0], "0")], [tick for tick in minor if tick[0] > above]]

    def _fit(self, profiles: list[FloatArray]) -> None:
        """Cover every decade of the data; the range stays while it is not much too wide."""
        norms = np.concatenate(profiles) if profiles else np.empty(0)
        positive = norms[np.isfinite(norms) & (norms > 0)]
        zeros = bool((norms == 0).any())
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

    def _draw_lane(self, lane: int, depth: FloatArray, norms: FloatArray) -> None:
        floor = self._decades[0]
        zero = norms == 0
        with np.errstate(divide="ignore", invalid="ignore"):
            places = np.where(zero, floor, np.log10(norms))
        finite = np.isfinite(places)
        places[~finite] = np.nan
        self._curves[lane].setData(depth, places, connect="finite", skipFiniteCheck=True)
        if len(norms) <= _DOTS_UP_TO:
            dots = finite & ~zero
            self._dots[lane].setData(x=depth[dots], y=places[dots])
        if zero.any() or len(self._floors[lane].data):
            self._floors[lane].setData(x=depth[zero], y=places[zero])

    def _heading(self, verdicts: Sequence[Verdict]) -> str:
        title = self.tr("<b>Gradient profile</b>")
        if not verdicts:
            return title
        said = [
            self._lane_words(lane, info.name, self._regime(verdict))
            for lane, (info, verdict) in enumerate(zip(self._infos, verdicts, strict=False))
        ]
        return title + " " + self.tr("first/last:") + " " + "&nbsp; ".join(said)

    def _lane_words(self, lane: int, name: str, words: str) -> str:
        color = self.theme.lane_color(lane).name()
        return f"<span style='white-space:nowrap; color:{color}'><b>{escape(name)}</b> {escape(words)}</span>"

    def _regime(self, verdict: Verdict) -> str:
        ratio = number(verdict.ratio, 2)
        match verdict.regime:
            case Regime.NON_FINITE:
                return self.tr("{count} non-finite").format(count=verdict.non_finite)
            case Regime.ZERO:
                return self.tr("both 0")
            case Regime.VANISHING:
                return self.tr("{ratio} vanishing").format(ratio=ratio)
            case Regime.EXPLODING:
                return self.tr("{ratio} exploding").format(ratio=ratio)
            case Regime.HEALTHY:
                return self.tr("{ratio} healthy").format(ratio=ratio)
