"""What the trust panel says: a number for each check, and a word for the number."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.checks import CHECKS, Check, area
from core.messages import Assessed, Attributed, Explanation
from core.methods import METHODS
from gui.block_names import block_names, place_name
from gui.explanation_words import class_name, percent
from gui.network_words import number
from gui.plot_export import Table
from gui.trust_record import ShownMap

Tone = Literal["good", "plain", "bad"]
# Where one word ends and the next begins.
TOLD_WELL, TOLD_IN_PART, TOLD_BY_CHANCE = 0.2, 0.6, 0.95  # 64 disturbances: a map by lot has about 0.98
STEADY, UNSTEADY = 0.1, 0.4
APART = 0.02  # areas that differ by less are equal
DEPENDS, HARDLY_DEPENDS = 0.4, 0.6
EXACT, INEXACT = 0.01, 0.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """A word for a number, and whether that is what one would like."""

    text: str
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True)
class Axes:
    """What a plot's axes and lines stand for."""

    along: str
    up: str
    curve: str
    control: str


def title(check: Check) -> str:
    """Return a check's name."""
    return QCoreApplication.translate("Check", CHECKS[check].label)


def explain(check: Check) -> str:
    """Return the sentence that says what a check does."""
    return QCoreApplication.translate("Check", CHECKS[check].explain)


def map_words(shown: ShownMap, answer: Attributed, explanation: Explanation) -> str:
    """Say which map of a network: the method, where it looks, the class."""
    label = METHODS[shown.method].label if shown.method in METHODS else shown.method
    parts = [QCoreApplication.translate("Method", label)]
    block = dict(shown.parameters).get("block", answer.block)
    if isinstance(block, int):
        parts.append(_tr("at {place}").format(place=place_name(block, shown.blocks)))
    target = class_name(explanation.class_names, shown.target)
    return _tr("{map} for {target}").format(map=" ".join(parts), target=target)


def figure(found: Assessed) -> str:
    """Return the number found, and of a curve what it is; empty while there is none."""
    if found.value is None:
        return ""
    text = number(round(found.value, 4) + 0.0, 2)
    match found.check:
        case "deletion" | "insertion":
            return _tr("area {number}").format(number=text)
        case "randomisation":
            return _tr("mean {number}").format(number=text)
        case _:
            return text


def verdict(found: Assessed) -> Verdict:
    """Say what a whole finding means."""
    value = found.value
    assert value is not None
    match found.check:
        case "infidelity":
            return _told(value)
        case "sensitivity":
            if value < STEADY:
                return Verdict(_tr("steady: it hardly changes with the picture"), "good")
            if value < UNSTEADY:
                return Verdict(_tr("changes somewhat with an invisible change of the picture"))
            return Verdict(_tr("unsteady: it changes a lot with an invisible change of the picture"), "bad")
        case "deletion" | "insertion":
            return _against_lot(found, value)
        case "randomisation":
            return _dependence(found, value)


def completeness_verdict(error: float) -> Verdict:
    """Say what a completeness error means."""
    if error <= EXACT:
        return Verdict(_tr("the map adds up to the change of the score"), "good")
    if error <= INEXACT:
        return Verdict(_tr("the map adds up roughly"))
    return Verdict(_tr("the map does not add up: more steps or samples may help"), "bad")


def completeness_number(error: float) -> str:
    """Return a completeness error as a share of the change of the score."""
    return percent(error) if error < 1 else number(error, 2)


def _told(value: float) -> Verdict:
    if value < TOLD_WELL:
        return Verdict(_tr("tells well how the score changes under slight noise"), "good")
    if value < TOLD_IN_PART:
        return Verdict(_tr("tells in part how the score changes under slight noise"))
    if value < TOLD_BY_CHANCE:
        return Verdict(_tr("tells little of how the score changes under slight noise"))
    return Verdict(
        _tr("tells no more than a map drawn by lot how the score changes under slight noise"), "bad"
    )


def _against_lot(found: Assessed, value: float) -> Verdict:
    by_lot = area(found.shares, found.control)
    falls = found.check == "deletion"
    gain = by_lot - value if falls else value - by_lot
    number_by_lot = number(by_lot, 2)
    if gain > APART:
        text = _tr("falls faster than in a random order ({number})") if falls else _tr(
            "rises faster than in a random order ({number})"
        )  # fmt: skip
        return Verdict(text.format(number=number_by_lot), "good")
    if gain < -APART:
        text = _tr("falls slower than in a random order ({number})") if falls else _tr(
            "rises slower than in a random order ({number})"
        )  # fmt: skip
        return Verdict(text.format(number=number_by_lot), "bad")
    return Verdict(_tr("no better than a random order ({number})").format(number=number_by_lot), "bad")


def _dependence(found: Assessed, value: float) -> Verdict:
    tone: Tone = "bad"
    if value < DEPENDS:
        text, tone = _tr("depends on what was learnt"), "good"
    elif value < HARDLY_DEPENDS:
        text, tone = _tr("depends in part on what was learnt"), "plain"
    else:
        text = _tr("hardly depends on what was learnt")
    last = found.curve[-1] if found.curve.size else np.nan
    if np.isfinite(last):
        words = _tr("{verdict}; {number} with all drawn anew")
        text = words.format(verdict=text, number=number(round(float(last), 2) + 0.0, 2))
    return Verdict(text, tone)


# ---- curves ---------------------------------------------------------------------------------


def axes(check: Check) -> Axes:
    """Name the axes and lines of a check's plot."""
    probability, the_map, lot = _tr("probability"), _tr("by the map"), _tr("random order")
    match check:
        case "deletion":
            return Axes(_tr("pixels blanked, strongest first"), probability, the_map, lot)
        case "insertion":
            return Axes(_tr("pixels shown, strongest first"), probability, the_map, lot)
        case _:
            return Axes(_tr("layers drawn anew, from head to stem"), _tr("rank correlation"), the_map, "")


def point_words(check: Check, point: int, found: Assessed, blocks: int) -> str:
    """Say what lies at a point of a check's curve."""
    value = number(round(float(found.curve[point]), 3) + 0.0, 2)
    if check == "randomisation":
        return f"{_drawn(point, found.curve.size, blocks)}: {value}"
    share = percent(float(found.shares[point]))
    words = _tr("{share} blanked: {value}") if check == "deletion" else _tr("{share} shown: {value}")
    text = words.format(share=share, value=value)
    if found.control.size and np.isfinite(found.control[point]):
        lot = _tr("{text}; random order {number}")
        text = lot.format(text=text, number=number(round(float(found.control[point]), 3) + 0.0, 2))
    return text


def _drawn(point: int, points: int, blocks: int) -> str:
    """Say how far down the layers are drawn anew."""
    if point == 0:
        return _tr("as learnt")
    if point == 1:
        return _tr("head drawn anew")
    if point == points - 1:
        return _tr("all drawn anew")
    names = block_names(blocks)
    return _tr("head to block {block} drawn anew").format(block=names[max(blocks - point + 1, 0)])


def table(found: Assessed) -> Table:
    """Return a curve as cells."""
    names = axes(found.check)
    points = zip(found.shares.tolist(), found.curve.tolist(), strict=True)
    if not found.control.size:
        return (names.along, names.up), [[share, value] for share, value in points]
    both = zip(points, found.control.tolist(), strict=True)
    head = (names.along, f"{names.up} {names.curve}", f"{names.up}, {names.control}")
    return head, [[share, value, other] for (share, value), other in both]


def _tr(text: str) -> str:
    return QCoreApplication.translate("Trust", text)
