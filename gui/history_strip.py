"""The strip of small maps under the large ones: how a map changed while the networks learnt."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QPalette
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from core.overlay import Look
from gui.attribution_history import Moment
from gui.history_frames import HistoryFrames
from gui.theme import Theme


class HistoryStrip(QWidget):
    """Shows the moments of a history; one of them can be looked at.

    Signals: `chosen` (a Moment, or None for the present one).
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.frames = HistoryFrames(self)
        self.fold = QToolButton(self)
        self.title = QLabel(self.tr("How it changed"), self)
        self.back = QPushButton(self.tr("Back to the present"), self)
        self._scroll = QScrollArea(self)
        self._layout()
        self.fold.toggled.connect(self._on_fold)
        self.back.clicked.connect(lambda: self.frames.choose(None))
        self.frames.chosen.connect(self._on_chosen)
        self.fold.setChecked(True)
        self._is_by_hand = False  # somebody has said whether it is to be open
        self.fold.clicked.connect(self._on_click)
        self.hide()

    def offer_room(self, *, enough: bool) -> None:
        """Be open where there is room enough, until somebody decides otherwise."""
        if not self._is_by_hand:
            self.fold.setChecked(enough)

    @property
    def moment(self) -> Moment | None:
        """The moment that is looked at; None: the present."""
        return self.frames.moment

    def show_moments(self, moments: Sequence[Moment], look: Look, table: str) -> None:
        """Show these; with fewer than two there is nothing to compare, and it hides."""
        self.frames.show_moments(moments, look, table)
        self.setVisible(len(moments) > 1)
        self.back.setVisible(self.moment is not None)
        self._fit()

    def leave(self) -> None:
        """Go back to the present without a signal."""
        self.frames.forget_choice()
        self.back.hide()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.frames.set_theme(theme)
        for widget in (self, self._scroll.viewport()):
            palette = widget.palette()
            palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
            widget.setPalette(palette)
        palette = self.title.palette()
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.muted))
        self.title.setPalette(palette)

    def _layout(self) -> None:
        self.fold.setCheckable(True)
        self.fold.setAutoRaise(True)
        self.fold.setArrowType(Qt.ArrowType.RightArrow)
        self.fold.setAccessibleName(self.tr("How it changed"))
        self.fold.setToolTip(self.tr("Show or hide the map's states while the networks learnt"))
        self.back.hide()
        self._scroll.setWidget(self.frames)
        self._scroll.setFrameShape(QFrame.Shape.NoFrame)
        self._scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._scroll.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        head = QHBoxLayout()
        head.setSpacing(4)
        for widget in (self.fold, self.title):
            head.addWidget(widget)
        head.addStretch(1)
        head.addWidget(self.back)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(1)
        layout.addLayout(head)
        layout.addWidget(self._scroll)

    def _fit(self) -> None:
        bar = self._scroll.horizontalScrollBar()
        follows = bar.value() == bar.maximum()
        size = self.frames.sizeHint()
        room = bar.sizeHint().height() if size.width() > self.width() else 0
        self.frames.resize(size)
        self._scroll.setFixedHeight(size.height() + room)
        if follows and self.moment is None:
            bar.setValue(bar.maximum())

    def _on_click(self) -> None:
        self._is_by_hand = True

    def _on_fold(self, opened: bool) -> None:
        self.fold.setArrowType(Qt.ArrowType.DownArrow if opened else Qt.ArrowType.RightArrow)
        self._scroll.setVisible(opened)
        if not opened and self.moment is not None:
            self.frames.choose(None)

    def _on_chosen(self, moment: object) -> None:
        self.back.setVisible(moment is not None)
        place = self.frames.place()
        if place is not None:
            self._scroll.ensureVisible(place.center().x(), place.center().y(), place.width(), 0)
        self.chosen.emit(moment)
