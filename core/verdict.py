"""Names what a gradient profile does between the first block and the last: one ratio, no story."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

VANISHING_BELOW = 1e-3
EXPLODING_ABOVE = 1e2


class Regime(StrEnum):
    """What the ratio of the first to the last block's norm amounts to, seen towards the input."""

    VANISHING = "vanishing"
    HEALTHY = "healthy"
    EXPLODING = "exploding"
    ZERO = "zero"  # first and last are both zero: there is no ratio
    NON_FINITE = "non-finite"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A regime with the numbers it was read from."""

    regime: Regime
    ratio: float  # first / last; NaN where there is none
    non_finite: int
    zeros: int


def judge(norms: NDArray[Any]) -> Verdict:
    """Name the regime of one profile (norm per block, stem to head)."""
    finite = np.isfinite(norms)
    non_finite = int(norms.size - np.count_nonzero(finite))
    zeros = int(np.count_nonzero(norms == 0))
    first, last = (float(norms[0]), float(norms[-1])) if norms.size else (math.nan, math.nan)
    ratio = _ratio(first, last)
    return Verdict(_regime(ratio, non_finite), ratio, non_finite, zeros)


def _ratio(first: float, last: float) -> float:
    if not (math.isfinite(first) and math.isfinite(last)) or first == last == 0:
        return math.nan
    return first / last if last else math.inf


def _regime(ratio: float, non_finite: int) -> Regime:
    if non_finite:
        return Regime.NON_FINITE
    if math.isnan(ratio):
        return Regime.ZERO
    if ratio < VANISHING_BELOW:
        return Regime.VANISHING
    return Regime.EXPLODING if ratio > EXPLODING_ABOVE else Regime.HEALTHY
