"""What is known of one toggle, and the sentence its numbers amount to. No widget needed."""

import math
from collections import deque
from dataclasses import dataclass, field

from PySide6.QtCore import QCoreApplication

from core.findings import Shock
from core.messages import FloatArray

MOMENTS = (-1, 0, 10, 50)  # steps from the toggle; -1: before it
_KEPT = 400  # steps of losses kept, so that a toggle heard of late still finds the one before it


class RecentLosses:
    """The last training losses of one lane, raw, by step."""

    def __init__(self) -> None:
        self._parts: deque[tuple[int, FloatArray]] = deque()

    def add(self, first_step: int, losses: FloatArray) -> None:
        """Take in consecutive steps."""
        if len(losses):
            self._parts.append((first_step, losses.copy()))
        while self._parts and self._parts[0][0] + len(self._parts[0][1]) < first_step - _KEPT:
            self._parts.popleft()

    def at(self, step: int) -> float | None:
        """Return the loss of a step, where it is known."""
        for first, losses in reversed(self._parts):
            if first <= step < first + len(losses):
                return float(losses[step - first])
        return None


@dataclass(slots=True)
class ToggleRecord:
    """One toggle of one lane: what was done, and the figures around it as far as they have come."""

    step: int  # at which it came into force
    lane: int
    texts: list[str] = field(default_factory=list)
    losses: dict[int, float] = field(default_factory=dict)  # by moment
    readings: dict[int, Shock] = field(default_factory=dict)  # by moment
    ended: str = ""  # why what has not come will not come

    def add_text(self, text: str) -> None:
        """Name what was done; several things at one step are one toggle."""
        if text and text not in self.texts:
            self.texts.append(text)

    def add_reading(self, reading: Shock) -> None:
        """Take in held-out figures; of several toggles at one step the first *before* counts, the last *at*."""
        if reading.steps >= 0 or reading.steps not in self.readings:
            self.readings[reading.steps] = reading

    def find_losses(self, known: RecentLosses) -> bool:
        """Look the missing training losses up; returns whether there was one."""
        found = False
        for moment in MOMENTS:
            loss = None if moment in self.losses else known.at(self.step + moment)
            if loss is not None:
                self.losses[moment] = loss
                found = True
        return found

    @property
    def is_whole(self) -> bool:
        """Whether every figure has come."""
        return all(moment in self.losses and moment in self.readings for moment in MOMENTS)

    @property
    def was_followed(self) -> bool:
        """Whether anything after the toggle's first step is known."""
        return any(moment in self.readings for moment in MOMENTS[2:])


def verdict(record: ToggleRecord, *, has_batch_norm: bool) -> str:
    """Say what the toggle did to the held-out accuracy, and how much of that is stale batch statistics.

    Empty until the figures before it and right after it are there.
    """
    before, now = record.readings.get(MOMENTS[0]), record.readings.get(0)
    if before is None or now is None:
        return ""
    text = _change(before.accuracy, now.accuracy)
    if has_batch_norm:
        text += _stale_share(before.accuracy, now.accuracy, now.fresh_accuracy)
    return text + "."


def percent(share: float) -> str:
    """A share in percent, with one decimal."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"


def _change(before: float, now: float) -> str:
    translate = QCoreApplication.translate
    old, new = percent(before), percent(now)
    if old == new:
        return translate("Shock", "Held-out accuracy stayed at {new}").format(new=new)
    text = (
        translate("Shock", "Held-out accuracy fell from {old} to {new}")
        if now < before
        else translate("Shock", "Held-out accuracy rose from {old} to {new}")
    )
    return text.format(old=old, new=new)


def _stale_share(before: float, now: float, fresh: float) -> str:
    """Say how much of the points lost comes back with batch statistics estimated afresh."""
    translate = QCoreApplication.translate
    text = translate("Shock", "; with fresh batch statistics it is {fresh}").format(fresh=percent(fresh))
    lost, back = round(100 * (before - now), 1), round(100 * (fresh - now), 1)
    if lost <= 0:
        return text
    if back <= 0:
        return text + translate(
            "Shock", ": none of the {lost} points lost is due to stale statistics"
        ).format(lost=f"{lost:.1f}")
    if back >= lost:
        return text + translate("Shock", ": all of the {lost} points lost are stale statistics").format(
            lost=f"{lost:.1f}"
        )
    return text + translate("Shock", ": {back} of the {lost} points lost are stale statistics").format(
        back=f"{back:.1f}", lost=f"{lost:.1f}"
    )
