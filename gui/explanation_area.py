"""The explanations of all networks side by side; where they do not fit, the area scrolls."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from core.overlay import Look, draw, scale_of
from core.settings import MAX_LANES
from gui.explanation_layout import SMALLEST_SIDE, Text, grid
from gui.explanation_view import ExplanationView, Subject, line_height
from gui.explanation_words import TOP
from gui.theme import LIGHT, Theme, color_table


class ExplanationArea(QScrollArea):
    """One view per network, as large as the room allows."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.views: list[ExplanationView] = []  # that are shown
        self._empty_text = ""
        self._body = QWidget(self)
        # All of them from the start, so that they have their place in the order of tabs.
        self._all_views = [ExplanationView(self._body) for _ in range(MAX_LANES)]
        for view in self._all_views:
            view.hide()
        self.setWidget(self._body)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setMinimumHeight(SMALLEST_SIDE)

    def show_subjects(self, subjects: Sequence[Subject]) -> None:
        """Show these networks' answers, without maps until `draw_maps`."""
        self.views = self._all_views[: len(subjects)]
        for view, subject in zip(self.views, subjects, strict=False):
            view.show_subject(subject)
        for view in self._all_views:
            view.setVisible(view in self.views)
        self._place()

    def draw_maps(self, look: Look, table: str, *, common: bool) -> None:
        """Lay the maps over the pictures."""
        maps = [view.subject.attribution for view in self.views if view.subject is not None]
        scale = scale_of([each for each in maps if each is not None]) if common else None
        for view, attribution in zip(self.views, maps, strict=True):
            assert view.subject is not None
            overlay = None
            if attribution is not None:
                overlay = draw(view.subject.picture, attribution, color_table(table), look, scale)
            view.set_overlay(overlay, look, table)

    def say_empty(self, text: str) -> None:
        """Set what is drawn while nothing is explained."""
        if text != self._empty_text:
            self._empty_text = text
            self.viewport().update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        palette = self.viewport().palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        self.viewport().setPalette(palette)
        for view in self._all_views:
            view.set_theme(theme)

    def _place(self) -> None:
        subjects = [view.subject for view in self.views if view.subject is not None]
        if not subjects:
            self._body.resize(0, 0)
            return
        lines = max(TOP + 2, *(len(each.lines) + len(each.bars) for each in subjects))
        text = Text(line_height(self), lines)
        shape = grid(len(subjects), self.viewport().size(), text, self.views[0].pixels)
        for index, view in enumerate(self.views):
            view.text_lines = lines
            view.setGeometry(shape.rect(index))
        last = shape.rect(len(subjects) - 1)
        self._body.resize(max(self.viewport().width(), 1), last.bottom() + 1)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self.views and self._empty_text:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(self.theme.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.viewport().rect().adjusted(12, 4, -12, -4), flags, self._empty_text)
            painter.end()
