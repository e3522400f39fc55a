"""What a network sees in one picture: every attribution method, computed on a snapshot, in pieces.

A long map is cut into pieces between which training goes on. How a method works is in this file's
neighbours; Captum is imported when first needed: it takes most of a second, because it pulls in
matplotlib.pyplot.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core import attribution_gradients as gradients
from core import attribution_layers as layers
from core.attribution_masks import feature_ablation, occlusion, shapley_value_sampling
from core.attribution_noise import gradient_shap, smooth_grad
from core.attribution_question import (
    WEIGHTS,
    AttributionError,
    Piece,
    Pieces,
    Question,
    refuse_if_too_large,
)
from core.methods import METHODS, STEM, Parameters, Size, Value, values
from core.network import ResidualNetwork
from core.notices import Notice
from core.snapshot import Snapshot, as_snapshot

__all__ = [
    "AttributionError", "Result", "attribute", "attribute_in_pieces", "probabilities", "unsuitable",
]  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """One map; `done` False: a coarse one that later pieces refine."""

    attribution: NDArray[np.float32]  # (channels, height, width), signed, read-only
    target: int
    completeness_error: float | None  # |Σa − Δf| / |Δf|, of a whole map whose theory speaks of it
    baseline: str
    seconds: float
    done: bool


# ---- what is right for which network --------------------------------------------------------


def unsuitable(network: ResidualNetwork, method: str, parameters: Parameters = ()) -> Notice | None:
    """Say why a method would be wrong for this network with its present strengths, if it would."""
    given = dict(parameters)
    return _cut(network, method, given) or _unfit(network, method, given)


def _cut(network: ResidualNetwork, method: str, given: Mapping[str, Value]) -> Notice | None:
    """Say where the picture is lost, if that is on the way to what is asked of."""
    for index, block in enumerate(network.blocks):
        if block.shortcut_strength == 0 and block.branch_strength == 0:
            if method == "activation" and int(given.get("block", index)) < index:
                return None  # it is of no class, and looks at a place before
            return Notice(
                "both paths of block {block} are cut: nothing of the picture gets past it",
                {"block": network.settings.blocks[index].name},
            )
    return None


def _unfit(network: ResidualNetwork, method: str, given: Mapping[str, Value]) -> Notice | None:
    settings = network.settings
    match method:
        case "smooth_grad":
            return _unfit(network, str(given.get("of", "saliency")), {})
        case "guided_backprop" if settings.activation != "relu":
            return Notice(
                "guided backprop is made for ReLU; with {activation} it would be plain saliency",
                {"activation": settings.activation},
            )
        case "guided_grad_cam" if settings.activation != "relu":
            return Notice(
                "guided Grad-CAM is made for ReLU; with {activation} its guided half would be plain saliency",
                {"activation": settings.activation},
            )
        case "deep_lift" if settings.block == "pre_shared":
            return Notice("DeepLift needs each activation to be used once; here the shortcuts use some again")
        case "activation":
            block = int(given.get("block", settings.block_count - 1))
            channels = layers.channels_at(settings, block) if block < settings.block_count else 0
            if int(given.get("channel", -1)) >= channels > 0:
                return Notice(
                    "{place} has channels 0 to {last}, not {channel}",
                    {
                        "place": "the stem" if block == STEM else f"block {settings.blocks[block].name}",
                        "last": channels - 1,
                        "channel": given["channel"],
                    },
                )
    return None


# ---- explaining -----------------------------------------------------------------------------


def probabilities(network: ResidualNetwork, picture: Tensor) -> NDArray[np.float64]:
    """Return the probability of every class, in eval mode, for a normalised picture (3, H, W)."""
    subject = as_snapshot(network)
    question = Question(subject, _batch_of_one(subject, picture), 0, {})
    with torch.no_grad():
        logits = subject(question.picture)[0]
    result: NDArray[np.float64] = logits.cpu().double().softmax(0).numpy()
    result.flags.writeable = False
    return result


def attribute(
    network: ResidualNetwork, picture: Tensor, method: str, target: int, parameters: Parameters = ()
) -> Result:
    """Explain one class of one normalised picture (3, H, W); a network in training is left alone."""
    *_, result = _results(_question(network, picture, method, target, parameters, patient=True), method)
    return result


def attribute_in_pieces(
    network: ResidualNetwork, picture: Tensor, method: str, target: int, parameters: Parameters = ()
) -> Iterator[Result]:
    """Do as `attribute`, piece by piece: each result is the map so far, the last one is whole.

    Bad input is refused at once, with MethodError or AttributionError. The snapshot, if one is given,
    must stay as it is until the end.
    """
    return _results(_question(network, picture, method, target, parameters), method)


def _question(
    network: ResidualNetwork, picture: Tensor, method: str, target: int, parameters: Parameters, *,
    patient: bool = False,
) -> Question:  # fmt: skip
    subject = as_snapshot(network)
    _check(subject, picture, target)
    chosen = values(method, parameters, Size(min(picture.shape[1:]), subject.settings.block_count))
    _check_method(subject, method, chosen)
    question = Question(subject, _batch_of_one(subject, picture), target, chosen, patient)
    refuse_if_too_large(question, WEIGHTS.get(str(chosen.get("of", method)), 1))
    return question


def _check(network: Snapshot, picture: Tensor, target: int) -> None:
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


def _check_method(network: Snapshot, method: str, chosen: Mapping[str, Value]) -> None:
    reason = unsuitable(network, method, tuple(chosen.items()))
    if reason is not None:
        raise AttributionError(reason.text, **reason.values)
    if method == "occlusion" and int(chosen["stride"]) > int(chosen["window"]):
        raise AttributionError(
            "the window of occlusion is {window} wide and moves by {stride}: pixels between are never blanked",
            window=chosen["window"],
            stride=chosen["stride"],
        )


def _batch_of_one(network: Snapshot, picture: Tensor) -> Tensor:
    return picture.detach().to(network.fc.weight)[None]


def _results(question: Question, method: str) -> Iterator[Result]:
    pieces = _EXPLAINERS[method](question)
    baseline = METHODS[str(question.values.get("of", method))].baseline
    done = False
    seconds = 0.0
    while not done:
        began = time.perf_counter()
        piece = next(pieces)
        done = piece.done
        attribution: NDArray[np.float32] = piece.map.detach().cpu().numpy().copy()
        attribution.flags.writeable = False
        if not np.isfinite(attribution).all():
            raise AttributionError("the network's numbers are no longer finite, so nothing can be explained")
        seconds += time.perf_counter() - began
        yield Result(attribution, question.target, piece.completeness_error, baseline, seconds, done)


def _in_one_piece(explain: Callable[[Question, Tensor], Tensor]) -> Callable[[Question], Pieces]:
    def pieces(question: Question) -> Pieces:
        with torch.enable_grad():
            found = explain(question, question.picture)
        yield Piece(found[0], True)

    return pieces


_EXPLAINERS: Mapping[str, Callable[[Question], Pieces]] = {
    "saliency": _in_one_piece(gradients.saliency),
    "input_x_gradient": _in_one_piece(gradients.input_x_gradient),
    "integrated_gradients": gradients.integrated_gradients,
    "guided_backprop": _in_one_piece(gradients.guided_backprop),
    "grad_cam": _in_one_piece(layers.grad_cam),
    "guided_grad_cam": _in_one_piece(layers.guided_grad_cam),
    "deep_lift": gradients.deep_lift,
    "gradient_shap": gradient_shap,
    "smooth_grad": smooth_grad,
    "occlusion": occlusion,
    "feature_ablation": feature_ablation,
    "shapley_value_sampling": shapley_value_sampling,
    "activation": layers.activation,
    "conductance": layers.conductance,
}
