"""What the instruments find: frozen results without tensors, one dataclass an instrument.

Arrays are read-only float64, one entry per block, stem to head, unless said.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

ANALYSED_PICTURES = 500  # held-out, at most, behind each accuracy that an instrument measures

FloatArray: TypeAlias = NDArray[np.float64]
Instrument = Literal["split", "lesions", "paths", "surplus", "slow_motion"]
INSTRUMENTS: tuple[Instrument, ...] = ("split", "lesions", "paths", "surplus", "slow_motion")


@dataclass(frozen=True, slots=True, eq=False)
class GradientSplit:
    """∂L/∂x at every block's input, split into what came back through the shortcut and the branch."""

    shortcut: FloatArray  # ‖λ · Sᵀ g‖, g the gradient at the sum
    branch: FloatArray  # ‖α · Fᵀ g‖
    cosine: FloatArray  # between the two parts; NaN where one of them is zero
    total: FloatArray  # ‖∂L/∂x‖: of the two parts' sum
    forward_ratio: FloatArray  # ‖αF(x)‖ / ‖x‖


@dataclass(frozen=True, slots=True, eq=False)
class Lesions:
    """Held-out accuracy of a network from which something is taken at a time (Veit et al. 2016, §4)."""

    pictures: int
    base: float  # accuracy of the network as it is, in [0, 1]
    branch: FloatArray  # the block replaced by its shortcut; NaN: not measured yet
    shortcut: FloatArray  # the block's shortcut taken out
    random_counts: NDArray[np.int64]  # (points,) how many branches are taken at random …
    random: FloatArray  # (points, draws) … and the accuracy then


@dataclass(frozen=True, slots=True, eq=False)
class PathShares:
    """The gradient by length of path: how many residual branches it goes through (Veit et al. 2016, §5)."""

    pictures: int
    paths: int  # whose gradient was taken
    sampled: bool  # False: all 2^n of them
    counts: FloatArray  # (n + 1,) paths there are of each length
    norms: FloatArray  # (n + 1,) mean ‖∂L/∂x₀‖ of a path of that length; NaN: none taken yet
    shares: FloatArray  # (n + 1,) of the sum of all norms


@dataclass(frozen=True, slots=True, eq=False)
class Surplus:
    """What inserted blocks do to a trained network (He et al. 2015, §1: the construction)."""

    inserted: int
    pictures: int
    base: float  # accuracy before, in [0, 1]
    logit_change: float  # largest |change| of a logit with identity blocks (zero branch) inserted
    identity: float  # accuracy with them
    plain: float  # accuracy with plain blocks of random weights inserted


@dataclass(frozen=True, slots=True, eq=False)
class SlowMotion:
    """One training step taken apart, in the order in which it happens."""

    step: int
    inputs: float  # RMS of the batch as the stem gets it
    outputs: FloatArray  # RMS of each block's output, forward
    branch_ratios: FloatArray  # ‖F(x)‖ / ‖x‖
    loss: float
    output_gradients: FloatArray  # ‖∂L/∂y‖ at each block's output, backward
    gains: FloatArray  # ‖∂L/∂x‖ / ‖∂L/∂y‖ of each block; their running product is the chain rule
    gradient_norms: FloatArray  # of the residual branch's parameters
    updates: FloatArray  # ‖Δw‖ / ‖w‖ that this step makes in the branch


Finding: TypeAlias = GradientSplit | Lesions | PathShares | Surplus | SlowMotion


@dataclass(frozen=True, slots=True)
class Shock:
    """Held-out figures of one lane at one moment of a toggle.

    `steps` counts from the toggle: -1 is before it, 0 right after it with the same weights. A
    network's running batch statistics are from before the toggle at first, so the figures are
    taken with them and with statistics estimated afresh on a few training batches.
    """

    steps: int
    loss: float
    accuracy: float  # in [0, 1], with the running statistics
    fresh_loss: float
    fresh_accuracy: float  # with statistics estimated afresh
