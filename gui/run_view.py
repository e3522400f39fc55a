"""The table of runs on screen: its keys, its columns, which of them a width has room for."""

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from gui.roomy_rows import LEADING, RoomyRows
from gui.run_ink import SWATCH, draw_swatch
from gui.run_model import (
    ACCURACY,
    BEGUN,
    DATASET,
    LESSON,
    LOSS,
    NAME,
    NETWORKS,
    SHOWN,
    SIZE,
    SLOT_ROLE,
    STATE,
    STEPS,
    RunModel,
)
from gui.theme import Theme

Index = QModelIndex | QPersistentModelIndex

# Columns in the order in which they come as there is room, each with its widest usual text.
_COLUMNS = (
    (SHOWN, ""), (NAME, ""), (STATE, "◐ interrupted"), (LOSS, "A 0.00123 · B 0.00123"),
    (STEPS, "18,750 of 18,750"), (ACCURACY, "A 98.8 % · B 98.8 %"),
    (NETWORKS, "18 layers, width 16: A with shortcuts, B plain"), (DATASET, "Fashion-MNIST"),
    (LESSON, "Deeper and plain, again"), (BEGUN, "28 Sep 2025, 18:48"), (SIZE, "888.8 MB"),
)  # fmt: skip
_PADDING = 14
_BOX = 13
_LEAST_NAME = 150
_KEYS = {
    Qt.Key.Key_Space: "behind", Qt.Key.Key_F2: "rename", Qt.Key.Key_Delete: "delete",
    Qt.Key.Key_Return: "look", Qt.Key.Key_Enter: "look",
}  # fmt: skip


class _DrawDelegate(RoomyRows):
    """The cell that says whether a run is drawn: a box and, where it is, the run's swatch.

    The box is drawn here because that of the style all but vanishes on a dark ground; a press anywhere
    in the cell switches it.
    """

    theme: Theme

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        if selected:
            painter.fillRect(option.rect, option.palette.highlight())
        if index.data(Qt.ItemDataRole.CheckStateRole) is None:
            return
        area = QRectF(option.rect)
        top = area.center().y() - _BOX / 2
        box = QRectF(round(area.left()) + 6.5, round(top) + 0.5, _BOX, _BOX)
        slot = index.data(SLOT_ROLE)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        group = option.palette
        ink = group.highlightedText().color() if selected else QColor(self.theme.text)
        painter.setPen(QPen(ink if selected else QColor(self.theme.muted), 1.2))
        painter.drawRoundedRect(box, 2, 2)
        if slot is not None:
            painter.setPen(QPen(ink, 2.0))
            x, y = box.left(), box.top()
            painter.drawPolyline(
                QPolygonF((QPointF(x + 3, y + 7), QPointF(x + 5.5, y + 9.8), QPointF(x + 10.2, y + 3.6)))
            )
            ground = QRectF(box.right() + 5, area.center().y() - SWATCH[1] / 2, SWATCH[0] + 6, SWATCH[1])
            if selected:  # its colour is chosen for the plots' ground
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(QColor(self.theme.background))
                painter.drawRoundedRect(ground, 3, 3)
            draw_swatch(painter, self.theme, slot, ground.adjusted(3, 0, -3, 0), option.font)
        painter.restore()

    def editorEvent(
        self, event: QEvent, model: QAbstractItemModel, option: QStyleOptionViewItem, index: Index
    ) -> bool:
        if event.type() != QEvent.Type.MouseButtonRelease or not isinstance(event, QMouseEvent):
            return False
        if event.button() != Qt.MouseButton.LeftButton or not index.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            return False
        checked = index.data(SLOT_ROLE) is None
        return model.setData(
            index,
            Qt.CheckState.Checked if checked else Qt.CheckState.Unchecked,
            Qt.ItemDataRole.CheckStateRole,
        )


class RunView(QTableView):
    """Shows a RunModel. A table, not a tree: a tree asks Python about every row, however many there are.

    Signals: `key_meant(what)`: "behind", "rename", "delete", "look" or "copy".
    """

    key_meant = Signal(str)

    def __init__(self, model: RunModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._runs = model
        self._draw = _DrawDelegate(self)
        self._draw.theme = model.theme
        self.setItemDelegate(RoomyRows(self))
        self.setItemDelegateForColumn(SHOWN, self._draw)
        self.setModel(model)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)  # by key or button only
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        rows = self.verticalHeader()
        rows.hide()
        rows.setMinimumSectionSize(1)
        rows.setDefaultSectionSize(self.fontMetrics().height() + LEADING)
        rows.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(24)
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.setSortingEnabled(True)
        self.sortByColumn(BEGUN, Qt.SortOrder.DescendingOrder)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._draw.theme = theme
        self._runs.set_theme(theme)

    @property
    def is_editing(self) -> bool:
        """Whether a name is being typed."""
        return self.state() == QAbstractItemView.State.EditingState

    def edit_name(self) -> None:
        """Begin to type the current run's name."""
        if self.currentIndex().isValid():
            name = self.currentIndex().siblingAtColumn(NAME)
            self.setCurrentIndex(name)
            self.edit(name)

    def event(self, event: QEvent) -> bool:
        """Keep the keys that mean something here, and letters, which search, from the window's actions."""
        if event.type() == QEvent.Type.ShortcutOverride and isinstance(event, QKeyEvent):
            plain = event.modifiers() in (
                Qt.KeyboardModifier.NoModifier,
                Qt.KeyboardModifier.ShiftModifier,
                Qt.KeyboardModifier.KeypadModifier,
            )
            if plain and (event.key() in _KEYS or event.text().strip()):
                event.accept()
                return True
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        meant = _KEYS.get(Qt.Key(event.key()))
        copies = event.key() == Qt.Key.Key_C and event.modifiers() == Qt.KeyboardModifier.ControlModifier
        if copies:
            meant = "copy"
        if meant is None or self.is_editing:
            super().keyPressEvent(event)
        else:
            self.key_meant.emit(meant)

    def keyboardSearch(self, search: str) -> None:  # noqa: N802
        """Typing looks in the names, whichever column is current."""
        if self.currentIndex().isValid():
            self.selectionModel().setCurrentIndex(
                self.currentIndex().siblingAtColumn(NAME), self.selectionModel().SelectionFlag.NoUpdate
            )
        super().keyboardSearch(search)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.fit_columns()
        if self.currentIndex().isValid():
            self.scrollTo(self.currentIndex())

    def fit_columns(self) -> None:
        """Show as many columns as there is room for; the name takes what is left."""
        measure = self.fontMetrics().horizontalAdvance
        header = self.horizontalHeader()
        room = self.viewport().width() - _LEAST_NAME
        full = False
        for column, text in _COLUMNS:
            if column == NAME:
                continue
            caption = str(self.model().headerData(column, Qt.Orientation.Horizontal))
            width = max(measure(text), measure(caption) + 10) + _PADDING
            if column == SHOWN:
                width = max(_BOX + SWATCH[0] + 24, measure(caption) + _PADDING)
            full = full or width > room
            self.setColumnHidden(column, full)
            if not full:
                header.resizeSection(column, width)
                room -= width
        header.resizeSection(NAME, _LEAST_NAME + max(room, 0))

    def current_row(self) -> int | None:
        """Return the current run's row."""
        index: QModelIndex = self.currentIndex()
        return index.row() if index.isValid() else None
