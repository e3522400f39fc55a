"""Reliability diagram: how often predictions of a confidence are right, beside how many there are."""

from collections.abc import Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from core.history import Cell
from core.messages import Judged
from core.settings import MAX_LANES
from gui.axis_ticks import Ticks, percent_ticks
from gui.confusion_words import bin_words, calibration_sentence, side_words, tenths
from gui.figure import Figure
from gui.plot_export import Table
from gui.plot_shapes import LANE_FILLS, Bars
from gui.theme import Theme

_COUNT_HEIGHT = 0.2  # of the plot, for the tallest bar
_BAR = 0.9  # of a bin's width, for the bars of all networks
_ALPHA = 110
_SYMBOLS = ("o", "s", "t", "d")


class CalibrationPlot(Figure):
    """All networks of a source; on the diagonal, predictions are right as often as they are sure."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(_lying_ticks, percent_ticks, parent)
        self._judged: Judged | None = None
        self.diagonal = pg.PlotCurveItem(x=np.array([0.0, 1.0]), y=np.array([0.0, 1.0]))
        self.counts = tuple(Bars(LANE_FILLS[row % len(LANE_FILLS)]) for row in range(MAX_LANES))
        self.curves = tuple(pg.PlotDataItem(symbol=_SYMBOLS[row], symbolSize=7) for row in range(MAX_LANES))
        self.diagonal.setZValue(-10)
        for item in (self.diagonal, *self.counts, *self.curves):
            self.plot.addItem(item, ignoreBounds=True)
        self.set_x_label(self.tr("confidence in %; upwards: share right in %, bars: how many"))
        self.setAccessibleName(self.tr("Calibration"))
        self.setMinimumHeight(150)

    def show_judged(self, judged: Judged | None) -> None:
        """Show a source's figures."""
        self._judged = judged
        self.draw()

    def sentences(self) -> list[str]:
        """Say of each network how far its confidence is from its accuracy."""
        if self._judged is None:
            return []
        rows = zip(self._judged.names, self._judged.bins, self._judged.calibration_errors, strict=True)
        return [calibration_sentence(name, bins, float(error)) for name, bins, error in rows]

    # ---- what a figure says ---------------------------------------------------------------

    def draw(self) -> None:
        judged = self._judged
        networks = 0 if judged is None else min(len(judged.names), MAX_LANES)
        tallest = max(1.0, float(judged.bins[..., 0].max())) if judged is not None and networks else 1.0
        for row in range(MAX_LANES):
            shown = judged is not None and row < networks
            self.counts[row].setVisible(shown)
            if not shown or judged is None:
                self.curves[row].setData(x=[], y=[])
                continue
            bins = judged.bins[row]
            filled = bins[:, 0] > 0
            self.curves[row].setData(x=bins[filled, 1], y=bins[filled, 2])
            width = _BAR / (len(bins) * networks)
            left = (np.arange(len(bins)) + (1 - _BAR) / 2) / len(bins) + row * width
            heights = np.where(filled, _COUNT_HEIGHT * bins[:, 0] / tallest, np.nan)
            self.counts[row].set_bars(left, heights, width)
        self.set_title(self._heading())
        self.setAccessibleDescription(" ".join(self.sentences()))
        self.title.setToolTip("\n".join(self.sentences()))
        self.fit((0.0, 1.0), (0.0, 1.02))
        self.renew_readout()

    def set_theme(self, theme: Theme) -> None:
        super().set_theme(theme)
        pen = pg.mkPen(theme.muted, width=1)
        pen.setDashPattern([4, 4])
        self.diagonal.setPen(pen)
        for row, (counts, curve) in enumerate(zip(self.counts, self.curves, strict=True)):
            counts.set_color(theme.lane_color(row, _ALPHA))
            curve.setPen(theme.lane_pen(row, width=1.6))
            curve.setSymbolBrush(theme.lane_color(row))
            curve.setSymbolPen(pg.mkPen(QColor(theme.background), width=1))
        self.set_title(self._heading())

    def stops(self) -> Sequence[float]:
        if self._judged is None:
            return ()
        bins = self._judged.bins
        filled = np.flatnonzero((bins[..., 0] > 0).any(0))
        return [(int(number) + 0.5) / bins.shape[1] for number in filled]

    def words(self, x: float) -> str:
        if self._judged is None:
            return ""
        number = min(int(x * self._judged.bins.shape[1]), self._judged.bins.shape[1] - 1)
        return "<br>".join(escape(line) for line in bin_words(self._judged, number))

    def table(self) -> Table:
        head = ("network", "from", "to", "pictures", "mean confidence", "share right")
        rows: list[list[Cell]] = []
        if self._judged is not None:
            for name, bins in zip(self._judged.names, self._judged.bins, strict=True):
                for number, (pictures, confidence, right) in enumerate(bins):
                    shares: list[Cell] = [float(confidence), float(right)] if pictures else ["", ""]
                    low, high = number / len(bins), (number + 1) / len(bins)
                    rows.append([name, low, high, int(pictures), *shares])
        return head, rows

    def _heading(self) -> str:
        said = [f"<b>{escape(self.tr('Calibration error'))}</b>"]
        if self._judged is not None:
            rows = zip(self._judged.names, self._judged.bins, self._judged.calibration_errors, strict=True)
            for row, (name, bins, error) in enumerate(rows):
                color = self.theme.lane_color(row).name()
                words = f"{tenths(float(error))}, {side_words(bins)}" if np.isfinite(error) else "–"
                said.append(f"<span style='color:{color}'><b>{escape(name)}</b></span> {escape(words)}")
        return " · ".join(said)


def _lying_ticks(low: float, high: float, pixels: float) -> Ticks:
    return percent_ticks(low, high, pixels / 2)
