"""The checks that say how far a map can be trusted, as data; what they cost is said before they are run.

How they are computed is in `core/trust.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from core.findings import FloatArray

Check = Literal["infidelity", "sensitivity", "deletion", "insertion", "randomisation"]

PERTURBATIONS = 64  # of infidelity
NEIGHBOURS = 10  # of sensitivity
CURVE_POINTS = 26  # of deletion and insertion, both ends counted


@dataclass(frozen=True, slots=True)
class CheckInfo:
    """One check. `passes` is its cost in forward passes, from a map's own cost and the number of blocks."""

    name: Check
    label: str
    explain: str
    better: Literal["low", "high", "apart"]  # "apart": a map that depends on the weights is far from 1
    passes: Callable[[float, int], float]


_ALL = (
    CheckInfo(
        "infidelity",
        "Infidelity",
        "How far the map is from telling the change of the score when the picture is disturbed "
        "(Yeh et al. 2019); 0 is exact.",
        "low",
        lambda map_passes, _blocks: map_passes + PERTURBATIONS + 1,
    ),
    CheckInfo(
        "sensitivity",
        "Sensitivity",
        "How much the map changes at most when the picture changes by an invisible amount (Yeh et al. 2019).",
        "low",
        lambda map_passes, _blocks: map_passes * (NEIGHBOURS + 1),
    ),
    CheckInfo(
        "deletion",
        "Deletion",
        "The probability of the class as the strongest pixels are blanked first; it should fall fast "
        "(Petsiuk et al. 2018).",
        "low",
        lambda map_passes, _blocks: map_passes + 2 * CURVE_POINTS,
    ),
    CheckInfo(
        "insertion",
        "Insertion",
        "The probability of the class as the strongest pixels are shown first; it should rise fast "
        "(Petsiuk et al. 2018).",
        "high",
        lambda map_passes, _blocks: map_passes + 2 * CURVE_POINTS,
    ),
    CheckInfo(
        "randomisation",
        "Randomised weights",
        "Rank correlation with the map of the same network as its weights are drawn anew, from the head "
        "down (Adebayo et al. 2018); a map that stays does not depend on what was learnt.",
        "apart",
        lambda map_passes, blocks: map_passes * (blocks + 3),
    ),
)
CHECKS: Mapping[Check, CheckInfo] = {check.name: check for check in _ALL}


def area(shares: FloatArray, curve: FloatArray) -> float:
    """Return the area under a curve, by the trapezium rule; NaN where a point is not known."""
    return float(np.sum(np.diff(shares) * (curve[1:] + curve[:-1]) / 2)) if curve.size else float("nan")
