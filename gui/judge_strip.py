"""How many pictures are predicted, the button that has all of them predicted, and how far that is."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QSizePolicy, QWidget

from core.messages import Failed, JudgeAll, Progress
from gui.setting_grid import paint_text
from gui.theme import Theme
from gui.wording import whole

_PARTS = 1000


class JudgeStrip(QWidget):
    """A line of text with *Judge all* at its end; while that is under way, a bar and *Cancel*.

    Signals: `judge_requested` (JudgeAll), to be sent on as it is; `cancel_requested` (the request's id).
    """

    judge_requested = Signal(object)
    cancel_requested = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.text = QLabel(self)
        self.progress = QProgressBar(self)
        self.button = QPushButton(self)
        self._source, self._album = "", ""
        self._judged, self._total = 0, 0
        self._request: JudgeAll | None = None
        self._layout()
        self.button.clicked.connect(self._on_clicked)
        self._show()

    @property
    def is_busy(self) -> bool:
        """Whether all pictures are being predicted because this button was pressed."""
        return self._request is not None

    @property
    def judged(self) -> int:
        """How many pictures are predicted."""
        return self._judged

    def show_counts(self, source: str, album: str, judged: int, total: int) -> None:
        """Take how many of an album's pictures a source has predicted."""
        if (source, album) != (self._source, self._album):
            self._request = None  # it goes on, but its figures are not shown here
        self._source, self._album, self._judged, self._total = source, album, judged, total
        if 0 < total <= judged:
            self._request = None
        self._show()

    def start_run(self) -> None:
        """Forget what was asked: another run begins."""
        self._request, self._judged, self._total = None, 0, 0
        self._show()

    def take_progress(self, event: Progress) -> bool:
        """Take how far it is; return whether that was the end."""
        if self._request is None or event.request != self._request.id:
            return False
        fraction = event.fraction or 0.0
        if fraction >= 1:  # done, or given up: the next page says how many there are
            self._request = None
        else:
            self._judged = max(self._judged, round(fraction * self._total))
        self._show()
        return fraction >= 1

    def take_failure(self, event: Failed) -> bool:
        """Note that it came to nothing; return whether that was asked for here."""
        if self._request is None or event.request != self._request.id:
            return False
        self._request = None
        self._show()
        return True

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        paint_text(self.text, theme.muted)

    # ---- inside ---------------------------------------------------------------------------

    def _layout(self) -> None:
        self.text.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.text.setWordWrap(True)
        self.text.setTextFormat(Qt.TextFormat.PlainText)
        self.progress.setRange(0, _PARTS)
        self.progress.setTextVisible(False)
        self.progress.setFixedHeight(8)
        self.progress.setFixedWidth(72)
        self.progress.setAccessibleName(self.tr("How many pictures are predicted"))
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(self.text, 1)
        layout.addWidget(self.progress)
        layout.addWidget(self.button)

    def _show(self) -> None:
        busy = self.is_busy
        open_ = self._judged < self._total
        self.progress.setVisible(busy)
        self.progress.setValue(round(_PARTS * self._judged / max(self._total, 1)))
        self.button.setVisible(busy or open_)
        counts = self.tr("judged {judged} of {total}").format(
            judged=whole(self._judged), total=whole(self._total)
        )
        if busy:
            self.button.setText(self.tr("Cancel"))
            self.button.setToolTip(self.tr("Stop; what is predicted by then stays"))
            self.button.setAccessibleName(self.tr("Cancel judging all pictures"))
        else:
            self.button.setText(self.tr("Judge all {count}").format(count=whole(self._total)))
            self.button.setToolTip(
                self.tr(
                    "Let the networks predict every picture, so that filters, orders and figures are of all"
                )
            )
            self.button.setAccessibleName("")
        self.button.setAccessibleDescription(counts)

    def _on_clicked(self) -> None:
        if self._request is not None:
            asked, self._request = self._request, None
            self._show()
            self.cancel_requested.emit(asked.id)
        elif self._source:
            self._request = JudgeAll(self._source, self._album)
            self._show()
            self.judge_requested.emit(self._request)
