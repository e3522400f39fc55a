"""One network's confusion matrix: rows are true classes, columns what they are seen as."""

from dataclasses import replace

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QContextMenuEvent,
    QFocusEvent,
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QFrame, QMenu, QToolTip, QWidget

from core.history import Cell
from core.messages import Judged
from gui.confusion_words import accuracy_words, cell_sentence, worst_sentence
from gui.matrix_layout import BARS, GAP, MatrixLayout, fitted
from gui.matrix_painter import Marked, MatrixPainter
from gui.plot_export import Table, as_text, export_dialog
from gui.theme import LIGHT, Theme

_LEFT_SHARE = 0.26  # of the width, at most, for the rows' names
_TOP_SHARE = 0.24  # of the height, at most, for the columns' names
_ZOOM = 1.25
_MOST_ZOOM = 6.0
_PRINTED = 22  # pixels a side of a cell in an export of many classes …
_MOST_PRINTED = 4400  # … and of the whole matrix: a thousand classes would take gigabytes

_MOVES = {
    Qt.Key.Key_Left: (0, -1),
    Qt.Key.Key_Right: (0, 1),
    Qt.Key.Key_Up: (-1, 0),
    Qt.Key.Key_Down: (1, 0),
}


class ConfusionMatrix(QAbstractScrollArea):
    """Walked through with the arrow keys; a click or Enter chooses a cell; names stay when it scrolls.

    Signals: `cell_chosen` (label, predicted); `pointed` when the mouse or the keys are on another cell;
    `said`, a sentence for the status bar.
    """

    cell_chosen = Signal(int, int)
    pointed = Signal()
    said = Signal(str)

    def __init__(self, network: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.network = network
        self.bars = True  # whether the accuracies of all networks stand beside
        self._judged: Judged | None = None
        self._marked = Marked()
        self._zoom = 1.0
        self._pressed: tuple[int, int] | None = None
        self._painter = MatrixPainter(self.theme, self.font())
        self._layout = fitted(0, QSize(1, 1), QSize(0, 0), 1, 1.0, 0)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.setMinimumSize(220, 180)

    # ---- data in --------------------------------------------------------------------------

    def show_judged(self, judged: Judged | None) -> None:
        """Show a source's figures; the cell that the keys are on stays."""
        fewer = (
            judged is None or self._judged is None or len(judged.class_names) != len(self._judged.class_names)
        )
        self._judged = judged
        if fewer:
            self._marked, self._zoom = Marked(), 1.0
        name = "" if judged is None else judged.names[self.network]
        self.setAccessibleName(self.tr("Confusion matrix of {network}").format(network=name))
        self._describe()
        self._place()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        self._painter = MatrixPainter(theme, self.font())
        palette = self.palette()
        palette.setColor(QPalette.ColorRole.Base, QColor(theme.background))
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        self.setPalette(palette)
        self._place()

    def set_bars(self, shown: bool) -> None:
        """Have the accuracies beside the rows, or not."""
        if shown != self.bars:
            self.bars = shown
            self._place()

    # ---- what is asked --------------------------------------------------------------------

    def layout_now(self) -> MatrixLayout:
        """Return where everything stands, as scrolled."""
        offset = QPoint(self.horizontalScrollBar().value(), self.verticalScrollBar().value())
        return replace(self._layout, offset=offset)

    def current(self) -> tuple[int, int] | None:
        """Return the cell the keys are on."""
        return self._marked.current

    def table(self) -> Table:
        """Head and rows of what is shown: counts, with the share right at the end."""
        if self._judged is None:
            return (), ()
        names, matrix = self._judged.class_names, self._judged.confusion[self.network]
        rows: list[list[Cell]] = []
        for row, name in enumerate(names):
            of = int(matrix[row].sum())
            right: Cell = int(matrix[row, row]) / of if of else ""
            rows.append([name, *(int(count) for count in matrix[row]), of, right])
        return ("true \\ seen as", *names, "pictures", "share right"), rows

    def drawing_size(self) -> QSize:
        """Return how much room the whole matrix needs, with names and accuracies."""
        layout = self._whole_layout()
        extra = QSize(layout.left + (BARS if self.bars else 0) + GAP, layout.top + GAP)
        return layout.whole + extra

    def draw_whole(self, painter: QPainter) -> None:
        """Draw all of it, however much of it is seen here."""
        if self._judged is not None:
            layout = self._whole_layout()
            self._painter.paint(painter, self._judged, self.network, layout, Marked(), self.bars)

    # ---- placing --------------------------------------------------------------------------

    def _place(self) -> None:
        judged = self._judged
        if judged is not None:
            room = self.viewport().size()
            bars = BARS if self.bars else GAP
            self._layout = fitted(
                len(judged.class_names), room, self._headings(room), self._least(), self._zoom, bars
            )
        for bar, needed, seen in (
            (self.horizontalScrollBar(), self._layout.whole.width(), self._layout.area.width()),
            (self.verticalScrollBar(), self._layout.whole.height(), self._layout.area.height()),
        ):
            bar.setRange(0, max(0, needed - seen))
            bar.setPageStep(max(seen, 1))
            bar.setSingleStep(max(self._layout.cell.height(), 1))
        self.viewport().update()

    def _headings(self, room: QSize) -> QSize:
        assert self._judged is not None
        names = self._judged.class_names
        width = self._painter.heading_width(names, max(30, round(_LEFT_SHARE * room.width())))
        height = self._painter.heading_width(names, max(30, round(_TOP_SHARE * room.height())))
        return QSize(width, height)

    def _least(self) -> int:
        return self._painter.metrics.height()  # a name for each row

    def _whole_layout(self) -> MatrixLayout:
        """Lay out for print: nothing scrolls, cells hold their numbers."""
        assert self._judged is not None
        classes = len(self._judged.class_names)
        headings = QSize(*[self._painter.heading_width(self._judged.class_names, 160)] * 2)
        cell = max(_PRINTED, self._layout.cell.height(), self._painter.metrics.horizontalAdvance("100") + 4)
        cell = min(cell, max(3, _MOST_PRINTED // max(classes, 1)))
        side = classes * cell
        room = QSize(side + headings.width() + (BARS if self.bars else GAP), side + headings.height())
        return fitted(classes, room, headings, cell, 1.0, BARS if self.bars else GAP)

    # ---- pointing -------------------------------------------------------------------------

    def go_to(self, row: int, column: int) -> None:
        """Put the keys on a cell, and bring it into view."""
        if self._judged is None:
            return
        last = len(self._judged.class_names) - 1
        place = min(max(row, 0), last), min(max(column, 0), last)
        self._marked = replace(self._marked, current=place)
        layout = self.layout_now()
        rect = layout.rect(*place)
        for bar, low, high, seen in (
            (self.horizontalScrollBar(), rect.left(), rect.right(), layout.area),
            (self.verticalScrollBar(), rect.top(), rect.bottom(), layout.area),
        ):
            lying = bar is self.horizontalScrollBar()
            first, end = (seen.left(), seen.right()) if lying else (seen.top(), seen.bottom())
            bar.setValue(bar.value() + min(0, low - first) + max(0, high - end))
        self._describe()
        self.pointed.emit()
        self.viewport().update()

    def sentence(self, place: tuple[int, int]) -> str:
        """Say what a cell counts."""
        return "" if self._judged is None else cell_sentence(self._judged, self.network, *place)

    def words_now(self) -> str:
        """Say what the cell counts that the mouse, or the keys, are on; empty where they are elsewhere."""
        place = self._marked.hovered or (self._marked.current if self.hasFocus() else None)
        return "" if place is None else self.sentence(place)

    def _describe(self) -> None:
        if self._judged is None:
            self.setAccessibleDescription("")
        elif self._marked.current is not None:
            self.setAccessibleDescription(self.sentence(self._marked.current))
        else:
            self.setAccessibleDescription(worst_sentence(self._judged, self.network))

    def _point(self, place: tuple[int, int] | None) -> None:
        if place == self._marked.hovered:
            return
        self._marked = replace(self._marked, hovered=place)
        self.pointed.emit()
        self.viewport().update()

    def _zoom_by(self, factor: float) -> None:
        self._zoom = min(max(self._zoom * factor, 1.0), _MOST_ZOOM)
        self._place()
        if self._marked.current is not None:
            self.go_to(*self._marked.current)

    # ---- Qt's side ------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        row, column = self._marked.current or (0, 0)
        far = len(self._judged.class_names) if self._judged is not None else 0
        page = max(len(self.layout_now().rows()) - 1, 1)
        if key in _MOVES and self._marked.current is not None:
            self.go_to(row + _MOVES[key][0], column + _MOVES[key][1])
        elif key in _MOVES:
            self.go_to(0, 0)
        elif key in (Qt.Key.Key_Home, Qt.Key.Key_End):
            self.go_to(row, 0 if key == Qt.Key.Key_Home else far)
        elif key in (Qt.Key.Key_PageUp, Qt.Key.Key_PageDown):
            self.go_to(row + (page if key == Qt.Key.Key_PageDown else -page), column)
        elif (
            key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space)
            and self._marked.current is not None
        ):
            self.cell_chosen.emit(row, column)
        elif key in (Qt.Key.Key_Plus, Qt.Key.Key_Equal, Qt.Key.Key_Minus):
            self._zoom_by(1 / _ZOOM if key == Qt.Key.Key_Minus else _ZOOM)
        else:
            super().keyPressEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        if event.modifiers() & Qt.KeyboardModifier.ControlModifier:
            self._zoom_by(_ZOOM if event.angleDelta().y() > 0 else 1 / _ZOOM)
            event.accept()
        else:
            super().wheelEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        self._point(self.layout_now().at(event.position().toPoint()))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton:
            self._pressed = self.layout_now().at(event.position().toPoint())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        place = self.layout_now().at(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and place is not None and place == self._pressed:
            self.go_to(*place)
            self.cell_chosen.emit(*place)
        self._pressed = None

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._point(None)
        elif isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            QToolTip.showText(event.globalPos(), self.words_at(event.pos()), self.viewport())
            return True
        return super().viewportEvent(event)

    def words_at(self, place: QPoint) -> str:
        """Say what lies under a place: a cell, or beside a row how much of it each network gets right."""
        if self._judged is None:
            return ""
        layout = self.layout_now()
        if (cell := layout.at(place)) is not None:
            return self.sentence(cell)
        row = layout.row_at(place)
        return "" if row is None else accuracy_words(self._judged, row)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        menu = self.menu()
        menu.popup(event.globalPos())

    def menu(self) -> QMenu:
        """Make the menu."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("Larger cells"), lambda: self._zoom_by(_ZOOM))
        menu.addAction(self.tr("Smaller cells"), lambda: self._zoom_by(1 / _ZOOM))
        menu.addSeparator()
        menu.addAction(self.tr("Copy as table"), self.copy_table)
        menu.addAction(
            self.tr("Export SVG, PNG or CSV…"), lambda: export_dialog(self, self.table, self.said.emit)
        )
        return menu

    def copy_table(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(as_text(self.table()))
        self.said.emit(self.tr("Copied: the confusion matrix, as a table"))

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        if self._marked.current is None and event.reason() != Qt.FocusReason.MouseFocusReason:
            self.go_to(0, 0)
        self.pointed.emit()
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.pointed.emit()
        self.viewport().update()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._place()

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self.viewport())
        painter.fillRect(self.viewport().rect(), QColor(self.theme.background))
        if self._judged is not None:
            marked = self._marked if self.hasFocus() else replace(self._marked, current=None)
            self._painter.paint(painter, self._judged, self.network, self.layout_now(), marked, self.bars)
            self._paint_corner(painter)
        if self.hasFocus():
            painter.setPen(QColor(self.theme.accent))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.viewport().rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_corner(self, painter: QPainter) -> None:
        """Name the axes where they meet."""
        layout, line = self._layout, self._painter.metrics.height()
        painter.setFont(self._painter.font)
        painter.setPen(QColor(self.theme.muted))
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        lines = [self.tr("true ↓"), self.tr("seen as →")]
        if not self._painter.says_counts(layout):
            lines.append(self.tr("% of row"))
        for lift, text in enumerate(lines, start=1):
            place = QRect(0, layout.top - lift * line - 2, layout.left - GAP, line)
            painter.drawText(
                place,
                flags,
                self._painter.elided(text, place.width()),
            )
        if self.bars:
            place = QRect(layout.area.right() + 2 * GAP, layout.top - line - 2, BARS, line)
            painter.drawText(
                place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, self.tr("right")
            )
