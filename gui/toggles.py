"""Follows each toggle from the click to the step at which it is in force."""

from PySide6.QtCore import QObject, Signal

from core.messages import RunStarted, SetStrengths, TrainingSlice


class Toggles(QObject):
    """Turns wished strengths into commands and says when they are in force.

    Signals: `requested` (SetStrengths); `applied` (step, lane, text for a marker).
    """

    requested = Signal(object)
    applied = Signal(int, int, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._names: list[list[str]] = []
        self._last: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {}
        self._pending: dict[int, tuple[int, str]] = {}

    def start_run(self, event: RunStarted) -> None:
        """Forget the last run's toggles."""
        self._names = [[block.name for block in lane.network.blocks] for lane in event.lanes]
        self._last = {n: (lane.shortcuts, lane.branches) for n, lane in enumerate(event.settings.lanes)}
        self._pending.clear()

    def request(
        self, lane: int, shortcuts: tuple[float, ...] | None, branches: tuple[float, ...] | None
    ) -> None:
        """Ask for strengths of a lane."""
        command = SetStrengths(lane, shortcuts, branches)
        old = self._last[lane]
        new = (old[0] if shortcuts is None else shortcuts, old[1] if branches is None else branches)
        self._pending[command.id] = (lane, self._describe(lane, old, new))
        self._last[lane] = new
        self.requested.emit(command)

    def add_slice(self, event: TrainingSlice) -> None:
        """Find out which toggles are in force."""
        for command in event.applied:
            if command in self._pending:
                lane, text = self._pending.pop(command)
                self.applied.emit(event.first_step, lane, text)

    def _describe(
        self, lane: int, old: tuple[tuple[float, ...], ...], new: tuple[tuple[float, ...], ...]
    ) -> str:
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
