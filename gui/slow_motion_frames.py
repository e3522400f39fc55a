"""The phases of one training step and the frames they are played in. No widget needed.

A frame shows how far a step has got: through how many of its blocks the forward pass, or from the
head the backward pass, has gone. Lanes of different depth reach the ends together.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.findings import SlowMotion
from core.messages import FloatArray
from gui.network_words import number

_PASS_MS = 4000  # what one pass through the network takes
_LEAST_MS, _MOST_MS = 70, 450  # between two frames
STAND_MS = 1800  # what a phase that is one frame stands for


class Phase(Enum):
    """What happens in a step, in order."""

    INPUT = "input"
    FORWARD = "forward"
    LOSS = "loss"
    BACKWARD = "backward"
    GRADIENTS = "gradients"
    UPDATE = "update"


PHASES = tuple(Phase)


@dataclass(frozen=True, slots=True)
class Frame:
    """A moment: the phase, and which share of its pass is done (1: all of it)."""

    phase: Phase
    done: float

    def passed(self, blocks: int) -> int:
        """How many of a lane's blocks the pass has gone through."""
        return min(max(math.ceil(self.done * blocks - 1e-9), 1), blocks)

    def block(self, blocks: int) -> int | None:
        """The block that is being passed; None where no pass is under way."""
        if self.phase is Phase.FORWARD:
            return self.passed(blocks) - 1
        return blocks - self.passed(blocks) if self.phase is Phase.BACKWARD else None

    def is_passed(self, block: int, blocks: int) -> bool:
        """Whether a block's reading is there already."""
        if self.phase is Phase.FORWARD:
            return block < self.passed(blocks)
        if self.phase is Phase.BACKWARD:
            return block >= blocks - self.passed(blocks)
        return self.phase is not Phase.INPUT


def frames(blocks: int) -> tuple[Frame, ...]:
    """Return all frames for lanes of which the deepest has so many blocks."""
    made: list[Frame] = []
    for phase in PHASES:
        is_pass = phase in (Phase.FORWARD, Phase.BACKWARD)
        count = max(blocks, 1) if is_pass else 1
        made += [Frame(phase, (step + 1) / count) for step in range(count)]
    return tuple(made)


def interval(frame: Frame, blocks: int) -> int:
    """How long a frame stands while playing, in milliseconds."""
    if frame.phase in (Phase.FORWARD, Phase.BACKWARD):
        return min(max(_PASS_MS // max(blocks, 1), _LEAST_MS), _MOST_MS) if frame.done < 1 else STAND_MS
    return STAND_MS


def running_product(finding: SlowMotion, frame: Frame) -> float:
    """Product of the gains of the blocks the backward pass has gone through, head first."""
    blocks = len(finding.gains)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return float(np.prod(finding.gains[blocks - frame.passed(blocks) :]))


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One row of bars: what it is, and its values of each lane."""

    name: str
    explain: str
    lanes: tuple[FloatArray, ...]
    guide: float | None = None  # a value to compare with
    from_guide: bool = False  # bars begin there instead of at the lower edge


def strips(phase: Phase, findings: Sequence[SlowMotion]) -> tuple[Strip, ...]:
    """Return the rows of bars that a phase shows: what is being read, or was read last."""
    translate = QCoreApplication.translate
    match phase:
        case Phase.INPUT | Phase.FORWARD | Phase.LOSS:
            return (
                Strip(translate("SlowMotion", "RMS of the output"),
                      translate("SlowMotion", "Root mean square of each block's output."),
                      tuple(found.outputs for found in findings)),
                Strip(translate("SlowMotion", "‖F(x)‖ / ‖x‖"),
                      translate("SlowMotion", "How much the residual branch adds to the block's input."),
                      tuple(found.branch_ratios for found in findings)),
            )  # fmt: skip
        case Phase.BACKWARD:
            return (
                Strip(translate("SlowMotion", "‖∂L/∂y‖"),
                      translate("SlowMotion", "Norm of the gradient at each block's output."),
                      tuple(found.output_gradients for found in findings)),
                Strip(translate("SlowMotion", "gain"),
                      translate("SlowMotion", "‖∂L/∂x‖ / ‖∂L/∂y‖: the factor each block puts on the gradient."),
                      tuple(found.gains for found in findings), guide=1.0, from_guide=True),
            )  # fmt: skip
        case Phase.GRADIENTS:
            return (
                Strip(translate("SlowMotion", "‖∂L/∂W‖"),
                      translate("SlowMotion", "Norm of the gradient of each residual branch's parameters."),
                      tuple(found.gradient_norms for found in findings)),
            )  # fmt: skip
        case Phase.UPDATE:
            return (
                Strip(translate("SlowMotion", "‖Δw‖ / ‖w‖"),
                      translate("SlowMotion", "How far the step moves each residual branch's weights."),
                      tuple(found.updates for found in findings), guide=1e-3),
            )  # fmt: skip


def phase_name(phase: Phase) -> str:
    """A phase in one word."""
    names = {
        Phase.INPUT: QCoreApplication.translate("SlowMotion", "Input"),
        Phase.FORWARD: QCoreApplication.translate("SlowMotion", "Forward"),
        Phase.LOSS: QCoreApplication.translate("SlowMotion", "Loss"),
        Phase.BACKWARD: QCoreApplication.translate("SlowMotion", "Backward"),
        Phase.GRADIENTS: QCoreApplication.translate("SlowMotion", "Gradients"),
        Phase.UPDATE: QCoreApplication.translate("SlowMotion", "Update"),
    }
    return names[phase]


def phase_sentence(phase: Phase) -> str:
    """What happens in a phase."""
    translate = QCoreApplication.translate
    sentences = {
        Phase.INPUT: translate("SlowMotion", "Every lane gets the same batch of pictures."),
        Phase.FORWARD: translate(
            "SlowMotion", "The batch goes through the blocks, from the stem to the head."
        ),
        Phase.LOSS: translate("SlowMotion", "The head's answer is compared with the labels: one number."),
        Phase.BACKWARD: translate(
            "SlowMotion",
            "The gradient goes back, from the head to the stem. Each block puts its gain on it; the product of "
            "the gains so far is the chain rule.",
        ),
        Phase.GRADIENTS: translate(
            "SlowMotion", "From it each block gets the gradient of its own parameters."
        ),
        Phase.UPDATE: translate(
            "SlowMotion", "The optimiser moves the weights. The line at 10⁻³ is a rule of thumb."
        ),
    }
    return sentences[phase]


def reading(frame: Frame, finding: SlowMotion, block_names: Sequence[str]) -> tuple[str, str]:
    """The number that matters in a frame, and what it is."""
    translate = QCoreApplication.translate
    block = frame.block(len(block_names))
    name = "" if block is None else block_names[block]
    match frame.phase:
        case Phase.INPUT:
            return number(finding.inputs), translate("SlowMotion", "RMS of the batch")
        case Phase.FORWARD:
            text = translate("SlowMotion", "RMS after {block}").format(block=name)
            return number(float(finding.outputs[block or 0])), text
        case Phase.LOSS:
            return number(finding.loss, 4), translate("SlowMotion", "loss")
        case Phase.BACKWARD:
            text = translate("SlowMotion", "∏ gain to {block}").format(block=name)
            return "×" + number(running_product(finding, frame)), text
        case Phase.GRADIENTS:
            return _quotient(finding.gradient_norms), translate("SlowMotion", "first / last block")
        case Phase.UPDATE:
            return _middle(finding.updates), translate("SlowMotion", "median of the blocks")


def _quotient(norms: FloatArray) -> str:
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratio = norms[0] / norms[-1]
    return "–" if norms[0] == norms[-1] == 0 else number(float(ratio))


def _middle(values: FloatArray) -> str:
    known = values[~np.isnan(values)]  # a deleted branch has no weights in use
    with np.errstate(over="ignore"):
        return number(float(np.median(known))) if len(known) else "–"
