"""What the network panel and the block card say: numbers, kinds of shortcut, the hover's sentence."""

import math

from PySide6.QtCore import QCoreApplication

from core.settings import BlockShape, NetworkSettings
from gui.lane_state import LaneState, Strengths
from gui.network_layout import Hit, NetworkLayout, Part

_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def number(value: float | None, digits: int = 3) -> str:
    """A number for people: 0.0123, 1.2×10⁻⁵, ∞; a dash where there is none."""
    if value is None:
        return "–"
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        text = f"{value:.{digits}g}"
        return (f"{value:.0f}" if "e" in text else text).replace("-", "−")
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    return mantissa.replace("-", "−") + "×" + power_of_ten(int(power))


def power_of_ten(power: int) -> str:
    """A power of ten as a tick label: 10⁻³; 1 for 10⁰."""
    return "10" + str(power).translate(_RAISED) if power else "1"


def short_number(value: float) -> str:
    """A number for a small box: 0.3, 12, 4e−7."""
    if not math.isfinite(value) or value == 0:
        return number(value)
    if 0.1 <= abs(value) < 1000:
        return f"{value:.2g}" if abs(value) < 10 else f"{value:.0f}"
    mantissa, power = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(power)}".replace("-", "−")


def shortcut_kind(network: NetworkSettings, block: BlockShape) -> str:
    """The kind of a block's shortcut in words."""
    if not block.changes_shape:
        return QCoreApplication.translate("Network", "identity")
    if network.projection == "pad":
        return QCoreApplication.translate("Network", "zero-padding")
    if network.block == "pre_shared":
        return QCoreApplication.translate("Network", "1×1 projection of the activated input")
    return QCoreApplication.translate("Network", "1×1 projection")


def branch_parameters(network: NetworkSettings, block: BlockShape) -> int:
    """How many parameters the residual branch has: what the gradient norm is taken over."""
    weights = 9 * block.out_channels * (block.in_channels + block.out_channels)
    if network.norm == "none":
        return weights + 2 * block.out_channels  # the convolutions' biases
    first = block.out_channels if network.block == "post" else block.in_channels
    return weights + 2 * first + 2 * block.out_channels


def lane_status(lane: LaneState) -> str:
    """The line under a lane's loss: diverged, requested, or applied at which step."""
    if lane.is_past:
        return QCoreApplication.translate("Network", "as at step {step}").format(step=lane.step)
    if lane.diverged_at is not None:
        return QCoreApplication.translate("Network", "diverged at step {step}").format(step=lane.diverged_at)
    if lane.requests:
        return QCoreApplication.translate("Network", "requested: next step")
    if lane.applied_at is not None:
        return QCoreApplication.translate("Network", "applied at step {step}").format(step=lane.applied_at)
    return ""


def lane_loss(lane: LaneState) -> str:
    """A lane's latest training loss."""
    return QCoreApplication.translate("Network", "loss {loss}").format(loss=number(lane.loss, 4))


def strength_state(strengths: Strengths) -> str:
    """A group of shortcuts in words: all on, all cut, or how many are."""
    whole = sum(value == 1 for value in strengths)
    if whole == len(strengths):
        return QCoreApplication.translate("Network", "all on")
    if not any(strengths):
        return QCoreApplication.translate("Network", "all cut")
    cut = sum(value == 0 for value in strengths)
    return QCoreApplication.translate("Network", "{cut} of {count} cut, {partial} weakened").format(
        cut=cut, count=len(strengths), partial=len(strengths) - whole - cut
    )


def lane_summary(lane: LaneState) -> str:
    """A lane in one sentence, for screen readers and the hover."""
    return QCoreApplication.translate(
        "Network", "Lane {name}: {layers} layers, {blocks} blocks, shortcuts {state}; {loss} {status}"
    ).format(
        name=lane.info.name,
        layers=lane.info.network.depth,
        blocks=len(lane.blocks),
        state=strength_state(lane.shown_shortcuts),
        loss=lane_loss(lane),
        status=lane_status(lane),
    )


def block_summary(lane: LaneState, index: int) -> str:
    """A block in one sentence with its values."""
    gradient = None if lane.norms is None else float(lane.norms[index])
    return QCoreApplication.translate(
        "Network", "Block {block} of lane {name}: gradient norm {norm}, gain {gain}; {shortcut}; {branch}."
    ).format(
        block=lane.blocks[index].name,
        name=lane.info.name,
        norm=number(gradient),
        gain=number(lane.gain(index)),
        shortcut=_strength_words(lane, index),
        branch=_branch_words(lane, index),
    )


def hover(hit: Hit, layout: NetworkLayout, lanes: tuple[LaneState, ...]) -> str:
    """Explain what lies under the mouse in one sentence, and what a click does."""
    if hit.part is Part.LEGEND:
        return QCoreApplication.translate(
            "Network",
            "Every block takes the colour of its residual branch's gradient norm, on a fixed scale from 10⁻⁹ "
            "to 10³; a square on an arc marks a shortcut that changes the shape.",
        )
    lane = lanes[hit.lane]
    if lane.diverged_at is not None and hit.part not in (Part.STEM, Part.HEAD):
        note = QCoreApplication.translate(
            "Network", "The lane diverged and is stopped; reset to train it again."
        )
        about = block_summary(lane, hit.index) if hit.part is Part.BLOCK else lane_summary(lane)
        return about + "\n" + note
    if hit.part is Part.BLOCK:
        hint = QCoreApplication.translate(
            "Network", "Click: details. Alt+click: delete or restore the branch."
        )
        return block_summary(lane, hit.index) + "\n" + hint
    if hit.part is Part.ARC:
        hint = QCoreApplication.translate(
            "Network", "Click: cut or restore. Drag or scroll: strength from 0 to 1."
        )
        return block_summary(lane, hit.index) + "\n" + hint
    return _hover_group(hit, layout, lane)


def _hover_group(hit: Hit, layout: NetworkLayout, lane: LaneState) -> str:
    if hit.part is Part.STAGE:
        blocks = layout.rows[hit.lane].stages[hit.index].blocks
        state = strength_state(tuple(lane.shown_shortcuts[block] for block in blocks))
        return QCoreApplication.translate(
            "Network", "Stage {stage}, shortcuts {state}. Click: cut or restore all of the stage."
        ).format(stage=hit.index + 1, state=state)
    if hit.part is Part.ALL:
        hint = QCoreApplication.translate("Network", "Click: cut or restore every shortcut of the lane.")
        return lane_summary(lane) + "\n" + hint
    if hit.part is Part.STEM:
        return QCoreApplication.translate(
            "Network", "Stem: the {kind} convolution before the first block."
        ).format(kind=lane.info.network.stem.replace("x", "×"))
    if hit.part is Part.HEAD:
        return QCoreApplication.translate(
            "Network", "Head: average pooling and the classifier with {classes} classes."
        ).format(classes=lane.info.network.classes)
    return lane_summary(lane)


def _strength_words(lane: LaneState, index: int) -> str:
    now, wanted = lane.shortcuts[index], lane.shown_shortcuts[index]
    kind = shortcut_kind(lane.info.network, lane.blocks[index])
    if now != wanted:
        return QCoreApplication.translate(
            "Network", "shortcut ({kind}) at strength {now}, {wanted} requested"
        ).format(kind=kind, now=f"{now:g}", wanted=f"{wanted:g}")
    if now == 0:
        return QCoreApplication.translate("Network", "shortcut ({kind}) cut").format(kind=kind)
    return QCoreApplication.translate("Network", "shortcut ({kind}) at strength {now}").format(
        kind=kind, now=f"{now:g}"
    )


def _branch_words(lane: LaneState, index: int) -> str:
    now, wanted = lane.branches[index], lane.shown_branches[index]
    if now != wanted:
        return QCoreApplication.translate("Network", "branch at strength {now}, {wanted} requested").format(
            now=f"{now:g}", wanted=f"{wanted:g}"
        )
    if now == 0:
        return QCoreApplication.translate("Network", "branch deleted")
    return QCoreApplication.translate("Network", "branch at strength {now}").format(now=f"{now:g}")
