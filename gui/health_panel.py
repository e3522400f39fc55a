"""The health panel: one sampled reading of every block, all lanes, chosen from a list."""

from html import escape
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import QHBoxLayout, QLabel, QStackedWidget, QVBoxLayout, QWidget

from core.messages import LaneInfo, RunStarted, TrainingSlice
from gui.combo import add_explained, narrow_combo
from gui.curves_legend import CurvesLegend, LegendEntry
from gui.health_plot import HealthPlot
from gui.health_quantity import HealthQuantity, readings
from gui.panel import Panel
from gui.plot_export import export, export_dialog
from gui.theme import Theme
from gui.wording import whole


class HealthPanel(Panel):
    """What every block of every lane is like inside, sampled every 20 steps.

    Signals: `said`, a sentence for the status bar (a file was written, or could not be).
    """

    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._infos: tuple[LaneInfo, ...] = ()
        self._diverged: list[int | None] = []
        self._has_samples = False
        self._readings = {reading.quantity: reading for reading in readings()}
        self.choice = narrow_combo(18)
        self.legend = CurvesLegend(self)
        self.plot = HealthPlot(self)
        self._pages = QStackedWidget(self)
        self._empty = QLabel(self)
        for reading in self._readings.values():
            add_explained(self.choice, reading.label, reading.quantity, reading.explain)
        self._layout()
        self.choice.activated.connect(self._on_choice)
        self.plot.hovered.connect(self._on_hovered)
        self.plot.left.connect(self._on_left)
        self.plot.view_all_chosen.connect(self._on_view_all)
        self.plot.export_chosen.connect(self._on_export)
        self.set_quantity(HealthQuantity.UPDATES)
        self.set_theme(self.theme)

    # ---- events: store only ---------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run."""
        self._infos = run.lanes
        self._diverged = [None] * len(run.lanes)
        self._has_samples = False
        self._on_left()
        self.plot.start(run.lanes)
        self.mark_dirty()

    def add_slice(self, part: TrainingSlice) -> None:
        """Keep what was sampled."""
        for lane, share in enumerate(part.lanes[: len(self._infos)]):
            if share.diverged_at is not None and self._diverged[lane] is None:
                self._diverged[lane] = share.diverged_at
                self.mark_dirty()
            if share.samples is not None:
                self.plot.take(lane, share.samples)
                self._has_samples = True
                self.mark_dirty()

    # ---- drawing --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Draw the latest samples."""
        self._pages.setCurrentIndex(int(self._has_samples))
        if self._has_samples:
            self.plot.draw()
        self.legend.show_lanes(tuple(self._entry(lane) for lane in range(len(self._infos))))

    def set_quantity(self, quantity: HealthQuantity) -> None:
        """Show another quantity."""
        self.choice.setCurrentIndex(list(self._readings).index(quantity))
        self.choice.setToolTip(self._readings[quantity].explain)
        self.plot.show_reading(self._readings[quantity])
        self.plot.setAccessibleName(self._readings[quantity].label)
        self.refresh_now()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
        self.setPalette(palette)
        self._empty.setPalette(palette)
        self.legend.set_theme(theme)
        self.plot.set_theme(theme)
        super().set_theme(theme)

    def export(self, path: Path) -> None:
        """Write what is shown, by the ending: SVG, PNG, or (also without one) CSV."""
        path = path if path.suffix else path.with_suffix(".csv")
        self.said.emit(export(self.plot, self.plot.table(), path))

    # ---- inside ---------------------------------------------------------------------------

    def _layout(self) -> None:
        self._empty.setText(self.tr("The first readings come with the first training step."))
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(self.plot)
        self.choice.setAccessibleName(self.tr("What is shown of each block"))
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 2)
        head.setSpacing(8)
        head.addWidget(self.choice)
        head.addWidget(self.legend, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        self.setAutoFillBackground(True)
        self.setMinimumSize(300, 200)
        self.setAccessibleName(self.tr("Block health"))

    def _entry(self, lane: int) -> LegendEntry:
        network, step = self._infos[lane].network, self._diverged[lane]
        about = self.tr("{depth} layers").format(depth=network.depth)
        alarm = "" if step is None else self.tr("diverged at {step}").format(step=whole(step))
        return LegendEntry(self._infos[lane].name, about, alarm)

    # ---- slots ----------------------------------------------------------------------------

    def _on_choice(self, row: int) -> None:
        self.set_quantity(list(self._readings)[row])

    def _on_hovered(self, x: float, _y: float) -> None:
        self.plot.show_cross(x)
        lines = [
            f"<b style='color:{self.theme.lane_color(lane).name()}'>{escape(info.name)}</b> "
            + escape(self.plot.words(lane, x))
            for lane, info in enumerate(self._infos)
        ]
        self.plot.show_readout("<br>".join(lines), x)

    def _on_left(self) -> None:
        self.plot.show_readout("", 0.0)
        self.plot.show_cross(None)

    def _on_view_all(self) -> None:
        self.plot.view_all()
        self.refresh_now()

    def _on_export(self) -> None:
        export_dialog(self.plot, self.plot.table, self.said.emit)
