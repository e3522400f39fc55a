"""The runs as a table: filtered, sorted, branches under the run they branched off."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal
from PySide6.QtGui import QColor

from core.library import RunSummary, matches
from gui import run_words
from gui.run_ink import MOST_OVERLAID, Overlaid
from gui.run_search import Found
from gui.theme import LIGHT, Theme
from gui.undoable import dataset_words

Index = QModelIndex | QPersistentModelIndex
Key: TypeAlias = Callable[[RunSummary], Any]

SHOWN, NAME, STATE, NETWORKS, DATASET, LESSON, STEPS, LOSS, ACCURACY, BEGUN, SIZE = range(11)
SLOT_ROLE = Qt.ItemDataRole.UserRole  # 0 to 7, or None
_RIGHT = (SIZE,)
# made once: views ask for them for every row, and to join them takes Python longer than all else
_FLAGS = Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable | Qt.ItemFlag.ItemNeverHasChildren
_CHECKABLE = _FLAGS | Qt.ItemFlag.ItemIsUserCheckable
_EDITABLE = _FLAGS | Qt.ItemFlag.ItemIsEditable
_INDENT = "    "


class RunModel(QAbstractTableModel):
    """Rows are runs.

    Signals: `overlay_changed` when the runs drawn behind the live ones changed; `refused`, a sentence;
    `rename_wished(path, name)`: to be answered with `rename`.
    """

    overlay_changed = Signal()
    refused = Signal(str)
    rename_wished = Signal(object, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.theme: Theme = LIGHT
        self.present: Path | None = None
        self._runs: dict[Path, RunSummary] = {}
        self._branched_at: dict[Path, int | None] = {}
        self._order: list[tuple[Path, int]] = []  # directory, depth of its branch
        self._slots: dict[Path, int] = {}
        self._text = ""
        self._sorted_by = (BEGUN, Qt.SortOrder.DescendingOrder)

    # ---- runs in ------------------------------------------------------------------------------

    def take(self, found: Iterable[Found]) -> None:
        """Add runs, or bring known ones up to date."""
        for each in found:
            self._runs[each.run.directory] = each.run
            self._branched_at[each.run.directory] = each.branched_at
        self._arrange()

    def keep_only(self, directories: set[Path]) -> None:
        """Forget the others: they are gone."""
        gone = self._runs.keys() - directories
        if gone:
            for directory in gone:
                del self._runs[directory], self._branched_at[directory]
            self._drop_slots(gone)
            self._arrange()

    def remove(self, directory: Path) -> None:
        """Forget a run."""
        self.keep_only(self._runs.keys() - {directory})

    def rename(self, directory: Path, name: str) -> None:
        """Take a run's new name."""
        if directory in self._runs:
            self._runs[directory] = replace(self._runs[directory], name=name)
            self._arrange()

    def set_present(self, directory: Path | None) -> None:
        """Say which run is on; it is drawn already, hence not among those behind it."""
        self.present = directory
        if directory is not None:
            self._drop_slots({directory})
        self._changed()

    def set_filter(self, text: str) -> None:
        """Show only runs that this text fits."""
        self._text = text.strip()
        self._arrange()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self.theme = theme
        self._changed()

    # ---- what is known ------------------------------------------------------------------------

    def run(self, row: int) -> RunSummary:
        """Return a row's run."""
        return self._runs[self._order[row][0]]

    def row_of(self, directory: Path | None) -> int | None:
        """Return where a run stands; None when it does not."""
        rows = (row for row, (other, _) in enumerate(self._order) if other == directory)
        return next(rows, None)

    def is_present(self, run: RunSummary) -> bool:
        """Whether the run is the one that is on."""
        return run.directory == self.present

    @property
    def count(self) -> int:
        """How many runs there are, shown or not."""
        return len(self._runs)

    @property
    def bytes(self) -> int:
        """How much room all of them take."""
        return sum(run.bytes for run in self._runs.values())

    def lineage(self, run: RunSummary) -> str:
        """Say what a run branched off; empty for one that did not."""
        parent = self._runs.get(run.parent) if run.parent is not None else None
        names = {} if parent is None else {parent.directory: run_words.run_name(parent)}
        return run_words.lineage_words(run, self._branched_at.get(run.directory), names)

    def overlaid(self) -> list[Overlaid]:
        """The runs to draw behind the live ones, by number."""
        return [
            Overlaid(slot, directory, run_words.run_name(run), tuple(lane.name for lane in run.lanes))
            for directory, slot in sorted(self._slots.items(), key=lambda pair: pair[1])
            if (run := self._runs.get(directory)) is not None
        ]

    def set_overlaid(self, row: int, on: bool) -> bool:
        """Draw a run behind the live ones, or no more; says why where it cannot be."""
        run = self.run(row)
        if on == (run.directory in self._slots):
            return False
        if not on:
            self._drop_slots({run.directory})
            self._changed()
            return True
        free = set(range(MOST_OVERLAID)) - set(self._slots.values())
        refusal = ""
        if run.error is not None:
            refusal = self.tr("This run cannot be read, so it cannot be drawn.")
        elif self.is_present(run):
            refusal = self.tr("This is the present run: its curves are drawn already.")
        elif not free:
            refusal = self.tr("Eight runs are drawn already; take one off first.")
        if refusal:
            self.refused.emit(refusal)
            return False
        self._slots[run.directory] = min(free)
        self._changed()
        self.overlay_changed.emit()
        return True

    # ---- order --------------------------------------------------------------------------------

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        self._sorted_by = (column, order)
        self._arrange()

    def _arrange(self) -> None:
        """Filter, sort, and put branches under what they branched off; tell views only what changed."""
        shown = [run for run in self._runs.values() if not self._text or matches(run, self._text)]
        column, direction = self._sorted_by
        shown.sort(key=_key(column), reverse=direction == Qt.SortOrder.DescendingOrder)
        order = _as_tree(shown)
        if order == self._order:
            self._changed()
            return
        self.beginResetModel()
        self._order = order
        self.endResetModel()

    def _changed(self) -> None:
        if self._order:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._order) - 1, SIZE))

    def _drop_slots(self, directories: Iterable[Path]) -> None:
        dropped = [self._slots.pop(directory, None) for directory in directories]
        if any(slot is not None for slot in dropped):
            self.overlay_changed.emit()

    # ---- Qt -----------------------------------------------------------------------------------

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: Index | None = None) -> int:  # noqa: N802
        return 0 if parent is not None and parent.isValid() else 11

    def flags(self, index: Index) -> Qt.ItemFlag:
        column = index.column()
        if column not in (SHOWN, NAME) or not index.isValid():
            return _FLAGS
        directory = self._order[index.row()][0]
        if self._runs[directory].error is not None:
            return _FLAGS
        if column == NAME:
            return _EDITABLE
        return _FLAGS if directory == self.present else _CHECKABLE

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        (directory, depth), column = self._order[index.row()], index.column()
        run = self._runs[directory]
        if role == Qt.ItemDataRole.DisplayRole:
            return self._words(run, column, depth)
        if role == Qt.ItemDataRole.EditRole and column == NAME:
            return run.name or ""
        if role == Qt.ItemDataRole.CheckStateRole and column == SHOWN:
            if self.is_present(run) or run.error is not None:
                return None
            return Qt.CheckState.Checked if directory in self._slots else Qt.CheckState.Unchecked
        if role == SLOT_ROLE:
            return self._slots.get(directory)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._hint(run, column)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == SHOWN:
            return self._hint(run, column)
        if role == Qt.ItemDataRole.ForegroundRole:
            return self._color(run, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in _RIGHT:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        return None

    def setData(self, index: Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:  # noqa: N802
        if role == Qt.ItemDataRole.CheckStateRole:
            return self.set_overlaid(index.row(), Qt.CheckState(value) == Qt.CheckState.Checked)
        run, name = self.run(index.row()), " ".join(str(value).split())
        if role == Qt.ItemDataRole.EditRole and index.column() == NAME and name != (run.name or ""):
            self.rename_wished.emit(run.directory, name)
            return True
        return False

    def headerData(  # noqa: N802
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                self.tr("Draw"), self.tr("Run"), self.tr("State"), self.tr("Networks"), self.tr("Data set"),
                self.tr("Lesson"), self.tr("Steps"), self.tr("Last loss"), self.tr("Held-out"),
                self.tr("Begun"), self.tr("Size"),
            )[section]  # fmt: skip
        if role == Qt.ItemDataRole.ToolTipRole and section == SHOWN:
            return self.tr("Draw the run's loss behind the live curves: up to eight at once")
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section in _RIGHT else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    # ---- cells --------------------------------------------------------------------------------

    def _words(self, run: RunSummary, column: int, depth: int) -> str:
        if column == NAME:
            lineage = self.lineage(run)
            name = _INDENT * max(depth - 1, 0) + ("└ " if depth else "") + run_words.run_name(run)
            return f"{name} · {lineage}" if lineage else name
        if column == STATE:
            return run_words.state_words(run, self.is_present(run))
        if column == SHOWN or run.error is not None:
            return ""
        words = {
            NETWORKS: lambda: run_words.networks_words(run.lanes),
            DATASET: lambda: dataset_words(run.dataset),
            LESSON: lambda: run_words.lesson_words(run.lesson) or "–",
            STEPS: lambda: run_words.steps_words(run),
            LOSS: lambda: run_words.losses_words(run.lanes) or "–",
            ACCURACY: lambda: run_words.accuracies_words(run.lanes) or "–",
            BEGUN: lambda: run_words.begun_words(run.created),
            SIZE: lambda: run_words.size_words(run.bytes),
        }
        return words[column]()

    def _hint(self, run: RunSummary, column: int) -> str:
        if column == SHOWN:
            slot = self._slots.get(run.directory)
            if slot is not None:
                return self.tr("Drawn behind the live curves as number {number}").format(number=slot + 1)
            return self.tr("This run") if self.is_present(run) else self.tr("Draw behind the live curves")
        return (
            run_words.run_name(run) + "\n" + run_words.details(run, self.is_present(run), self.lineage(run))
        )

    def _color(self, run: RunSummary, column: int) -> QColor | None:
        if run.error is not None:
            return QColor(self.theme.muted if column == NAME else self.theme.bad)
        if column == STATE:
            theme = self.theme
            colors = {"finished": theme.good, "failed": theme.bad, "diverged": theme.warning}
            return QColor(theme.accent if self.is_present(run) else colors.get(run.state, theme.text))
        return None if column in (NAME, LOSS, ACCURACY) else QColor(self.theme.muted)


def _key(column: int) -> Key:
    """What runs are sorted by; a run begun later comes later where that is the same."""
    firsts: dict[int, Key] = {
        NAME: lambda run: run_words.run_name(run).casefold(),
        STATE: lambda run: run.state,
        NETWORKS: lambda run: [(lane.depth, lane.width, lane.shortcuts) for lane in run.lanes],
        DATASET: lambda run: run.dataset.casefold(),
        LESSON: lambda run: run.lesson or "",
        STEPS: lambda run: run.steps,
        LOSS: lambda run: _least(lane.loss for lane in run.lanes),
        ACCURACY: lambda run: -_least(-(lane.accuracy or 0.0) for lane in run.lanes),
        SIZE: lambda run: run.bytes,
    }
    first = firsts.get(column, _begun)
    return lambda run: (first(run), run.created, run.directory.name)


def _begun(run: RunSummary) -> float:
    return run.created


def _least(values: Iterable[float | None]) -> float:
    return min((value for value in values if value is not None and math.isfinite(value)), default=math.inf)


def _as_tree(runs: list[RunSummary]) -> list[tuple[Path, int]]:
    """Each run with the depth of its branch, branches after what they branched off, in the given order."""
    shown = {run.directory for run in runs}
    branches: dict[Path | None, list[Path]] = {}
    for run in runs:
        parent = run.parent if run.parent in shown and run.parent != run.directory else None
        branches.setdefault(parent, []).append(run.directory)
    order: list[tuple[Path, int]] = []
    waiting = [(directory, 0) for directory in reversed(branches.get(None, []))]
    while waiting:
        directory, depth = waiting.pop()
        order.append((directory, depth))
        waiting += [(branch, depth + 1) for branch in reversed(branches.get(directory, []))]
    placed = {directory for directory, _ in order}
    order += [(run.directory, 0) for run in runs if run.directory not in placed]  # folders that go in a ring
    return order
