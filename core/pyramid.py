"""Series that never end in memory that does: the last steps in full, older ones in min–max bins.

Level 0 holds the values themselves; a bin of level k sums up 4^k steps (lowest, highest, how many
were not finite, and optionally what a mean needs). Every level forgets its oldest rows, so that
the further back one looks the coarser it gets, while no spike is lost.
"""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]

FULL_STEPS = 20_000
LEVEL_ROWS = 4096
FACTOR = 4
CHUNK = 4096  # steps taken in at once; bounds what the buffers need beyond their limits
ROWS_PER_BIN = 4  # a query reads at most so many rows for each bin it returns

LOW, HIGH, BAD, SUM, GOOD = range(5)
_HUGE = 1e290  # finite values are summed up to here, so that sums stay finite


@dataclass(frozen=True, slots=True, eq=False)
class Bins:
    """Equal bins of a series: number i covers `size` steps from `first + i * size`."""

    first: int
    size: int
    stats: Array  # (bins, stats, width)


class Rows:
    """Rows in one block of memory; at least the last `limit` of them are kept."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, limit: int) -> None:
        self._limit = limit
        self._data: Array = np.empty((64, *shape), dtype)
        self._held = 0
        self.count = 0  # ever appended

    @property
    def oldest(self) -> int:
        """Index of the oldest row still here."""
        return self.count - self._held

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._data.nbytes

    def append(self, rows: Array) -> None:
        """Add rows (at most CHUNK)."""
        if self._held + len(rows) > len(self._data):
            self._make_room(len(rows))
        self._data[self._held : self._held + len(rows)] = rows
        self._held += len(rows)
        self.count += len(rows)

    def between(self, first: int, stop: int) -> Array:
        """View of rows first … stop - 1, which must be here."""
        return self._data[first - self.oldest : stop - self.oldest]

    def _make_room(self, more: int) -> None:
        kept = self._data[max(self._held - self._limit, 0) : self._held]
        most = self._limit + max(self._limit // 4, more)
        if len(self._data) < most:
            size = min(max(2 * len(self._data), len(kept) + more), most)
            self._data = np.empty((size, *self._data.shape[1:]), self._data.dtype)
        self._data[: len(kept)] = kept
        self._held = len(kept)


class Pyramid:
    """`width` series over the same steps."""

    def __init__(self, width: int, dtype: DTypeLike = np.float64, *, means: bool = False) -> None:
        self._width = width
        self._stats = GOOD + 1 if means else BAD + 1
        self._values = Rows((width,), dtype, FULL_STEPS)
        self._levels: list[Rows] = []
        self.non_finite = 0

    @property
    def count(self) -> int:
        """How many steps were added."""
        return self._values.count

    @property
    def oldest(self) -> int:
        """The oldest step kept in full."""
        return self._values.oldest

    @property
    def nbytes(self) -> int:
        """Memory taken."""
        return self._values.nbytes + sum(level.nbytes for level in self._levels)

    def add(self, values: Array) -> None:
        """Add steps, (steps, width)."""
        for start in range(0, len(values), CHUNK):
            chunk = values[start : start + CHUNK]
            self.non_finite += int(chunk.size - np.count_nonzero(np.isfinite(chunk)))
            self._values.append(self._fitting(chunk))
            self._fold_up()

    def values(self, first: int, stop: int) -> Array:
        """Steps first … stop - 1 as they were, as far as they are kept in full."""
        stop = min(stop, self.count)
        return self._values.between(min(max(first, self.oldest), stop), stop)

    def bins(self, first: int, stop: int, most: int) -> Bins:
        """At most `most` bins that cover steps first … stop - 1; the outer ones may reach beyond."""
        first, stop, most = max(first, 0), min(stop, self.count), max(most, 2)
        if stop <= first:
            return Bins(first, 1, np.empty((0, self._stats, self._width)))
        level = self._level_for(first, stop, most)
        unit = FACTOR**level
        low, high = first // unit, -(-stop // unit)
        group = max(-(-(high - low) // most), 1)
        while -(-high // group) - low // group > most:
            group += 1
        low, high = low // group * group, -(-high // group) * group
        rows = self._read(level, low, high)
        return Bins(low * unit, group * unit, rows if group == 1 else _fold(rows, group))

    def _fitting(self, values: Array) -> Array:
        """Keep finite values finite in a narrower type."""
        dtype = self._values.between(self.count, self.count).dtype
        if dtype == values.dtype:
            return values
        top = float(np.finfo(dtype).max)
        return np.where(np.isfinite(values), np.clip(values, -top, top), values).astype(dtype)

    def _count_at(self, level: int) -> int:
        if level == 0:
            return self.count
        return self._levels[level - 1].count if level <= len(self._levels) else 0

    def _oldest_at(self, level: int) -> int:
        return self._values.oldest if level == 0 else self._levels[level - 1].oldest

    def _level_for(self, first: int, stop: int, most: int) -> int:
        """Finest level that still knows `first` and is not too long to read."""
        for level in range(len(self._levels) + 1):
            unit = FACTOR**level
            if (stop - first) <= ROWS_PER_BIN * most * unit and self._oldest_at(level) * unit <= first:
                return level
        return len(self._levels)

    def _stats_at(self, level: int, first: int, stop: int) -> Array:
        """Rows of a level, (rows, stats, width)."""
        if level > 0:
            return self._levels[level - 1].between(first, stop)
        values = self._values.between(first, stop)
        finite = np.isfinite(values)
        stats = np.empty((len(values), self._stats, self._width), values.dtype)
        stats[:, LOW] = stats[:, HIGH] = np.where(finite, values, np.nan)
        stats[:, BAD] = ~finite
        if self._stats > SUM:
            stats[:, SUM] = np.where(finite, np.clip(values, -_HUGE, _HUGE), 0)
            stats[:, GOOD] = finite
        return stats

    def _tail(self, level: int) -> Array:
        """The steps that do not yet fill a bin of this level, as one row or none."""
        if level == 0:
            return self._stats_at(0, self.count, self.count)
        below = level - 1
        start = self._count_at(level) * FACTOR
        rows = np.concatenate((self._stats_at(below, start, self._count_at(below)), self._tail(below)))
        return _fold(rows, len(rows)) if len(rows) else rows

    def _read(self, level: int, low: int, high: int) -> Array:
        """Rows low … high - 1 of a level, with the unfinished one, and empty ones where nothing is."""
        full = self._count_at(level)
        start = max(low, self._oldest_at(level))
        rows = [self._stats_at(level, min(start, full), min(high, full))]
        if high > full:
            rows.append(self._tail(level))
        missing = high - start - sum(map(len, rows))
        if start == low and missing == 0:
            return rows[0] if len(rows) == 1 else np.concatenate(rows)
        return np.concatenate((self._empty(start - low), *rows, self._empty(missing)))

    def _empty(self, rows: int) -> Array:
        stats = np.zeros((rows, self._stats, self._width))
        stats[:, (LOW, HIGH)] = np.nan
        return stats

    def _fold_up(self) -> None:
        """Sum up every four new rows in one of the next level, all the way up."""
        for level in range(1, len(self._levels) + 2):
            done, full = self._count_at(level), self._count_at(level - 1) // FACTOR
            if full == done:
                return
            if level > len(self._levels):
                dtype = self._values.between(self.count, self.count).dtype
                self._levels.append(Rows((self._stats, self._width), dtype, LEVEL_ROWS))
            rows = self._stats_at(level - 1, done * FACTOR, full * FACTOR)
            self._levels[level - 1].append(_fold(rows, FACTOR))


def _fold(rows: Array, size: int) -> Array:
    """Sum up each `size` rows in one; sizes are small, so a loop over them beats reduce() on short axes."""
    groups = rows.reshape(-1, size, *rows.shape[1:])
    folded = groups[:, 0].copy()
    low, high, counts = folded[:, LOW], folded[:, HIGH], folded[:, BAD:]
    for place in range(1, size):
        row = groups[:, place]
        np.fmin(low, row[:, LOW], out=low)
        np.fmax(high, row[:, HIGH], out=high)
        counts += row[:, BAD:]
    return folded
