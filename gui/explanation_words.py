"""What is said of one network's answer: its most probable classes, its age, the whole of it as text."""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.messages import Attributed, Explanation
from core.methods import METHODS
from core.overlay import Overlay, Sign
from gui.network_words import number, short_number, strength_state
from gui.wording import display_locale, say, whole

TOP = 3


@dataclass(frozen=True, slots=True)
class Bar:
    """One class with its probability."""

    name: str
    probability: float
    true: bool  # it is the picture's true class

    @property
    def spoken(self) -> str:
        """The name, with the true class told apart."""
        if not self.true:
            return self.name
        return QCoreApplication.translate("Explanation", "{name} (true)").format(name=self.name)


def percent(share: float) -> str:
    """Return a share in [0, 1] as 83 %; nothing but certainty is 100 %, nothing but zero is 0 %."""
    if not math.isfinite(share):
        return "–"
    hundredths = 100 * share
    if 0 < hundredths < 1:
        return "<1 %"
    if 99 < hundredths < 100:
        return ">99 %"
    return f"{display_locale().toString(round(hundredths))} %"


def class_name(names: tuple[str, ...], index: int) -> str:
    """Return the name of a class; a number where it has none."""
    return names[index] if 0 <= index < len(names) else str(index)


def bars(answer: Attributed, explanation: Explanation) -> tuple[Bar, ...]:
    """Return the most probable classes, and the true one after them where it is not among them."""
    probabilities = answer.probabilities
    rows = [int(each) for each in np.argsort(-probabilities, kind="stable")[:TOP]]
    label = explanation.label
    if label is not None and 0 <= label < len(probabilities) and label not in rows:
        rows.append(label)
    names = explanation.class_names
    return tuple(Bar(class_name(names, row), float(probabilities[row]), row == label) for row in rows)


def target(answer: Attributed, explanation: Explanation) -> str:
    """Say which class is explained."""
    text = QCoreApplication.translate("Explanation", "explains {target}")
    return text.format(target=class_name(explanation.class_names, answer.target))


def completeness(answer: Attributed) -> str:
    """Say how far the map's sum is from the change of the score; empty where that is not promised."""
    error = answer.completeness_error
    if error is None:
        return ""
    size = percent(error) if error < 1 else number(error)
    return QCoreApplication.translate("Explanation", "completeness error {error}").format(error=size)


def ages(explained: int | None, now: int | None) -> list[str]:
    """Say how old the weights are that answered: the same at length and ever shorter."""
    if explained is None:
        return []
    then = whole(explained)
    short = [QCoreApplication.translate("Explanation", "of step {step}").format(step=then), then]
    if now is None or now <= explained:
        return short
    full = QCoreApplication.translate("Explanation", "of step {step}, now {now}")
    shorter = QCoreApplication.translate("Explanation", "{step}, now {now}")
    return [full.format(step=then, now=whole(now)), shorter.format(step=then, now=whole(now)), *short]


def note(answer: Attributed | None, explanation: Explanation | None) -> str:
    """Return the one line under a small map: the class with its probability, or time and error."""
    if answer is None or explanation is None or answer.role == "difference":
        return ""
    match explanation.arrangement:
        case "switch" | "targets":
            return probable(answer, explanation)
        case "methods":
            return " · ".join(filter(None, (seconds(answer), short_error(answer))))
        case _:
            return ""


def probable(answer: Attributed, explanation: Explanation) -> str:
    """Return the explained class with its probability."""
    name = class_name(explanation.class_names, answer.target)
    if not 0 <= answer.target < len(answer.probabilities):
        return name
    return f"{name} {percent(float(answer.probabilities[answer.target]))}"


def seconds(answer: Attributed) -> str:
    """Return how long the map took to compute; empty where it was known already."""
    if not answer.seconds > 0:
        return ""
    if answer.seconds < 0.1:
        text = QCoreApplication.translate("Explanation", "{milliseconds} ms")
        return text.format(milliseconds=number(1000 * answer.seconds, 2))
    return QCoreApplication.translate("Explanation", "{seconds} s").format(seconds=number(answer.seconds, 2))


def short_error(answer: Attributed) -> str:
    """Return the completeness error in the least room: Σ ±3 %."""
    error = answer.completeness_error
    if error is None:
        return ""
    return f"Σ ±{percent(error) if error < 1 else number(error, 2)}"


def row_words(answers: list[Attributed], explanation: Explanation | None) -> str:
    """Say for a whole row of maps which class they explain, where it is one."""
    if explanation is None or not answers or explanation.arrangement == "targets":
        return ""
    if len({answer.target for answer in answers}) != 1:
        return ""
    if explanation.arrangement == "switch":
        return target(answers[0], explanation)
    text = QCoreApplication.translate("Explanation", "explains {target}")
    return text.format(target=probable(answers[0], explanation))


def strengths(shortcuts: tuple[float, ...]) -> str:
    """Say which shortcuts were on for a map."""
    text = QCoreApplication.translate("Explanation", "shortcuts {state}")
    return text.format(state=strength_state(shortcuts)) if shortcuts else ""


def against_what(baseline: str) -> str:
    """Say what a map is measured against; empty where there is nothing."""
    if baseline != "zero":
        return ""
    return QCoreApplication.translate("Explanation", "measured against the zero picture")


def compact_scale(scale: float, sign: Sign, *, difference: bool, short: bool) -> str:
    """Return the scale's end in little room, ±0.0041, or the least, ±4e−3; a difference says so."""
    ends = {"both": "±", "positive": "+", "negative": "−", "absolute": ""}[sign]
    plain = not short and 1e-3 <= scale < 1e4
    return f"{'Δ ' if difference else ''}{ends}{number(scale, 2) if plain else short_number(scale)}"


def scale_ends(scale: float, sign: Sign) -> tuple[str, str]:
    """Say what the ends of the colour strip stand for."""
    # Powers of ten are spelt out elsewhere; here they would leave the strip no room.
    size = number(scale, 2) if 1e-3 <= scale < 1e4 else short_number(scale)
    match sign:
        case "both":
            return f"−{size}", f"+{size}"
        case "positive":
            return "0", f"+{size}"
        case "negative":
            return "0", f"−{size}"
        case "absolute":
            return "0", size


def scale_sentence(sign: Sign, *, difference: bool = False) -> str:
    """Explain the colour strip."""
    ends = QCoreApplication.translate(
        "Explanation", "The ends are the 99th percentile; stronger pixels take the end colour."
    )
    if difference:
        text = QCoreApplication.translate(
            "Explanation",
            "The first map minus the second: left colours where the second is the greater, right ones where "
            "the first is. Differences have a scale of their own.",
        )
        return f"{text} {ends}"
    text = {
        "both": QCoreApplication.translate(
            "Explanation", "Left colours lower the score of the explained class, right ones raise it."
        ),
        "positive": QCoreApplication.translate("Explanation", "Only what raises the score of the class."),
        "negative": QCoreApplication.translate("Explanation", "Only what lowers the score of the class."),
        "absolute": QCoreApplication.translate("Explanation", "How much a pixel matters, either way."),
    }[sign]
    return f"{text} {ends}"


def summary(
    name: str, answer: Attributed | None, explanation: Explanation | None, overlay: Overlay | None
) -> str:
    """Return all that is shown of an answer as lines of text."""
    if answer is None or explanation is None:
        return name
    parts = [name, *ages(explanation.step, None)[:1], target(answer, explanation), completeness(answer)]
    if answer.reason is not None:
        parts.append(say(answer.reason))
    parts += [f"{bar.spoken} {percent(bar.probability)}" for bar in bars(answer, explanation)]
    if overlay is not None and overlay.notice is not None:
        parts.append(say(overlay.notice))
    return "\n".join(part for part in parts if part)


def frame_summary(
    name: str,
    title: str,
    answer: Attributed | None,
    explanation: Explanation | None,
    overlay: Overlay | None,
) -> tuple[str, ...]:
    """Return what there is to say of one map among several, part by part."""
    if answer is None or explanation is None:
        return tuple(filter(None, (name, title)))
    difference = answer.role == "difference"
    text = QCoreApplication.translate("Explanation", "explains {target}")
    return tuple(filter(None, (
        name,
        title,
        "" if difference else text.format(target=probable(answer, explanation)),
        completeness(answer),
        seconds(answer),
        "" if answer.reason is None else say(answer.reason),
        "" if overlay is None or overlay.notice is None else say(overlay.notice),
    )))  # fmt: skip


def caption_parts(
    name: str, title: str, answer: Attributed | None, explanation: Explanation | None
) -> tuple[str, ...]:
    """Return what a figure's caption must say of a map: who, when, how, of what, against what, how exact."""
    if answer is None or explanation is None:
        return tuple(filter(None, (name, title)))
    method = answer.method or explanation.method
    label = METHODS[method].label if method in METHODS else method
    exact = answer.role == "difference"
    return tuple(filter(None, (
        name,
        *ages(explanation.step, None)[:1],
        title,
        "" if exact else strengths(answer.shortcuts),
        QCoreApplication.translate("Method", label),
        target(answer, explanation),
        against_what(answer.baseline if answer.method else explanation.baseline),
        completeness(answer),
    )))  # fmt: skip
