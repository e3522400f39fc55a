"""The attribution methods on offer, with their parameters, as data; a window lists them without importing torch.

Form, command line and checks follow from this table; how a method works is in `core/attribution.py`
and its neighbours.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from core.notices import SkipscopeError

Value: TypeAlias = int | float | str
Values: TypeAlias = Mapping[str, Value]
Parameters: TypeAlias = tuple[tuple[str, Value], ...]  # what differs from the defaults, hashable

STEM = -1  # the place before block 0
ALL_CHANNELS = -1


class MethodError(SkipscopeError):
    """A method or a parameter that is not there, or a value out of its bounds."""


@dataclass(frozen=True, slots=True)
class Size:
    """What the right defaults depend on: the shorter side of the picture, and the network's blocks."""

    side: int
    blocks: int


@dataclass(frozen=True, slots=True)
class Parameter:
    """One number or choice of a method. "block" is a place: STEM, or 0 to the last block."""

    name: str
    label: str
    explain: str
    kind: Literal["int", "float", "choice", "block"]
    default: Callable[[Size], Value]
    low: float = 0
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def bounds(self, size: Size) -> tuple[float, float]:
        """Return the least and the greatest value for a picture and network of this size."""
        match self.kind, self.name:
            case "block", _:
                return STEM, size.blocks - 1
            case _, "window" | "stride" | "grid":
                return self.low, min(self.high, size.side)
            case _:
                return self.low, self.high

    def check(self, value: Value, size: Size) -> Value:
        """Return the value; raise MethodError if it is none of this parameter."""
        if self.kind == "choice":
            if value not in self.choices:
                raise MethodError(
                    "{name} must be one of {choices}, not {value}",
                    name=self.name, choices=", ".join(self.choices), value=value,
                )  # fmt: skip
            return value
        low, high = self.bounds(size)
        whole = self.kind != "float"
        if isinstance(value, str | bool) or not low <= value <= high or (whole and value != int(value)):
            raise MethodError(
                "{name} must be {kind} from {low:g} to {high:g}, not {value}",
                name=self.name, kind="a whole number" if whole else "a number", low=low, high=high, value=value,
            )  # fmt: skip
        return int(value) if whole else float(value)


@dataclass(frozen=True, slots=True)
class Method:
    """One way of asking a network what it sees.

    `one_pass` methods cost about one training step and may be refreshed while the network
    learns; the others are slower and show partial maps first. `passes` is what a map costs, in
    forward passes (a forward and backward pass counts 3).
    """

    name: str
    label: str
    one_pass: bool
    explain: str
    baseline: Literal["zero", "none"]
    passes: Callable[[Values, Size], float]
    parameters: tuple[Parameter, ...] = ()

    @property
    def has_block(self) -> bool:
        """Whether it looks at one place in the network, and so can make a filmstrip."""
        return any(each.kind == "block" for each in self.parameters)

    def values(self, given: Parameters, size: Size) -> dict[str, Value]:
        """Return every parameter's value, given or by default; raises MethodError."""
        known = {each.name: each for each in self.parameters}
        for name, _ in given:
            if name not in known:
                raise MethodError("{method} has no parameter {name}", method=self.label, name=name)
        chosen = dict(given)
        found = {
            name: each.check(chosen[name], size) if name in chosen else each.default(size)
            for name, each in known.items()
        }
        if "window" in chosen and "stride" not in chosen:
            found["stride"] = max(1, int(found["window"]) // 2)  # half of the window that was chosen
        return found


# ---- parameters ---------------------------------------------------------------------------------

_SEED = Parameter("seed", "Seed", "The same seed draws the same samples.", "int", lambda _: 0, 0, 2**31 - 1)
_BLOCK = Parameter(
    "block",
    "Block",
    "Where in the network: a block's output after the addition and its activation, or the stem's.",
    "block",
    lambda size: size.blocks - 1,
)
_GRADIENT_METHODS = (
    "saliency", "input_x_gradient", "integrated_gradients", "guided_backprop", "grad_cam", "guided_grad_cam",
    "deep_lift",
)  # fmt: skip


def _steps(explain: str) -> Parameter:
    return Parameter("steps", "Steps", explain, "int", lambda _: 50, 1, 10_000)


def _samples(default: int, explain: str) -> Parameter:
    return Parameter("samples", "Samples", explain, "int", lambda _: default, 1, 1000)


def _noise(default: float, explain: str) -> Parameter:
    return Parameter("noise", "Noise", explain, "float", lambda _: default, 0, 2)


def _grid(most: int) -> Parameter:
    return Parameter(
        "grid",
        "Cells a side",
        "The picture is cut into so many cells across and down; each is blanked as a whole.",
        "int",
        lambda size: max(1, min(most, size.side // 4)),
        1,
        64,
    )


def _window(size: Size) -> int:
    return min(max(3, size.side // 8), size.side)


def _occlusion_passes(values: Values, size: Size) -> float:
    """One forward pass for every place of the window in a square picture."""
    window, stride = int(values["window"]), int(values["stride"])
    places: int = (math.ceil(max(0, size.side - window) / stride) + 1) ** 2
    return places + 1


# ---- methods ------------------------------------------------------------------------------------

_ALL = (
    Method(
        "saliency",
        "Saliency",
        True,
        "The gradient itself: how the score of the class moves when a pixel does.",
        "none",
        lambda _values, _size: 3,
    ),
    Method(
        "input_x_gradient",
        "Input × gradient",
        True,
        "The gradient times the pixel: what each pixel adds to the score, to first order.",
        "none",
        lambda _values, _size: 3,
    ),
    Method(
        "integrated_gradients",
        "Integrated gradients",
        False,
        "The gradient averaged on the way from the zero picture; the map sums to the change of the score.",
        "zero",
        lambda values, _size: 3 * float(values["steps"]),
        (_steps("Points on the way from the zero picture; more make the sum more exact."),),
    ),
    Method(
        "guided_backprop",
        "Guided backprop",
        True,
        "The gradient with negative parts dropped at each ReLU: sharp, but hardly depends on the weights.",
        "none",
        lambda _values, _size: 3,
    ),
    Method(
        "grad_cam",
        "Grad-CAM",
        True,
        "Where a block speaks for the class (positive) or against it (negative); coarse, one channel.",
        "none",
        lambda _values, _size: 3,
        (_BLOCK,),
    ),
    Method(
        "guided_grad_cam",
        "Guided Grad-CAM",
        True,
        "Guided backprop, kept only where Grad-CAM is positive: sharp, and of the class.",
        "none",
        lambda _values, _size: 6,
        (_BLOCK,),
    ),
    Method(
        "deep_lift",
        "DeepLift",
        True,
        "Each unit's difference from the zero picture, traced back; the map sums to the change of the score.",
        "zero",
        lambda _values, _size: 6,
    ),
    Method(
        "gradient_shap",
        "Gradient SHAP",
        False,
        "The gradient at random points on the way from the zero picture, with noise, times the difference.",
        "zero",
        lambda values, _size: 3 * float(values["samples"]),
        (
            _samples(32, "Random points; more make the map steadier."),
            _noise(0.1, "Deviation of the noise added to the picture, in deviations of the training set."),
            _SEED,
        ),
    ),
    Method(
        "smooth_grad",
        "SmoothGrad",
        False,
        "Another method's maps averaged over noisy copies of the picture, so that what is chance fades.",
        "none",
        lambda values, _size: 3 * float(values["samples"]),  # of a one-pass method
        (
            Parameter(
                "of",
                "Of",
                "The method whose maps are averaged.",
                "choice",
                lambda _: "saliency",
                choices=_GRADIENT_METHODS,
            ),
            _samples(16, "Noisy copies; more make the map steadier."),
            _noise(0.15, "Deviation of the noise, as a share of the picture's range."),
            _SEED,
        ),
    ),
    Method(
        "occlusion",
        "Occlusion",
        False,
        "How much of the score is lost when a small square of the picture is blanked.",
        "zero",
        _occlusion_passes,
        (
            Parameter("window", "Window", "Side of the blanked square, in pixels.", "int", _window, 1),
            Parameter(
                "stride",
                "Stride",
                "How far the square moves, in pixels.",
                "int",
                lambda size: max(1, _window(size) // 2),
                1,
            ),
        ),
    ),
    Method(
        "feature_ablation",
        "Feature ablation",
        False,
        "How much of the score is lost when one cell of a grid is blanked.",
        "zero",
        lambda values, _size: float(values["grid"]) ** 2 + 1,
        (_grid(14),),
    ),
    Method(
        "shapley_value_sampling",
        "Shapley value sampling",
        False,
        "What a cell adds to the score, averaged over random orders of bringing the cells in; the map sums "
        "to the change of the score.",
        "zero",
        lambda values, _size: float(values["samples"]) * float(values["grid"]) ** 2 + 1,
        (_grid(7), _samples(25, "Random orders; more make the map steadier."), _SEED),
    ),
    Method(
        "activation",
        "Activation",
        True,
        "What a block puts out, itself: one channel, or the mean of all. It is of no class.",
        "none",
        lambda _values, _size: 1,
        (
            _BLOCK,
            Parameter(
                "channel",
                "Channel",
                "Which of the block's channels; −1 is the mean of all.",
                "int",
                lambda _: ALL_CHANNELS,
                ALL_CHANNELS,
                65_535,
            ),
        ),
    ),
    Method(
        "conductance",
        "Conductance",
        False,
        "Integrated gradients as they flow through a block: where in it the change of the score passes.",
        "zero",
        lambda values, _size: 3 * float(values["steps"]),
        (_BLOCK, _steps("Points on the way from the zero picture; more make the sum more exact.")),
    ),
)
METHODS: Mapping[str, Method] = {method.name: method for method in _ALL}
DEFAULT_METHOD = "saliency"


def values(method: str, given: Parameters, size: Size) -> dict[str, Value]:
    """Return every parameter's value of a method, given or by default; raises MethodError."""
    return _known(method).values(given, size)


def passes(method: str, given: Parameters, size: Size) -> float:
    """Return what a map costs, in forward passes; raises MethodError."""
    chosen = values(method, given, size)
    if method == "smooth_grad":
        of = METHODS[str(chosen["of"])]
        return float(chosen["samples"]) * of.passes(of.values((), size), size)
    return METHODS[method].passes(chosen, size)


def _known(method: str) -> Method:
    if method not in METHODS:
        raise MethodError(
            "method must be one of {choices}, not {value}", choices=", ".join(METHODS), value=method
        )
    return METHODS[method]
