"""Accuracy lost block by block in one lane: the branch deleted, and the shortcut deleted."""

from html import escape

import numpy as np
import pyqtgraph as pg
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QWidget

from core.findings import Lesions
from core.history import Cell
from core.messages import LaneInfo
from gui.axis_ticks import Ticks, linear_ticks
from gui.figure import Figure
from gui.lesion_words import (
    branch_words,
    caution,
    change,
    percent,
    points_lost,
    short_words,
    shortcut_words,
)
from gui.plot_canvas import Range
from gui.plot_export import Table
from gui.plot_shapes import Bars, Fill
from gui.theme import Theme

BRANCH_FILL: Fill = "solid"
SHORTCUT_FILL: Fill = "hatched"
SHAPE_SYMBOL = "d"
_BAR = 0.4  # of the room of a block
_NAME_ROOM = 30.0  # pixels a block's name needs
_LEAST_HEIGHT = 84
_DENSE = (1.6, 2.4, 3.2)  # times as many labels as in a plot that stands alone
_MARK_ROOM = 6.0  # pixels from the upper edge to a mark


class LesionBars(Figure):
    """One lane; all lanes share the upright range, so that their bars can be compared."""

    def __init__(self, lane: int, parent: QWidget | None = None) -> None:
        super().__init__(self._block_ticks, _dense_ticks, parent)
        self._lane = lane
        self._info: LaneInfo | None = None
        self._found: Lesions | None = None
        self._classes = 0
        self._note = ""
        self._wanted_y: Range = (0.0, 1.0)
        self.branch = Bars(BRANCH_FILL)
        self.shortcut = Bars(SHORTCUT_FILL)
        self.zero = pg.InfiniteLine(angle=0, pos=0)
        self.shape_marks = pg.ScatterPlotItem(size=7, symbol=SHAPE_SYMBOL)
        self.zero.setZValue(-10)
        for item in (self.zero, self.branch, self.shortcut, self.shape_marks):
            self.plot.addItem(item, ignoreBounds=True)
        self.view.sigResized.connect(self._place_marks)
        self.view.sigYRangeChanged.connect(self._place_marks)
        self.setMinimumHeight(_LEAST_HEIGHT)

    def start(self, info: LaneInfo, classes: int) -> None:
        """Begin a run."""
        self._info, self._classes = info, classes
        self._found, self._note = None, ""
        self.read_out(None)
        self.setAccessibleName(self.tr("Accuracy lost block by block, lane {lane}").format(lane=info.name))

    def show_finding(self, found: Lesions | None, note: str, y: Range) -> None:
        """Show this over a range of points lost; `note`: what is missing, and why."""
        self._found, self._note = found, note
        self._wanted_y = y
        self.draw()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        super().set_theme(theme)
        for bars in (self.branch, self.shortcut):
            bars.set_color(theme.lane_color(self._lane))
        self.zero.setPen(theme.muted)
        self.shape_marks.setPen(None)
        self.shape_marks.setBrush(QColor(theme.muted))

    def draw(self) -> None:
        """Show what is known."""
        if self._info is None:
            return
        blocks = self._info.network.blocks
        place = np.arange(len(blocks), dtype=float)
        nothing = np.full(len(blocks), np.nan)
        found = self._found
        branch = nothing if found is None else points_lost(found.base, found.branch)
        shortcut = nothing if found is None else points_lost(found.base, found.shortcut)
        self.branch.set_bars(place - _BAR, branch, _BAR)
        self.shortcut.set_bars(place, shortcut, _BAR)
        self.fit((-0.6, len(blocks) - 0.4), self._wanted_y)
        self._place_marks()
        self.set_title(self._heading())
        self.title.setToolTip(self.sentence())
        self.setAccessibleDescription(self.sentence())
        self.renew_readout()

    def sentence(self) -> str:
        """What is found, without colours."""
        if self._info is None:
            return ""
        said = []
        if self._found is not None and np.isfinite(self._found.base):
            said = [
                self.tr("{accuracy} as it is").format(accuracy=percent(self._found.base)),
                caution(self._found, self._classes),
                branch_words(self._found, self._names()),
                shortcut_words(self._found, self._names()),
            ]
        text = "; ".join(part for part in (*said, self._note) if part)
        return f"{self._info.name}: {text}." if text else ""

    def stops(self) -> list[float]:
        return [] if self._info is None else [float(n) for n in range(len(self._info.network.blocks))]

    def words(self, x: float) -> str:
        if self._info is None or self._found is None:
            return ""
        block = self._info.network.blocks[round(x)]
        found = self._found
        lines = [self.tr("block {name}").format(name=block.name)]
        if block.changes_shape:
            lines[0] += self.tr(" (changes shape)")
        # the instrument leaves out shortcuts that are cut as it is
        uncut = self.tr("shortcut: not measured") if self._note else self.tr("shortcut: cut as it is")
        for words, missing, accuracies in (
            (self.tr("branch deleted: {change} points"), self.tr("branch: not measured"), found.branch),
            (self.tr("shortcut deleted: {change} points"), uncut, found.shortcut),
        ):
            lost = 100 * (float(accuracies[block.index]) - found.base)
            lines.append(words.format(change=change(lost)) if np.isfinite(lost) else missing)
        return "<br>".join(escape(line) for line in lines)

    def table(self) -> Table:
        head = ("lane", "block", "changes shape", "accuracy", "branch deleted", "shortcut deleted")
        rows: list[list[Cell]] = []
        if self._info is not None and self._found is not None:
            found = self._found
            for block in self._info.network.blocks:
                rows.append([
                    self._info.name, block.name, "yes" if block.changes_shape else "no", found.base,
                    float(found.branch[block.index]), float(found.shortcut[block.index]),
                ])  # fmt: skip
        return head, rows

    # ---- inside ---------------------------------------------------------------------------

    def _place_marks(self, *_ignored: object) -> None:
        """Put the marks of shape changes just under the upper edge."""
        if self._info is None:
            return
        low, high = self.view.viewRange()[1]
        top = high - _MARK_ROOM * (high - low) / max(float(self.view.height()), 1.0)
        changing = [float(block.index) for block in self._info.network.blocks if block.changes_shape]
        self.shape_marks.setData(x=changing, y=[top] * len(changing))

    def _names(self) -> list[str]:
        return [] if self._info is None else [block.name for block in self._info.network.blocks]

    def _heading(self) -> str:
        assert self._info is not None
        color = self.theme.lane_color(self._lane).name()
        said = [f"<b style='color:{color}'>{escape(self._info.name)}</b>"]
        if self._found is not None and np.isfinite(self._found.base):
            said[0] += " " + percent(self._found.base)
            worth = caution(self._found, self._classes)
            said.append(escape(worth or short_words(self._found, self._names())))
        if self._note:
            said.append(f"<span style='color:{self.theme.muted}'>{escape(self._note)}</span>")
        return " · ".join(part for part in said if part)

    def _block_ticks(self, low: float, high: float, pixels: float) -> Ticks:
        """Names of blocks; where they are tight, of the first of each stage and of every nth."""
        if self._info is None or not high > low:
            return [[], []]
        blocks = [block for block in self._info.network.blocks if low <= block.index <= high]
        room = pixels / (high - low)
        every = max(int(np.ceil(_NAME_ROOM / max(room, 1e-6))), 1)
        named = [
            (float(block.index), block.name)
            for block in blocks
            if block.position % every == 0 and self._has_room(block.index, every)
        ]
        return [named, []]

    def _has_room(self, index: int, every: int) -> bool:
        """Whether the next stage does not begin before the name ends."""
        assert self._info is not None
        after = self._info.network.blocks[index + 1 : index + every]
        first = self._info.network.blocks[index].position == 0
        return first or all(block.position for block in after)


def _dense_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of a low plot, which must not be left with a zero alone."""
    return next(
        (ticks for dense in _DENSE if len((ticks := linear_ticks(low, high, dense * pixels))[0]) > 1),
        [[], []],
    )
