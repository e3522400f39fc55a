"""Follows each toggle from the click to the step at which it is in force."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication

from core.messages import RunStarted, SetStrengths, TrainingSlice

Strengths = tuple[float, ...]
Blocks = Mapping[int, float]  # block → strength

_HAND_MS = 50  # how often it is looked whether the button is still down
_PAUSE_S = 0.6  # notches of the wheel within so long are one gesture


@dataclass(frozen=True, slots=True)
class Toggle:
    """Strengths of a lane that were set: of which blocks, from what, to what."""

    command: int
    lane: int
    shortcuts: Blocks  # set to
    branches: Blocks
    former_shortcuts: Blocks
    former_branches: Blocks
    text: str
    gesture: int  # toggles of one drag have the same number


@dataclass(slots=True)
class _Gesture:
    """The movement of a hand that toggles belong to."""

    number: int = 0
    target: object = None
    moment: float = -1e9
    partial: bool = False
    held: bool = field(default=False)


class Toggles(QObject):
    """Turns wished strengths into commands and says when they are in force.

    Signals: `requested` (SetStrengths); `done` (Toggle) unless it was undone or redone;
    `applied` (step, lane, text for a marker).
    """

    requested = Signal(object)
    done = Signal(object)
    applied = Signal(int, int, str)

    def __init__(self, parent: QObject | None = None, *, is_held: Callable[[], bool] | None = None) -> None:
        super().__init__(parent)
        self._names: list[list[str]] = []
        self._last: dict[int, tuple[Strengths, Strengths]] = {}
        self._pending: dict[int, tuple[int, str]] = {}
        self._dropped: set[int] = set()  # lanes whose last wish came to nothing
        self._gesture = _Gesture()
        self._is_held = is_held or _button_is_down
        self._hand = QTimer(self)
        self._hand.setInterval(_HAND_MS)
        self._hand.timeout.connect(self._look_at_hand)

    def start_run(self, event: RunStarted) -> None:
        """Forget the last run's toggles."""
        self._names = [[block.name for block in lane.network.blocks] for lane in event.lanes]
        self._last = {n: (lane.shortcuts, lane.branches) for n, lane in enumerate(event.settings.lanes)}
        self._pending.clear()
        self._gesture = _Gesture(self._gesture.number)

    def request(self, lane: int, shortcuts: Strengths | None, branches: Strengths | None) -> None:
        """Ask for strengths of a lane."""
        old = self._last[lane]
        new = (old[0] if shortcuts is None else shortcuts, old[1] if branches is None else branches)
        text = self._describe(lane, old, new)
        command = self._send(lane, shortcuts, branches, new, text)
        changed = [_changed(before, after) for before, after in zip(old, new, strict=True)]
        former = [_changed(after, before) for before, after in zip(old, new, strict=True)]
        gesture = self._gesture_of((lane, tuple(changed[0]), tuple(changed[1])), [*changed, *former])
        if any(changed):
            self.done.emit(Toggle(command, lane, changed[0], changed[1], former[0], former[1], text, gesture))

    def put(self, lane: int, shortcuts: Blocks, branches: Blocks) -> int | None:
        """Ask for strengths of some blocks, as an undo or redo does; returns the command's id."""
        if lane not in self._last:
            return None
        old = self._last[lane]
        new = (_with(old[0], shortcuts), _with(old[1], branches))
        return self._send(
            lane,
            new[0] if shortcuts else None,
            new[1] if branches else None,
            new,
            self._describe(lane, old, new),
        )

    def add_slice(self, event: TrainingSlice) -> None:
        """Find out which toggles are in force, and what a lesson has set by itself."""
        for command in event.applied:
            if command in self._pending:
                lane, text = self._pending.pop(command)
                self.applied.emit(event.first_step, lane, text)
        waiting = {lane for lane, _ in self._pending.values()}
        for place, part in enumerate(event.lanes):
            if place not in waiting and place in self._last:
                self._see(event.first_step, place, (part.shortcuts, part.branches))

    def drop_request(self, command_id: int) -> None:
        """Forget a toggle that the engine could not do."""
        found = self._pending.pop(command_id, None)
        if found is not None:
            self._dropped.add(found[0])

    def _see(self, step: int, lane: int, now: tuple[Strengths, Strengths]) -> None:
        """Take a lane's strengths; what nobody here has asked for, a lesson has done."""
        text = self._describe(lane, self._last[lane], now)
        self._last[lane] = now
        if text and lane not in self._dropped:
            self.applied.emit(step, lane, text)
        self._dropped.discard(lane)

    # ---- inside ---------------------------------------------------------------------------

    def _send(
        self,
        lane: int,
        shortcuts: Strengths | None,
        branches: Strengths | None,
        new: tuple[Strengths, Strengths],
        text: str,
    ) -> int:
        command = SetStrengths(lane, shortcuts, branches)
        self._pending[command.id] = (lane, text)
        self._last[lane] = new
        self.requested.emit(command)
        return command.id

    def _gesture_of(self, target: object, values: list[Blocks]) -> int:
        """Number the gesture: a drag is one while the button is down, notches of the wheel while they follow."""
        now, before = time.monotonic(), self._gesture
        held = self._is_held()
        partial = any(0 < value < 1 for each in values for value in each.values())
        follows = before.held and held
        turns = before.partial and partial and now - before.moment < _PAUSE_S and not (before.held or held)
        same = target == before.target and (follows or turns)
        self._gesture = _Gesture(before.number + (not same), target, now, partial, held)
        if held:
            self._hand.start()
        return self._gesture.number

    def _look_at_hand(self) -> None:
        if not self._is_held():
            self._hand.stop()
            self._gesture = _Gesture(self._gesture.number)

    def _describe(self, lane: int, old: tuple[Strengths, ...], new: tuple[Strengths, ...]) -> str:
        parts = []
        for before, after, cut, restored, set_to in (
            (old[0], new[0], self.tr("shortcut {blocks} cut"), self.tr("shortcut {blocks} restored"),
             self.tr("shortcut {blocks} set to {value}")),
            (old[1], new[1], self.tr("branch {blocks} cut"), self.tr("branch {blocks} restored"),
             self.tr("branch {blocks} set to {value}")),
        ):  # fmt: skip
            for value in sorted(set(after)):
                changed = [n for n, (a, b) in enumerate(zip(before, after, strict=True)) if a != b == value]
                if not changed:
                    continue
                whole = len(changed) == len(after)
                blocks = self.tr("(all)") if whole else ", ".join(self._names[lane][n] for n in changed)
                words = cut if value == 0 else restored if value == 1 else set_to
                parts.append(words.format(blocks=blocks, value=f"{value:g}"))
        return "; ".join(parts)


def _changed(before: Strengths, after: Strengths) -> dict[int, float]:
    """Blocks whose strength differs, and what it is after."""
    return {block: b for block, (a, b) in enumerate(zip(before, after, strict=True)) if a != b}


def _with(strengths: Strengths, blocks: Blocks) -> Strengths:
    return tuple(blocks.get(block, value) for block, value in enumerate(strengths))


def _button_is_down() -> bool:
    return bool(QGuiApplication.mouseButtons() & Qt.MouseButton.LeftButton)
