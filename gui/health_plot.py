"""One sampled reading of every block of all lanes, against relative depth."""

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtWidgets import QWidget

from core.history import Cell
from core.messages import BlockSamples, FloatArray, LaneInfo
from gui.depth_plot import DepthPlot, Scale, depths
from gui.health_quantity import RULE_OF_THUMB, HealthQuantity, Reading, readings, remark, values
from gui.network_words import number
from gui.theme import Theme
from gui.wording import whole

_BAND_ALPHA = 13  # bands of four lanes lie on one another
_EDGE_ALPHA = 130


class HealthPlot(DepthPlot):
    """Curves of one quantity; a mean has its deviation as a band around it."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.reading: Reading = readings()[0]
        self._samples: list[BlockSamples | None] = []
        self._edges: list[tuple[Any, Any]] = []
        self._bands: list[Any] = []

    def start(self, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        for item in (*self._bands, *(edge for pair in self._edges for edge in pair)):
            self.plot.removeItem(item)
        self._samples = [None] * len(infos)
        self._edges = [(pg.PlotCurveItem(), pg.PlotCurveItem()) for _ in infos]
        self._bands = [pg.FillBetweenItem(*pair) for pair in self._edges]
        for item in (*self._bands, *(edge for pair in self._edges for edge in pair)):
            item.setZValue(-8)
            self.plot.addItem(item, ignoreBounds=True)
        self.start_lanes(infos)

    def take(self, lane: int, samples: BlockSamples) -> None:
        """Keep a lane's latest samples."""
        self._samples[lane] = samples

    def show_reading(self, reading: Reading) -> None:
        """Show another quantity."""
        self.reading = reading
        self.scale = reading.scale
        self._decades = (0.0, 0.0)
        self.set_y_range(0.0, 1.0)
        self.view_all()
        self.set_y_ticks(self._ticks)
        self.title.setToolTip(reading.explain)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for lane, (pair, band) in enumerate(zip(self._edges, self._bands, strict=True)):
            pen = theme.lane_pen(lane)
            pen.setColor(theme.lane_color(lane, _EDGE_ALPHA))
            for edge in pair:
                edge.setPen(pen)
            band.setBrush(theme.lane_color(lane, _BAND_ALPHA))

    def draw(self) -> None:
        """Show the latest samples."""
        shown = [self.values(lane) for lane in range(len(self._infos))]
        is_output = self.reading.quantity is HealthQuantity.OUTPUT
        has_guide = self.reading.quantity is HealthQuantity.UPDATES and any(len(part) for part in shown)
        reach = [end for lane in range(len(shown)) for end in self._band_ends(lane)] if is_output else []
        also = np.concatenate([*reach, np.array([RULE_OF_THUMB] if has_guide else [])])
        self.show_values(shown, also=[float(value) for value in also])
        self.show_guide(RULE_OF_THUMB if has_guide else None)
        lost = [(float(place), self.top()) for part in shown for place in depths(len(part))[np.isinf(part)]]
        self.show_lost(lost)
        for lane in range(len(shown)):
            self._draw_band(lane, is_output)
        self.set_title(self._heading())

    def values(self, lane: int) -> FloatArray:
        """What is shown of a lane; empty before its first sample."""
        samples = self._samples[lane]
        return np.empty(0) if samples is None else values(self.reading.quantity, samples)

    def words(self, lane: int, depth: float) -> str:
        """What one lane shows at a relative depth."""
        samples, shown = self._samples[lane], self.values(lane)
        if samples is None:
            return "–"
        block, name = self.block_at(lane, depth), self.block_name(lane, depth)
        value = float(shown[block])
        if np.isnan(value):
            return self.tr("block {block}: {why}").format(block=name, why=self._why(lane))
        text = self._spoken(value)
        if self.reading.quantity is HealthQuantity.OUTPUT:
            text += f" ± {number(float(samples.deviations[block]))}"
        return self.tr("block {block}: {value}").format(block=name, value=text)

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Head and rows of what is shown."""
        rows: list[list[Cell]] = []
        for lane, info in enumerate(self._infos):
            samples = self._samples[lane]
            for block, value in enumerate(self.values(lane)):
                if samples is not None:
                    row: list[Cell] = [info.name, info.network.blocks[block].name, samples.step, float(value)]
                    is_output = self.reading.quantity is HealthQuantity.OUTPUT
                    rows.append([*row, float(samples.deviations[block])] if is_output else row)
        head = ["lane", "block", "step", str(self.reading.quantity)]
        return [*head, "deviation"] if self.reading.quantity is HealthQuantity.OUTPUT else head, rows

    # ---- inside ---------------------------------------------------------------------------

    def _spoken(self, value: float) -> str:
        is_share = self.reading.quantity in (HealthQuantity.DEAD, HealthQuantity.SATURATED)
        return f"{number(100 * value)} %" if is_share else number(value)

    def _why(self, lane: int) -> str:
        network = self._infos[lane].network
        return remark(self.reading.quantity, network) or self.tr("not there in this network")

    def _band_ends(self, lane: int) -> tuple[FloatArray, FloatArray]:
        samples = self._samples[lane]
        if samples is None:
            return np.empty(0), np.empty(0)
        return samples.means - samples.deviations, samples.means + samples.deviations

    def _draw_band(self, lane: int, is_shown: bool) -> None:
        low, high = self._band_ends(lane)
        seen = np.isfinite(low) & np.isfinite(high)
        self._bands[lane].setVisible(is_shown and bool(seen.any()))
        for edge, end in zip(self._edges[lane], (low, high), strict=True):
            edge.setVisible(is_shown and bool(seen.any()))
            if is_shown:
                edge.setData(depths(len(end))[seen], end[seen])

    def _heading(self) -> str:
        """What is shown, of which step, and which lanes have not got it."""
        is_share = self.reading.scale is Scale.SHARE
        title = f"<b>{escape(self.reading.label)}</b>" + (" (%)" if is_share else "")
        steps = {samples.step for samples in self._samples if samples is not None}
        if len(steps) == 1:
            title += " " + self._step_words(min(steps))
        if self.reading.quantity is HealthQuantity.UPDATES:
            title += " · " + self.tr("line at 10⁻³: a rule of thumb")
        said: dict[str, list[int]] = {}
        for lane, samples in enumerate(self._samples):
            if samples is not None:
                # a lane that diverged was sampled last at an earlier step than the others
                words = [self._step_words(samples.step)] if len(steps) > 1 else []
                text = ", ".join([*words, *self._missing(lane)])
                said.setdefault(text, []).append(lane)
        remarks = [self._names(lanes) + " " + escape(text) for text, lanes in said.items() if text]
        return " &nbsp; ".join([title, *remarks])

    def _missing(self, lane: int) -> list[str]:
        words = remark(self.reading.quantity, self._infos[lane].network)
        return [words or self._why(lane)] if words or np.isnan(self.values(lane)).all() else []

    def _step_words(self, step: int) -> str:
        return self.tr("of step {step}").format(step=whole(step))

    def _names(self, lanes: Sequence[int]) -> str:
        return " ".join(self._lane_words(lane, "") for lane in lanes)
