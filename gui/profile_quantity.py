"""What the gradient profile can show of each block, and the arithmetic behind it. No widget needed.

The L2 norm of blocks of different width cannot be compared directly; the other quantities can.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.history import Reading
from core.messages import BlockSamples, FloatArray, LaneInfo
from gui.network_words import branch_parameters


class ProfileQuantity(StrEnum):
    """One choice of the profile."""

    NORM = "norm"  # L2 over the residual branch's parameters
    RMS = "rms"  # … divided by the root of their number
    RELATIVE = "relative"  # … divided by the weights' own norm
    OUTPUT = "output"  # ‖∂L/∂y‖ at the block's output
    GAIN = "gain"  # ‖∂L/∂x‖ / ‖∂L/∂y‖ of the block, and the running product from the head

    @property
    def reading(self) -> Reading:
        """Which reading of the engine it is made from; the gradient history shows this one."""
        at_output = self in (ProfileQuantity.OUTPUT, ProfileQuantity.GAIN)
        return "output_gradients" if at_output else "gradient_norms"


@dataclass(frozen=True, slots=True)
class Choice:
    """A row of the selector."""

    quantity: ProfileQuantity
    label: str
    explain: str


def choices() -> tuple[Choice, ...]:
    """Return the rows of the selector, in the window's language."""
    return tuple(Choice(quantity, *_words(quantity)) for quantity in ProfileQuantity)


def _words(quantity: ProfileQuantity) -> tuple[str, str]:
    translate = QCoreApplication.translate
    match quantity:
        case ProfileQuantity.NORM:
            return translate("Profile", "‖∂L/∂W‖ branch"), translate(
                "Profile", "L2 norm of the gradient over the residual branch's parameters. Wider blocks have more "
                "of them, so blocks of different width cannot be compared by it.")  # fmt: skip
        case ProfileQuantity.RMS:
            return translate("Profile", "‖∂L/∂W‖ / √n"), translate(
                "Profile", "The same per parameter: divided by the root of their number.")  # fmt: skip
        case ProfileQuantity.RELATIVE:
            return translate("Profile", "‖∂L/∂W‖ / ‖W‖"), translate(
                "Profile", "Relative to the weights themselves, whose norm is taken every 20 steps.")  # fmt: skip
        case ProfileQuantity.OUTPUT:
            return translate("Profile", "‖∂L/∂y‖ output"), translate(
                "Profile", "Norm of the gradient at the block's output.")  # fmt: skip
        case ProfileQuantity.GAIN:
            return translate("Profile", "gain ‖∂L/∂x‖ / ‖∂L/∂y‖"), translate(
                "Profile", "Symbols: what each block does to the gradient on its way back. Line: the product of "
                "the gains from the head down to the block, which is the chain rule.")  # fmt: skip


def profile_values(
    quantity: ProfileQuantity, norms: FloatArray, info: LaneInfo, samples: BlockSamples | None
) -> FloatArray:
    """Return the quantity of each block, stem to head, from a reading; empty where it is not known yet."""
    match quantity:
        case ProfileQuantity.RMS:
            return norms / np.sqrt(_counts(info)) if len(norms) else norms
        case ProfileQuantity.RELATIVE:
            return _relative(norms, samples)
        case ProfileQuantity.GAIN:
            return products(norms)
        case _:
            return norms


def gains(output_gradients: FloatArray) -> FloatArray:
    """Gain of each block: the gradient at its input, the output of the block before, over that at its output.

    The first block's input is the stem's output, whose gradient is not read in every step: NaN.
    """
    made = np.full(len(output_gradients), np.nan)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        made[1:] = output_gradients[:-1] / output_gradients[1:]
    return made


def products(output_gradients: FloatArray) -> FloatArray:
    """Product of the gains of all later blocks, at each block's output: 1 at the last.

    The factors cancel but for the ends, so it is taken as one quotient, which loses nothing.
    """
    if len(output_gradients) == 0:
        return output_gradients
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        return np.asarray(output_gradients / output_gradients[-1])


def whole_product(output_gradients: FloatArray) -> float:
    """Product of all gains that are known: from the last block's output to the first's; NaN before a step."""
    return float(products(output_gradients)[0]) if len(output_gradients) else float("nan")


def _counts(info: LaneInfo) -> FloatArray:
    counts = info.branch_parameters or tuple(
        branch_parameters(info.network, block) for block in info.network.blocks
    )
    return np.array(counts, np.float64)


def _relative(norms: FloatArray, samples: BlockSamples | None) -> FloatArray:
    if samples is None or len(norms) == 0:
        return np.empty(0)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        # a deleted branch takes no part: neither gradient nor weights
        return np.where((norms == 0) & (samples.weights == 0), 0.0, norms / samples.weights)
