"""The trust panel: how far the map on screen can be believed, check by check, each when asked for."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from core.checks import CHECKS, Check
from core.messages import Assessed, Attributed, Explain, Explanation, Failed, RunStarted, TrainingSlice
from gui import trust_words as words
from gui.explanation_words import ages
from gui.map_chooser import MapChooser
from gui.method_words import price_words
from gui.panel import Panel, tint
from gui.plot_export import as_text
from gui.theme import Theme
from gui.trust_record import Outcome, ShownMap, TrustRecord
from gui.trust_row import RowSight, TrustRow
from gui.wording import say


class TrustPanel(Panel):
    """Chooses a map on screen, offers the checks with their prices, shows what they found.

    Signals: `assess_requested` (Assess); `cancel_requested` (the request's id); `said`, a sentence for
    the status bar.
    """

    assess_requested = Signal(object)
    cancel_requested = Signal(int)
    said = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.record = TrustRecord()
        self.chooser = MapChooser(self)
        self.all = QPushButton(self.tr("Measure all"), self)
        self.copy = QPushButton(self.tr("Copy"), self)
        self.about = QLabel(self)
        self.empty = QLabel(self)
        self.completeness = TrustRow(
            self.tr("Completeness error"),
            self.tr(
                "How far the map's sum is from the change of the score between the zero picture and this "
                "one, as a share of that change; known with the map itself."
            ),
            self,
            button=False,
        )
        self.rows = {check: TrustRow(words.title(check), words.explain(check), self) for check in CHECKS}
        self._pages = QStackedWidget(self)
        self._layout_panel()
        self._connect_panel()
        self.set_theme(self.theme)

    # ---- events: store only ---------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run."""
        self.record.start_run(run)
        self.mark_dirty()

    def set_question(self, question: Explain) -> None:
        """Say what the explanation on screen answers: the picture asked about is in it."""
        self._cancel(self.record.take_question(question))
        self.mark_dirty()

    def on_explanation(self, event: Explanation) -> None:
        """Take in maps; coarse ones are not asked about."""
        self._cancel(self.record.take_explanation(event))
        self.mark_dirty()

    def on_assessed(self, event: Assessed) -> None:
        """Take in what a check found."""
        if self.record.take_assessed(event):
            self.mark_dirty()

    def on_failed(self, event: Failed) -> None:
        """Take in that a check came to nothing."""
        if self.record.take_failure(event):
            self.mark_dirty()

    def add_slice(self, part: TrainingSlice) -> None:
        """Take in training steps: findings may be of a past step by then."""
        if self.record.take_slice(part):
            self.mark_dirty()

    # ---- drawing --------------------------------------------------------------------------

    def refresh(self) -> None:
        """Show what is known."""
        maps = self.record.maps()
        self.chooser.offer(maps, self.record.explanation)
        shown = self.chosen()
        self._pages.setCurrentIndex(0 if shown is None else 1)
        if shown is None:
            return
        answer = maps[shown]
        self.about.setText(self._about(shown, answer, whole=False))
        self._show_completeness(answer)
        for check, row in self.rows.items():
            row.show_sight(self._sight(shown, answer, check), self.theme)
        waiting = bool(self.record.running())
        self.all.setText(self.tr("Cancel all") if waiting else self.tr("Measure all"))
        self.all.setEnabled(waiting or answer.reason is None)
        self.copy.setEnabled(any(self.record.outcome(shown, check) for check in CHECKS))
        self.setAccessibleDescription("\n".join(self._sentences()))

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        tint(self, theme, (self.empty, self.about))
        super().set_theme(theme)

    def chosen(self) -> ShownMap | None:
        """Return the map that is looked at; None: there is none on screen."""
        return self.chooser.chosen

    def copy_text(self) -> str:
        """Return what was found of the chosen map: sentences, then the curves between tabs."""
        shown = self.chosen()
        if shown is None:
            return ""
        about = self._about(shown, self.record.maps()[shown], whole=True)
        outcomes = [self.record.outcome(shown, check) for check in CHECKS]
        found = [each.found for each in outcomes if each is not None and each.found is not None]
        tables = [as_text(words.table(each)) for each in found if each.curve.size]
        return "\n\n".join(["\n".join((about, *self._sentences())), *tables])

    # ---- inside ---------------------------------------------------------------------------

    def _about(self, shown: ShownMap, answer: Attributed, *, whole: bool) -> str:
        """Say which map it is; what the lists above say is left out unless the whole is wanted."""
        explanation = self.record.explanation
        assert explanation is not None
        parts = []
        if whole or not self.chooser.offers_networks:
            parts.append(shown.name)
        if whole or not self.chooser.offers_maps:
            parts.append(words.map_words(shown, answer, explanation))
        parts += ages(explanation.step, None)[:1]
        if answer.reason is not None:
            parts.append(self.tr("no map: {reason}").format(reason=say(answer.reason)))
        return " · ".join(parts)

    def _show_completeness(self, answer: Attributed) -> None:
        error = answer.completeness_error if answer.role not in ("on", "off") else None
        self.completeness.setVisible(error is not None)
        sight = RowSight()
        if error is not None:
            sight = RowSight(words.completeness_number(error), words.completeness_verdict(error))
        self.completeness.show_sight(sight, self.theme)

    def _sight(self, shown: ShownMap, answer: Attributed, check: Check) -> RowSight:
        outcome, request = self.record.outcome(shown, check), self.record.request_of(shown, check)
        found = None if outcome is None else outcome.found
        failure = ""
        if outcome is not None and outcome.failure is not None:
            failure = say(outcome.failure)
        elif found is not None and found.reason is not None:
            failure = say(found.reason)
        whole = found is not None and found.done and found.value is not None
        lane = self.record.lane(shown)
        return RowSight(
            figure="" if found is None else words.figure(found),
            verdict=words.verdict(found) if found is not None and whole else None,
            note=self._note(shown, check, outcome, request),
            failure=failure,
            asked=request is not None,
            under_way=request is not None and self.record.running()[0] == request,
            can_measure=answer.reason is None,
            found=found,
            blocks=shown.blocks,
            color=None if lane is None else self.theme.lane_color(lane),
        )

    def _note(self, shown: ShownMap, check: Check, outcome: Outcome | None, request: int | None) -> str:
        price = self.record.price(shown, check)
        cost = price_words(price.passes, 1, price.seconds)
        if request is not None:
            waits = self.record.running()[0] != request
            return (self.tr("waits its turn: {cost}") if waits else self.tr("under way: {cost}")).format(
                cost=cost
            )
        if outcome is None or outcome.found is None:
            return cost
        parts = []
        if self.record.is_past(outcome):
            parts += ages(outcome.found.step, None)[:1]
        if self.record.is_of_other_strengths(shown, outcome):
            parts.append(self.tr("shortcut strengths have changed since"))
        return " · ".join((*parts, self.tr("again: {cost}").format(cost=cost)))

    def _sentences(self) -> list[str]:
        """What is shown, a sentence a check."""
        return [
            f"{row.name.text()}: {row.said}" for row in (self.completeness, *self.rows.values()) if row.said
        ]

    def _layout_panel(self) -> None:
        self.empty.setText(
            self.tr(
                "Measures how far a map can be trusted: whether it tells what the score does, whether it "
                "is steady, whether its strongest pixels matter, and whether it depends on what was learnt."
                "\n\nLet the Pictures panel explain a picture first: the checks are about that map."
            )
        )
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setMargin(24)
        self.all.setToolTip(self.tr("Runs every check of this map that was not run yet, one after the other"))
        self.copy.setToolTip(self.tr("Copy as table: puts all figures on the clipboard"))
        self.copy.setAccessibleName(self.tr("Copy as table"))
        self.about.setWordWrap(True)
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        shown = QWidget(self)
        page = QVBoxLayout(shown)
        page.setContentsMargins(6, 4, 6, 0)
        page.setSpacing(4)
        page.addWidget(self.chooser)
        page.addLayout(self._head())
        page.addWidget(self._scrolled(), 1)
        self._pages.addWidget(self.empty)
        self._pages.addWidget(shown)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._pages)
        self.setAutoFillBackground(True)
        self.setMinimumSize(320, 240)
        self.setAccessibleName(self.tr("Trust"))

    def _head(self) -> QHBoxLayout:
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.about, 1)
        head.addWidget(self.all)
        head.addWidget(self.copy)
        return head

    def _scrolled(self) -> QScrollArea:
        body = QWidget()
        column = QVBoxLayout(body)
        column.setContentsMargins(0, 2, 0, 6)
        column.setSpacing(6)
        for row in (self.completeness, *self.rows.values()):
            column.addWidget(row)
        column.addStretch(1)
        area = QScrollArea(self)
        area.setWidget(body)
        area.setWidgetResizable(True)
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.viewport().setAutoFillBackground(False)
        body.setAutoFillBackground(False)
        return area

    def _connect_panel(self) -> None:
        self.chooser.changed.connect(self._on_chosen)
        self.all.clicked.connect(self._on_all)
        self.copy.clicked.connect(self._on_copy)
        for check, row in self.rows.items():
            row.measure_wanted.connect(lambda check=check: self._on_measure(check))
            row.cancel_wanted.connect(lambda check=check: self._on_cancel(check))
        action = QAction(self.tr("Copy as table"), self)
        action.setShortcut(QKeySequence(QKeySequence.StandardKey.Copy))
        action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        action.triggered.connect(self._on_copy)
        self.addAction(action)

    def _cancel(self, requests: tuple[int, ...]) -> None:
        for request in requests:
            self.cancel_requested.emit(request)

    # ---- slots ----------------------------------------------------------------------------

    def _on_chosen(self) -> None:
        self.refresh_now()

    def _on_measure(self, check: Check) -> None:
        shown = self.chosen()
        if shown is not None and self.record.request_of(shown, check) is None:
            request = self.record.ask(shown, check)
            self.refresh_now()
            self.assess_requested.emit(request)

    def _on_cancel(self, check: Check) -> None:
        shown = self.chosen()
        request = None if shown is None else self.record.request_of(shown, check)
        if request is not None:
            self.record.give_up(request)
            self.refresh_now()
            self._cancel((request,))

    def _on_all(self) -> None:
        if requests := self.record.running():
            for request in requests:
                self.record.give_up(request)
            self.refresh_now()
            self._cancel(requests)
            return
        shown = self.chosen()
        if shown is None:
            return
        left = [check for check in CHECKS if self._is_wanted(shown, check)]
        asked = [self.record.ask(shown, check) for check in left or CHECKS]
        self.refresh_now()
        for each in asked:
            self.assess_requested.emit(each)

    def _is_wanted(self, shown: ShownMap, check: Check) -> bool:
        """Whether a check was not run yet, or of weights or strengths that are no more."""
        outcome = self.record.outcome(shown, check)
        if outcome is None or outcome.found is None:
            return True
        return self.record.is_past(outcome) or self.record.is_of_other_strengths(shown, outcome)

    def _on_copy(self) -> None:
        if self.copy.isEnabled():
            QApplication.clipboard().setText(self.copy_text())
            self.said.emit(self.tr("Copied: what was measured of this map"))
