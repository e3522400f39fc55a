"""The attribution methods on offer, as data; a window lists them without importing torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Method:
    """One way of asking a network what it sees.

    `one_pass` methods cost about one training step and may be refreshed while the network
    learns; the others are slower and show partial maps first.
    """

    name: str
    label: str
    one_pass: bool
    explain: str
    baseline: Literal["zero", "none"]


_ALL = (
    Method(
        "saliency",
        "Saliency",
        True,
        "The gradient itself: how the score of the class moves when a pixel does.",
        "none",
    ),
    Method(
        "input_x_gradient",
        "Input × gradient",
        True,
        "The gradient times the pixel: what each pixel adds to the score, to first order.",
        "none",
    ),
    Method(
        "integrated_gradients",
        "Integrated gradients",
        False,
        "The gradient averaged on the way from the zero picture; the map sums to the change of the score.",
        "zero",
    ),
    Method(
        "guided_backprop",
        "Guided backprop",
        True,
        "The gradient with negative parts dropped at each ReLU: sharp, but hardly depends on the weights.",
        "none",
    ),
    Method(
        "grad_cam",
        "Grad-CAM",
        True,
        "Where the last block speaks for the class (positive) or against it (negative); coarse, one channel.",
        "none",
    ),
    Method(
        "occlusion",
        "Occlusion",
        False,
        "How much of the score is lost when a small square of the picture is blanked.",
        "zero",
    ),
    Method(
        "deep_lift",
        "DeepLift",
        True,
        "Each unit's difference from the zero picture, traced back; the map sums to the change of the score.",
        "zero",
    ),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}
DEFAULT_METHOD = "saliency"
