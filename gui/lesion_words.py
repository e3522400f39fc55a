"""What lesions say in words: points lost, the median and the largest, and what cannot be said."""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.findings import FloatArray, Lesions

LITTLE = 1.5  # times the accuracy of guessing: below it a network has hardly anything to lose


@dataclass(frozen=True, slots=True)
class Loss:
    """Points of accuracy lost over one kind of lesion, of the blocks measured so far."""

    median: float  # NaN: none measured
    largest: float
    block: int  # where it is
    measured: int


def points_lost(base: float, accuracies: FloatArray) -> FloatArray:
    """Percentage points of accuracy lost; below zero where the network does better without."""
    return 100 * (base - accuracies)


def loss_of(base: float, accuracies: FloatArray) -> Loss:
    """Sum up the lesions of one kind."""
    lost = points_lost(base, accuracies)
    known = np.isfinite(lost)
    if not known.any():
        return Loss(math.nan, math.nan, -1, 0)
    block = int(np.argmax(np.where(known, lost, -math.inf)))
    return Loss(float(np.median(lost[known])), float(lost[block]), block, int(known.sum()))


def points(value: float) -> str:
    """Percentage points for people."""
    return f"{value + 0.0:.1f}".replace("-0.0", "0.0").replace("-", "−")


def change(value: float) -> str:
    """A change in percentage points, with its sign."""
    text = points(value)
    return text if text.startswith("−") or text == "0.0" else "+" + text


def percent(share: float) -> str:
    """A share in [0, 1] for people."""
    return f"{100 * share:.1f} %" if math.isfinite(share) else "–"


def branch_words(found: Lesions, names: list[str]) -> str:
    """What deleting one block does; empty while none is measured."""
    words = _tr("median {median} points lost by deleting one block; largest {largest} ({block})")
    return _words(loss_of(found.base, found.branch), names, words)


def shortcut_words(found: Lesions, names: list[str]) -> str:
    """What deleting one shortcut does; empty while none is measured, or where all are cut."""
    words = _tr("median {median} points lost by deleting one shortcut; largest {largest} ({block})")
    return _words(loss_of(found.base, found.shortcut), names, words)


def short_words(found: Lesions, names: list[str]) -> str:
    """What deleting one block does, for a heading."""
    words = _tr("one block deleted: median {median} points lost, most {largest}\u00a0({block})")
    return _words(loss_of(found.base, found.branch), names, words)


def caution(found: Lesions, classes: int) -> str:
    """What keeps the figures from meaning much; empty where nothing does."""
    if found.base < LITTLE / max(classes, 1):
        return _tr("no better than guessing: hardly anything to lose")
    return ""


def _words(loss: Loss, names: list[str], words: str) -> str:
    if loss.measured == 0:
        return ""
    return words.format(median=points(loss.median), largest=points(loss.largest), block=names[loss.block])


def _tr(text: str) -> str:
    return QCoreApplication.translate("Lesions", text)
