"""What was done to the run, kept as a text history, and the undo and redo of what can be undone.

Training cannot be undone: what undo does is to set things as they were from the next step on, or to
begin the former settings again as a new run. So undoing is itself a deed, with a step of its own.
"""

import itertools
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QKeySequence, QUndoCommand, QUndoStack

from core.messages import Failed, RunStarted, TrainingSlice
from gui.wording import say

# Does something by sending commands and returns their ids, by which it is known when they are in force.
Doing: TypeAlias = Callable[[], Sequence[int]]

MOST_DEEDS = 2000  # rows kept
MOST_UNDOABLE = 200
_MERGES = 1  # any QUndoCommand id but -1


class Outcome(Enum):
    """What came of a deed."""

    ASKED = "asked"  # on its way to the engine
    IN_FORCE = "in force"
    FAILED = "failed"
    OVERTAKEN = "overtaken"  # the run ended before it came into force


@dataclass(frozen=True, slots=True)
class Deed:
    """One thing that was done."""

    number: int
    time: float  # seconds since 1970
    step: int  # steps done when it was asked for
    text: str
    outcome: Outcome
    in_force: int | None = None  # first step trained with it
    note: str = ""  # why it failed, why it cannot be undone, or what else undoing it does
    waiting: frozenset[int] = frozenset()  # commands not yet in force


@dataclass(slots=True, eq=False)
class _Undoable:
    """What the stack's commands stand for; they are made anew when a run begins."""

    text: str
    words: str  # in the menu
    undo: Doing
    redo: Doing
    gesture: object
    commands: set[int]
    lasting: bool


@dataclass(slots=True)
class _Quiet:
    """Whether the stack is only being rearranged."""

    on: bool = False


class Deeds(QObject):
    """The history and its undo stack.

    Signals: `changed` when a row was added or its outcome is known.
    """

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.stack = QUndoStack(self)
        self.stack.setUndoLimit(MOST_UNDOABLE)
        self._rows: list[Deed] = []
        self._records: list[_Undoable] = []  # as on the stack
        self._gestures: dict[object, int] = {}  # gesture → number of its row; the newest only
        self._numbers = itertools.count(1)
        self._step = 0
        self._quiet = _Quiet()

    @property
    def rows(self) -> Sequence[Deed]:
        """All that was done, oldest first."""
        return self._rows

    # ---- what was done --------------------------------------------------------------------

    def push(
        self,
        text: str,
        undo: Doing,
        redo: Doing,
        *,
        commands: Iterable[int] = (),
        gesture: object = None,
        lasting: bool = False,
        caution: str = "",
    ) -> None:
        """Take note of something that has been done and can be undone.

        `commands`: what was sent for it. Deeds of one `gesture` are one: the first undo, the last redo.
        `lasting`: it can be undone after the run has ended too. `caution`: what else undoing it does.
        """
        sent = frozenset(commands)
        row = self._gestures.get(gesture) if gesture is not None else None
        if row is None or not self._renew(row, text, sent):
            number = self._add(text, sent, caution)
            self._gestures = {} if gesture is None else {gesture: number}
        words = self.tr("{text} ({caution})").format(text=text, caution=caution) if caution else text
        record = _Undoable(text, words, undo, redo, gesture, set(sent), lasting)
        self._put(record)
        self.changed.emit()

    def note(self, text: str, note: str = "", *, commands: Iterable[int] = ()) -> None:
        """Take note of something that cannot be undone; `note` says why."""
        self._gestures = {}
        self._add(text, frozenset(commands), note)
        self.changed.emit()

    def undo_action(self, parent: QObject) -> QAction:
        """Make an action that undoes the last deed; its text names it."""
        explain = self.tr(
            "Sets things as they were, from the next step on. What was learnt in between stays: training "
            "itself cannot be undone; branch from an earlier step for that."
        )
        return _Backward(self.stack, explain, parent)

    def redo_action(self, parent: QObject) -> QAction:
        """Make an action that does again what was undone last."""
        return _Forward(self.stack, self.tr("Does again what was undone, from the next step on."), parent)

    # ---- events ---------------------------------------------------------------------------

    def start_run(self, event: RunStarted) -> None:
        """Forget what can be undone only in the run that has ended."""
        self._step = event.done
        self._gestures = {}
        for place, row in enumerate(self._rows):
            if row.outcome is Outcome.ASKED:
                self._rows[place] = replace(row, outcome=Outcome.OVERTAKEN, waiting=frozenset())
        self._keep(lambda record: record.lasting)
        self.changed.emit()

    def begun(self, commands: Iterable[int], first_step: int) -> None:
        """Say that the run these commands asked for has begun."""
        if self._in_force(frozenset(commands), first_step):
            self.changed.emit()

    def add_slice(self, event: TrainingSlice) -> None:
        """Find out what is in force."""
        self._step = event.first_step + event.steps - 1
        if event.applied and self._in_force(frozenset(event.applied), event.first_step):
            self.changed.emit()

    def on_failed(self, event: Failed) -> None:
        """Say of a deed that the engine could not do it; it cannot be undone either."""
        if event.request is None:
            return
        for place, row in enumerate(self._rows):
            if event.request in row.waiting:
                self._rows[place] = replace(
                    row, outcome=Outcome.FAILED, note=say(event.notice), waiting=frozenset()
                )
                self._keep(lambda record: event.request not in record.commands)
                self.changed.emit()

    # ---- inside ---------------------------------------------------------------------------

    def _add(self, text: str, waiting: frozenset[int], note: str = "") -> int:
        outcome = Outcome.ASKED if waiting else Outcome.IN_FORCE
        deed = Deed(next(self._numbers), time.time(), self._step, text, outcome, note=note, waiting=waiting)
        self._rows.append(deed)
        del self._rows[:-MOST_DEEDS]
        return deed.number

    def _renew(self, number: int, text: str, waiting: frozenset[int]) -> bool:
        """Go on with a row, as the hand goes on with its gesture."""
        for place in reversed(range(len(self._rows))):
            row = self._rows[place]
            if row.number == number:
                self._rows[place] = replace(
                    row, text=text, waiting=waiting, outcome=Outcome.ASKED, in_force=None
                )
                return True
        return False

    def _in_force(self, applied: frozenset[int], first_step: int) -> bool:
        found = False
        for place, row in enumerate(self._rows):
            if row.outcome is Outcome.ASKED and row.waiting & applied:
                waiting = row.waiting - applied
                outcome = row.outcome if waiting else Outcome.IN_FORCE
                self._rows[place] = replace(row, waiting=waiting, outcome=outcome, in_force=first_step)
                found = True
        return found

    def _put(self, record: _Undoable) -> None:
        del self._records[self.stack.index() :]
        last = self._records[-1] if self._records else None
        merged = last is not None and record.gesture is not None and record.gesture == last.gesture
        self._quiet.on = True  # it has been done already
        self.stack.push(_Command(record, self._again, self._quiet))
        self._quiet.on = False
        if not merged:
            self._records.append(record)
        del self._records[:-MOST_UNDOABLE]

    def _again(self, record: _Undoable, back: bool) -> None:
        """Undo or redo, which is a deed of its own."""
        self._gestures = {}
        sent = frozenset(record.undo() if back else record.redo())
        words = self.tr("undone: {text}") if back else self.tr("done again: {text}")
        self._add(words.format(text=record.text), sent)
        self.changed.emit()

    def _keep(self, wanted: Callable[[_Undoable], bool]) -> None:
        """Leave only some on the stack; it can but be filled anew."""
        if all(map(wanted, self._records)):
            return
        done = sum(map(wanted, self._records[: self.stack.index()]))
        self._records = [record for record in self._records if wanted(record)]
        self._quiet.on = True
        self.stack.clear()
        for record in self._records:
            record.gesture = None  # what lies between has gone: nothing may merge over it
            self.stack.push(_Command(record, self._again, self._quiet))
        self.stack.setIndex(done)
        self._quiet.on = False


class _Command(QUndoCommand):
    """A record on Qt's stack."""

    def __init__(self, record: _Undoable, again: Callable[[_Undoable, bool], None], quiet: _Quiet) -> None:
        super().__init__(record.words)
        self.record = record
        self._again = again
        self._quiet = quiet

    def undo(self) -> None:
        if not self._quiet.on:
            self._again(self.record, True)

    def redo(self) -> None:
        if not self._quiet.on:
            self._again(self.record, False)

    def id(self) -> int:
        return -1 if self.record.gesture is None else _MERGES

    def mergeWith(self, other: QUndoCommand) -> bool:  # noqa: N802
        if not isinstance(other, _Command) or other.record.gesture != self.record.gesture:
            return False
        mine, newer = self.record, other.record
        mine.redo, mine.text, mine.words = newer.redo, newer.text, newer.words
        mine.commands |= newer.commands
        self.setText(newer.words)
        return True


class _Backward(QAction):
    """Undo. Qt's own such actions do not outlive their stack, which menus may."""

    def __init__(self, stack: QUndoStack, explain: str, parent: QObject) -> None:
        super().__init__(parent)
        self.setToolTip(explain)
        self.setShortcut(QKeySequence("Ctrl+Z"))
        self.triggered.connect(stack.undo)
        stack.canUndoChanged.connect(self.setEnabled)
        stack.undoTextChanged.connect(self._show)
        self.setEnabled(stack.canUndo())
        self._show(stack.undoText())

    def _show(self, what: str) -> None:
        self.setText(self.tr("&Undo: {what}").format(what=what) if what else self.tr("&Undo"))


class _Forward(QAction):
    """Redo."""

    def __init__(self, stack: QUndoStack, explain: str, parent: QObject) -> None:
        super().__init__(parent)
        self.setToolTip(explain)
        self.setShortcut(QKeySequence("Ctrl+Shift+Z"))
        self.triggered.connect(stack.redo)
        stack.canRedoChanged.connect(self.setEnabled)
        stack.redoTextChanged.connect(self._show)
        self.setEnabled(stack.canRedo())
        self._show(stack.redoText())

    def _show(self, what: str) -> None:
        self.setText(self.tr("&Redo: {what}").format(what=what) if what else self.tr("&Redo"))
