"""The path panel: along paths of which length the gradient comes back to the first block."""

from html import escape

from PySide6.QtWidgets import QWidget

from core.findings import PathShares
from core.messages import RunStarted
from gui.figure import Figure
from gui.instrument_panel import InstrumentPanel
from gui.path_figures import PathNorms, PathShareBars
from gui.path_words import carrying_words, count_words, path_count, slope_words
from gui.plot_key import LONG_MARK, KeyEntry, lane_mark
from gui.plot_shapes import LANE_FILLS
from gui.wording import whole

ALL_UP_TO = 1024  # paths: more are sampled
PICTURES = 32


class PathPanel(InstrumentPanel):
    """Share of the gradient, and mean norm of a path, by the length of the path."""

    def __init__(self, parent: QWidget | None = None) -> None:
        self._figures: tuple[Figure, ...] = ()
        super().__init__("paths", parent)
        self.shares = PathShareBars(self)
        self.norms = PathNorms(self)
        self._figures = (self.shares, self.norms)
        for figure in self._figures:
            self.plots.addWidget(figure, 1)
            figure.said.connect(self.said)
        self.setAccessibleName(self.tr("Paths"))
        self.set_theme(self.theme)

    def explain(self) -> str:
        return self.tr(
            "A network of n blocks is a sum of 2ⁿ paths, through the branch or the shortcut of each block. "
            "This follows the gradient back along them, one by one, and adds up what paths of each length bring."
        )

    def price_words(self, run: RunStarted) -> str:
        blocks = max(lane.network.block_count for lane in run.lanes)
        paths = 2.0**blocks
        if paths <= ALL_UP_TO:
            words = self.tr("all {total} paths, {pictures} pictures, per lane")
        else:
            words = self.tr("about {most} of {total} paths, drawn at random, {pictures} pictures, per lane")
        return words.format(total=path_count(paths), most=whole(ALL_UP_TO), pictures=PICTURES)

    def figures(self) -> tuple[Figure, ...]:
        return self._figures

    def prepare(self, run: RunStarted) -> None:
        self.shares.start(run.lanes)
        self.norms.start(run.lanes)
        self.key.show_entries(
            *(
                KeyEntry(info.name, lane_mark(lane, LANE_FILLS[lane]), LONG_MARK)
                for lane, info in enumerate(run.lanes)
            )
        )

    def refresh(self) -> None:
        """Show what is known."""
        found = self._found()
        for figure in (self.shares, self.norms):
            figure.show_findings(found)
        super().refresh()

    def summary_lines(self) -> list[str]:
        lines = []
        for lane, name, text in self._said():
            color = self.theme.lane_color(lane).name()
            lines.append(f"<b style='color:{color}'>{escape(name)}</b> {escape(text)}")
        return lines

    def plain_words(self) -> list[str]:
        return [f"{name}: {text}." for _, name, text in self._said()]

    def _said(self) -> list[tuple[int, str, str]]:
        """Each lane, its name and what was found in it."""
        if self.record.run is None:
            return []
        said = []
        found = self._found()
        for lane, info in enumerate(self.record.run.lanes):
            if lane in found:
                said.append((lane, info.name, self._lane_words(lane, found[lane])))
            elif lane in self.record.diverged:
                words = self.tr("diverged at step {step}: not measured")
                said.append((lane, info.name, words.format(step=whole(self.record.diverged[lane]))))
        return said

    def _lane_words(self, lane: int, found: PathShares) -> str:
        if not self.record.is_whole(lane):
            percent = round(100 * self.record.findings[lane].fraction)
            return self.tr("{percent} % done").format(percent=percent)
        parts = [count_words(found), carrying_words(found.shares), slope_words(found.norms)]
        return "; ".join(part for part in parts if part)

    def _found(self) -> dict[int, PathShares]:
        findings = sorted(self.record.findings.items())
        return {lane: event.finding for lane, event in findings if isinstance(event.finding, PathShares)}
