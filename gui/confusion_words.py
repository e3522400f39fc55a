"""What is said of confusions, accuracies and calibration."""

import math

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QCoreApplication

from core.messages import BROUGHT, FloatArray, Judged
from gui.explanation_words import class_name, percent
from gui.picture_state import LANES
from gui.wording import display_locale, whole

EVEN = 0.01  # a mean confidence this near the accuracy is neither too high nor too low


def source_name(source: str, album: str) -> str:
    """Name whose predictions of which pictures these are."""
    who = QCoreApplication.translate("Confusion", "Lanes") if source == LANES else source
    if album != BROUGHT:
        return who
    return QCoreApplication.translate("Confusion", "{source}, opened pictures").format(source=who)


def standing(judged: Judged) -> str:
    """Say of when the figures are, and of how many pictures."""
    counts = QCoreApplication.translate("Confusion", "over {judged} of {total} pictures")
    parts = [counts.format(judged=whole(judged.judged), total=whole(judged.total))]
    if judged.step is not None:
        text = QCoreApplication.translate("Confusion", "of step {step}")
        parts.insert(0, text.format(step=whole(judged.step)))
    return ", ".join(parts)


def cell_sentence(judged: Judged, network: int, row: int, column: int) -> str:
    """Say what a cell counts."""
    matrix = judged.confusion[network]
    count, of = int(matrix[row, column]), int(matrix[row].sum())
    names = judged.class_names
    if row == column:
        text = QCoreApplication.translate(
            "Confusion", "{network}: {count} of {of} pictures of {label} are seen as that ({share})"
        )
    else:
        text = QCoreApplication.translate(
            "Confusion", "{network}: {count} of {of} pictures of {label} are seen as {predicted} ({share})"
        )
    return text.format(
        network=judged.names[network],
        count=whole(count),
        of=whole(of),
        label=class_name(names, row),
        predicted=class_name(names, column),
        share=percent(count / of) if of else "–",
    )


def accuracies(matrix: NDArray[np.int64]) -> FloatArray:
    """Return (classes,) the share of each class's pictures that are right; NaN where there is none."""
    of = matrix.sum(1)
    right = np.diagonal(matrix).astype(np.float64)
    return np.divide(right, of, out=np.full(len(of), np.nan), where=of > 0)


def accuracy(matrix: NDArray[np.int64]) -> float:
    """Return the share of all pictures that are right; NaN where there is none."""
    total = int(matrix.sum())
    return float(np.trace(matrix)) / total if total else math.nan


def accuracy_words(judged: Judged, row: int) -> str:
    """Say how much of one class each network gets right."""
    said = []
    for name, matrix in zip(judged.names, judged.confusion, strict=True):
        of = int(matrix[row].sum())
        share = percent(int(matrix[row, row]) / of) if of else "–"
        text = QCoreApplication.translate("Confusion", "{network} {share} of {of}")
        said.append(text.format(network=name, share=share, of=whole(of)))
    text = QCoreApplication.translate("Confusion", "{label}, right: {shares}")
    return text.format(label=class_name(judged.class_names, row), shares=" · ".join(said))


def worst_sentence(judged: Judged, network: int) -> str:
    """Say which confusion is the most frequent; empty where there is none."""
    matrix = judged.confusion[network].copy()
    np.fill_diagonal(matrix, 0)
    if not matrix.any():
        return ""
    row, column = (int(each) for each in np.unravel_index(int(matrix.argmax()), matrix.shape))
    text = QCoreApplication.translate(
        "Confusion", "{network}: {share} right; most often {label} is taken for {predicted}, {count} times"
    )
    return text.format(
        network=judged.names[network],
        share=percent(accuracy(judged.confusion[network])),
        label=class_name(judged.class_names, row),
        predicted=class_name(judged.class_names, column),
        count=whole(int(matrix[row, column])),
    )


def calibration_sentence(name: str, bins: FloatArray, error: float) -> str:
    """Say how far confidence is from accuracy, and on which side."""
    if not math.isfinite(error):
        text = QCoreApplication.translate("Confusion", "{network}: no predictions to compare")
        return text.format(network=name)
    text = QCoreApplication.translate("Confusion", "{network}: expected calibration error {error}, {side}")
    return text.format(network=name, error=tenths(error), side=side_words(bins))


def side_words(bins: FloatArray) -> str:
    """Say whether a network is surer than it is right, over all pictures."""
    filled = bins[bins[:, 0] > 0]
    weights = filled[:, 0] / max(float(filled[:, 0].sum()), 1.0)
    surplus = float((weights * (filled[:, 1] - filled[:, 2])).sum())
    if surplus > EVEN:
        return QCoreApplication.translate("Confusion", "surer than right")
    if surplus < -EVEN:
        return QCoreApplication.translate("Confusion", "less sure than right")
    return QCoreApplication.translate("Confusion", "as sure as right on average")


def bin_words(judged: Judged, number: int) -> list[str]:
    """Say what lies in one bin of confidence: its bounds, then a line for each network."""
    count = judged.bins.shape[1]
    text = QCoreApplication.translate("Confusion", "confidence {low}–{high} %")
    lines = [text.format(low=100 * number // count, high=100 * (number + 1) // count)]
    for name, bins in zip(judged.names, judged.bins, strict=True):
        pictures, confidence, right = bins[number]
        if not pictures:
            text = QCoreApplication.translate("Confusion", "{network}: no picture")
        else:
            text = QCoreApplication.translate(
                "Confusion", "{network}: {pictures} pictures, {confidence} sure on average, {right} right"
            )
        lines.append(text.format(
            network=name, pictures=whole(int(pictures)), confidence=tenths(confidence), right=tenths(right)
        ))  # fmt: skip
    return lines


def tenths(share: float) -> str:
    """Return a share in [0, 1] in percent, to a tenth."""
    return f"{display_locale().toString(100 * float(share), 'f', 1)} %" if math.isfinite(share) else "–"
