"""How far a map can be trusted: the checks of `core/checks.py`, computed in pieces on a snapshot.

Everything drawn by lot comes from generators of its own on the CPU, one picture at a time, so that
the same question gets the same answer on every device. Only copies have their weights changed.
"""

from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.attribution import attribute_in_pieces
from core.attribution_question import AttributionError, Question, piece_size, runs
from core.checks import CURVE_POINTS, NEIGHBOURS, PERTURBATIONS, Check, area
from core.findings import FloatArray
from core.methods import Parameters, Size, values
from core.notices import Notice
from core.overlay import flatten
from core.redrawing import Redrawing
from core.snapshot import Snapshot

SEED = 0  # of what is drawn by lot
NOISE = 0.02  # of infidelity: deviation of the share by which a pixel is disturbed
RADIUS = 0.02  # of sensitivity: the most a pixel's value moves, normalised (Captum's default)
_WITHOUT_GRADIENTS = 2  # so many times the pictures of a piece that goes back as well
# Their maps say how the score moves per unit of a pixel; all others, what a pixel adds to it.
_RATES = ("saliency", "guided_backprop", "guided_grad_cam")


def _no_points() -> FloatArray:
    return _kept(np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """What a check found; `done` False: so far. Points of a curve that are not known yet are NaN."""

    value: float | None = None  # None: not known yet, or not to be had (see `reason`)
    shares: FloatArray = field(default_factory=_no_points)  # (points,) see core.messages.Assessed
    curve: FloatArray = field(default_factory=_no_points)
    control: FloatArray = field(default_factory=_no_points)
    reason: Notice | None = None
    done: bool = False


Findings: TypeAlias = Iterator[Finding]
Map: TypeAlias = NDArray[np.float32]  # (channels, height, width)


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """Which map is checked."""

    network: Snapshot
    picture: Tensor  # (3, H, W)
    method: str
    target: int
    parameters: Parameters

    @property
    def question(self) -> Question:
        batch = self.picture.detach().to(self.network.fc.weight)[None]
        return Question(self.network, batch, self.target, {})

    @property
    def is_rate(self) -> bool:
        size = Size(min(self.picture.shape[1:]), self.network.settings.block_count)
        chosen = values(self.method, self.parameters, size)
        return str(chosen.get("of", self.method)) in _RATES


def assess_in_pieces(
    network: Snapshot,
    picture: Tensor,
    check: Check,
    method: str,
    target: int,
    parameters: Parameters = (),
) -> Iterator[Finding]:
    """Check a map of one normalised picture (3, H, W): findings so far, about 50 ms apart; the last is whole.

    A map or a check that cannot be had comes as a reason. Raises MethodError for a parameter that is
    none. The snapshot must stay as it is until the end; its weights are not touched.
    """
    try:
        yield from _CHECKS[check](_Asked(network, picture, method, target, parameters))
    except AttributionError as error:
        yield Finding(reason=error.notice, done=True)


def _map(asked: _Asked, so_far: Finding) -> Generator[Finding, None, Map]:
    """Return the whole map; between its pieces the finding so far is yielded again."""
    pieces = attribute_in_pieces(
        asked.network, asked.picture, asked.method, asked.target, parameters=asked.parameters
    )
    for result in pieces:
        if result.done:
            return result.attribution
        yield so_far
    raise AssertionError("the last piece is marked as such")


# ---- infidelity -----------------------------------------------------------------------------


def _infidelity(asked: _Asked) -> Findings:
    """Yeh et al. 2019 (arXiv:1901.09392), definition 2.1, with the best scale, as a share.

    Every pixel is disturbed by a share ε of itself, Gaussian: x − ε ⊙ x, towards the zero picture or
    away from it. The map promises that the score changes by Σ ε_p w_p, with w_p what the map says pixel
    p adds (of a rate: the rate times the pixel); for this perturbation that is IᵀΦ of the paper, and
    maps of both kinds can be compared. As maps are in different units, the promise is scaled as fits
    best, by β = max(0, E[promise · change] / E[promise²]), and

        infidelity = E[(β · promise − change)²] / E[change²]:

    the share of the change that the map does not tell. 0 is exact, 1 tells nothing.
    """
    if asked.method == "activation":
        raise AttributionError("an activation map is of no class: it promises nothing about a score")
    found = yield from _map(asked, Finding())
    question = asked.question
    picture = question.picture
    worth = flatten(found * picture[0].cpu().numpy() if asked.is_rate else found)
    generator = torch.Generator().manual_seed(SEED)
    whole = question.scores(picture)
    promised, changes = np.zeros(PERTURBATIONS), np.zeros(PERTURBATIONS)
    for chosen, done in runs(PERTURBATIONS, _WITHOUT_GRADIENTS * piece_size(question)):
        shares = torch.stack([disturbance(picture, generator) for _ in chosen])
        change = whole - question.scores(picture * (1 - shares.to(picture)))
        changes[chosen] = change.cpu().double().numpy()
        promised[chosen] = np.einsum("nhw,hw->n", shares[:, 0].double().numpy(), worth)
        value = _untold(promised[: chosen.stop], changes[: chosen.stop])
        yield Finding(value, done=done)


def disturbance(picture: Tensor, generator: torch.Generator) -> Tensor:
    """Draw the share by which each pixel is disturbed, the same for its channels: (1, H, W), on the CPU."""
    return NOISE * torch.randn((1, *picture.shape[-2:]), generator=generator)


def _untold(promised: FloatArray, changes: FloatArray) -> float:
    total = float(changes @ changes)
    if not np.isfinite(total):
        raise AttributionError("the network's numbers are no longer finite, so nothing can be checked")
    if not total:
        raise AttributionError("the score does not change when the picture is disturbed")
    size, shared = float(promised @ promised), float(promised @ changes)
    return 1 - shared**2 / (size * total) if shared > 0 else 1.0


# ---- sensitivity ----------------------------------------------------------------------------


def _sensitivity(asked: _Asked) -> Findings:
    """Yeh et al. 2019, definition 3.1: max ‖Φ(x') − Φ(x)‖ / ‖Φ(x)‖ over neighbours x' drawn by lot.

    The neighbours are uniform within RADIUS, as in captum.metrics.sensitivity_max.
    """
    found = yield from _map(asked, Finding())
    size = _length(found)
    if not size:
        raise AttributionError("this map is zero everywhere")
    generator = torch.Generator().manual_seed(SEED)
    most = 0.0
    for number in range(NEIGHBOURS):
        step = torch.empty(asked.picture.shape).uniform_(-RADIUS, RADIUS, generator=generator)
        near = replace(asked, picture=asked.picture + step.to(asked.picture))
        there = yield from _map(near, Finding(most if number else None))
        most = max(most, _length(there - found) / size)
        yield Finding(most, done=number == NEIGHBOURS - 1)


def _length(found: Map) -> float:
    return float(np.linalg.norm(found.astype(np.float64)))


# ---- deletion and insertion -----------------------------------------------------------------


def _deletion(asked: _Asked) -> Findings:
    return _probability_curve(asked, inserts=False)


def _insertion(asked: _Asked) -> Findings:
    return _probability_curve(asked, inserts=True)


def _probability_curve(asked: _Asked, *, inserts: bool) -> Findings:
    """Petsiuk et al. 2018 (arXiv:1806.07421) §4.3: the area under the class's probability.

    Pixels are blanked to zero, which is the training set's mean, or shown on a zero picture. A pixel
    is as strong as its signed attribution, summed over channels; equals go by lot, so that a map that
    says nothing does as the control does.
    """
    found = yield from _map(asked, Finding())
    strength = flatten(found).ravel()
    by_lot = np.random.default_rng(SEED).permutation(strength.size)
    by_map = by_lot[np.argsort(-strength[by_lot], kind="stable")]
    counts = np.rint(np.linspace(0, strength.size, CURVE_POINTS)).astype(np.int64)
    so_far = Finding(shares=_kept(counts / strength.size))
    for curve, _ in _probabilities(asked, by_map, counts, inserts=inserts):
        so_far = replace(so_far, curve=curve)
        yield so_far
    so_far = replace(so_far, value=area(so_far.shares, so_far.curve))
    for control, done in _probabilities(asked, by_lot, counts, inserts=inserts):
        yield replace(so_far, control=control, done=done)


def _probabilities(
    asked: _Asked, order: NDArray[np.int64], counts: NDArray[np.int64], *, inserts: bool
) -> Iterator[tuple[FloatArray, bool]]:
    """Yield the target's probability with so many pixels of the order blanked, or shown."""
    question = asked.question
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    places = torch.from_numpy(place).view(1, 1, *asked.picture.shape[1:]).to(question.picture.device)
    curve = np.full(counts.size, np.nan)
    for chosen, done in runs(counts.size, _WITHOUT_GRADIENTS * piece_size(question)):
        taken = places < torch.from_numpy(counts[chosen]).view(-1, 1, 1, 1).to(places.device)
        with torch.no_grad():
            logits = asked.network(question.picture * (taken if inserts else ~taken))
        curve[chosen] = logits.cpu().double().softmax(1)[:, asked.target].numpy()
        yield _kept(curve.copy()), done


# ---- randomisation --------------------------------------------------------------------------


def _randomisation(asked: _Asked) -> Findings:
    """Adebayo et al. 2018 (arXiv:1810.03292) §3: cascading randomisation, from the head to the stem.

    Spearman's rank correlation is taken of the absolute values of the map as it is seen, summed over
    channels (their variant "ABS"): a map that points at the same pixels with the signs turned round
    has not changed much to the eye, and signs turn round easily as the head is drawn anew. The value
    is the mean over the steps. The last step alone would say little: guided backprop, which hardly
    notices that the upper half is drawn anew, does notice the stem.
    """
    found = yield from _map(asked, Finding())
    ranks = _ranks(np.abs(flatten(found)).ravel())
    if not np.ptp(ranks):
        raise AttributionError("this map has the same value everywhere: its pixels have no order")
    redrawing = Redrawing(asked.network)
    curve = np.full(redrawing.layers + 1, np.nan)
    curve[0] = 1.0
    so_far = Finding(shares=_kept(np.linspace(0, 1, curve.size)), curve=_kept(curve.copy()))
    yield so_far
    for layer in range(1, curve.size):
        redrawing.draw_next()
        last = layer == redrawing.layers
        try:
            there = yield from _map(replace(asked, network=redrawing.network), so_far)
            curve[layer] = _correlation(ranks, _ranks(np.abs(flatten(there)).ravel()))
        except AttributionError:  # a method may be right for some weights and not for others
            if last and np.isnan(curve[1:]).all():
                raise
        value = float(np.nanmean(curve[1:])) if last else None
        so_far = replace(so_far, curve=_kept(curve.copy()), value=value, done=last)
        yield so_far


def _ranks(numbers: FloatArray) -> FloatArray:
    """Return ranks from 0; equals share the mean of theirs."""
    _, places, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    shared: FloatArray = (np.cumsum(counts) - (counts + 1) / 2)[places]
    return shared


def _correlation(first: FloatArray, second: FloatArray) -> float:
    """Return Pearson's correlation; 0 with what is the same everywhere."""
    first, second = first - first.mean(), second - second.mean()
    size = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / size if size else 0.0


def _kept(array: FloatArray) -> FloatArray:
    array.flags.writeable = False
    return array


_CHECKS: Mapping[Check, Callable[[_Asked], Findings]] = {
    "infidelity": _infidelity,
    "sensitivity": _sensitivity,
    "deletion": _deletion,
    "insertion": _insertion,
    "randomisation": _randomisation,
}
