"""A plot of an instrument: reads out under the mouse or the arrow keys, copies and exports itself."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QFocusEvent, QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QMenu, QWidget

from gui.axis_ticks import Ticks, step_ticks
from gui.plot_canvas import PlotCanvas, Range, TickMaker
from gui.plot_export import Table, as_text, export_dialog
from gui.stop_keys import stop_after

_SMALL = 2.0  # times as many ticks as on an axis of steps, whose numbers are long


class Figure(PlotCanvas):
    """A canvas that knows its own table; subclasses draw, and say what lies at a place.

    Signals: `said`, a sentence for the status bar.
    """

    said = Signal(str)

    def __init__(self, x_ticks: TickMaker, y_ticks: TickMaker, parent: QWidget | None = None) -> None:
        super().__init__(x_ticks, y_ticks, parent)
        self._follows_x = True  # until the user pans or zooms
        self._place: float | None = None  # what is read out
        if (layout := self.layout()) is not None:
            layout.setContentsMargins(1, 1, 1, 1)  # room for the focus frame
        self.hovered.connect(self._on_hovered)
        self.left.connect(self._on_left)
        self.x_moved.connect(self._on_x_moved)
        self.view_all_chosen.connect(self.view_all)
        self.export_chosen.connect(self._on_export)

    # ---- what subclasses say --------------------------------------------------------------

    def draw(self) -> None:
        """Show what is known; overridden by each plot."""

    def stops(self) -> Sequence[float]:
        """Places along x that can be read out, in order; overridden by each plot."""
        return ()

    def words(self, x: float) -> str:
        """What is said of a stop (rich text); overridden by each plot."""
        return ""

    def table(self) -> Table:
        """Head and rows of what is shown; overridden by each plot."""
        return (), ()

    # ---- what panels and subclasses use ---------------------------------------------------

    def fit(self, x: Range, y: Range) -> None:
        """Show these ranges, but for what the user has moved."""
        if self._follows_x:
            self.set_x_range(*x)
        if self.follows_y:
            self.set_y_range(*y)

    def view_all(self) -> None:
        """Undo the user's zoom."""
        self._follows_x = self.follows_y = True
        self.draw()

    def read_out(self, x: float | None) -> None:
        """Say what lies at the stop nearest to a place, or nothing."""
        stops = self.stops()
        self._place = min(stops, key=lambda stop: abs(stop - x)) if stops and x is not None else None
        self.show_cross(self._place)
        self.show_readout("" if self._place is None else self.words(self._place), self._place or 0.0)

    def renew_readout(self) -> None:
        """Say it again: the data changed."""
        if self._place is not None:
            self.read_out(self._place)

    def copy_table(self) -> None:
        """Put the table on the clipboard."""
        QApplication.clipboard().setText(as_text(self.table()))
        self.said.emit(self.tr("Copied: the table of what the plot shows"))

    def menu(self) -> QMenu:
        """Make the menu; there are no steps here to look at the last of."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("View all"), self.view_all_chosen.emit)
        menu.addSeparator()
        menu.addAction(self.tr("Copy as table"), self.copy_table)
        menu.addAction(self.tr("Export SVG, PNG or CSV…"), self.export_chosen.emit)
        return menu

    # ---- slots ----------------------------------------------------------------------------

    def _on_hovered(self, x: float, _y: float) -> None:
        self.read_out(x)

    def _on_left(self) -> None:
        self.read_out(None)

    def _on_x_moved(self, _low: float, _high: float) -> None:
        self._follows_x = False

    def _on_export(self) -> None:
        export_dialog(self, self.table, self.said.emit)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Walk through the stops with the arrow keys; Escape says nothing more."""
        stop = stop_after(event.key(), list(self.stops()), self._place)
        if stop is not None:
            self.read_out(stop)
        elif event.key() == Qt.Key.Key_Escape and self._place is not None:
            self.read_out(None)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if self.hasFocus():
            painter = QPainter(self)
            painter.setPen(QColor(self.theme.accent))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
            painter.end()


def count_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of a lying axis of small whole numbers."""
    return step_ticks(low, high, _SMALL * pixels)
