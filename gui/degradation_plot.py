"""Final training loss against depth, with shortcuts and without; the papers' figures as ghosts.

The ghosts are test errors of other networks on other pictures: they have an axis of their own, on the
right, are hollow and in no lane's colour.
"""

import math
from collections.abc import Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor, QPen
from PySide6.QtWidgets import QWidget

from core.degradation import Band, DepthPoint, Published, Shortcuts
from core.history import Cell
from gui.axis_ticks import Ticks, linear_ticks, percent_ticks
from gui.degradation_series import KINDS, published_series, series_of, short_source
from gui.degradation_words import figures, kind_words, spread_words
from gui.figure import Figure
from gui.loss_plot import LANE_SYMBOLS, SYMBOL_SIZE
from gui.plot_export import Table
from gui.plot_key import ghost_pen
from gui.plot_shapes import Band as Strip
from gui.theme import Theme
from gui.wording import plain, whole

HEAD = (
    "depth", "shortcuts", "seed", "final training loss", "final training error", "parameters", "multiply-adds",
    "learning rate", "steps", "data set", "width", "lane", "run",
)  # fmt: skip
_DEPTHS = (20, 32, 44, 56, 110)  # named on the axis whatever has been run
_NAME_ROOM = 26.0  # pixels a depth's name needs
_ERROR_AXIS = 34  # pixels; with its label
_ERROR_LABEL = 16
_TOP_ERROR = 20.0  # per cent: where the right axis ends while nothing is zoomed
_SIDE_ROOM = 0.05  # of the axis of depths, beside the outermost
_AIR = 0.08


class DegradationPlot(Figure):
    """Depth on a log axis; a symbol is the median of the seeds, the strip their range."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(self._depth_ticks, linear_ticks, parent)
        self.error = False  # show the error instead of the loss
        self.with_ghosts = True
        self._points: Sequence[DepthPoint] = ()
        self._series: dict[Shortcuts, list[Band]] = {kind: [] for kind in KINDS}
        self._per_error = 1.0  # of the left axis, for one per cent of the right one
        self.curves = {kind: pg.PlotCurveItem(antialias=True) for kind in KINDS}
        self.dots = {
            kind: pg.ScatterPlotItem(size=SYMBOL_SIZE + 2, symbol=LANE_SYMBOLS[lane])
            for lane, kind in enumerate(KINDS)
        }
        self.strips = {kind: Strip() for kind in KINDS}
        self.lost = pg.ScatterPlotItem(size=9, symbol="x")
        self.published = published_series()
        self.ghost_lines = [pg.PlotCurveItem(antialias=True) for _ in self.published]
        self.ghost_dots = [
            pg.ScatterPlotItem(size=SYMBOL_SIZE + 1, symbol=LANE_SYMBOLS[KINDS.index(series[0].shortcuts)])
            for series in self.published
        ]
        for item in (
            *self.ghost_lines, *self.ghost_dots, *self.strips.values(), *self.curves.values(),
            *self.dots.values(), self.lost,
        ):  # fmt: skip
            self.plot.addItem(item, ignoreBounds=True)
        self._errors = self.plot.getPlotItem().getAxis("right")
        self._errors.enableAutoSIPrefix(False)
        self._errors.setStyle(tickLength=0, tickFont=self._small_font(), tickTextOffset=4)
        self.view.sigYRangeChanged.connect(self._retick_errors)
        self.view.sigResized.connect(self._retick_errors)
        self.set_x_label(self.tr("depth: layers with weights (log axis)"))
        self.setMinimumHeight(110)

    def show_points(self, points: Sequence[DepthPoint]) -> None:
        """Show these runs, all of one recipe."""
        self._points = points
        self._series = series_of(points)
        self.draw()

    @property
    def series(self) -> dict[Shortcuts, list[Band]]:
        """What is shown of our own runs."""
        return self._series

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, kind in enumerate(KINDS):
            self.curves[kind].setPen(theme.lane_pen(lane, width=1.5))
            self.dots[kind].setPen(None)
            self.dots[kind].setBrush(theme.lane_color(lane))
            self.strips[kind].set_lane(theme, lane)
        self.lost.setPen(_ink(theme.warning))
        self.lost.setBrush(QColor(theme.warning))
        for number, (line, dots) in enumerate(zip(self.ghost_lines, self.ghost_dots, strict=True)):
            line.setPen(ghost_pen(theme, self.source(number)))
            dots.setPen(_ink(theme.muted))
            dots.setBrush(QColor(theme.background))
        self._label_errors()

    def draw(self) -> None:
        """Show what is known."""
        self._fit()
        lost = []
        for kind, bands in self._series.items():
            known = [band for band in bands if math.isfinite(figures(band, error=self.error)[0])]
            lost += [math.log10(band.depth) for band in bands if band.diverged]
            depth = np.log10(np.array([band.depth for band in known], np.float64))
            table = np.array([figures(band, error=self.error) for band in known], np.float64).reshape(-1, 3)
            # whatever is mixed is not one thing: there is no line through it
            line = slice(0, 0) if kind == "mixed" else slice(None)
            self.curves[kind].setData(depth[line], table[line, 0], skipFiniteCheck=True)
            self.curves[kind].setVisible(len(depth[line]) > 1)
            self.strips[kind].set_edges(depth[line], table[line, 1], table[line, 2])
            self.dots[kind].setData(x=depth, y=table[:, 0])
        low, high = self.y_range
        self.lost.setData(x=lost, y=[high - 0.04 * (high - low)] * len(lost))
        self._draw_ghosts()
        self.set_y_ticks(percent_ticks if self.error else linear_ticks)
        if self.error:
            self.set_title(self.tr("<b>Final training error</b> (%), last 20 steps"))
        else:
            self.set_title(self.tr("<b>Final training loss</b> (nats), last 20 steps"))
        self.setAccessibleName(self.tr("Final training error against depth") if self.error
                               else self.tr("Final training loss against depth"))  # fmt: skip
        self.renew_readout()

    def source(self, number: int) -> int:
        """Which source, counted from 0, a ghost series is from."""
        sources = list(dict.fromkeys(series[0].source for series in self.published))
        return sources.index(self.published[number][0].source)

    def stops(self) -> list[float]:
        return [math.log10(depth) for depth in self._depths()]

    def words(self, x: float) -> str:
        depth = round(10**x)
        here = [(kind, band) for kind in KINDS for band in self._series[kind] if band.depth == depth]
        lines = [escape(self._size_words(depth, [band for _, band in here]))]
        for kind, band in here:
            color = self.theme.lane_color(KINDS.index(kind)).name()
            said = escape(spread_words(band, error=self.error))
            lines.append(f"<b style='color:{color}'>{escape(kind_words(kind))}</b> {said}")
        if here:
            lines.append(escape(self._training_words([point for _, band in here for point in band.points])))
        if self.with_ghosts:
            lines += [
                f"<span style='color:{self.theme.muted}'>{escape(_published_words(figure))}</span>"
                for series in self.published
                for figure in series
                if figure.depth == depth
            ]
        return "<br>".join(lines)

    def table(self) -> Table:
        order = sorted(
            self._points, key=lambda point: (point.depth, KINDS.index(point.shortcuts), point.seed)
        )
        rows: list[list[Cell]] = [
            [
                point.depth, point.shortcuts, point.seed, point.loss, point.error, point.parameters, point.macs,
                point.learning_rate, point.steps, point.dataset, point.width, point.lane, point.run,
            ]
            for point in order
        ]  # fmt: skip
        return HEAD, rows

    def published_table(self) -> Table:
        """The papers' figures: a table of their own."""
        rows: list[list[Cell]] = [
            [figure.source, figure.dataset, figure.what, figure.depth, figure.shortcuts, figure.value]
            for series in self.published
            for figure in series
        ]
        return ("source", "data set", "what", "depth", "shortcuts", "value"), rows

    # ---- inside ---------------------------------------------------------------------------

    def _size_words(self, depth: int, here: list[Band]) -> str:
        """What a depth costs, which is the same with shortcuts and without."""
        said = self.tr("{depth} layers").format(depth=depth)
        if not here:
            return said
        point = here[0].points[0]
        words = self.tr("{parameters} parameters · {macs} multiply-adds")
        return f"{said} · " + words.format(parameters=whole(point.parameters), macs=_millions(point.macs))

    def _training_words(self, points: list[DepthPoint]) -> str:
        seeds = ", ".join(str(seed) for seed in sorted({point.seed for point in points}))
        return self.tr("{steps} steps · rate {rate} · seeds {seeds}").format(
            steps=whole(max(point.steps for point in points)),
            rate=plain(points[0].learning_rate),
            seeds=seeds,
        )

    def _depths(self) -> list[int]:
        depths = {point.depth for point in self._points}
        if self.with_ghosts or not depths:
            depths |= {figure.depth for series in self.published for figure in series}
        return sorted(depths)

    def _fit(self) -> None:
        depths = self._depths()
        low, high = math.log10(depths[0]), math.log10(depths[-1])
        room = max(_SIDE_ROOM * (high - low), 0.03)
        tops = [figures(band, error=self.error)[2] for bands in self._series.values() for band in bands]
        top = max([value for value in tops if math.isfinite(value)], default=1.0)
        top = max((1 + _AIR) * top, 0.05)
        self._per_error = top / _TOP_ERROR
        self.fit((low - room, high + room), (0.0, top))

    def _draw_ghosts(self) -> None:
        for series, line, dots in zip(self.published, self.ghost_lines, self.ghost_dots, strict=True):
            depth = np.log10([figure.depth for figure in series])
            height = np.array([figure.value * self._per_error for figure in series])
            line.setData(depth, height)
            dots.setData(x=depth, y=height)
            line.setVisible(self.with_ghosts)
            dots.setVisible(self.with_ghosts)
        self.plot.getPlotItem().showAxis("right", self.with_ghosts)
        self._retick_errors()
        self._label_errors()

    def _retick_errors(self, *_ignored: object) -> None:
        """Label the right axis: the left one's places, in per cent of the papers' test error."""
        low, high = self.view.viewRange()[1]
        major = linear_ticks(low / self._per_error, high / self._per_error, self.view.height())[0]
        self._errors.setTicks([[(place * self._per_error, text) for place, text in major], []])

    def _label_errors(self) -> None:
        """Name the right axis, in the papers' own ink."""
        self._errors.setTextPen(self.theme.muted)
        self._errors.setLabel(self.tr("papers: test error, %"), color=self.theme.muted)
        self._errors.showLabel(self.with_ghosts)
        self._errors.setWidth(_ERROR_AXIS + _ERROR_LABEL)

    def _depth_ticks(self, low: float, high: float, pixels: float) -> Ticks:
        """The depths there are, as many as fit."""
        room = _NAME_ROOM * (high - low) / max(pixels, 1.0)
        named: list[tuple[float, str]] = []
        for depth in sorted({*_DEPTHS, *self._depths()}):
            place = math.log10(depth)
            if low <= place <= high and (not named or place - named[-1][0] >= room):
                named.append((place, str(depth)))
        return [named, []]


def _published_words(figure: Published) -> str:
    return f"{short_source(figure)}, {kind_words(figure.shortcuts)}: {figure.value} ({figure.what})"


def _ink(color: str) -> QPen:
    pen = QPen(QColor(color), 1.0)
    pen.setCosmetic(True)
    return pen


def _millions(macs: int) -> str:
    return f"{macs / 1e6:.1f} M"
