"""The degradation panel: what depth costs a plain network, and what it costs one with shortcuts."""

from collections.abc import Sequence
from html import escape

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QAction, QFont, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QCheckBox,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.degradation import DepthPoint
from gui.combo import narrow_combo
from gui.degradation_plot import DegradationPlot
from gui.degradation_series import KINDS, Recipe, points_of, recipes, short_source
from gui.degradation_sweep import MOST_SEEDS, STEPS, sweep
from gui.degradation_table import DegradationTable
from gui.degradation_words import caution, kind_words, recipe_words, verdict_words
from gui.flow import labelled
from gui.panel import Panel, tint
from gui.plot_export import as_text
from gui.plot_key import LONG_MARK, KeyEntry, PlotKey, band_mark, ghost_mark, line_mark, symbol_mark
from gui.theme import Theme
from gui.wording import whole


class DegradationPanel(Panel):
    """Final training loss of finished runs against their depth.

    Signals: `sweep_requested` (list of RunSettings, to be run one after another); `stop_requested`,
    the rest of the sweep is not wanted; `said`, a sentence for the status bar.
    """

    sweep_requested = Signal(object)
    stop_requested = Signal()
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: tuple[DepthPoint, ...] = ()
        self._recipes: list[Recipe] = []
        self._done, self._total = 0, 0
        self.run_sweep = QPushButton(self.tr("Run the sweep"), self)
        self.seeds = QSpinBox(self)
        self._seeds_pair = labelled(self.tr("Seeds"), self.seeds)
        self.price = QLabel(self)
        self.progress = QProgressBar(self)
        self.stop = QPushButton(self.tr("Stop"), self)
        self.copy = QPushButton(self.tr("Copy"), self)
        self.quantity = QComboBox(self)
        self.ghosts = QCheckBox(self.tr("papers' figures"), self)
        self.table_button = QToolButton(self)
        self.recipe = narrow_combo(12)
        self.key = PlotKey(self)
        self.plot = DegradationPlot(self)
        self.table = DegradationTable(self)
        self.summary = QLabel(self)
        self._pages = QStackedWidget(self)
        self._layout_panel()
        self._name_controls()
        self._connect()
        self.set_theme(self.theme)

    def set_points(self, points: Sequence[DepthPoint]) -> None:
        """Show these runs; they fill in as runs finish."""
        self._points = tuple(points)
        self.mark_dirty()

    def set_progress(self, done: int, total: int) -> None:
        """Say how many runs of a sweep are done; all of them, or a total of 0: there is none on."""
        self._done, self._total = done, total
        self.mark_dirty()

    @property
    def busy(self) -> bool:
        """Whether a sweep is on."""
        return self._done < self._total

    def refresh(self) -> None:
        """Show what is known."""
        self._show_head()
        self._offer_recipes()
        self.plot.show_points(self.shown_points())
        self.table.show_rows(self.plot.table()[1])
        self._show_summary()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.plot.set_theme(theme)
        self.key.set_theme(theme)
        tint(self, theme, (self.price,))
        super().set_theme(theme)

    def shown_points(self) -> list[DepthPoint]:
        """The runs of the chosen recipe."""
        place = self.recipe.currentIndex()
        return points_of(self._points, self._recipes[place]) if 0 <= place < len(self._recipes) else []

    def copy_text(self) -> str:
        """Everything that is shown, as tables; the papers' figures in one of their own."""
        parts = ["\n".join(self._sentences()), as_text(self.plot.table())]
        if self.plot.with_ghosts:
            parts.append(as_text(self.plot.published_table()))
        return "\n\n".join(part for part in parts if part)

    # ---- inside ---------------------------------------------------------------------------

    def _layout_panel(self) -> None:
        small = QFont(self.font())
        small.setPointSizeF(max(small.pointSizeF() * 0.9, 7.0))
        for label in (self.price, self.summary):
            label.setFont(small)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.summary.setMargin(4)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.seeds.setRange(1, MOST_SEEDS)
        self._pages.addWidget(self.plot)
        self._pages.addWidget(self.table)
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 2)
        head.setSpacing(8)
        head.addWidget(self.run_sweep)
        head.addWidget(self._seeds_pair)
        head.addWidget(self.price, 1)
        head.addWidget(self.progress, 1)
        head.addWidget(self.stop)
        head.addWidget(self.copy)
        choice = QHBoxLayout()
        choice.setContentsMargins(6, 0, 6, 2)
        choice.setSpacing(8)
        for control in (self.quantity, self.ghosts, self.table_button):
            choice.addWidget(control)
        choice.addStretch(1)
        compared = QHBoxLayout()
        compared.setContentsMargins(6, 0, 6, 2)
        compared.addWidget(self.recipe)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addLayout(choice)
        layout.addLayout(compared)
        layout.addWidget(self.key)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self.summary)
        self.setAutoFillBackground(True)
        self.setMinimumSize(360, 280)

    def _name_controls(self) -> None:
        self.setAccessibleName(self.tr("Degradation"))
        self.run_sweep.setToolTip(
            self.tr(
                "Trains networks of 20, 32, 44 and 56 layers, with shortcuts and without, "
                "one run after another; the present run ends"
            )
        )
        self.run_sweep.setAccessibleDescription(self.run_sweep.toolTip())
        self.seeds.setToolTip(self.tr("How many times over, each with its own weights and batches"))
        self.seeds.setAccessibleName(self.tr("Number of seeds"))
        self.progress.setAccessibleName(self.tr("Runs of the sweep that are done"))
        self.stop.setToolTip(self.tr("Leave out the rest of the sweep; what is done stays"))
        self.stop.setAccessibleName(self.tr("Stop the sweep"))
        self.copy.setToolTip(self.tr("Copy as table: puts all figures on the clipboard"))
        self.copy.setAccessibleName(self.tr("Copy as table"))
        self.quantity.addItem(self.tr("training loss"))
        self.quantity.addItem(self.tr("training error"))
        self.quantity.setToolTip(self.tr("What a run ended with: the mean of its last 20 steps"))
        self.quantity.setAccessibleName(self.tr("What is shown against depth"))
        self.ghosts.setChecked(True)
        self.ghosts.setToolTip(
            self.tr(
                "Test errors of CIFAR-10 networks as published, hollow, on the right axis: "
                "not to be compared in size with the training figures"
            )
        )
        self.table_button.setText(self.tr("Table"))
        self.table_button.setCheckable(True)
        self.table_button.setToolTip(self.tr("Show every run in a table instead of the plot"))
        self.table_button.setAccessibleName(self.table_button.toolTip())
        self.recipe.setToolTip(self.tr("Only runs of the same recipe can be set beside each other"))
        self.recipe.setAccessibleName(self.tr("Recipe of the runs that are shown"))

    def _connect(self) -> None:
        self.run_sweep.clicked.connect(self._on_run)
        self.stop.clicked.connect(self._on_stop)
        self.copy.clicked.connect(self._on_copy)
        self.seeds.valueChanged.connect(self._show_price)
        self.quantity.currentIndexChanged.connect(self._on_quantity)
        self.ghosts.toggled.connect(self._on_ghosts)
        self.table_button.toggled.connect(self._on_table)
        self.recipe.currentIndexChanged.connect(self.refresh_now)
        self.plot.said.connect(self.said)
        action = QAction(self.tr("Copy as table"), self)
        action.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(self._on_copy)
        self.addAction(action)

    def _show_head(self) -> None:
        had_focus = self.run_sweep.hasFocus() or self.stop.hasFocus()
        for control in (self.run_sweep, self._seeds_pair, self.price):
            control.setVisible(not self.busy)
        for control in (self.progress, self.stop):
            control.setVisible(self.busy)
        if had_focus:  # it must not jump to another panel
            (self.stop if self.busy else self.run_sweep).setFocus()
        self.progress.setRange(0, max(self._total, 1))
        self.progress.setValue(self._done)
        self.progress.setFormat(
            self.tr("run {number} of {total}").format(number=self._done + 1, total=self._total)
        )
        self.copy.setEnabled(bool(self._points))
        self._show_price()
        self._show_key()

    def _show_price(self) -> None:
        runs = len(sweep(self.seeds.value()))
        self.price.setText(
            self.tr("{runs} runs of 4 networks, {steps} steps each").format(runs=runs, steps=whole(STEPS))
        )

    def _show_key(self) -> None:
        kinds = [kind for kind in KINDS if kind != "mixed" or self.plot.series["mixed"]]
        entries = [KeyEntry(kind_words(kind), line_mark(KINDS.index(kind))) for kind in kinds]
        bands = [band for bands in self.plot.series.values() for band in bands]
        if any(len(band.points) > 1 for band in bands):
            entries.append(KeyEntry(self.tr("range of seeds"), band_mark()))
        if any(band.diverged for band in bands):
            entries.append(KeyEntry(self.tr("diverged"), symbol_mark("x", lambda theme: theme.warning)))
        if self.plot.with_ghosts:
            for place, series in enumerate(self.plot.published):
                words = self.tr("{source}, {kind}").format(
                    source=short_source(series[0]), kind=kind_words(series[0].shortcuts)
                )
                kind = KINDS.index(series[0].shortcuts)
                entries.append(KeyEntry(words, ghost_mark(kind, self.plot.source(place)), LONG_MARK))
        self.key.show_entries(*entries)

    def _offer_recipes(self) -> None:
        found = recipes(self._points)
        chosen = self._recipes[self.recipe.currentIndex()] if self._recipes else None
        with QSignalBlocker(self.recipe):
            if found != self._recipes:
                self.recipe.clear()
                self.recipe.addItems([recipe_words(recipe) for recipe in found])
                if chosen in found:
                    self.recipe.setCurrentIndex(found.index(chosen))
        self._recipes = found
        self.recipe.setVisible(len(found) > 1)

    def _show_summary(self) -> None:
        self._show_key()
        lines = [escape(text) for text in self._sentences()]
        self.summary.setText("<br>".join(lines))
        self.setAccessibleDescription(" ".join(self._sentences()))

    def _sentences(self) -> list[str]:
        shown = self.shown_points()
        if not shown:
            return [
                self.tr("Does a deeper network learn its own training pictures better, or worse?"),
                self.tr("No run is finished yet: the sweep fills the plot."),
            ]
        said = [*verdict_words(self.plot.series, error=self.plot.error), caution(shown)]
        recipe = recipe_words(self._recipes[self.recipe.currentIndex()])
        return ["; ".join(part for part in said if part), self.tr("All: {recipe}").format(recipe=recipe)]

    # ---- slots ----------------------------------------------------------------------------

    def _on_run(self) -> None:
        runs = sweep(self.seeds.value())
        self.set_progress(0, len(runs))
        self.refresh_now()
        self.sweep_requested.emit(runs)

    def _on_stop(self) -> None:
        self.set_progress(0, 0)
        self.refresh_now()
        self.stop_requested.emit()

    def _on_copy(self) -> None:
        if self._points:
            QApplication.clipboard().setText(self.copy_text())
            self.said.emit(self.tr("Copied: every run, as a table"))

    def _on_quantity(self, index: int) -> None:
        self.plot.error = index == 1
        self.plot.view_all()
        self.refresh_now()

    def _on_ghosts(self, shown: bool) -> None:
        self.plot.with_ghosts = shown
        self.plot.view_all()
        self.refresh_now()

    def _on_table(self, shown: bool) -> None:
        self._pages.setCurrentWidget(self.table if shown else self.plot)
        self.key.setVisible(not shown)
        self.quantity.setEnabled(not shown)  # the table has both
        self.ghosts.setEnabled(not shown)
