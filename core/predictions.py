"""What networks say of an album's pictures, and which pictures a filter chooses by it. Knows no torch."""

from collections.abc import Hashable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from core.messages import BrowsePictures, FloatArray

Labels = NDArray[np.int64]
CONFIDENT = 0.9
ANY_CHANCE = (0.0, 1.0)
Kind = TypeVar("Kind", bound=np.generic)


class Predictions:
    """A table of what a source's networks say of an album's pictures, as far as they were asked.

    All rows are of the same weights and strengths: `made_by` is equal for equal ones only.
    `asked_whole`: somebody asked for every picture.
    """

    def __init__(
        self, networks: int, pictures: int, step: int | None, made_by: Hashable, asked_whole: bool = False
    ) -> None:
        self.step = step
        self.made_by = made_by
        self.asked_whole = asked_whole
        self.judged = np.zeros(pictures, bool)
        self.predicted = np.full((networks, pictures), -1, np.int64)  # -1: not known, or not finite
        self.confidence = np.full((networks, pictures), np.nan)  # probability of the predicted class
        self.losses = np.full((networks, pictures), np.nan)  # NaN also where the class is not known

    def put(self, pictures: NDArray[np.int64], logits: Sequence[NDArray[np.float32]], labels: Labels) -> None:
        """Take every network's logits (n, classes) of some pictures, whose labels are -1 where unknown."""
        for network, rows in enumerate(logits):
            predicted, confidence, losses = _read(rows, labels)
            self.predicted[network, pictures] = predicted
            self.confidence[network, pictures] = confidence
            self.losses[network, pictures] = losses
        self.judged[pictures] = True

    @property
    def count(self) -> int:
        """How many pictures are judged."""
        return int(self.judged.sum())


def _read(logits: NDArray[np.float32], labels: Labels) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Return class, its probability and the cross-entropy of each row; -1, NaN, NaN where not finite."""
    finite = np.all(np.isfinite(logits), axis=1)
    safe = np.where(finite[:, None], logits, 0).astype(np.float64)
    shifted = safe - safe.max(1, keepdims=True)
    total = np.log(np.exp(shifted).sum(1))
    predicted = shifted.argmax(1)
    rows = np.arange(len(logits))
    labelled = (labels >= 0) & (labels < logits.shape[1])
    losses = total - shifted[rows, np.where(labelled, labels, 0)]
    return (
        np.where(finite, predicted, -1),
        np.where(finite, np.exp(-total), np.nan),  # the highest logit is shifted to zero
        np.where(finite & labelled, losses, np.nan),
    )


# ---- choosing -----------------------------------------------------------------------------


def needs_predictions(request: BrowsePictures) -> bool:
    """Whether what is chosen, or its order, depends on what networks say."""
    return (
        request.kind != "all"
        or request.predicted is not None
        or tuple(request.sure) != ANY_CHANCE
        or request.order != "order"
    )


def chosen(
    request: BrowsePictures, labels: Labels, truth: Labels, known: Predictions | None
) -> NDArray[np.int64]:
    """Return the numbers of the pictures that pass, in the order asked for.

    `truth` is the class in the networks' own numbers, -1 where it is none of theirs. A picture of
    which nothing is known passes no filter that needs predictions, and comes last in an order that does.
    """
    keep = np.isin(labels, request.labels) if request.labels else np.ones(len(labels), bool)
    if known is None:
        if request.kind != "all" or request.predicted is not None or tuple(request.sure) != ANY_CHANCE:
            keep[:] = False
        return np.flatnonzero(keep)
    keep &= _is_kind(request, truth, known) & _is_cell(request, known)
    return _in_order(request, np.flatnonzero(keep), known)


def _is_kind(request: BrowsePictures, truth: Labels, known: Predictions) -> NDArray[np.bool_]:
    said = known.predicted >= 0
    right = said & (known.predicted == truth)
    match request.kind:
        case "wrong":
            return np.any(said & ~right, axis=0) & (truth >= 0)
        case "correct":
            return np.any(said, axis=0) & np.all(right | ~said, axis=0) & (truth >= 0)
        case "confident":
            return np.any(known.confidence >= CONFIDENT, axis=0)  # NaN never is
        case "disagree":
            highest = known.predicted.max(0)
            return np.any(said & (known.predicted != highest), axis=0)
        case "all":
            return np.ones(len(truth), bool)


def _is_cell(request: BrowsePictures, known: Predictions) -> NDArray[np.bool_]:
    """Which pictures one network takes for the class asked for, as sure of it as asked for."""
    asked_sure = tuple(request.sure) != ANY_CHANCE
    if request.predicted is None and not asked_sure:
        return np.ones(len(known.judged), bool)
    cell = known.predicted >= 0
    if request.predicted is not None:
        cell &= known.predicted == request.predicted
    if asked_sure:
        least, most = request.sure
        cell &= (known.confidence >= least) & (known.confidence <= most)
    return np.any(_of_network(cell, request.network), axis=0)


def _in_order(request: BrowsePictures, passing: NDArray[np.int64], known: Predictions) -> NDArray[np.int64]:
    if request.order == "order":
        return passing
    table = -known.losses if request.order == "loss" else known.confidence
    table = _of_network(table, request.network)
    there = np.isfinite(table)
    count = there.sum(0)
    mean = np.where(there, table, 0).sum(0) / np.maximum(count, 1)
    key = np.where(count > 0, mean, np.inf)[passing]
    return passing[np.argsort(key, kind="stable")]


def _of_network(table: NDArray[Kind], network: int | None) -> NDArray[Kind]:
    """Return one network's row of a table, or all; no row where there is no such network."""
    if network is None:
        return table
    return table[network : network + 1] if 0 <= network < len(table) else table[:0]
