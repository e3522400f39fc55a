"""The list of what was done, with its step and what came of it; undo, redo and copy."""

import time
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLabel,
    QStackedWidget,
    QToolButton,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from gui.deeds import Deed, Deeds, Outcome
from gui.panel import Panel
from gui.roomy_rows import RoomyRows
from gui.setting_grid import paint_text
from gui.theme import LIGHT, Theme
from gui.wording import whole

Index = QModelIndex | QPersistentModelIndex

TIME, STEP, WHAT, OUTCOME = range(4)
_GAP = "\u2002"  # between numbers at the right of their column and the next column
_WIDE = 560  # pixels; below it the time of day gives way


class DeedModel(QAbstractTableModel):
    """One row a deed, the newest first."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self._rows: tuple[Deed, ...] = ()

    def show_rows(self, rows: Sequence[Deed]) -> None:
        """Show these, given oldest first; a view that stands at the top stays there."""
        newest_first = tuple(reversed(rows))
        added = len(newest_first) - len(self._rows)
        older = newest_first[added:]
        known = added >= 0 and all(a.number == b.number for a, b in zip(older, self._rows, strict=False))
        if not known:
            self.beginResetModel()
            self._rows = newest_first
            self.endResetModel()
            return
        if added:
            self.beginInsertRows(QModelIndex(), 0, added - 1)
            self._rows = newest_first
            self.endInsertRows()
        self._rows = newest_first
        if newest_first:
            self.dataChanged.emit(self.index(0, 0), self.index(len(newest_first) - 1, OUTCOME))

    def deed(self, row: int) -> Deed:
        """Return a row's deed."""
        return self._rows[row]

    def words(self, deed: Deed, column: int) -> str:
        """What a cell says."""
        if column == TIME:
            return time.strftime("%H:%M:%S", time.localtime(deed.time))
        if column == STEP:
            return whole(deed.step)
        return deed.text if column == WHAT else self._outcome(deed)

    def as_text(self) -> str:
        """All rows, oldest first, for the clipboard: one line each, cells parted by tabs."""
        return "\n".join(
            "\t".join(self.words(deed, column) for column in (TIME, STEP, WHAT, OUTCOME))
            for deed in reversed(self._rows)
        )

    def _outcome(self, deed: Deed) -> str:
        if deed.outcome is Outcome.ASKED:
            return self.tr("asked for")
        if deed.outcome is Outcome.FAILED:
            return self.tr("could not be done: {why}").format(why=deed.note)
        if deed.outcome is Outcome.OVERTAKEN:
            return self.tr("the run ended before it was in force")
        parts = [deed.note]
        if deed.in_force is not None:
            parts.insert(0, self.tr("in force from step {step}").format(step=whole(deed.in_force)))
        return "; ".join(filter(None, parts)) or self.tr("done")

    # ---- Qt ---------------------------------------------------------------------------------

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else 4

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        deed, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self.words(deed, column) + (_GAP if column == STEP else "")
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join((self.words(deed, TIME) + " · " + deed.text, self._outcome(deed)))
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._color(deed, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column == STEP:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section == STEP else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.DisplayRole:
            names = (
                self.tr("Time"),
                self.tr("Step") + _GAP,
                self.tr("What was done"),
                self.tr("What came of it"),
            )
            return names[section]
        return None

    def _color(self, deed: Deed, column: int) -> QColor:
        if column == OUTCOME and deed.outcome is Outcome.FAILED:
            return QColor(self.theme.bad)
        return QColor(self.theme.text if column == WHAT else self.theme.muted)


class DeedList(Panel):
    """Shows a window's deeds. `undo` and `redo` are actions for the menus too."""

    def __init__(self, deeds: Deeds, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._deeds = deeds
        self.model = DeedModel(self)
        self.view = QTreeView()
        self.undo: QAction = deeds.undo_action(self)
        self.redo: QAction = deeds.redo_action(self)
        self.copy = QAction(self.tr("Copy as text"), self)
        self._pages = QStackedWidget()
        self._empty = QLabel(
            self.tr(
                "Nothing has been done yet.\nToggles, learning rates, resets and new set-ups will stand here, "
                "each with the step from which it was in force."
            )
        )
        self._about = QLabel(
            self.tr("Training itself cannot be undone: branch from an earlier step for that.")
        )
        self._layout()
        self.copy.triggered.connect(lambda: QGuiApplication.clipboard().setText(self.model.as_text()))
        deeds.changed.connect(self.mark_dirty)
        self.set_theme(self.theme)

    def refresh(self) -> None:
        """Show what is known."""
        self.model.show_rows(self._deeds.rows)
        has_rows = self.model.rowCount() > 0
        self._pages.setCurrentIndex(int(has_rows))
        self.copy.setEnabled(has_rows)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.model.theme = theme
        for label in (self._empty, self._about):
            paint_text(label, theme.muted)
        super().set_theme(theme)

    def _layout(self) -> None:
        view = self.view
        view.setModel(self.model)
        view.setItemDelegate(RoomyRows(view))
        view.setRootIsDecorated(False)
        view.setUniformRowHeights(True)
        view.setAllColumnsShowFocus(True)
        view.setTextElideMode(Qt.TextElideMode.ElideRight)
        view.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        view.setAccessibleName(self.tr("What was done"))
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = view.header()
        header.setStretchLastSection(False)
        header.setSectionsMovable(False)
        modes = QHeaderView.ResizeMode
        for column, mode in ((TIME, modes.Fixed), (STEP, modes.Fixed), (WHAT, modes.Stretch)):
            header.setSectionResizeMode(column, mode)
        header.setSectionResizeMode(OUTCOME, modes.Fixed)
        measure = self.fontMetrics().horizontalAdvance
        header.resizeSection(TIME, measure("00:00:00") + 18)
        header.resizeSection(STEP, measure(whole(888_888)) + 24)
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._empty.setWordWrap(True)
        self._empty.setMargin(16)
        self._about.setWordWrap(True)
        self._pages.addWidget(self._empty)
        self._pages.addWidget(view)
        row = QHBoxLayout()
        row.setSpacing(6)
        for action, text in ((self.undo, self.tr("Undo")), (self.redo, self.tr("Redo")), (self.copy, "")):
            row.addWidget(_ActionButton(action, text))
        row.addStretch(1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(8, 6, 8, 6)
        layout.setSpacing(6)
        layout.addLayout(row)
        layout.addWidget(self._pages, 1)
        layout.addWidget(self._about)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.view.setColumnHidden(TIME, self.width() < _WIDE)
        self.view.header().resizeSection(OUTCOME, max(154, round(0.36 * self.width())))


class _ActionButton(QToolButton):
    """A button with a short, fixed text; what exactly its action would do stands in its hint."""

    def __init__(self, action: QAction, text: str) -> None:
        super().__init__()
        self._action = action
        self.setText(text or action.text())
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.clicked.connect(action.trigger)
        action.changed.connect(self._follow)
        self._follow()

    def _follow(self) -> None:
        words = self._action.text().replace("&", "")
        self.setEnabled(self._action.isEnabled())
        self.setToolTip(words if words == self._action.toolTip() else words + "\n" + self._action.toolTip())
        self.setAccessibleName(words)
