"""What the panels of slow instruments share: a button with its price, progress, and how old the result is."""

from html import escape

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QFont, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QApplication,
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.findings import Instrument
from core.messages import Analyse, Analysed, Failed, RunStarted, TrainingSlice
from gui.figure import Figure
from gui.instrument_record import InstrumentRecord
from gui.panel import Panel, tint
from gui.plot_export import as_text
from gui.plot_key import PlotKey
from gui.theme import Theme
from gui.wording import say, whole

WIDE = 560  # pixels from which plots stand side by side


class InstrumentPanel(Panel):
    """Asks an instrument when the user does, and shows what comes back, whole or in part.

    Signals: `analyse_requested` (Analyse); `cancel_requested` (the request's id); `said`, a
    sentence for the status bar.
    """

    analyse_requested = Signal(object)
    cancel_requested = Signal(int)
    said = Signal(str)

    def __init__(self, instrument: Instrument, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.record = InstrumentRecord(instrument)
        self.measure = QPushButton(self.tr("Measure"), self)
        self.price = QLabel(self)
        self.progress = QProgressBar(self)
        self.cancel = QPushButton(self.tr("Cancel"), self)
        self.copy = QPushButton(self.tr("Copy"), self)
        self.key = PlotKey(self)
        self.summary = QLabel(self)
        self.empty = QLabel(self)
        self._why = ""  # the last request came to nothing
        self._pages = QStackedWidget(self)
        self.plots = QBoxLayout(QBoxLayout.Direction.LeftToRight)  # side by side where there is room
        self._layout_panel()
        self._connect_panel()

    # ---- what subclasses say --------------------------------------------------------------

    def explain(self) -> str:
        """What the instrument shows, in a sentence."""
        raise NotImplementedError

    def price_words(self, run: RunStarted) -> str:
        """What a measurement costs."""
        raise NotImplementedError

    def figures(self) -> tuple[Figure, ...]:
        """The plots that are shown now."""
        raise NotImplementedError

    def prepare(self, run: RunStarted) -> None:
        """Make what a run's lanes need."""
        raise NotImplementedError

    def summary_words(self) -> list[str]:
        """What is said (rich text) under the plots, after of when they are."""
        return []

    def summary_lines(self) -> list[str]:
        """Lines (rich text) above those."""
        return []

    def plain_words(self) -> list[str]:
        """What was found, as sentences for the clipboard and for who cannot see the plots."""
        return []

    # ---- events ---------------------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run."""
        self.record.start_run(run)
        self._why = ""
        self.prepare(run)
        self.set_theme(self.theme)

    def add_slice(self, part: TrainingSlice) -> None:
        """Take in training steps: they may put the findings out of date."""
        if self.record.add_slice(part):
            self.mark_dirty()

    def add_finding(self, event: Analysed) -> None:
        """Take in what an instrument found."""
        if self.record.add_finding(event):
            self._why = ""
            self.mark_dirty()

    def add_failure(self, event: Failed) -> None:
        """Take in that a request came to nothing."""
        if event.request is not None and event.request == self.record.request:
            self.record.give_up()
            self._why = say(event.notice)
            self.mark_dirty()

    # ---- drawing --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what is known."""
        self._show_head()
        self._show_summary()
        has_findings = bool(self.record.findings)
        self._pages.setCurrentIndex(1 if has_findings else 0)
        if has_findings:
            for figure in self.figures():
                figure.draw()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        for figure in self.figures():
            figure.set_theme(theme)
        self.key.set_theme(theme)
        tint(self, theme, (self.price, self.empty))
        super().set_theme(theme)

    def copy_text(self) -> str:
        """Everything that is shown, as tables of cells between tabs."""
        parts = ["\n".join(self.plain_words()), *(as_text(figure.table()) for figure in self.figures())]
        return "\n\n".join(part for part in dict.fromkeys(parts) if part)  # plots may share a table

    # ---- inside ---------------------------------------------------------------------------

    def _layout_panel(self) -> None:
        self.empty.setText(self.explain())
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMargin(24)
        self.plots.setSpacing(4)
        shown = QWidget(self)
        page = QVBoxLayout(shown)
        page.setContentsMargins(0, 0, 0, 0)
        page.setSpacing(0)
        page.addWidget(self.key)
        page.addLayout(self.plots, 1)
        page.addWidget(self.summary)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(shown)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self._head())
        layout.addWidget(self._pages, 1)
        self.setAutoFillBackground(True)
        self.setMinimumSize(360, 260)

    def _head(self) -> QHBoxLayout:
        small = QFont(self.font())
        small.setPointSizeF(max(small.pointSizeF() * 0.9, 7.0))
        for label in (self.price, self.summary):
            label.setFont(small)
            label.setWordWrap(True)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.summary.setMargin(4)
        self.summary.setTextFormat(Qt.TextFormat.RichText)
        self.summary.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.progress.setRange(0, 100)
        self.progress.setMinimumWidth(60)
        self.measure.setAccessibleDescription(self.explain())
        self.measure.setToolTip(self.explain())
        self.cancel.setToolTip(self.tr("Stop measuring; what was found by then stays"))
        self.cancel.setAccessibleName(self.tr("Cancel the measurement"))
        self.progress.setAccessibleName(self.tr("How much is measured"))
        self.copy.setToolTip(self.tr("Copy as table: puts all figures on the clipboard"))
        self.copy.setAccessibleName(self.tr("Copy as table"))
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 4)
        head.setSpacing(8)
        head.addWidget(self.measure)
        head.addWidget(self.price, 1)
        head.addWidget(self.progress, 1)
        head.addWidget(self.cancel)
        head.addWidget(self.copy)
        return head

    def _connect_panel(self) -> None:
        self.measure.clicked.connect(self._on_measure)
        self.cancel.clicked.connect(self._on_cancel)
        self.copy.clicked.connect(self._on_copy)
        action = QAction(self.tr("Copy as table"), self)
        action.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(self._on_copy)
        self.addAction(action)

    def _show_head(self) -> None:
        run, busy = self.record.run, self.record.request is not None
        had_focus = self.measure.hasFocus() or self.cancel.hasFocus()
        self.measure.setEnabled(run is not None and not busy)
        self.price.setVisible(not busy)
        self.price.setText(self.tr("A run must be on") if run is None else self.price_words(run))
        self.progress.setVisible(busy)
        self.progress.setValue(round(100 * self.record.fraction()))
        if busy != self.cancel.isVisibleTo(self):
            self.cancel.setVisible(busy)
            if had_focus:  # it must not jump to another panel
                (self.cancel if busy else self.measure).setFocus()
        self.copy.setEnabled(bool(self.record.findings))

    def _show_summary(self) -> None:
        last = [self._age_words(), *self.summary_words()]
        lines = [*self.summary_lines(), " · ".join(last)] if self.record.findings else []
        if self._why:
            lines.append(f"<span style='color:{self.theme.bad}'>{escape(self._why)}</span>")
        self.summary.setText("<br>".join(lines))
        self.summary.setVisible(bool(lines))
        self.empty.setText(f"{self.explain()}\n\n{self._why or self._waits()}")
        self.setAccessibleDescription(" ".join(self.plain_words()) or self.explain())

    def _waits(self) -> str:
        if self.record.request is not None:
            return self.tr("The first figures are on their way.")
        return self.tr("Nothing is measured yet.")

    def _age_words(self) -> str:
        """Of which step the findings are, and what has happened since."""
        record = self.record
        step = record.step_measured()
        if not record.findings:
            return ""
        words = (
            self.tr("Measured on loaded weights")
            if step is None
            else self.tr("Measured at step {step}").format(step=whole(step))
        )
        changed = record.changed_since()
        if changed and record.run is not None:
            names = ", ".join(record.run.lanes[lane].name for lane in changed)
            stale = self.tr("strengths of {lanes} have changed since").format(lanes=names)
            return f"{words}; <b style='color:{self.theme.bad}'>{escape(stale)}</b>"
        return words

    def _turn(self) -> None:
        """Side by side where there is room, else one above the other."""
        wide = self.width() >= WIDE
        self.plots.setDirection(
            QBoxLayout.Direction.LeftToRight if wide else QBoxLayout.Direction.TopToBottom
        )

    # ---- slots ----------------------------------------------------------------------------

    def _on_measure(self) -> None:
        request = Analyse(self.record.instrument)
        self.record.ask(request.id)
        self._why = ""
        self.refresh_now()
        self.analyse_requested.emit(request)

    def _on_cancel(self) -> None:
        request = self.record.request
        if request is not None:
            self.record.give_up()
            self.refresh_now()
            self.cancel_requested.emit(request)

    def _on_copy(self) -> None:
        if self.record.findings:
            QApplication.clipboard().setText(self.copy_text())
            self.said.emit(self.tr("Copied: what was measured, as a table"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._turn()
