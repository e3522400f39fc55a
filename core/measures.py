"""What can be measured on a lane of a finished lesson; every name a lesson file may use.

Anyone can recompute each from the curves and the instruments' findings.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from core.findings import Finding, Instrument, Lesions, PathShares, Shock, Surplus

Kind = TypeVar("Kind", Lesions, PathShares, Surplus)
END = 20  # "loss at the end" is the mean of so many last training losses
UNDERFLOW = 1e-30
SHORT_PATHS = range(1, 6)


@dataclass(slots=True)
class LaneResult:
    """What is known of a lane: all that measures may use."""

    losses: list[float] = field(default_factory=list)
    first_gradient_norms: list[float] = field(default_factory=list)  # per block, step 1
    shocks: dict[int, dict[int, Shock]] = field(default_factory=dict)  # by step of the toggle, steps after it
    findings: dict[Instrument, Finding] = field(default_factory=dict)


class NotKnownError(Exception):
    """A measure of something that has not been seen (yet)."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A named number of one lane."""

    name: str
    label: str  # in words, in front of the lane's name
    value: Callable[[LaneResult], float]
    unit: str = ""


def end_loss(lane: LaneResult) -> float:
    """Mean of the last training losses."""
    return float(np.mean(_some(lane.losses)[-END:]))


def loss_drop(lane: LaneResult) -> float:
    """How far the loss fell from the first steps to the last."""
    return float(np.mean(_some(lane.losses)[:END])) - end_loss(lane)


def first_loss(lane: LaneResult) -> float:
    """Loss at step 1, with the initial weights."""
    return float(_some(lane.losses)[0])


def first_gradient(lane: LaneResult) -> float:
    """Gradient norm of the first block at step 1."""
    return float(_some(lane.first_gradient_norms)[0])


def first_over_last(lane: LaneResult) -> float:
    """Ratio of the first to the last block's gradient norm at step 1."""
    return first_gradient(lane) / max(float(lane.first_gradient_norms[-1]), UNDERFLOW)


def weakest_place(lane: LaneResult) -> float:
    """Relative depth, 0 to 1, of the block with the smallest gradient norm at step 1."""
    norms = _some(lane.first_gradient_norms)
    return (int(np.argmin(norms)) + 0.5) / len(norms)


def accuracy_before(lane: LaneResult) -> float:
    """Held-out accuracy before the first toggle."""
    return _shock(lane, 0, -1).accuracy


def accuracy_at_cut(lane: LaneResult) -> float:
    """Held-out accuracy right after the first toggle, with the weights of before."""
    return _shock(lane, 0, 0).accuracy


def fresh_accuracy_at_cut(lane: LaneResult) -> float:
    """The same with batch statistics estimated afresh."""
    return _shock(lane, 0, 0).fresh_accuracy


def accuracy_regained(lane: LaneResult) -> float:
    """Held-out accuracy 50 steps after the second toggle, over that before the first."""
    return _shock(lane, 1, 50).accuracy / max(accuracy_before(lane), UNDERFLOW)


def median_lost(lane: LaneResult) -> float:
    """Median of the accuracy, in points, that deleting one block costs."""
    found = _finding(lane, "lesions", Lesions)
    return 100 * float(np.nanmedian(found.base - found.branch))


def path_growth(lane: LaneResult) -> float:
    """Largest ratio of the mean gradient norms of neighbouring path lengths (below 1: they only fall)."""
    norms = _finding(lane, "paths", PathShares).norms
    return float(np.max(norms[1:] / np.maximum(norms[:-1], UNDERFLOW)))


def short_share(lane: LaneResult) -> float:
    """Share of the gradient that paths of one to five branches carry."""
    return float(_finding(lane, "paths", PathShares).shares[list(SHORT_PATHS)].sum())


def surplus_change(lane: LaneResult) -> float:
    """Largest change of a logit when blocks with zero branch are inserted."""
    return _finding(lane, "surplus", Surplus).logit_change


def surplus_plain(lane: LaneResult) -> float:
    """Held-out accuracy with plain random blocks inserted."""
    return _finding(lane, "surplus", Surplus).plain


MEASURES: Mapping[str, Measure] = {
    measure.name: measure
    for measure in (
        Measure("end_loss", "loss at the end of", end_loss),
        Measure("loss_drop", "fall of the loss of", loss_drop),
        Measure("first_loss", "loss at step 1 of", first_loss),
        Measure("first_gradient", "first block's gradient at step 1 of", first_gradient),
        Measure("first_over_last", "first over last block's gradient at step 1 of", first_over_last),
        Measure("weakest_place", "depth (0 to 1) of the weakest gradient of", weakest_place),
        Measure("accuracy_before", "held-out accuracy before the cut of", accuracy_before),
        Measure("accuracy_at_cut", "held-out accuracy at the cut of", accuracy_at_cut),
        Measure("fresh_accuracy_at_cut", "the same with fresh batch statistics of", fresh_accuracy_at_cut),
        Measure(
            "accuracy_regained",
            "share of its accuracy regained 50 steps after restoring, of",
            accuracy_regained,
        ),
        Measure("median_lost", "median of points lost by deleting one block of", median_lost, "points"),
        Measure(
            "path_growth", "largest growth of the gradient from a path length to the next, of", path_growth
        ),
        Measure("short_share", "share of the gradient on paths of 1 to 5 branches of", short_share),
        Measure("surplus_change", "largest change of a logit by inserted identity blocks in", surplus_change),
        Measure("surplus_plain", "held-out accuracy with inserted plain blocks in", surplus_plain),
    )
}


def _some(values: Sequence[float]) -> Sequence[float]:
    if not len(values):
        raise NotKnownError
    return values


def _shock(lane: LaneResult, toggle: int, steps: int) -> Shock:
    toggles = sorted(lane.shocks)
    if toggle >= len(toggles) or steps not in lane.shocks[toggles[toggle]]:
        raise NotKnownError
    return lane.shocks[toggles[toggle]][steps]


def _finding(lane: LaneResult, instrument: Instrument, kind: type[Kind]) -> Kind:
    found = lane.findings.get(instrument)
    if not isinstance(found, kind):
        raise NotKnownError
    return found
