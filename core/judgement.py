"""How predictions compare with the classes: confusion matrix, confidence bins, calibration. Knows no torch."""

import numpy as np
from numpy.typing import NDArray

from core.messages import FloatArray, Judged, readonly
from core.predictions import Labels, Predictions

BINS = 10


def confusion(labels: Labels, predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Count pictures (classes, classes) by true class and predicted class; -1 in either does not count."""
    counted = (labels >= 0) & (labels < classes) & (predicted >= 0) & (predicted < classes)
    cells = labels[counted] * classes + predicted[counted]
    return np.bincount(cells, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def confidence_bins(confidence: FloatArray, right: NDArray[np.bool_]) -> FloatArray:
    """Return (10, 3): pictures, mean confidence and share right where confidence is in (m/10, (m+1)/10].

    The last two are NaN in an empty bin. `confidence` (n,) must be finite.
    """
    inner = np.arange(1, BINS) / BINS
    bins = np.digitize(confidence, inner, right=True)
    counts = np.bincount(bins, minlength=BINS).astype(np.float64)
    made = np.full((BINS, 3), np.nan)
    made[:, 0] = counts
    filled = counts > 0
    for column, values in ((1, confidence), (2, right.astype(np.float64))):
        sums = np.bincount(bins, values, minlength=BINS)
        made[filled, column] = sums[filled] / counts[filled]
    return made


def calibration_error(bins: FloatArray) -> float:
    """Return the expected calibration error Σ (pictures in bin / all) · |share right - mean confidence|.

    Guo et al. 2017, eq. 3, for bins (10, 3) as `confidence_bins` makes them; NaN without pictures.
    """
    filled = bins[bins[:, 0] > 0]
    if not len(filled):
        return float("nan")
    weights = filled[:, 0] / filled[:, 0].sum()
    return float((weights * np.abs(filled[:, 2] - filled[:, 1])).sum())


def judgement(
    source: str, album: str, known: Predictions, truth: Labels, names: tuple[str, ...],
    class_names: tuple[str, ...], total: int, request: int | None = None,
) -> Judged:  # fmt: skip
    """Compare a table with the classes (pictures,), -1 where one is not known, over what is judged so far."""
    classes = len(class_names)
    matrices, bins = [], []
    for predicted, confidence in zip(known.predicted, known.confidence, strict=True):
        counted = (truth >= 0) & (predicted >= 0)
        matrices.append(confusion(truth, predicted, classes))
        bins.append(confidence_bins(confidence[counted], predicted[counted] == truth[counted]))
    return Judged(
        source=source, album=album, step=known.step, judged=int((known.judged & (truth >= 0)).sum()),
        total=total, names=names, class_names=class_names, confusion=readonly(np.array(matrices)),
        bins=readonly(np.array(bins)),
        calibration_errors=readonly(np.array([calibration_error(each) for each in bins])), request=request,
    )  # fmt: skip
