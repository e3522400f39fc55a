"""A titled plot with our ticks, menu, hover and zoom; the plots of the curves panel stand on it."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPoint, QPointF, Qt, Signal
from PySide6.QtGui import QColor, QContextMenuEvent, QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QMenu, QSizePolicy, QVBoxLayout, QWidget

from gui.axis_ticks import Ticks
from gui.theme import LIGHT, Theme, style_plot

TickMaker: TypeAlias = Callable[[float, float, float], Ticks]
Range: TypeAlias = tuple[float, float]

AXIS_WIDTH = 46  # fixed, so that plots line up and a longer number moves nothing
_EDGE = 20  # pixels right of the plot for half a tick label
_LABEL_HEIGHT = 210  # below this an axis label costs more room than it is worth; the title names the axis
_GAP = 10  # pixels between the cursor and the read-out


class PlotCanvas(QWidget):
    """A pyqtgraph plot without pyqtgraph's menus and auto-range: ranges are set from outside.

    Signals: `hovered` (place under the mouse) and `left`; `x_moved` when the user panned or zoomed
    along x; `view_all_chosen`, `recent_chosen`, `export_chosen` from the menu or a double click.
    """

    hovered = Signal(float, float)
    left = Signal()
    x_moved = Signal(float, float)
    view_all_chosen = Signal()
    recent_chosen = Signal()
    export_chosen = Signal()

    def __init__(self, x_ticks: TickMaker, y_ticks: TickMaker, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.follows_y = True  # until the user zooms
        self._x_ticks = x_ticks
        self._y_ticks = y_ticks
        self._x_label = ""
        self._tick_places: dict[str, list[float]] = {"bottom": [], "left": []}
        self._x_range: Range = (0.0, 1.0)
        self._y_range: Range = (0.0, 1.0)
        self.title = QLabel(self)
        self.head = QHBoxLayout()
        self.plot = pg.PlotWidget(self)
        self.view = self.plot.getPlotItem().getViewBox()
        self.grid = pg.PlotCurveItem()
        self.cross = pg.InfiniteLine(angle=90)
        self.readout = QLabel(self.plot)
        self._layout()
        self._prepare_plot()
        self._connect()

    # ---- what the panel asks for ----------------------------------------------------------

    @property
    def x_range(self) -> Range:
        """What is shown along x."""
        return self._x_range

    @property
    def y_range(self) -> Range:
        """What is shown along y."""
        return self._y_range

    def set_x_range(self, low: float, high: float) -> None:
        """Show this part."""
        if (low, high) != self._x_range:
            self._x_range = (low, high)
            self.view.setXRange(low, high, padding=0)

    def set_y_range(self, low: float, high: float) -> None:
        """Show this part."""
        if (low, high) != self._y_range:
            self._y_range = (low, high)
            self.view.setYRange(low, high, padding=0)

    def set_y_ticks(self, ticks: TickMaker) -> None:
        """Label the upright axis another way."""
        self._y_ticks = ticks
        self._retick_y()

    def set_axis_width(self, pixels: int) -> None:
        """Make room for the labels of the upright axis."""
        self.plot.getPlotItem().getAxis("left").setWidth(pixels)

    def set_x_label(self, text: str) -> None:
        """Name the lying axis where there is room for it."""
        self._x_label = text
        self._fit_label()

    def set_title(self, text: str) -> None:
        """Head the plot (rich text); the same text again costs nothing."""
        if text != self.title.text():
            self.title.setText(text)

    def pixel_width(self) -> float:
        """How much of x one pixel covers."""
        return (self._x_range[1] - self._x_range[0]) / max(float(self.view.width()), 1.0)

    def show_cross(self, x: float | None) -> None:
        """Draw the upright line at x, or none."""
        if x is not None:
            self.cross.setPos(x)
        self.cross.setVisible(x is not None)

    def show_readout(self, text: str, x: float) -> None:
        """Say something (rich text) beside x, on the side with more room; nothing hides it."""
        self.readout.setVisible(bool(text))
        if not text:
            return
        self.readout.setText(text)
        self.readout.adjustSize()
        area = self.view.sceneBoundingRect()
        place = self.view.mapViewToScene(QPointF(x, self._y_range[1]))
        right = place.x() < area.center().x()
        left = place.x() + _GAP if right else place.x() - _GAP - self.readout.width()
        most = max(self.plot.width() - self.readout.width(), 0)
        self.readout.move(round(min(max(left, 0), most)), round(area.top()) + 2)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        style_plot(self.plot, theme)
        self.cross.setPen(theme.muted)
        self.grid.setPen(theme.grid)
        palette = self.readout.palette()
        palette.setColor(QPalette.ColorRole.Window, QColor(theme.surface))
        palette.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
        self.readout.setPalette(palette)
        own = self.palette()
        own.setColor(QPalette.ColorRole.Window, QColor(theme.background))
        own.setColor(QPalette.ColorRole.WindowText, QColor(theme.text))
        self.setPalette(own)
        self._fit_label()

    def menu(self) -> QMenu:
        """Make the menu; the plots add what is theirs."""
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        menu.addAction(self.tr("View all"), self.view_all_chosen.emit)
        menu.addAction(self.tr("Last 500 steps"), self.recent_chosen.emit)
        menu.addSeparator()
        menu.addAction(self.tr("Export SVG, PNG or CSV…"), self.export_chosen.emit)
        return menu

    # ---- inside ---------------------------------------------------------------------------

    def _layout(self) -> None:
        self.title.setTextFormat(Qt.TextFormat.RichText)
        self.title.setWordWrap(True)
        self.title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.title.setFont(self._small_font())
        self.head.setContentsMargins(6, 2, 6, 0)
        self.head.addWidget(self.title, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(self.head)
        layout.addWidget(self.plot, 1)
        self.setAutoFillBackground(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.readout.setFont(self._small_font())
        self.readout.setFrameShape(QFrame.Shape.Box)
        self.readout.setMargin(3)
        self.readout.setAutoFillBackground(True)
        self.readout.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.readout.hide()

    def _prepare_plot(self) -> None:
        item = self.plot.getPlotItem()
        item.hideButtons()
        item.setMenuEnabled(False)
        item.layout.setContentsMargins(0, 7, _EDGE, 2)
        self.plot.setFrameShape(QFrame.Shape.NoFrame)
        self.plot.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)
        self.plot.setMinimumSize(0, 0)
        self.plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.view.disableAutoRange()
        self.view.setDefaultPadding(0)
        self.view.setLimits(minXRange=1e-3, maxXRange=1e9, minYRange=1e-6)
        for side in ("left", "bottom"):
            axis = item.getAxis(side)
            axis.enableAutoSIPrefix(False)
            axis.setStyle(
                tickLength=0, tickFont=self._small_font(), tickTextOffset=4, hideOverlappingLabels=_EDGE
            )
        self.set_axis_width(AXIS_WIDTH)
        self.grid.setZValue(-20)
        self.plot.addItem(self.grid, ignoreBounds=True)
        self.cross.setVisible(False)
        self.plot.addItem(self.cross, ignoreBounds=True)

    def _connect(self) -> None:
        self.view.sigXRangeChanged.connect(self._retick_x)
        self.view.sigYRangeChanged.connect(self._retick_y)
        self.view.sigResized.connect(self._on_resized)
        self.view.sigRangeChangedManually.connect(self._on_moved)
        self.plot.scene().sigMouseClicked.connect(self._on_clicked)
        self.plot.scene().sigMouseMoved.connect(self._on_mouse_moved)

    def _small_font(self) -> QFont:
        font = QFont(self.font())
        font.setPointSizeF(max(font.pointSizeF() * 0.9, 7.0))
        return font

    def _retick_x(self, *_ignored: object) -> None:
        low, high = self.view.viewRange()[0]
        self._show_ticks("bottom", self._x_ticks(low, high, self.view.width()))

    def _retick_y(self, *_ignored: object) -> None:
        low, high = self.view.viewRange()[1]
        self._show_ticks("left", self._y_ticks(low, high, self.view.height()))

    def _show_ticks(self, side: str, ticks: Ticks) -> None:
        """Label an axis and draw the grid: pyqtgraph's own grid would hide the labels at the ends."""
        self.plot.getPlotItem().getAxis(side).setTicks(ticks)
        self._tick_places[side] = [place for level in ticks for place, _ in level]
        (x_low, x_high), (y_low, y_high) = self.view.viewRange()
        upright, lying = self._tick_places["bottom"], self._tick_places["left"]
        x = [*np.repeat(upright, 2), *([x_low, x_high] * len(lying))]
        y = [*([y_low, y_high] * len(upright)), *np.repeat(lying, 2)]
        self.grid.setData(np.array(x, float), np.array(y, float), connect="pairs", skipFiniteCheck=True)

    def _on_resized(self, *_ignored: object) -> None:
        self._retick_x()
        self._retick_y()

    def _fit_label(self) -> None:
        shown = self.height() >= _LABEL_HEIGHT and bool(self._x_label)
        axis = self.plot.getPlotItem().getAxis("bottom")
        axis.setLabel(self._x_label if shown else None, color=self.theme.muted)
        axis.showLabel(shown)
        line = QFontMetrics(self._small_font()).height()
        axis.setHeight(line + 4 + (line + 3 if shown else 0))

    def _on_moved(self, *_ignored: object) -> None:
        """The user dragged or turned the wheel: what moved stays where it was put."""
        (x_low, x_high), (y_low, y_high) = self.view.viewRange()
        if (y_low, y_high) != self._y_range:
            self._y_range, self.follows_y = (y_low, y_high), False
        if (x_low, x_high) != self._x_range:
            self._x_range = (x_low, x_high)
            self.x_moved.emit(x_low, x_high)

    def _on_mouse_moved(self, place: QPointF) -> None:
        if self.view.sceneBoundingRect().contains(place):
            inside = self.view.mapSceneToView(place)
            self.hovered.emit(inside.x(), inside.y())
        else:
            self.left.emit()

    def _on_clicked(self, click: Any) -> None:
        if click.button() == Qt.MouseButton.RightButton:
            self._pop_up(click.screenPos().toPoint())
        elif click.double() and click.button() == Qt.MouseButton.LeftButton:
            self.view_all_chosen.emit()

    def _pop_up(self, place: QPoint) -> None:
        self.menu().popup(place)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Open the menu for the menu key; the mouse's right button may also drag, see _on_clicked."""
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            self._pop_up(self.mapToGlobal(self.rect().center()))

    def leaveEvent(self, event: QEvent) -> None:
        self.left.emit()
        super().leaveEvent(event)

    def resizeEvent(self, event: Any) -> None:
        self._fit_label()
        super().resizeEvent(event)
