"""The methods that follow the score back to the picture: gradients, guided gradients, DeepLift.

Captum does the work. Every function takes a batch of pictures (N, 3, H, W) and returns their maps.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from core.attribution_question import (
    AttributionError,
    Piece,
    Pieces,
    Question,
    completeness_of,
    piece_size,
    relative_gap,
    spread,
    sum_of,
)
from core.snapshot import Snapshot

DEEP_LIFT_GAP = 0.01  # measured where DeepLift is right: below 5e-3
ROUNDING = 1e-5  # of a score; deep plain sigmoid networks differ by less than float32 can tell
_MANY = 8  # pictures in one pass


def traced(pictures: Tensor) -> Tensor:
    """Return a copy of the pictures that gradients reach (as Captum wants it, or it warns)."""
    return pictures.detach().clone().requires_grad_()


def saliency(question: Question, pictures: Tensor) -> Tensor:
    """Return the gradients themselves."""
    from captum.attr import Saliency

    return Saliency(question.network).attribute(traced(pictures), question.target, abs=False)


def saliency_and_scores(
    question: Question, pictures: Tensor, *, scored: bool
) -> tuple[Tensor, Tensor | None]:
    """Return the gradients, and if `scored` the scores of the picture asked about and of the zero picture, (2,).

    In one pass where there are many: two pictures by themselves take as long as four among thirty-two. Among
    few they would take memory that nobody counted on.
    """
    if not scored:
        return saliency(question, pictures), None
    if len(pictures) < _MANY:
        return saliency(question, pictures), question.scores(question.ends)
    with _noted(question.network) as logits:
        gradients = saliency(question, torch.cat([pictures, question.ends]))
    return gradients[: len(pictures)], logits[0][len(pictures) :, question.target]


def input_x_gradient(question: Question, pictures: Tensor) -> Tensor:
    """Return the gradients times the pictures."""
    from captum.attr import InputXGradient

    return InputXGradient(question.network).attribute(traced(pictures), question.target)


def guided_backprop(question: Question, pictures: Tensor) -> Tensor:
    """Return gradients that lost their negative part at every ReLU."""
    from captum.attr import GuidedBackprop

    _quieten_captum()
    return GuidedBackprop(question.network).attribute(traced(pictures), question.target)


# ---- DeepLift -------------------------------------------------------------------------------


def deep_lift(question: Question) -> Pieces:
    """Yield the one map of DeepLift, with what it misses."""
    with torch.enable_grad():
        maps, scores, zeros = _deep_lift(question, question.picture)
    change = float(scores[0] - zeros[0])
    yield Piece(maps[0], True, relative_gap(sum_of(maps[0]), change))


def deep_lift_of_many(question: Question, pictures: Tensor) -> Tensor:
    """Return the maps of DeepLift; raises AttributionError if one does not add up."""
    return _deep_lift(question, pictures)[0]


def _deep_lift(question: Question, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return maps, and the scores (N,) of the pictures and of the zero picture. Raises AttributionError.

    Right with the zero picture as baseline only. Behind the 7×7 stem Captum 0.9.0's own rule for
    max-pooling is wrong (captum #1104), but hooks of adjacent modules keep it from being used: the
    pooling passes gradients to its maxima, which is exact where the reference is the same all over,
    as it is for a zero picture. Nothing may come between them.
    """
    from captum.attr import DeepLift

    _quieten_captum()
    network = question.network
    inputs = traced(pictures)
    try:
        # of the pictures, then of the zero pictures: Captum runs both at once
        with _noted(network) as logits:
            maps = DeepLift(network).attribute(inputs, torch.zeros_like(inputs), question.target)
    finally:
        for module in network.modules():  # Captum leaves them where the backward pass did not come
            for name in ("input", "output"):
                vars(module).pop(name, None)
    scores, zeros = logits[0][:, question.target].cpu().double().chunk(2)
    for each, score, zero in zip(maps, scores.tolist(), zeros.tolist(), strict=True):
        _refuse_gap(abs(sum_of(each) - (score - zero)), abs(score - zero), max(abs(score), abs(zero)))
    return maps, scores, zeros


def _refuse_gap(gap: float, change: float, score: float) -> None:
    """Refuse a DeepLift that does not add up; integrated gradients may need more steps, this is wrong."""
    if change <= ROUNDING * score and gap > DEEP_LIFT_GAP * change:
        raise AttributionError(
            "the zero picture gets the same score up to rounding; DeepLift cannot tell them apart"
        )
    if gap > DEEP_LIFT_GAP * change:
        raise AttributionError(
            "DeepLift does not add up here (off by {error:.0%}); take integrated gradients",
            error=gap / change,
        )


@contextmanager
def _noted(network: Snapshot) -> Iterator[list[Tensor]]:
    """Give the logits of every pass that is made meanwhile."""
    logits: list[Tensor] = []

    def note(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        logits.append(output.detach())

    handle = network.register_forward_hook(note)
    try:
        yield logits
    finally:
        handle.remove()


def _quieten_captum() -> None:
    """Silence Captum's notice that it sets hooks, which it takes away again."""
    warnings.filterwarnings("ignore", r"Setting (forward, )?backward hooks", UserWarning)


# ---- integrated gradients -------------------------------------------------------------------


def integrated_gradients(question: Question) -> Pieces:
    """Captum's Gauss–Legendre rule; each piece takes nodes from all along the way."""
    steps = question.whole("steps")
    nodes, weights = np.polynomial.legendre.leggauss(steps)  # on [-1, 1]
    alphas = torch.from_numpy((1 + nodes) / 2).float().to(question.picture)
    shares = torch.from_numpy(weights / 2).float().to(question.picture)
    total = torch.zeros_like(question.picture[0])
    used = 0.0
    for chosen, done in spread(steps, piece_size(question)):
        points = alphas[chosen].view(-1, 1, 1, 1) * question.picture
        with torch.enable_grad():
            gradients, scores = saliency_and_scores(question, points, scored=done)
        total += torch.einsum("n,nchw->chw", shares[chosen], gradients)
        used += float(weights[chosen].sum()) / 2
        found = total * question.picture[0] / (1 if done else used)
        yield Piece(found, done, None if scores is None else completeness_of(scores, sum_of(found)))
