"""What a run has shown so far, kept for drawing: losses, accuracies, norms per block, markers.

Bounded memory (core/pyramid.py); everything older in full is in the run's journal, from where
core/stored_history.py reads it.
"""

import csv
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from core.messages import Evaluation, FloatArray, LaneSlice, RunStarted, TrainingSlice
from core.pyramid import BAD, GOOD, HIGH, LOW, SUM, Pyramid

Cell: TypeAlias = float | int | str  # of a table
Quantity: TypeAlias = Literal["loss", "accuracy"]
Reading: TypeAlias = Literal["gradient_norms", "output_gradients"]
READINGS: tuple[Reading, ...] = ("gradient_norms", "output_gradients")
_COLUMN: dict[Quantity, int] = {"loss": 0, "accuracy": 1}


@dataclass(frozen=True, slots=True)
class Marker:
    """Something that was done at a step, to one lane or (None) to all."""

    step: int
    lane: int | None
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Held-out figures of one lane, oldest first."""

    steps: FloatArray
    values: FloatArray
    stale: NDArray[np.bool_]  # batch statistics from before a toggle


@dataclass(frozen=True, slots=True, eq=False)
class GradientMap:
    """Largest norm per block and column of steps.

    `values` (blocks, columns): NaN where nothing finite is known. `non_finite`, same shape: how
    many readings were not finite. Column i covers `size` steps from `first + i * size`.
    """

    first: int
    size: int
    values: NDArray[Any]
    non_finite: NDArray[np.int64]


class LaneHistory:
    """One lane's share of the history."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.scalars = Pyramid(len(_COLUMN), means=True)
        self.norms: dict[Reading, Pyramid] = {reading: Pyramid(blocks, np.float32) for reading in READINGS}
        self.latest: dict[Reading, FloatArray] = {}
        self.diverged_at: int | None = None
        self.shortcuts: tuple[float, ...] = ()
        self.evaluated: dict[Quantity, list[float]] = {"loss": [], "accuracy": []}

    def add(self, part: LaneSlice) -> None:
        """Take in a slice's share."""
        self.shortcuts = part.shortcuts
        self.diverged_at = part.diverged_at if self.diverged_at is None else self.diverged_at
        if len(part.losses) == 0:
            return
        self.scalars.add(np.column_stack((part.losses, part.accuracies)))
        arrays = {"gradient_norms": part.gradient_norms, "output_gradients": part.output_gradients}
        for reading in READINGS:
            norms = arrays[reading]
            self.norms[reading].add(norms)
            self.latest[reading] = norms[-1].copy()  # a view would keep the whole slice alive

    @property
    def non_finite(self) -> int:
        """How many readings so far were not finite."""
        return self.scalars.non_finite + sum(pyramid.non_finite for pyramid in self.norms.values())

    @property
    def nbytes(self) -> int:
        """Memory taken by the series."""
        return self.scalars.nbytes + sum(pyramid.nbytes for pyramid in self.norms.values())


class RunHistory:
    """All lanes of one run. Steps in and out are the run's own, from 1."""

    def __init__(self, blocks: Sequence[int]) -> None:
        self.lanes = tuple(LaneHistory(count) for count in blocks)
        self.first_step: int | None = None  # the first there is: a resumed run may begin later than 1
        self.last_step = 0
        self.markers: list[Marker] = []  # by step
        self.evaluations = 0  # ever taken in
        self._evaluation_steps: list[int] = []
        self._stale: list[bool] = []

    @classmethod
    def of(cls, run: RunStarted) -> "RunHistory":
        """Begin the history of a run."""
        return cls([lane.network.block_count for lane in run.lanes])

    # ---- in -------------------------------------------------------------------------------

    def add_slice(self, part: TrainingSlice) -> None:
        """Take in a slice; slices follow one another without gaps."""
        if self.first_step is None:
            self.first_step, self.last_step = part.first_step, part.first_step - 1
        if part.first_step != self.last_step + 1:
            raise ValueError(f"a slice begins at step {part.first_step}, after step {self.last_step}")
        for lane, share in zip(self.lanes, part.lanes, strict=True):
            lane.add(share)
        self.last_step += part.steps

    def add_evaluation(self, evaluation: Evaluation) -> None:
        """Take in held-out figures; asked for twice at one step, the later ones count."""
        if self._evaluation_steps and evaluation.step <= self._evaluation_steps[-1]:
            self._forget_evaluations(evaluation.step)
        self.evaluations += 1
        self._evaluation_steps.append(evaluation.step)
        self._stale.append(evaluation.stale is not None)
        for lane, figures in zip(self.lanes, evaluation.lanes, strict=True):
            lane.evaluated["loss"].append(figures.loss)
            lane.evaluated["accuracy"].append(figures.accuracy)

    def add_marker(self, step: int, lane: int | None, text: str) -> None:
        """Remember what was done at a step."""
        place = bisect_right(self.markers, step, key=lambda marker: marker.step)
        self.markers.insert(place, Marker(step, lane, text))

    def _forget_evaluations(self, step: int) -> None:
        keep = bisect_left(self._evaluation_steps, step)
        del self._evaluation_steps[keep:]
        del self._stale[keep:]
        for lane in self.lanes:
            for values in lane.evaluated.values():
                del values[keep:]

    # ---- out ------------------------------------------------------------------------------

    def curve(
        self, lane: int, quantity: Quantity, first: int, last: int, most_points: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return steps and values from first to last, or each bin's lowest and highest; NaN for gaps."""
        series = self.lanes[lane].scalars
        start, stop = self._rows(first, last)
        length = min(stop, series.count) - max(start, 0)
        bins = series.bins(start, stop, most_points if length <= most_points else most_points // 2)
        low, high = (bins.stats[:, stat, _COLUMN[quantity]] for stat in (LOW, HIGH))
        middles = bins.first + bins.size * np.arange(len(low)) + (bins.size - 1) / 2
        steps = self._origin + np.minimum(middles, series.count - 1.0)
        if bins.size == 1:
            return steps, low
        return np.repeat(steps, 2), np.column_stack((low, high)).ravel()

    def smoothed(
        self, lane: int, quantity: Quantity, first: int, last: int, most_points: int, window: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return steps and the mean of the last `window` steps at each: a toggle shows after it only."""
        series = self.lanes[lane].scalars
        start, stop = self._rows(first, last)
        bins = series.bins(start - window + 1, stop, most_points)
        total, count = (bins.stats[:, stat, _COLUMN[quantity]] for stat in (SUM, GOOD))
        width = max(round(window / bins.size), 1)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = _trailing(total, width) / _trailing(count, width)
        mean[count == 0] = np.nan  # a gap stays one
        ends = bins.first + bins.size * (1 + np.arange(len(mean))) - 1
        shown = ends >= start
        return self._origin + np.minimum(ends, series.count - 1)[shown].astype(np.float64), mean[shown]

    def value(self, lane: int, quantity: Quantity, step: int) -> tuple[float, float] | None:
        """Lowest and highest at a step: the same where it is kept in full; None: not known."""
        series = self.lanes[lane].scalars
        row = step - self._origin
        if not 0 <= row < series.count:
            return None
        if row >= series.oldest:
            value = float(series.values(row, row + 1)[0, _COLUMN[quantity]])
            return value, value
        stats = series.bins(row, row + 1, 2).stats[0, :, _COLUMN[quantity]]
        return float(stats[LOW]), float(stats[HIGH])

    def held_out(self, lane: int, quantity: Quantity) -> HeldOut:
        """Held-out figures of one lane."""
        return HeldOut(
            np.array(self._evaluation_steps, np.float64),
            np.array(self.lanes[lane].evaluated[quantity], np.float64),
            np.array(self._stale, np.bool_),
        )

    def profile(self, lane: int, reading: Reading) -> tuple[FloatArray, FloatArray]:
        """Relative depth of each block and its norm at the lane's last step; empty before the first."""
        part = self.lanes[lane]
        norms = part.latest.get(reading, np.empty(0))
        return (np.arange(len(norms)) + 0.5) / part.blocks, norms

    def gradient_map(self, lane: int, reading: Reading, first: int, last: int, columns: int) -> GradientMap:
        """Return the norms from first to last in at most `columns` columns."""
        start, stop = self._rows(first, last)
        bins = self.lanes[lane].norms[reading].bins(start, stop, columns)
        non_finite = bins.stats[:, BAD].T.astype(np.int64)
        return GradientMap(self._origin + bins.first, bins.size, bins.stats[:, HIGH].T, non_finite)

    def markers_between(self, first: float, last: float) -> list[Marker]:
        """Markers of a range of steps."""
        low = bisect_left(self.markers, first, key=lambda marker: marker.step)
        return self.markers[low : bisect_right(self.markers, last, key=lambda marker: marker.step)]

    def table(self, names: Sequence[str]) -> tuple[list[str], Iterable[Sequence[Cell]]]:
        """Head and rows of all steps kept in full, held-out figures where there are any."""
        oldest = max((lane.scalars.oldest for lane in self.lanes), default=0)
        steps = list(range(oldest + self._origin, self.last_step + 1))
        head, columns = ["step"], [list[Cell](steps)]
        for lane, name in zip(self.lanes, names, strict=True):
            head += [f"{name} {what}" for what in ("loss", "accuracy", "held-out loss", "held-out accuracy")]
            columns += [
                _column(values, len(steps)) for values in lane.scalars.values(oldest, self.last_step).T
            ]
            for quantity in _COLUMN:
                known = dict(zip(self._evaluation_steps, lane.evaluated[quantity], strict=True))
                columns.append([known.get(step, "") for step in steps])
        return head, zip(*columns, strict=True)

    @property
    def full_from(self) -> int:
        """The first step that is kept in full; older ones are in the journal only."""
        return self._origin + max((lane.scalars.oldest for lane in self.lanes), default=0)

    @property
    def has_stale(self) -> bool:
        """Whether any held-out figure used batch statistics from before a toggle."""
        return any(self._stale)

    @property
    def nbytes(self) -> int:
        """Memory taken by the series."""
        return sum(lane.nbytes for lane in self.lanes)

    @property
    def _origin(self) -> int:
        return 1 if self.first_step is None else self.first_step

    def _rows(self, first: int, last: int) -> tuple[int, int]:
        return first - self._origin, last + 1 - self._origin


def _column(values: Iterable[float], length: int) -> list[Cell]:
    """Values of a lane that may have stopped early."""
    known: list[Cell] = [float(value) for value in values]
    return known + [""] * (length - len(known))


def write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Write a table; raises OSError where the file cannot be written."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(head)
        writer.writerows(rows)


def _trailing(values: FloatArray, width: int) -> FloatArray:
    """Sum of the last `width` values at each place."""
    if len(values) == 0:
        return values
    padded = np.concatenate((np.zeros(width - 1), values))
    total: FloatArray = sliding_window_view(padded, width).sum(axis=-1)
    return total
