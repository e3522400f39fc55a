"""Draws one network's confusion matrix: cells by share of their row, accuracies of all networks beside."""

from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen

from core.messages import Judged
from gui.confusion_words import accuracies
from gui.explanation_words import class_name, percent
from gui.matrix_layout import BARS, GAP, MatrixLayout
from gui.network_ink import readable_ink, scaled
from gui.plot_shapes import LANE_FILLS, paint_bar
from gui.theme import Theme
from gui.wording import whole

_SMALL = 0.85
_HATCH_FROM = 6  # pixels of height below which a bar's pattern cannot be told
_CENTER = Qt.AlignmentFlag.AlignCenter


@dataclass(frozen=True, slots=True)
class Marked:
    """The cell the keys are on, and the one under the mouse."""

    current: tuple[int, int] | None = None
    hovered: tuple[int, int] | None = None


class MatrixPainter:
    """Paints in a theme's colours, with a font a little smaller than the widget's."""

    def __init__(self, theme: Theme, font: QFont) -> None:
        self.theme = theme
        self.font = scaled(font, _SMALL)
        self.metrics = QFontMetrics(self.font)

    def heading_width(self, names: tuple[str, ...], most: int) -> int:
        """Return the room that the rows' names need."""
        longest = max((self.metrics.horizontalAdvance(name) for name in names), default=0)
        return min(longest + 2, most) + 2 * GAP  # elidedText cuts at the exact width

    def shade(self, share: float, *, right: bool) -> QColor:
        """Return the colour of a share of a row: one hue for what is right, another for what is wrong."""
        # The root lets small shares be seen: most confusions are of a few percent.
        part = float(np.sqrt(min(max(share, 0.0), 1.0))) * 0.9
        ground, full = QColor(self.theme.background), QColor(self.theme.good if right else self.theme.bad)
        return QColor(
            round((1 - part) * ground.red() + part * full.red()),
            round((1 - part) * ground.green() + part * full.green()),
            round((1 - part) * ground.blue() + part * full.blue()),
        )

    def says_counts(self, layout: MatrixLayout) -> bool:
        """Whether a cell has room for its count over its share."""
        wide = self.metrics.horizontalAdvance("1,000") + 4
        return layout.cell.height() >= 2 * self.metrics.height() and layout.cell.width() >= wide

    def paint(
        self,
        painter: QPainter,
        judged: Judged,
        network: int,
        layout: MatrixLayout,
        marked: Marked,
        bars: bool,
    ) -> None:
        """Paint all that is seen."""
        painter.setFont(self.font)
        painter.save()
        painter.setClipRect(layout.area.adjusted(-1, -1, 2, 2))
        self._paint_cells(painter, judged, network, layout)
        self._paint_marks(painter, layout, marked)
        painter.restore()
        self._paint_rows(painter, judged, layout, marked)
        self._paint_columns(painter, judged, layout, marked)
        if bars:
            self._paint_bars(painter, judged, network, layout)

    # ---- cells ------------------------------------------------------------------------------

    def _paint_cells(self, painter: QPainter, judged: Judged, network: int, layout: MatrixLayout) -> None:
        matrix = judged.confusion[network]
        of = np.maximum(matrix.sum(1), 1)
        line = self.metrics.height()
        wide, high = layout.cell.width(), layout.cell.height()
        says_share = wide >= self.metrics.horizontalAdvance("100") + 3 and high >= line - 2
        says_both = self.says_counts(layout)
        painter.fillRect(layout.area, QColor(self.theme.background))
        for row in layout.rows():
            for column in layout.columns():
                count = int(matrix[row, column])
                if not count:
                    continue
                rect = layout.rect(row, column)
                share = count / int(of[row])
                color = self.shade(share, right=row == column)
                painter.fillRect(rect, color)
                if says_share:
                    painter.setPen(readable_ink(color))
                    said = str(round(100 * share)) if share >= 0.005 else "<1"
                    painter.drawText(rect, _CENTER, f"{whole(count)}\n{said} %" if says_both else said)
        self._paint_grid(painter, layout)

    def _paint_grid(self, painter: QPainter, layout: MatrixLayout) -> None:
        """Lines between cells where there is room for them; the diagonal is framed, which needs no colour."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        if min(layout.cell.width(), layout.cell.height()) >= 8:
            painter.setPen(QPen(QColor(self.theme.grid), 1))
            for row in layout.rows():
                y = layout.rect(row, 0).top()
                painter.drawLine(layout.area.left(), y, layout.area.right(), y)
            for column in layout.columns():
                x = layout.rect(0, column).left()
                painter.drawLine(x, layout.area.top(), x, layout.area.bottom())
        painter.setPen(QPen(QColor(self.theme.muted), 1))
        for row in layout.rows():
            if row in layout.columns():
                painter.drawRect(layout.rect(row, row).adjusted(0, 0, -1, -1))
        painter.drawRect(layout.area.adjusted(-1, -1, 0, 0))

    def _paint_marks(self, painter: QPainter, layout: MatrixLayout, marked: Marked) -> None:
        if marked.hovered is not None:
            painter.setPen(QPen(QColor(self.theme.text), 1))
            painter.drawRect(layout.rect(*marked.hovered).adjusted(0, 0, -1, -1))
        if marked.current is not None:
            painter.setPen(QPen(QColor(self.theme.background), 4))
            painter.drawRect(layout.rect(*marked.current).adjusted(0, 0, -1, -1))
            painter.setPen(QPen(QColor(self.theme.accent), 2))
            painter.drawRect(layout.rect(*marked.current).adjusted(0, 0, -1, -1))

    # ---- headings ---------------------------------------------------------------------------

    def _paint_rows(self, painter: QPainter, judged: Judged, layout: MatrixLayout, marked: Marked) -> None:
        strong = {place[0] for place in (marked.current, marked.hovered) if place is not None}
        room = layout.left - 2 * GAP
        painter.save()
        painter.setClipRect(QRect(0, layout.area.top(), layout.left, layout.area.height()))
        every = self._every(layout.cell.height())
        for row in layout.rows():
            if row % every and row not in strong:
                continue
            self._use_pen(painter, row in strong)
            text = self.elided(class_name(judged.class_names, row), room)
            rect = layout.rect(row, 0)
            place = QRect(GAP, rect.center().y() - self.metrics.height() // 2, room, self.metrics.height())
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
        painter.restore()

    def _paint_columns(self, painter: QPainter, judged: Judged, layout: MatrixLayout, marked: Marked) -> None:
        """Name the columns, upright where the cells are too narrow to read across."""
        strong = {place[1] for place in (marked.current, marked.hovered) if place is not None}
        line, room = self.metrics.height(), layout.top - 2 * GAP
        lying = all(
            self.metrics.horizontalAdvance(class_name(judged.class_names, column)) <= layout.cell.width() - 4
            for column in range(min(layout.classes, 200))
        )
        every = 1 if lying else self._every(layout.cell.width())
        painter.save()
        painter.setClipRect(QRect(layout.area.left(), 0, layout.area.width(), layout.top))
        for column in layout.columns():
            if column % every and column not in strong:
                continue
            self._use_pen(painter, column in strong)
            rect = layout.rect(0, column)
            name = class_name(judged.class_names, column)
            if lying:
                place = QRect(rect.left(), layout.top - line - GAP, rect.width(), line)
                painter.drawText(place, _CENTER, name)
                continue
            painter.save()
            painter.translate(QPointF(rect.center().x() + 1, layout.top - GAP))
            painter.rotate(-90)
            start = QRectF(0, -line / 2, room, line)
            flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
            painter.drawText(start, flags, self.elided(name, room))
            painter.restore()
        painter.restore()

    def _every(self, size: int) -> int:
        """Return of how many neighbours one is named, so that names do not overlap."""
        return max(1, -(-(self.metrics.ascent()) // max(size, 1)))

    def _use_pen(self, painter: QPainter, strong: bool) -> None:
        painter.setPen(QColor(self.theme.accent if strong else self.theme.text))

    def elided(self, text: str, room: int) -> str:
        """Return as much of a text as there is room for."""
        return self.metrics.elidedText(text, Qt.TextElideMode.ElideRight, room)

    # ---- accuracies -------------------------------------------------------------------------

    def _paint_bars(self, painter: QPainter, judged: Judged, network: int, layout: MatrixLayout) -> None:
        shares = [accuracies(matrix) for matrix in judged.confusion]
        figures = self.metrics.horizontalAdvance(percent(0.999))
        left, longest = layout.area.right() + 2 * GAP, BARS - figures - 5 * GAP
        says = layout.cell.height() >= self.metrics.ascent()
        painter.save()
        painter.setClipRect(QRect(left - 1, layout.area.top(), BARS, layout.area.height()))
        for row in layout.rows():
            rect = layout.rect(row, 0)
            inner = min(max(layout.cell.height() - 3, 2), 10 * len(shares))
            thick = max(inner // len(shares), 1)
            top = rect.center().y() - thick * len(shares) // 2
            for number, of_class in enumerate(shares):
                track = QRectF(left, top + number * thick, longest, max(thick - 1, 1))
                painter.fillRect(track, QColor(self.theme.surface))
                if np.isfinite(of_class[row]):
                    length = max(float(of_class[row]) * longest, 1.0)
                    bar = QRectF(left, top + number * thick, length, max(thick - 1, 1))
                    fill = LANE_FILLS[number % len(LANE_FILLS)] if thick >= _HATCH_FROM else "solid"
                    paint_bar(painter, bar, self.theme.lane_color(number), fill)
            if says:
                painter.setPen(QColor(self.theme.text))
                said = percent(float(shares[network][row]))
                place = QRect(left + longest + GAP, rect.top(), figures + GAP, rect.height())
                painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, said)
        painter.restore()
