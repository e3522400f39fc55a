"""What a network sees in one picture: attribution methods, computed by Captum on a snapshot.

Captum works through hooks and modes, which a network in training must never feel. So every
map is computed on a `Snapshot`, and a long one is cut into pieces between which training
goes on. Captum is imported when first needed: it takes most of a second, because it pulls
in matplotlib.pyplot.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from core.methods import METHODS
from core.network import ResidualNetwork
from core.notices import Notice, SkipscopeError
from core.settings import NetworkSettings

MOST_IN_A_PIECE = 32
# A forward and backward pass of one core takes about 50 ms for so many multiply-adds …
_CPU_BUDGET = 300_000_000
# … and on an accelerator memory is the bound: 4 pictures of 224 × 224.
_PIXEL_BUDGET = 4 * 224 * 224

DEEP_LIFT_GAP = 0.01  # measured where DeepLift is right: below 5e-3
ROUNDING = 1e-5  # of a score; deep plain sigmoid networks differ by less than float32 can tell

Pieces: TypeAlias = Iterator[tuple[Tensor, bool]]  # (map so far (C, H, W), whether it is the whole)


class AttributionError(SkipscopeError):
    """An explanation that cannot be given."""


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One map; `done` False: a coarse one that later pieces refine."""

    attribution: NDArray[np.float32]  # (channels, height, width), signed, read-only
    target: int
    completeness_error: float | None  # |Σa − Δf| / |Δf|, of a whole map whose method promises it
    baseline: str
    seconds: float
    done: bool


# ---- the snapshot ---------------------------------------------------------------------------


class Snapshot(ResidualNetwork):
    """A network to be explained: in eval mode, without gradients of its own, apart from the live one."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        # the order of published networks, so that convolutions round as theirs do: near the kink of
        # a ReLU a last bit decides about a whole gradient
        self.memory_format = torch.contiguous_format
        _separate(self)
        self.eval().requires_grad_(False)


class _Apart(nn.Module):
    """Identity whose output is a tensor of its own.

    Captum rewrites gradients by hooks on a module's input tensor. Where an activation shares that
    tensor with another path or activation, it would rewrite theirs as well.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.view_as(x)


def snapshot(network: ResidualNetwork) -> Snapshot:
    """Copy a network's weights, statistics and strengths into a new snapshot on its device, in float32."""
    # Not on the meta device: its first use imports 500 modules, sympy among them, for half a second.
    with torch.random.fork_rng(devices=[]):
        copy = Snapshot(network.settings).to(network.fc.weight.device)
    refresh_snapshot(copy, network)
    return copy


def refresh_snapshot(copy: Snapshot, live: ResidualNetwork) -> None:
    """Bring a snapshot up to date, which must not be in use; far cheaper than a new one."""
    if copy.settings != live.settings:
        raise ValueError("a snapshot follows one network; take a new one for other settings")
    with torch.no_grad():
        for mine, theirs in zip(_tensors(copy), _tensors(live), strict=True):
            mine.copy_(theirs)
    copy.set_strengths(live.shortcuts, live.branches)


def _tensors(network: ResidualNetwork) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _separate(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Identity):
            setattr(module, name, _Apart())
        else:
            _separate(child)


def _as_snapshot(network: ResidualNetwork) -> Snapshot:
    return network if isinstance(network, Snapshot) else snapshot(network)


# ---- what is right for which network --------------------------------------------------------


def unsuitable(network: ResidualNetwork, method: str) -> Notice | None:
    """Say why a method would be wrong for this network with its present strengths, if it would."""
    settings = network.settings
    for block, shape in zip(network.blocks, settings.blocks, strict=True):
        if block.shortcut_strength == 0 and block.branch_strength == 0:
            return Notice(
                "both paths of block {block} are cut: nothing of the picture gets past it",
                {"block": shape.name},
            )
    if method == "guided_backprop" and settings.activation != "relu":
        return Notice(
            "guided backprop is made for ReLU; with {activation} it would be plain saliency",
            {"activation": settings.activation},
        )
    if method == "deep_lift" and settings.block == "pre_shared":
        return Notice("DeepLift needs each activation to be used once; here the shortcuts use some again")
    return None


# ---- explaining -----------------------------------------------------------------------------


def probabilities(network: ResidualNetwork, picture: Tensor) -> NDArray[np.float64]:
    """Return the probability of every class, in eval mode, for a normalised picture (3, H, W)."""
    subject = _as_snapshot(network)
    with torch.no_grad():
        logits = subject(_batch_of_one(subject, picture))[0]
    result: NDArray[np.float64] = logits.cpu().double().softmax(0).numpy()
    result.flags.writeable = False
    return result


def attribute(
    network: ResidualNetwork, picture: Tensor, method: str, target: int, *, steps: int = 50
) -> Result:
    """Explain one class of one normalised picture (3, H, W); a network in training is left alone."""
    *_, result = attribute_in_pieces(network, picture, method, target, steps=steps)
    return result


def attribute_in_pieces(
    network: ResidualNetwork, picture: Tensor, method: str, target: int, *, steps: int = 50
) -> Iterator[Result]:
    """Do as `attribute`, piece by piece: each result is the map so far, the last one is whole.

    Bad input is refused at once. The snapshot, if one is given, must stay as it is until the end.
    """
    subject = _as_snapshot(network)
    _check(subject, picture, method, target, steps)
    question = _Question(subject, _batch_of_one(subject, picture), target, steps)
    return _results(question, method)


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    network: Snapshot
    picture: Tensor  # (1, 3, H, W)
    target: int
    steps: int

    @property
    def traced(self) -> Tensor:
        """A copy of the picture that gradients reach (as Captum wants it, or it warns)."""
        return self.picture.clone().requires_grad_()


def _check(network: Snapshot, picture: Tensor, method: str, target: int, steps: int) -> None:
    if method not in METHODS:
        raise AttributionError(
            "method must be one of {choices}, not {value}", choices=", ".join(METHODS), value=method
        )
    if picture.ndim != 3 or picture.shape[0] != 3 or not picture.numel():
        raise AttributionError(
            "a picture must be 3 × height × width, not {shape}", shape=" × ".join(map(str, picture.shape))
        )
    if not 0 <= target < network.settings.classes:
        raise AttributionError(
            "target must be a class from 0 to {last}, not {value}",
            last=network.settings.classes - 1,
            value=target,
        )
    if not 1 <= steps <= 10_000:
        raise AttributionError("integrated gradients takes 1 to 10000 steps, not {value}", value=steps)
    reason = unsuitable(network, method)
    if reason is not None:
        raise AttributionError(reason.text, **reason.values)


def _batch_of_one(network: Snapshot, picture: Tensor) -> Tensor:
    return picture.detach().to(network.fc.weight)[None]


def _results(question: _Question, method: str) -> Iterator[Result]:
    pieces = _EXPLAINERS[method](question)
    done = False
    seconds = 0.0
    while not done:
        began = time.perf_counter()
        found, done = next(pieces)
        attribution: NDArray[np.float32] = found.detach().cpu().numpy().copy()
        attribution.flags.writeable = False
        if not np.isfinite(attribution).all():
            raise AttributionError("the network's numbers are no longer finite, so nothing can be explained")
        error = _completeness_error(question, method, attribution) if done else None
        seconds += time.perf_counter() - began
        yield Result(attribution, question.target, error, METHODS[method].baseline, seconds, done)


def _completeness_error(question: _Question, method: str, attribution: NDArray[np.float32]) -> float | None:
    if method not in _COMPLETE:
        return None
    pair = torch.cat([question.picture, torch.zeros_like(question.picture)])
    with torch.no_grad():
        scores = question.network(pair)[:, question.target].cpu().double()
    change = float(scores[0] - scores[1])
    gap = abs(float(attribution.sum(dtype=np.float64)) - change)
    if method == "deep_lift":
        _refuse_gap(gap, abs(change), float(scores.abs().max()))
    return gap / abs(change) if change else None


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


# ---- methods of one pass --------------------------------------------------------------------


def _saliency(question: _Question) -> Tensor:
    from captum.attr import Saliency

    explainer = Saliency(question.network)
    return explainer.attribute(question.traced, question.target, abs=False)[0]


def _input_x_gradient(question: _Question) -> Tensor:
    from captum.attr import InputXGradient

    return InputXGradient(question.network).attribute(question.traced, question.target)[0]


def _guided_backprop(question: _Question) -> Tensor:
    from captum.attr import GuidedBackprop

    return GuidedBackprop(question.network).attribute(question.traced, question.target)[0]


def _grad_cam(question: _Question) -> Tensor:
    """The last block's output, after the addition and its activation, weighted by its gradients."""
    from captum.attr import LayerGradCam

    network = question.network
    # A pre-activation network has the activation of its last addition at the end of the main path.
    layer = network.act_last if network.settings.block == "pre" else network.blocks[-1]
    coarse = LayerGradCam(network, layer).attribute(question.traced, question.target)
    size = question.picture.shape[2:]
    return F.interpolate(coarse.detach(), size, mode="bilinear", align_corners=False)[0]


def _deep_lift(question: _Question) -> Tensor:
    """Right with the zero picture as baseline only.

    Behind the 7×7 stem Captum 0.9.0's own rule for max-pooling is wrong (captum #1104), but hooks of
    adjacent modules keep it from being used: the pooling passes gradients to its maxima, which is exact
    where the reference is the same all over, as it is for a zero picture. Nothing may come between them.
    """
    from captum.attr import DeepLift

    picture = question.traced
    try:
        return DeepLift(question.network).attribute(picture, torch.zeros_like(picture), question.target)[0]
    finally:
        for module in question.network.modules():  # Captum leaves them where the backward pass did not come
            for name in ("input", "output"):
                vars(module).pop(name, None)


def _in_one_piece(explain: Callable[[_Question], Tensor]) -> Callable[[_Question], Pieces]:
    def pieces(question: _Question) -> Pieces:
        _quieten_captum()
        with torch.enable_grad():
            found = explain(question)
        yield found, True

    return pieces


def _quieten_captum() -> None:
    """Silence Captum's notice that it sets hooks, which it takes away again."""
    warnings.filterwarnings("ignore", r"Setting (forward, )?backward hooks", UserWarning)


# ---- methods in pieces ----------------------------------------------------------------------


def _integrated_gradients(question: _Question) -> Pieces:
    """Captum's Gauss–Legendre rule; each piece takes nodes from all along the way."""
    from captum.attr import Saliency

    nodes, weights = np.polynomial.legendre.leggauss(question.steps)  # on [-1, 1]
    alphas = torch.from_numpy((1 + nodes) / 2).float().to(question.picture)
    shares = torch.from_numpy(weights / 2).float().to(question.picture)
    explainer = Saliency(question.network)
    total = torch.zeros_like(question.picture[0])
    used = 0.0
    for chosen, done in _slices(question.steps, _piece_size(question)):
        with torch.enable_grad():
            points = (alphas[chosen].view(-1, 1, 1, 1) * question.picture).requires_grad_()
            gradients = explainer.attribute(points, question.target, abs=False)
        total += torch.einsum("n,nchw->chw", shares[chosen], gradients)
        used += float(weights[chosen].sum()) / 2
        yield total * question.picture[0] / (1 if done else used), done


def _occlusion(question: _Question) -> Pieces:
    """Captum's Occlusion, window by window: the loss of the score, averaged where windows overlap."""
    corners, window = _windows(question.picture)
    total = torch.zeros_like(question.picture[0, :1])
    count = torch.zeros_like(total)
    with torch.no_grad():
        whole = question.network(question.picture)[0, question.target]
    for chosen, done in _slices(len(corners), 2 * _piece_size(question)):
        masks = _masks(corners[chosen], window, question.picture)
        with torch.no_grad():
            scores = question.network(question.picture * (1 - masks))[:, question.target]
        total += torch.einsum("n,nchw->chw", whole - scores, masks)
        count += masks.sum(0)
        yield (total / count.clamp(min=1)).expand(3, -1, -1), done


def _windows(picture: Tensor) -> tuple[Tensor, int]:
    """Return the upper left corners (n, 2) and the side; the last of a row or column may stick out."""
    height, width = picture.shape[2:]
    side = min(height, width)
    window = min(max(3, side // 8), side)
    stride = max(1, window // 2)
    rows, columns = (torch.arange(0, size - window + stride, stride) for size in (height, width))
    return torch.cartesian_prod(rows, columns).to(picture.device), window


def _masks(corners: Tensor, window: int, picture: Tensor) -> Tensor:
    """Return (n, 1, H, W): 1 within each window."""
    inside = []
    for corner, size in zip(corners.T, picture.shape[2:], strict=True):
        offset = torch.arange(size, device=picture.device) - corner[:, None]
        inside.append((offset >= 0) & (offset < window))
    return (inside[0][:, None, :, None] & inside[1][:, None, None, :]).to(picture)


def _slices(count: int, size: int) -> Iterator[tuple[slice, bool]]:
    """Cut `count` things into pieces of at most `size`, each spread over all of them; the last is marked."""
    pieces = -(-count // size)
    for first in range(pieces):
        yield slice(first, None, pieces), first == pieces - 1


def _piece_size(question: _Question) -> int:
    """How many pictures go forward and back at once; fixed by sizes, so that maps repeat bit for bit."""
    height, width = question.picture.shape[2:]
    if question.picture.device.type == "cpu":
        fits = _CPU_BUDGET // _multiply_adds(question.network.settings, height, width)
    else:
        fits = _PIXEL_BUDGET // (height * width)
    return max(1, min(fits, MOST_IN_A_PIECE))


def _multiply_adds(settings: NetworkSettings, height: int, width: int) -> int:
    """Roughly, those of one forward pass."""
    pixels = height * width
    kernel = 9
    if settings.stem == "7x7":
        pixels, kernel = pixels // 4, 49
    total = pixels * settings.width * 3 * kernel
    if settings.stem == "7x7":
        pixels //= 4
    for shape in settings.blocks:
        pixels = max(1, pixels // shape.stride**2)
        total += 9 * pixels * shape.out_channels * (shape.in_channels + shape.out_channels)
    return total


_EXPLAINERS: Mapping[str, Callable[[_Question], Pieces]] = {
    "saliency": _in_one_piece(_saliency),
    "input_x_gradient": _in_one_piece(_input_x_gradient),
    "integrated_gradients": _integrated_gradients,
    "guided_backprop": _in_one_piece(_guided_backprop),
    "grad_cam": _in_one_piece(_grad_cam),
    "occlusion": _occlusion,
    "deep_lift": _in_one_piece(_deep_lift),
}
_COMPLETE = ("integrated_gradients", "deep_lift")
