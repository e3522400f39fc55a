"""The names at a table's edges: of the columns, above it, and of a row's network, at the left of what is seen."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QRect, Qt
from PySide6.QtGui import QColor, QFontMetrics, QHelpEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QToolTip, QWidget

from gui.network_ink import scaled
from gui.theme import LANE_DASHES, LIGHT, Theme

_MIDDLE = Qt.AlignmentFlag.AlignVCenter
_SPACE = 8
_DASH = 20  # length of the sample of a lane's line


class FrameHeads(QWidget):
    """The columns' titles; they follow the table sideways and stay when it is scrolled down."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._theme: Theme = LIGHT
        self._columns: list[tuple[str, str, QRect]] = []
        self._offset = 0

    def show_columns(self, columns: Sequence[tuple[str, str, QRect]]) -> None:
        """Name the columns: title, explanation, and the place of the column's first frame."""
        self._columns = list(columns)
        self.setAccessibleName(", ".join(title for title, _, _ in columns))
        self.update()

    def set_offset(self, offset: int) -> None:
        """Say how far the table is scrolled to the right."""
        if offset != self._offset:
            self._offset = offset
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def lines(self, titles: Sequence[str], width: int) -> int:
        """Return how many lines of text titles need over frames of this width: one or two."""
        metrics = QFontMetrics(scaled(self.font(), 1.0, bold=True))
        fits = all(" " not in title or metrics.horizontalAdvance(title) <= width for title in titles)
        return 1 if fits else 2

    def titles(self) -> list[str]:
        """Return the titles."""
        return [title for title, _, _ in self._columns]

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(QColor(self._theme.text))
        for title, _, frame in self._columns:
            place = QRect(frame.left() - self._offset, 0, frame.width(), self.height())
            if place.intersects(event.rect()):
                self._paint_title(painter, title, place)
        painter.end()

    def _paint_title(self, painter: QPainter, title: str, place: QRect) -> None:
        """Write a title in its place, smaller and in two lines where it is too long for one."""
        font = scaled(self.font(), 1.0, bold=True)
        first, _, rest = title.partition(" ")
        lines = [title]
        if QFontMetrics(font).horizontalAdvance(title) > place.width():
            font = scaled(self.font(), 0.85, bold=True)
            lines = [first, rest] if rest and self.height() > 1.5 * QFontMetrics(font).height() else [title]
        metrics = QFontMetrics(font)
        painter.setFont(font)
        height = self.height() // len(lines)
        for row, line in enumerate(lines):
            shown = metrics.elidedText(line, Qt.TextElideMode.ElideRight, place.width())
            box = QRect(place.left(), row * height, place.width(), height)
            painter.drawText(box, _MIDDLE | Qt.AlignmentFlag.AlignHCenter, shown)

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            x = event.pos().x() + self._offset
            said = [
                f"{title}\n{explain}" if explain else title
                for title, explain, frame in self._columns
                if frame.left() <= x <= frame.right()
            ]
            QToolTip.showText(event.globalPos(), "".join(said), self)
            return True
        return super().event(event)


@dataclass(frozen=True, slots=True)
class RowName:
    """What stands over a row of frames."""

    name: str
    hue: int | None  # of a lane
    words: str
    ages: tuple[str, ...]  # the longest that fits is drawn


def draw_row_name(painter: QPainter, place: QRect, row: RowName, theme: Theme) -> None:
    """Draw a network's line and name, and after them what holds for the whole row."""
    plain = painter.font()
    left = place.left()
    if row.hue is not None:
        pen = QPen(theme.lane_color(row.hue), 2.5)
        pen.setStyle(LANE_DASHES[row.hue % len(LANE_DASHES)])
        painter.setPen(pen)
        painter.drawLine(left, place.center().y(), left + _DASH, place.center().y())
        left += _DASH + 6
    bold = scaled(plain, 1.0, bold=True)
    metrics, small = QFontMetrics(bold), QFontMetrics(plain)
    name = metrics.elidedText(row.name, Qt.TextElideMode.ElideRight, max(place.right() - left, 0))
    painter.setFont(bold)
    painter.setPen(QColor(theme.text))
    painter.drawText(QRect(left, place.top(), place.right() - left, place.height()), _MIDDLE, name)
    left += metrics.horizontalAdvance(name) + _SPACE
    painter.setFont(plain)
    painter.setPen(QColor(theme.muted))
    room = place.right() - left
    texts = [" · ".join(filter(None, (row.words, age))) for age in row.ages] + [row.words]
    text = next((each for each in texts if small.horizontalAdvance(each) <= room), "")
    painter.drawText(QRect(left, place.top(), max(room, 0), place.height()), _MIDDLE, text)
