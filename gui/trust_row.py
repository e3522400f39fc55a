"""One check on the trust panel: its name, its number with a word for it, its button, its plot."""

from dataclasses import dataclass

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from core.messages import Assessed
from gui.network_ink import scaled
from gui.theme import LIGHT, Theme
from gui.trust_plot import TrustPlot
from gui.trust_words import Verdict


@dataclass(frozen=True, slots=True, eq=False)
class RowSight:
    """All that a row shows."""

    figure: str = ""
    verdict: Verdict | None = None
    note: str = ""  # the price, the age, what is going on
    failure: str = ""  # why there is no number
    asked: bool = False  # somebody waits …
    under_way: bool = False  # … and it is being worked on
    can_measure: bool = False
    found: Assessed | None = None  # what has a curve
    blocks: int = 0
    color: QColor | None = None


class TrustRow(QWidget):
    """Shows one check.

    Signals: `measure_wanted`, `cancel_wanted`.
    """

    measure_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(
        self, title: str, explain: str, parent: QWidget | None = None, *, button: bool = True
    ) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._title, self._explain = title, explain
        self._asked = False
        self.said = ""  # the number and its word
        self.name = QLabel(title, self)
        self.figure = QLabel(self)
        self.verdict = QLabel(self)
        self.note = QLabel(self)
        self.busy = QProgressBar(self)
        self.button = QPushButton(self)
        self.plot = TrustPlot(self)
        self.button.setVisible(button)
        self.setToolTip(explain)
        self.setAccessibleName(title)
        self.plot.setAccessibleName(self.tr("Plot of {check}").format(check=title))
        self.plot.setToolTip("")
        self._layout()
        self.button.clicked.connect(self._on_clicked)
        self.show_sight(RowSight(), self._theme)

    def show_sight(self, sight: RowSight, theme: Theme) -> None:
        """Show this."""
        self._theme, self._asked = theme, sight.asked
        self.figure.setText(sight.figure)
        word = sight.failure or ("" if sight.verdict is None else sight.verdict.text)
        self.said = ", ".join(part for part in (sight.figure, word) if part)
        is_new = not word and not sight.figure and not sight.asked
        self.verdict.setText(self._explain if is_new else word)
        self.verdict.setVisible(is_new or bool(word))
        self.note.setText(sight.note)
        self.note.setVisible(bool(sight.note))
        self.busy.setVisible(sight.under_way)
        self.button.setText(self.tr("Cancel") if sight.asked else self.tr("Measure"))
        words = self.tr("Cancel {check}") if sight.asked else self.tr("Measure {check}")
        self.button.setAccessibleName(words.format(check=self._title))
        self.button.setAccessibleDescription(sight.note)
        self.button.setEnabled(sight.asked or sight.can_measure)
        has_curve = sight.found is not None and sight.found.curve.size > 0
        self.plot.setVisible(has_curve)
        if has_curve:
            assert sight.found is not None
            color = sight.color or QColor(theme.accent)
            self.plot.show_finding(sight.found, sight.blocks, color, theme)
        parts = (sight.figure, self.verdict.text(), sight.note)
        self.setAccessibleDescription(" ".join(part for part in parts if part))
        tone: str = "bad" if sight.failure else "plain" if sight.verdict is None else sight.verdict.tone
        tone = "muted" if is_new else tone
        inks = {"muted": theme.muted, "good": theme.good, "bad": theme.bad, "plain": theme.text}
        for label, ink in ((self.name, theme.text), (self.figure, theme.text), (self.verdict, inks[tone]),
                           (self.note, theme.muted)):  # fmt: skip
            palette = label.palette()
            palette.setColor(QPalette.ColorRole.WindowText, QColor(ink))
            label.setPalette(palette)
        self.update()

    def _layout(self) -> None:
        self.name.setFont(scaled(self.font(), 1.0, bold=True))
        self.figure.setFont(scaled(self.font(), 1.15, bold=True))
        self.note.setFont(scaled(self.font(), 0.9))
        for label in (self.name, self.figure, self.verdict, self.note):
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.figure.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        self.verdict.setWordWrap(True)
        self.note.setWordWrap(True)
        self.busy.setRange(0, 0)
        self.busy.setTextVisible(False)
        self.busy.setFixedHeight(4)
        self.busy.setAccessibleName(self.tr("{check} is being measured").format(check=self._title))
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(self.name, 1)
        head.addWidget(self.figure)
        head.addWidget(self.button)
        column = QVBoxLayout(self)
        column.setContentsMargins(10, 6, 8, 8)
        column.setSpacing(3)
        column.addLayout(head)
        column.addWidget(self.verdict)
        column.addWidget(self.note)
        column.addWidget(self.busy)
        column.addWidget(self.plot)

    def _on_clicked(self) -> None:
        if self._asked:
            self.cancel_wanted.emit()
        else:
            self.measure_wanted.emit()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QColor(self._theme.grid))
        painter.setBrush(QColor(self._theme.background))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(0.5, 0.5, -0.5, -0.5), 6, 6)
        painter.end()
