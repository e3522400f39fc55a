"""Accuracy against the number of branches deleted at random: median, and the range of the draws."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from core.findings import FloatArray, Lesions
from core.history import Cell
from core.messages import LaneInfo
from gui.axis_ticks import percent_ticks
from gui.figure import Figure, count_ticks
from gui.lesion_words import percent
from gui.loss_plot import LANE_SYMBOLS, SYMBOL_SIZE
from gui.plot_export import Table
from gui.plot_key import rule_pen
from gui.plot_shapes import Band
from gui.theme import Theme

_LEAST_HEIGHT = 110


class LesionCurve(Figure):
    """All lanes over the number of branches deleted; 0 is the network as it is."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(count_ticks, percent_ticks, parent)
        self._infos: Sequence[LaneInfo] = ()
        self._found: Mapping[int, Lesions] = {}
        self._classes = 0
        self.curves: list[Any] = []
        self.dots: list[Any] = []
        self.bands: list[Band] = []
        self.chance = pg.InfiniteLine(angle=0)
        self.plot.addItem(self.chance, ignoreBounds=True)
        self.set_x_label(self.tr("branches deleted at random"))
        self.setAccessibleName(self.tr("Accuracy against the number of branches deleted at random"))
        self.setMinimumHeight(_LEAST_HEIGHT)

    def start(self, infos: Sequence[LaneInfo], classes: int) -> None:
        """Begin a run."""
        for item in (*self.curves, *self.dots, *self.bands):
            self.plot.removeItem(item)
        self._infos, self._found, self._classes = infos, {}, classes
        self.curves = [pg.PlotCurveItem(antialias=True) for _ in infos]
        self.dots = [pg.ScatterPlotItem(size=SYMBOL_SIZE, symbol=LANE_SYMBOLS[n]) for n in range(len(infos))]
        self.bands = [Band() for _ in infos]
        for item in (*self.bands, *self.curves, *self.dots):
            self.plot.addItem(item, ignoreBounds=True)
        self.chance.setPos(1 / max(classes, 1))
        self.read_out(None)
        self.view_all()
        self.set_theme(self.theme)

    def show_findings(self, found: Mapping[int, Lesions]) -> None:
        """Show these, by lane."""
        self._found = found
        self.draw()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, (curve, dots, band) in enumerate(zip(self.curves, self.dots, self.bands, strict=True)):
            curve.setPen(theme.lane_pen(lane, width=1.5))
            dots.setPen(None)
            dots.setBrush(theme.lane_color(lane))
            band.set_lane(theme, lane)
        self.chance.setPen(rule_pen(theme))

    def draw(self) -> None:
        """Show what is known."""
        most = max((int(each.random_counts.max(initial=1)) for each in self._found.values()), default=1)
        for lane in range(len(self.curves)):
            counts, median, low, high = summed(self._found.get(lane))
            self.curves[lane].setData(counts, median, connect="all", skipFiniteCheck=True)
            self.curves[lane].setVisible(len(counts) > 1)
            self.dots[lane].setData(x=counts, y=median)
            self.bands[lane].set_edges(counts, low, high)
        self.fit((-0.03 * most, 1.03 * most), (-0.02, 1.02))
        self.set_title(self.tr("<b>Accuracy</b> (%) after random deletions"))
        self.setAccessibleDescription(" ".join(self.sentences()))
        self.renew_readout()

    def sentences(self) -> list[str]:
        """What is found, a sentence a lane."""
        said = []
        for lane, info in enumerate(self._infos):
            counts, median, _, _ = summed(self._found.get(lane))
            if len(counts) > 1:
                words = self.tr("{lane}: {accuracy} with {count} branches deleted at random (median).")
                said.append(words.format(lane=info.name, accuracy=percent(median[-1]), count=int(counts[-1])))
        return said

    def stops(self) -> list[float]:
        places = {place for found in self._found.values() for place in summed(found)[0].tolist()}
        return sorted(places)

    def words(self, x: float) -> str:
        lines = [self.tr("{count} branches deleted").format(count=round(x))]
        for lane, info in enumerate(self._infos):
            counts, median, low, high = summed(self._found.get(lane))
            at = np.flatnonzero(counts == x)
            if len(at):
                here = int(at[0])
                words = self.tr("{median}, draws {low} to {high}") if high[here] > low[here] else "{median}"
                text = words.format(
                    median=percent(median[here]), low=percent(low[here]), high=percent(high[here])
                )
                color = self.theme.lane_color(lane).name()
                lines.append(f"<b style='color:{color}'>{escape(info.name)}</b> {escape(text)}")
        return "<br>".join(lines)

    def table(self) -> Table:
        rows: list[list[Cell]] = []
        for lane, info in enumerate(self._infos):
            found = self._found.get(lane)
            if found is not None:
                for count, draws in zip(found.random_counts, found.random, strict=True):
                    for number, accuracy in enumerate(draws):
                        rows.append([info.name, int(count), number, float(accuracy)])
        return ("lane", "branches deleted", "draw", "accuracy"), rows


def summed(found: Lesions | None) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Counts, and the median, least and greatest of the draws measured so far; 0 stands for the base."""
    counts, rows = [], []
    if found is not None and np.isfinite(found.base):
        counts.append(0.0)
        rows.append((found.base, found.base, found.base))
    if found is not None:
        for count, draws in zip(found.random_counts, found.random, strict=True):
            known = draws[np.isfinite(draws)]
            if len(known) and count > 0:
                counts.append(float(count))
                rows.append((float(np.median(known)), float(known.min()), float(known.max())))
    order = np.argsort(np.array(counts), kind="stable")
    table = np.array(rows, float).reshape(-1, 3)[order]
    return np.array(counts)[order], table[:, 0], table[:, 1], table[:, 2]
