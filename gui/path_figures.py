"""The gradient by length of path: shares as bars, and the mean norm of a path on a log axis."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from core.findings import FloatArray, PathShares
from core.history import Cell
from core.messages import LaneInfo
from gui.axis_ticks import Ticks, decade_ticks, percent_ticks
from gui.figure import Figure, count_ticks
from gui.loss_plot import LANE_SYMBOLS, SYMBOL_SIZE
from gui.network_words import number
from gui.path_words import path_count
from gui.plot_canvas import Range, TickMaker
from gui.plot_export import Table
from gui.plot_shapes import LANE_FILLS, Bars
from gui.theme import Theme

_GROUP = 0.84  # of the room of a length, for the bars of all lanes
_LEAST_SHARE = 0.1  # the axis shows at least
_DOTS_UP_TO = 30  # lengths; more dots than that would hide the line
_AIR = 0.06


class PathFigure(Figure):
    """A plot over the length of a path, all lanes."""

    def __init__(self, y_ticks: TickMaker, parent: QWidget | None = None) -> None:
        super().__init__(count_ticks, y_ticks, parent)
        self.infos: Sequence[LaneInfo] = ()
        self.found: Mapping[int, PathShares] = {}
        self.set_x_label(self.tr("length of the path: residual branches on it"))

    def show_findings(self, found: Mapping[int, PathShares]) -> None:
        """Show these, by lane."""
        self.found = found
        self.draw()

    def most(self) -> int:
        """The greatest length there is."""
        blocks = (self.infos[lane].network.block_count for lane in self.found)
        return max(blocks, default=1)

    def stops(self) -> list[float]:
        return [float(length) for length in range(self.most() + 1)] if self.found else []

    def words(self, x: float) -> str:
        length = round(x)
        there = {lane: found for lane, found in self.found.items() if length < len(found.counts)}
        counts = {lane: self._count_words(found, length) for lane, found in there.items()}
        shared = len(set(counts.values())) == 1
        head = self.tr("length {length}").format(length=length)
        lines = [escape(head + (": " + next(iter(counts.values())) if shared else ""))]
        for lane, found in there.items():
            text = self.tr("{share} · mean norm {norm}").format(
                share=f"{100 * found.shares[length]:.1f} %" if np.isfinite(found.shares[length]) else "–",
                norm=number(float(found.norms[length])) if not np.isnan(found.norms[length]) else "–",
            )
            color = self.theme.lane_color(lane).name()
            text += "" if shared else " · " + counts[lane]
            lines.append(f"<b style='color:{color}'>{escape(self.infos[lane].name)}</b> {escape(text)}")
        return "<br>".join(lines)

    def _count_words(self, found: PathShares, length: int) -> str:
        return self.tr("{count} of {total} paths").format(
            count=path_count(float(found.counts[length])), total=path_count(float(found.counts.sum()))
        )

    def table(self) -> Table:
        rows: list[list[Cell]] = []
        for lane, found in self.found.items():
            for length, (count, norm, share) in enumerate(
                zip(found.counts, found.norms, found.shares, strict=True)
            ):
                rows.append([self.infos[lane].name, length, float(count), float(norm), float(share)])
        return ("lane", "length", "paths", "mean norm", "share"), rows


class PathShareBars(PathFigure):
    """Share of the gradient by length."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(percent_ticks, parent)
        self.bars: list[Bars] = []
        self.setAccessibleName(self.tr("Share of the gradient by length of path"))

    def start(self, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        for item in self.bars:
            self.plot.removeItem(item)
        self.infos, self.found = infos, {}
        self.bars = [Bars(LANE_FILLS[lane]) for lane in range(len(infos))]
        for item in self.bars:
            self.plot.addItem(item, ignoreBounds=True)
        self.read_out(None)
        self.view_all()
        self.set_theme(self.theme)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, bars in enumerate(self.bars):
            bars.set_color(theme.lane_color(lane))

    def draw(self) -> None:
        """Show what is known."""
        width = _GROUP / max(len(self.found), 1)
        shown = sorted(self.found)
        for lane, bars in enumerate(self.bars):
            shares = self.found[lane].shares if lane in self.found else np.empty(0)
            place = shown.index(lane) if lane in self.found else 0
            left = np.arange(len(shares), dtype=np.float64) - _GROUP / 2 + place * width
            bars.set_bars(left, np.where(shares > 0, shares, np.nan), width)
        known = [
            float(np.nanmax(each.shares)) for each in self.found.values() if np.isfinite(each.shares).any()
        ]
        top = max([_LEAST_SHARE, *known])
        self.fit((-0.6, self.most() + 0.6), (0.0, 1.06 * top))
        self.set_title(self.tr("<b>Share of the gradient</b> (%) by length of path"))
        self.renew_readout()


class PathNorms(PathFigure):
    """Mean norm of one path's gradient by length, on a log axis."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_norm_ticks, parent)
        self.curves: list[Any] = []
        self.dots: list[Any] = []
        self.setAccessibleName(self.tr("Mean gradient norm of a path by its length"))

    def start(self, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        for item in (*self.curves, *self.dots):
            self.plot.removeItem(item)
        self.infos, self.found = infos, {}
        self.curves = [pg.PlotCurveItem(antialias=True) for _ in infos]
        self.dots = [pg.ScatterPlotItem(size=SYMBOL_SIZE, symbol=LANE_SYMBOLS[n]) for n in range(len(infos))]
        for item in (*self.curves, *self.dots):
            self.plot.addItem(item, ignoreBounds=True)
        self.read_out(None)
        self.view_all()
        self.set_theme(self.theme)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, (curve, dots) in enumerate(zip(self.curves, self.dots, strict=True)):
            curve.setPen(theme.lane_pen(lane, width=1.5))
            dots.setPen(None)
            dots.setBrush(theme.lane_color(lane))

    def draw(self) -> None:
        """Show what is known."""
        shown: list[FloatArray] = []
        for lane, (curve, dots) in enumerate(zip(self.curves, self.dots, strict=True)):
            norms = self.found[lane].norms if lane in self.found else np.empty(0)
            lengths = np.flatnonzero(np.isfinite(norms) & (norms > 0))
            places = np.log10(norms[lengths])
            shown.append(places)
            curve.setData(lengths, places, skipFiniteCheck=True)
            curve.setVisible(len(lengths) > 1)
            every = max(math.ceil(len(lengths) / _DOTS_UP_TO), 1)
            dots.setData(x=lengths[::every], y=places[::every])
        self.fit((-0.6, self.most() + 0.6), _decades(shown))
        self.set_title(self.tr("<b>Mean norm of one path</b> ‖∂L/∂x₀‖ (log axis)"))
        self.renew_readout()


def _norm_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Decades; below 0.0001, where they are powers of ten, no plain numbers between them."""
    return decade_ticks(low, high, pixels if low >= -4 or high - low < 1 else min(pixels, 78 * (high - low)))


def _decades(shown: list[FloatArray]) -> Range:
    """Room for all places on a log axis: a decade at least."""
    places = np.concatenate(shown) if shown else np.empty(0)
    if len(places) == 0:
        return -3.0, 0.0
    low, high = float(places.min()), float(places.max())
    short = max(1.0 - (high - low), 0.0)
    low, high = low - short / 2, high + short / 2
    air = _AIR * (high - low)
    return low - air, high + air
