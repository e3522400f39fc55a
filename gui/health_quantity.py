"""What the health panel can show of each block, and what to say where a network has no such thing."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.messages import BlockSamples, FloatArray
from core.settings import NetworkSettings
from gui.depth_plot import Scale

RULE_OF_THUMB = 1e-3  # an update/weight ratio often met where learning goes well


class HealthQuantity(StrEnum):
    """A sampled reading."""

    UPDATES = "updates"
    DEAD = "dead"
    SATURATED = "saturated"
    OUTPUT = "output"  # mean ± standard deviation
    BRANCH_RATIO = "branch_ratio"
    BRANCH_DEVIATION = "branch_deviation"
    GAMMA = "gamma"


@dataclass(frozen=True, slots=True)
class Reading:
    """A row of the selector: what it is called, what it means, how it is drawn."""

    quantity: HealthQuantity
    label: str
    explain: str
    scale: Scale


_SCALES = {
    HealthQuantity.UPDATES: Scale.LOG,
    HealthQuantity.DEAD: Scale.SHARE,
    HealthQuantity.SATURATED: Scale.SHARE,
    HealthQuantity.OUTPUT: Scale.LINEAR,
    HealthQuantity.BRANCH_RATIO: Scale.LOG,
    HealthQuantity.BRANCH_DEVIATION: Scale.LOG,
    HealthQuantity.GAMMA: Scale.LINEAR,
}


def readings() -> tuple[Reading, ...]:
    """Return the rows of the selector, in the window's language."""
    return tuple(Reading(quantity, *_words(quantity), _SCALES[quantity]) for quantity in HealthQuantity)


def values(quantity: HealthQuantity, samples: BlockSamples) -> FloatArray:
    """Return a quantity of every block, stem to head; NaN where the network has no such thing."""
    match quantity:
        case HealthQuantity.UPDATES:
            # a deleted branch has neither weights in use nor an update: 0 / 0
            return np.where(samples.weights == 0, 0.0, samples.updates)
        case HealthQuantity.DEAD:
            return samples.dead
        case HealthQuantity.SATURATED:
            return samples.saturated
        case HealthQuantity.OUTPUT:
            return samples.means
        case HealthQuantity.BRANCH_RATIO:
            return samples.branch_ratios
        case HealthQuantity.BRANCH_DEVIATION:
            return samples.branch_deviations
        case HealthQuantity.GAMMA:
            return samples.gammas


def remark(quantity: HealthQuantity, network: NetworkSettings) -> str:
    """Say why there is nothing to see of a quantity in a network; empty where there is."""
    translate = QCoreApplication.translate
    if quantity is HealthQuantity.GAMMA and network.norm != "batch":
        return translate("Health", "no batch norm in this network, so no γ")
    if quantity is HealthQuantity.SATURATED and network.block != "post":
        return translate("Health", "not there in this network: a pre-activation block ends in a sum")
    if quantity is HealthQuantity.SATURATED and network.activation == "relu":
        return translate("Health", "0 by nature: ReLU does not saturate")
    return ""


def _words(quantity: HealthQuantity) -> tuple[str, str]:
    translate = QCoreApplication.translate
    match quantity:
        case HealthQuantity.UPDATES:
            return translate("Health", "update / weight ‖Δw‖ / ‖w‖"), translate(
                "Health", "How far one step moves the residual branch's weights, relative to their size. About a "
                "thousandth is a rule of thumb for steady learning, no law.")  # fmt: skip
        case HealthQuantity.DEAD:
            return translate("Health", "dead channels"), translate(
                "Health", "Share of the block's output channels that are zero on the whole batch.")  # fmt: skip
        case HealthQuantity.SATURATED:
            return translate("Health", "saturated outputs"), translate(
                "Health", "Share of the block's outputs where the activation's slope is below a tenth of its "
                "steepest.")  # fmt: skip
        case HealthQuantity.OUTPUT:
            return translate("Health", "output: mean ± std"), translate(
                "Health", "Mean of the block's output over the batch, one standard deviation up and down.")  # fmt: skip
        case HealthQuantity.BRANCH_RATIO:
            return translate("Health", "‖F(x)‖ / ‖x‖"), translate(
                "Health", "How much the residual branch adds to the block's input.")  # fmt: skip
        case HealthQuantity.BRANCH_DEVIATION:
            return translate("Health", "std of F(x)"), translate(
                "Health", "Standard deviation of the branch's output before the addition, as in He et al. 2015, "
                "figure 7: small where a block stays near the identity.")  # fmt: skip
        case HealthQuantity.GAMMA:
            return translate("Health", "batch norm |γ|"), translate(
                "Health", "Mean |γ| of the residual branch's last batch norm.")  # fmt: skip
