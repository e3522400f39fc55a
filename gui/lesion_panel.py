"""The lesion panel: what a network loses when blocks or shortcuts are taken out of it."""

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QScrollArea, QVBoxLayout, QWidget

from core.findings import ANALYSED_PICTURES, Lesions
from core.messages import RunStarted
from core.settings import MAX_LANES
from gui.figure import Figure
from gui.instrument_panel import InstrumentPanel
from gui.lesion_bars import BRANCH_FILL, SHAPE_SYMBOL, SHORTCUT_FILL, LesionBars
from gui.lesion_curve import LesionCurve
from gui.lesion_words import points_lost
from gui.plot_canvas import Range
from gui.plot_key import KeyEntry, band_mark, bar_mark, line_mark, rule_mark, symbol_mark
from gui.wording import whole

RANDOM = 31  # about so many accuracies go into the curve
_AIR = 0.25  # of the range, over the bars, for the symbols
_LEAST_SPAN = 5.0  # points


class LesionPanel(InstrumentPanel):
    """Bars per block and lane, and accuracy against branches deleted at random."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self.bars: tuple[LesionBars, ...] = ()
        super().__init__("lesions", parent)
        self.bars = tuple(LesionBars(lane, self) for lane in range(MAX_LANES))
        self.curve = LesionCurve(self)
        self.plots.addWidget(self._scrolled(), 3)
        self.plots.addWidget(self.curve, 2)
        for figure in (*self.bars, self.curve):
            figure.said.connect(self.said)
        self.setAccessibleName(self.tr("Lesions"))
        self.set_theme(self.theme)

    def explain(self) -> str:
        return self.tr(
            "Deletes one block, one shortcut or several blocks at a time and measures how much of its "
            "held-out accuracy the network keeps: many short paths lose little, one long path loses all."
        )

    def price_words(self, run: RunStarted) -> str:
        most = max(lane.network.block_count for lane in run.lanes)
        return self.tr("about {count} accuracy measurements on {pictures} held-out pictures per lane").format(
            count=whole(1 + 2 * most + RANDOM), pictures=whole(min(ANALYSED_PICTURES, run.held_out))
        )

    def figures(self) -> tuple[Figure, ...]:
        if not self.bars:
            return ()
        run = self.record.run
        return (*self.bars[: len(run.lanes) if run is not None else 0], self.curve)

    def prepare(self, run: RunStarted) -> None:
        classes = len(run.class_names)
        for lane, figure in enumerate(self.bars):
            figure.setVisible(lane < len(run.lanes))
            if lane < len(run.lanes):
                figure.start(run.lanes[lane], classes)
        self.curve.start(run.lanes, classes)
        self.key.show_entries(
            KeyEntry(self.tr("branch deleted"), bar_mark(BRANCH_FILL)),
            KeyEntry(self.tr("shortcut deleted"), bar_mark(SHORTCUT_FILL)),
            KeyEntry(self.tr("changes shape"), symbol_mark(SHAPE_SYMBOL, lambda theme: theme.muted)),
            *(KeyEntry(info.name, line_mark(lane)) for lane, info in enumerate(run.lanes)),
            KeyEntry(self.tr("range of draws"), band_mark()),
            KeyEntry(self.tr("guessing"), rule_mark()),
        )

    def refresh(self) -> None:
        """Show what is known."""
        found = self._found()
        shared = _upright(list(found.values()))
        for lane, figure in enumerate(self.bars):
            figure.show_finding(found.get(lane), self._note(lane), shared)
        self.curve.show_findings(found)
        super().refresh()

    def plain_words(self) -> list[str]:
        return [text for figure in self.bars if (text := figure.sentence())] + self.curve.sentences()

    def summary_words(self) -> list[str]:
        pictures = {found.pictures for found in self._found().values()}
        if not pictures:
            return []
        words = self.tr("bars: points of accuracy lost ({count} pictures)")
        return [words.format(count=whole(max(pictures)))]

    def _scrolled(self) -> QScrollArea:
        """The bars of all lanes, one above the other; they scroll where they do not fit."""
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        for figure in self.bars:
            column.addWidget(figure, 1)
            figure.hide()
        area = QScrollArea(self)
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        return area

    def _found(self) -> dict[int, Lesions]:
        findings = self.record.findings.items()
        return {lane: event.finding for lane, event in findings if isinstance(event.finding, Lesions)}

    def _note(self, lane: int) -> str:
        """What is missing of a lane, and why."""
        found = self._found().get(lane)
        if found is None and lane in self.record.diverged:
            return self.tr("diverged at step {step}: not measured").format(
                step=whole(self.record.diverged[lane])
            )
        if found is None:
            return self.tr("waits its turn") if self.record.request is not None else self.tr("not measured")
        if self.record.is_whole(lane):
            return ""
        return self.tr("{percent} % done").format(percent=round(100 * self.record.findings[lane].fraction))


def _upright(found: list[Lesions]) -> Range:
    """The points lost, zero among them, with room over the bars."""
    lost = [points_lost(each.base, part) for each in found for part in (each.branch, each.shortcut)]
    values = np.concatenate(lost) if lost else np.empty(0)
    values = values[np.isfinite(values)]
    low, high = min(values.min(initial=0.0), 0.0), max(values.max(initial=0.0), 0.0)
    high = max(high, low + _LEAST_SPAN)
    span = high - low
    return float(low - 0.04 * span if low < 0 else 0.0), float(high + _AIR * span)
