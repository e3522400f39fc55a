"""Every block's gradient norm over the steps as a map, one band a lane, on the fixed colour scale."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from core.history import Cell, GradientMap, Reading, RunHistory
from core.messages import LaneInfo
from gui.axis_ticks import Ticks, step_ticks
from gui.network_words import number
from gui.norm_scale import NormScale
from gui.plot_canvas import AXIS_WIDTH, PlotCanvas, Range
from gui.step_marks import StepMarks
from gui.theme import NORM_DECADES, Theme, norm_table

MOST_COLUMNS = 250
_SEAM = 0.03  # of a band, above and below it
_MOST_NAME = 74  # pixels a lane's name may take
_NAMED_ENDS = 58  # pixels a band needs to name its first and last block beside its lane


class GradientHistory(PlotCanvas):
    """Block × step, lanes stacked; the first block is at the bottom of its band."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(step_ticks, self._ticks, parent)
        self.reading: Reading = "gradient_norms"
        self._history = RunHistory(())
        self._infos: Sequence[LaneInfo] = ()
        self._images: list[Any] = []
        self._maps: list[GradientMap] = []
        self._marks: StepMarks | None = None
        self.scale = NormScale(self)
        self.head.addWidget(self.scale)
        self.set_x_label(self.tr("step"))
        self.grid.setVisible(False)
        self.set_title(self.tr("<b>Gradient history</b> by step"))
        self.view.setMouseEnabled(y=False)

    def start(self, history: RunHistory, infos: Sequence[LaneInfo]) -> None:
        """Begin a run."""
        for image in self._images:
            self.plot.removeItem(image)
        self._history, self._infos, self._maps = history, infos, []
        self._images = [pg.ImageItem(axisOrder="row-major") for _ in infos]
        for image in self._images:
            image.setZValue(-10)
            self.plot.addItem(image, ignoreBounds=True)
        if self._marks is not None:
            self._marks.remove()
        self._marks = StepMarks(self, len(infos), on_picture=True)
        self.set_y_range(0.0, float(max(len(infos), 1)))
        self._retick_y()
        self.set_theme(self.theme)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        self.scale.set_theme(theme)
        if self._marks is not None:
            self._marks.set_theme(theme)

    def draw(self) -> None:
        """Show what is known of the steps in view."""
        first, last = (math.floor(self.x_range[0]), math.ceil(self.x_range[1]))
        columns = min(MOST_COLUMNS, max(round(self.view.width() / 2), 2))
        lanes = range(len(self._images))
        self._maps = [self._history.gradient_map(lane, self.reading, first, last, columns) for lane in lanes]
        for lane in lanes:
            self._draw_lane(lane)
        if self._marks is not None:
            self._marks.draw(self._history, tuple(self._band(lane) for lane in lanes))

    def words(self, step: float, y: float) -> str:
        """What lies under the mouse."""
        lane = len(self._images) - 1 - math.floor(y)
        if not 0 <= lane < len(self._maps):
            return ""
        shown = self._maps[lane]
        column = math.floor((step + 0.5 - shown.first) / shown.size)
        blocks = len(shown.values)
        low, high = self._band(lane)
        block = min(max(math.floor((y - low) / (high - low) * blocks), 0), blocks - 1)
        name = self._infos[lane].network.blocks[block].name
        if not 0 <= column < shown.values.shape[1]:
            return self.tr("block {block}: –").format(block=name)
        text = self.tr("block {block}: {norm}").format(
            block=name, norm=number(float(shown.values[block, column]))
        )
        if shown.size > 1:
            text = self.tr("block {block}: up to {norm} in {count} steps").format(
                block=name, norm=number(float(shown.values[block, column])), count=shown.size
            )
        if lost := int(shown.non_finite[block, column]):
            text += self.tr(", {count} non-finite").format(count=lost)
        return text

    def names_width(self) -> int:
        """Width of the upright axis that holds the lanes' names."""
        widths = (self.fontMetrics().horizontalAdvance(self._short(info.name)) for info in self._infos)
        return max((AXIS_WIDTH, *(width + 8 for width in widths)))

    def lane_at(self, y: float) -> int:
        """The lane whose band is at a height."""
        return min(max(len(self._images) - 1 - math.floor(y), 0), max(len(self._images) - 1, 0))

    def table(self) -> tuple[list[str], list[list[Cell]]]:
        """Head and rows of what is shown."""
        rows: list[list[Cell]] = []
        for info, shown in zip(self._infos, self._maps, strict=False):
            for block, (values, lost) in enumerate(zip(shown.values, shown.non_finite, strict=True)):
                for column in range(len(values)):
                    step = shown.first + column * shown.size
                    name = info.network.blocks[block].name
                    rows.append([info.name, name, step, shown.size, float(values[column]), int(lost[column])])
        return ["lane", "block", "first step", "steps", f"highest {self.reading}", "non-finite"], rows

    # ---- inside ---------------------------------------------------------------------------

    def _band(self, lane: int) -> Range:
        bottom = len(self._images) - 1 - lane
        return bottom + _SEAM, bottom + 1 - _SEAM

    def _ticks(self, _low: float, _high: float, pixels: float) -> Ticks:
        ticks: list[tuple[float, str]] = []
        room = pixels / max(len(self._infos), 1)
        for lane, info in enumerate(self._infos):
            low, high = self._band(lane)
            ticks.append(((low + high) / 2, self._short(info.name)))
            if room >= _NAMED_ENDS:
                inset = 7 / room
                ticks += [
                    (low + inset, info.network.blocks[0].name),
                    (high - inset, info.network.blocks[-1].name),
                ]
        return [ticks, []]

    def _short(self, name: str) -> str:
        return self.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, _MOST_NAME)

    def _draw_lane(self, lane: int) -> None:
        shown, image = self._maps[lane], self._images[lane]
        if shown.values.shape[1] == 0:
            image.clear()
            return
        low, high = self._band(lane)
        image.setImage(colors(shown.values, shown.non_finite, self.theme), autoLevels=False)
        image.setRect(QRectF(shown.first - 0.5, low, shown.values.shape[1] * shown.size, high - low))


def colors(values: NDArray[Any], non_finite: NDArray[np.int64], theme: Theme) -> NDArray[np.uint8]:
    """Colours of norms, (rows, columns, 4): warning where any reading was not finite, clear where none is."""
    low, high = NORM_DECADES
    with np.errstate(divide="ignore"):
        place = (np.log10(np.maximum(values, 0)) - low) * (255 / (high - low))
    index = np.nan_to_num(np.clip(place, 0, 255)).astype(np.uint8)
    picture = np.empty((*values.shape, 4), np.uint8)
    picture[..., :3] = norm_table()[index]
    picture[..., 3] = np.where(np.isnan(values), 0, 255)
    picture[values == 0] = _rgba(theme.norm_color(0.0))
    picture[non_finite > 0] = _rgba(theme.norm_color(math.nan))
    return picture


def _rgba(color: QColor) -> tuple[int, int, int, int]:
    return color.red(), color.green(), color.blue(), 255
