"""What the paths say in words: how many there are, which lengths carry the gradient, how it falls."""

import math

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.findings import FloatArray, PathShares
from gui.wording import whole

MOST_OF_IT = 0.8  # of the gradient
_RAISED = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_GROUPED = 10**6  # more paths than that are said as a power of two


def count_words(found: PathShares) -> str:
    """How many paths were followed, of how many."""
    total = path_count(float(found.counts.sum()))
    if found.paths == 0:
        return _tr("no path is open: some block has neither branch nor shortcut")
    if found.sampled:
        return _tr("sampled: {count} of {total} paths").format(count=whole(found.paths), total=total)
    if found.paths == 1:
        return _tr("plain: one path of {total} is open, through every branch").format(total=total)
    if found.paths == found.counts.sum():
        return _tr("{total} paths, all of them").format(total=total)
    return _tr("{count} of {total} paths are open, all of them followed").format(
        count=whole(found.paths), total=total
    )


def path_count(paths: float) -> str:
    """A number of paths: 256, or 2²⁷."""
    power = math.log2(paths) if paths > 0 else 0.0
    if paths > _GROUPED and power == round(power):
        return "2" + str(round(power)).translate(_RAISED)
    return whole(round(paths))


def carrying(shares: FloatArray) -> tuple[int, int] | None:
    """The fewest neighbouring lengths that carry four fifths of the gradient (of equally few, the most)."""
    known = np.nan_to_num(shares)
    sums = np.concatenate(([0.0], np.cumsum(known)))
    for width in range(1, len(known) + 1):
        held = sums[width:] - sums[:-width]
        first = int(np.argmax(held))
        if held[first] >= MOST_OF_IT - 1e-12:
            return first, first + width - 1
    return None


def carrying_words(shares: FloatArray) -> str:
    """Which lengths carry most of the gradient, and how much."""
    ends = carrying(shares)
    if ends is None:
        return ""
    percent = round(100 * float(np.nan_to_num(shares)[ends[0] : ends[1] + 1].sum()))
    if ends[0] == ends[1]:
        return _tr("length {length} carries {percent} %").format(length=ends[0], percent=percent)
    return _tr("lengths {first}–{last} carry {percent} %").format(
        first=ends[0], last=ends[1], percent=percent
    )


def slope_words(norms: FloatArray) -> str:
    """Whether the mean norm falls with the length of the path, as measured."""
    lengths = np.flatnonzero(np.isfinite(norms) & (norms > 0))
    if len(lengths) < 2:
        return ""
    rises = [
        int(length) for length, step in zip(lengths[1:], np.diff(norms[lengths]), strict=True) if step >= 0
    ]
    if not rises:
        return _tr("the mean norm falls with every length")
    if len(rises) == len(lengths) - 1:
        return _tr("the mean norm rises with every length")
    return _tr("the mean norm does not fall steadily: it rises at {lengths}").format(lengths=_listed(rises))


def _listed(lengths: list[int]) -> str:
    most = 6
    text = ", ".join(str(length) for length in lengths[:most])
    return text + (", …" if len(lengths) > most else "")


def _tr(text: str) -> str:
    return QCoreApplication.translate("Paths", text)
