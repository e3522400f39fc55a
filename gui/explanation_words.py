"""What is said of one network's answer: its most probable classes, its age, the whole of it as text."""

import math
from dataclasses import dataclass

import numpy as np
from PySide6.QtCore import QCoreApplication

from core.messages import Attributed, Explanation
from core.overlay import Overlay, Sign
from gui.network_words import number, short_number
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


def scale_sentence(sign: Sign) -> str:
    """Explain the colour strip."""
    text = {
        "both": QCoreApplication.translate(
            "Explanation", "Left colours lower the score of the explained class, right ones raise it."
        ),
        "positive": QCoreApplication.translate("Explanation", "Only what raises the score of the class."),
        "negative": QCoreApplication.translate("Explanation", "Only what lowers the score of the class."),
        "absolute": QCoreApplication.translate("Explanation", "How much a pixel matters, either way."),
    }[sign]
    ends = QCoreApplication.translate(
        "Explanation", "The ends are the 99th percentile; stronger pixels take the end colour."
    )
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
