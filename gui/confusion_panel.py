"""The confusion panel: which classes networks take for which, and whether they are as sure as they are right."""

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtGui import QColor, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QTabBar,
    QVBoxLayout,
    QWidget,
)

from core.messages import HELD_OUT, Failed, Judged, Progress, RunStarted
from core.settings import MAX_LANES
from gui.calibration_plot import CalibrationPlot
from gui.combo import fill, narrow_combo
from gui.confusion_matrix import ConfusionMatrix
from gui.confusion_words import source_name, standing, worst_sentence
from gui.judge_strip import JudgeStrip
from gui.panel import Panel
from gui.picture_state import LANES
from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.wording import say

WIDE = 700  # pixels from which the calibration stands beside the matrix …
TALL = 680  # … and of height from which it stands under it
ROOMY = 430  # pixels of width for each matrix, from which all networks' stand side by side
_FEW = 20  # classes, for that

Key = tuple[str, str]  # source, album


class ConfusionPanel(Panel):
    """Matrices of a source's networks, accuracies of the classes, calibration.

    Signals: `filter_requested` (network, label, predicted) when a cell is chosen, after
    `source_requested` (source, album), whose pictures it counts; `judge_requested` (JudgeAll), to be sent
    on as it is; `cancel_requested` (a request's id); `said`, a sentence for the status bar.
    """

    filter_requested = Signal(int, int, int)
    source_requested = Signal(str, str)
    judge_requested = Signal(object)
    cancel_requested = Signal(int)
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._run: RunStarted | None = None
        self._judged: dict[Key, Judged] = {}
        self._why = ""  # the last request came to nothing
        self.source = QComboBox(self)
        self.strip = JudgeStrip(self)
        self.tabs = QTabBar(self)
        self.matrices = tuple(ConfusionMatrix(row, self) for row in range(MAX_LANES))
        self.calibration = CalibrationPlot(self)
        self.readout = QLabel(self)
        self.empty = QLabel(self)
        self._pages = QStackedWidget(self)
        self._room = QBoxLayout(QBoxLayout.Direction.LeftToRight)
        self._layout_panel()
        self._connect()
        self.setAccessibleName(self.tr("Confusion"))
        self.set_theme(self.theme)

    # ---- events ---------------------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run."""
        self._run = run
        self._judged.clear()
        self._why = ""
        self.strip.start_run()
        self._offer_sources()
        self.refresh_now()

    def on_judged(self, event: Judged) -> None:
        """Take a source's figures; those of another one than is shown wait to be chosen."""
        key, before = (event.source, event.album), self._key()
        fresh = key not in self._judged
        self._judged[key] = event
        self._why = ""
        if fresh:
            self._offer_sources(key if before is None or key[0] != LANES else before)
        self.mark_dirty()

    def on_progress(self, event: Progress) -> None:
        """Take how far predicting every picture is."""
        if self.strip.is_busy:
            self.strip.take_progress(event)

    def on_failed(self, event: Failed) -> None:
        """Say why something asked for here could not be done."""
        if self.strip.take_failure(event):
            self._why = say(event.notice)
            self.mark_dirty()

    def forget_source(self, names: tuple[str, ...]) -> None:
        """Keep figures of the lanes and of these references only."""
        before = self._key()
        gone = [key for key in self._judged if key[0] != LANES and key[0] not in names]
        for key in gone:
            del self._judged[key]
        if gone:
            self._offer_sources(before)
            self.mark_dirty()

    # ---- what is shown --------------------------------------------------------------------

    def shown(self) -> Judged | None:
        """Return the figures that are shown."""
        key = self._key()
        return None if key is None else self._judged[key]

    def _key(self) -> Key | None:
        keys, row = list(self._judged), self.source.currentIndex()
        return keys[row] if 0 <= row < len(keys) else None

    def refresh(self) -> None:
        """Show what is known."""
        judged = self.shown()
        self._show_strip(judged)
        counts = judged is not None and bool(judged.confusion.any())
        self._pages.setCurrentIndex(1 if counts else 0)
        self.empty.setText(self._why or self._waits(judged))
        if judged is None or not counts:
            self.setAccessibleDescription(self.empty.text())
            return
        for row, matrix in enumerate(self.matrices):
            matrix.show_judged(judged if row < len(judged.names) else None)
        self.calibration.show_judged(judged)
        self._offer_tabs(judged)
        self._arrange()
        self.setAccessibleDescription(self._described(judged))
        self._read_out()

    def _read_out(self) -> None:
        """Say what the mouse or the keys are on, else what is the matter with the network that is shown."""
        judged, network = self.shown(), self._current_network()
        if judged is not None:
            pointed = [
                words for matrix in self.matrices if matrix.isVisible() and (words := matrix.words_now())
            ]
            self.readout.setText(self._why or (pointed or [worst_sentence(judged, network)])[0])

    def set_theme(self, theme: Theme) -> None:
        for matrix in self.matrices:
            matrix.set_theme(theme)
        self.calibration.set_theme(theme)
        self.strip.set_theme(theme)
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
        self.setPalette(palette)
        paint_text(self.empty, theme.muted)
        for row in range(self.tabs.count()):
            self._paint_tab(row, theme)
        super().set_theme(theme)

    def _described(self, judged: Judged) -> str:
        worst = [worst_sentence(judged, row) for row in range(len(judged.names))]
        return " ".join(each for each in (standing(judged), *worst, *self.calibration.sentences()) if each)

    def _waits(self, judged: Judged | None) -> str:
        """Say why there is nothing to see yet."""
        if self._run is None:
            return self.tr("Figures appear when a run is on")
        if judged is None:
            return self.tr(
                "Rows are true classes, columns what a network takes them for.\n\nNothing is predicted yet: "
                "while a run trains, the lanes predict some held-out pictures every few seconds, and “Judge all” "
                "has them predict every one."
            )
        return self.tr(
            "None of these pictures has a known class that the networks can name, so nothing can be counted"
        )

    def _show_strip(self, judged: Judged | None) -> None:
        if judged is not None:
            self.strip.text.setText(standing(judged))
            self.strip.show_counts(judged.source, judged.album, judged.judged, judged.total)
        else:
            self.strip.text.setText("")
            held_out = 0 if self._run is None else self._run.held_out
            self.strip.show_counts(LANES, HELD_OUT, 0, held_out)

    # ---- sources and tabs -------------------------------------------------------------------

    def _offer_sources(self, chosen: Key | None = None) -> None:
        fill(self.source, [(source_name(*key), None) for key in self._judged], None)
        row = list(self._judged).index(chosen) if chosen in self._judged else 0
        with QSignalBlocker(self.source):
            self.source.setCurrentIndex(row)
        self.source.setVisible(len(self._judged) > 1)

    def _offer_tabs(self, judged: Judged) -> None:
        names = list(judged.names)
        if not self._is_beside():
            names.append(self.tr("Calibration"))
        if [self.tabs.tabText(row) for row in range(self.tabs.count())] == names:
            return
        before = self.tabs.currentIndex()
        with QSignalBlocker(self.tabs):
            while self.tabs.count():
                self.tabs.removeTab(0)
            for row, name in enumerate(names):
                self.tabs.addTab(name)
                self._paint_tab(row, self.theme)
            self.tabs.setCurrentIndex(min(max(before, 0), len(names) - 1))

    def _paint_tab(self, row: int, theme: Theme) -> None:
        judged = self.shown()
        is_network = judged is not None and row < len(judged.names)
        self.tabs.setTabTextColor(row, theme.lane_color(row) if is_network else QColor(theme.text))

    def _current_network(self) -> int:
        judged = self.shown()
        last = len(judged.names) - 1 if judged is not None else 0
        return min(max(self.tabs.currentIndex(), 0), last)

    def _is_beside(self) -> bool:
        """Whether there is room for the calibration and a matrix at once."""
        return self.width() >= WIDE or self.height() >= TALL

    def _are_all_shown(self, judged: Judged) -> bool:
        room = self.width() * (0.6 if self.width() >= WIDE else 1)
        return len(judged.class_names) <= _FEW and room >= ROOMY * len(judged.names)

    def _arrange(self) -> None:
        judged = self.shown()
        if judged is None:
            return
        beside, together = self._is_beside(), self._are_all_shown(judged)
        count = len(judged.names)
        on_plot = not beside and self.tabs.currentIndex() >= count
        for row, matrix in enumerate(self.matrices):
            alone = row == self._current_network()
            matrix.setVisible(row < count and not on_plot and (together or alone))
            matrix.set_bars(not together or row == count - 1)
        self._matrix_side.setVisible(not on_plot)
        self.calibration.setVisible(beside or on_plot)
        self.tabs.setVisible(self.tabs.count() > 1 and not (beside and together))
        lying = self.width() >= WIDE
        self._room.setDirection(
            QBoxLayout.Direction.LeftToRight if lying else QBoxLayout.Direction.TopToBottom
        )

    # ---- building -------------------------------------------------------------------------

    def _layout_panel(self) -> None:
        like = narrow_combo(6)
        self.source.setSizeAdjustPolicy(like.sizeAdjustPolicy())
        self.source.setMinimumContentsLength(like.minimumContentsLength())
        like.deleteLater()
        self.source.setToolTip(self.tr("Whose predictions of which pictures"))
        self.source.setAccessibleName(self.tr("Whose predictions"))
        self.source.hide()
        head = QHBoxLayout()
        head.setContentsMargins(6, 4, 6, 4)
        head.addWidget(self.source)
        head.addWidget(self.strip, 1)
        self.tabs.setExpanding(False)
        self.tabs.setDrawBase(False)
        self.tabs.setAccessibleName(self.tr("Networks"))
        self.readout.setMargin(4)
        self.readout.setWordWrap(True)
        self.readout.setMinimumHeight(2 * self.fontMetrics().height() + 8)
        self.readout.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMargin(24)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(self._figures())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(head)
        layout.addWidget(self._pages, 1)
        self.setAutoFillBackground(True)
        self.setMinimumSize(340, 260)

    def _figures(self) -> QWidget:
        self._matrix_side = QWidget(self)
        row = QHBoxLayout()
        row.setSpacing(4)
        for matrix in self.matrices:
            row.addWidget(matrix, 1)
            matrix.hide()
        side = QVBoxLayout(self._matrix_side)
        side.setContentsMargins(0, 0, 0, 0)
        side.setSpacing(0)
        side.addLayout(row, 1)
        side.addWidget(self.readout)
        self._room.setSpacing(4)
        self._room.addWidget(self._matrix_side, 3)
        self._room.addWidget(self.calibration, 2)
        shown = QWidget(self)
        page = QVBoxLayout(shown)
        page.setContentsMargins(4, 0, 4, 4)
        page.setSpacing(2)
        page.addWidget(self.tabs)
        page.addLayout(self._room, 1)
        return shown

    def _connect(self) -> None:
        for matrix in self.matrices:
            matrix.cell_chosen.connect(
                lambda label, predicted, network=matrix.network: self._on_cell(network, label, predicted)
            )
            matrix.pointed.connect(self._read_out)
            matrix.said.connect(self.said)
        self.calibration.said.connect(self.said)
        self.strip.judge_requested.connect(self.judge_requested)
        self.strip.cancel_requested.connect(self.cancel_requested)
        self.source.currentIndexChanged.connect(self.refresh_now)
        self.tabs.currentChanged.connect(self.refresh_now)

    # ---- slots ----------------------------------------------------------------------------

    def _on_cell(self, network: int, label: int, predicted: int) -> None:
        judged = self.shown()
        if judged is not None:
            self.source_requested.emit(judged.source, judged.album)
            self.filter_requested.emit(network, label, predicted)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        judged = self.shown()
        if judged is not None:
            self._offer_tabs(judged)
            self._arrange()
