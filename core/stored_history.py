"""A stored run as its slices, its history, or part of it in full; read in pieces, so memory stays bounded."""

import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core import journal
from core.history import GradientMap, Quantity, Reading, RunHistory
from core.messages import Evaluation, FloatArray, LaneEvaluation, LaneSlice, TrainingSlice, readonly
from core.pyramid import CHUNK
from core.settings import LaneSettings, RunSettings
from core.stored_run import JOURNAL_FILE, StoredCommand, open_run, read_commands, read_evaluations, reading

MOST_GAP = 1_000_000  # steps without a row; more is no full disk but a damaged journal


def history_of(directory: Path, last_step: int | None = None) -> RunHistory:
    """Return the history that a run (up to `last_step`) would have had live; raises RecordError.

    Markers are the window's own and not among it. Norms are as recorded: float32.
    """
    most = 2**62 if last_step is None else last_step
    with open_run(directory) as (facts, connection):
        history = RunHistory([lane.network.block_count for lane in facts.settings.lanes])
        for part in _slices(connection, facts.settings, facts.begins_at + 1, most):
            history.add_slice(part)
        for stored in read_evaluations(connection):
            if stored.step <= most and len(stored.figures) == len(history.lanes):
                figures = tuple(LaneEvaluation(loss, accuracy) for loss, accuracy in stored.figures)
                history.add_evaluation(Evaluation(stored.step, 0, figures, stored.stale))
    return history


def stored_slices(directory: Path, last_step: int | None = None) -> Iterator[TrainingSlice]:
    """Yield a run as slices of at most CHUNK steps, without speed and memory; raises RecordError.

    A hole, where the disk was full, is NaN. To be read to its end or closed by one thread.
    """
    most = 2**62 if last_step is None else last_step
    with open_run(directory) as (facts, connection):
        yield from _slices(connection, facts.settings, facts.begins_at + 1, most)


def detail(
    directory: Path, lane: int, quantity: Quantity, first: int, last: int, most_points: int
) -> tuple[FloatArray, FloatArray]:
    """`RunHistory.curve` from the journal: every step, however old, or each bin's true lowest and highest."""
    with reading(directory), journal.open_journal(directory / JOURNAL_FILE) as connection:
        first, last = _recorded(connection, first, last)
        length = last + 1 - first
        size = 1 if length <= most_points else -(-length // max(most_points // 2, 1))
        steps, low, high = binned(connection, lane, quantity, first, last, size)
    if size == 1:
        return steps, low
    return np.repeat(steps, 2), np.column_stack((low, high)).ravel()


def detail_map(
    directory: Path, lane: int, reading_name: Reading, first: int, last: int, columns: int
) -> GradientMap:
    """`RunHistory.gradient_map` from the journal; reads every step of the range."""
    with open_run(directory) as (facts, connection):
        blocks = facts.settings.lanes[lane].network.block_count
        first, last = _recorded(connection, first, last)
        size = max(-(-(last + 1 - first) // max(columns, 1)), 1)
        count = -(-(last + 1 - first) // size)
        values = np.full((count, blocks), np.nan, np.float32)
        non_finite = np.zeros((count, blocks), np.int64)
        for start in range(first, last + 1, CHUNK):
            stored = journal.read_lane(connection, lane, start, min(start + CHUNK - 1, last))
            norms = _shaped(getattr(stored, reading_name), len(stored.steps), blocks)
            finite = np.isfinite(norms)
            places = (stored.steps - first) // size
            np.fmax.at(values, places, np.where(finite, norms, np.float32(np.nan)))
            np.add.at(non_finite, places, ~finite)
    return GradientMap(first, size, values.T, non_finite.T)


def binned(
    connection: sqlite3.Connection, lane: int, quantity: Quantity, first: int, last: int, size: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Middle, lowest and highest of each `size` steps; NaN where nothing finite is known."""
    low, high = journal.bins(connection, lane, quantity, first, last, size)
    steps = first + size * np.arange(len(low)) + (size - 1) / 2
    return np.minimum(steps, last), low, high


def _recorded(connection: sqlite3.Connection, first: int, last: int) -> tuple[int, int]:
    """Narrow a range down to where steps are recorded; (1, 0): nowhere."""
    begin, end = journal.next_step(connection, first), journal.last_step(connection, last)
    return (1, 0) if begin is None or end is None or begin > end else (begin, end)


# ---- slices -------------------------------------------------------------------------------


def _slices(
    connection: sqlite3.Connection, settings: RunSettings, first: int, most: int
) -> Iterator[TrainingSlice]:
    end = journal.last_step(connection, most)
    if end is None:
        return
    lanes = [_Lane(connection, number, lane, end) for number, lane in enumerate(settings.lanes)]
    commands = deque(sorted(read_commands(connection), key=lambda command: command.step))  # stable
    begin = min(first, journal.next_step(connection, 0) or first)
    while begin <= end:
        if (journal.next_step(connection, begin) or begin) - begin > MOST_GAP:
            raise ValueError(f"more than {MOST_GAP} steps are missing after step {begin - 1}")
        while commands and commands[0].step <= begin:
            _obey(lanes, commands.popleft())
        stop = min(begin + CHUNK, end + 1, *(command.step for command in islice(commands, 1)))
        shares = tuple(lane.share(connection, begin, stop) for lane in lanes)
        yield TrainingSlice(begin, stop - begin, shares, (), 0.0, 0)
        begin = stop


class _Lane:
    """One lane while its slices are read."""

    def __init__(self, connection: sqlite3.Connection, number: int, settings: LaneSettings, end: int) -> None:
        self._number = number
        self._blocks = settings.network.block_count
        self._rate = settings.learning_rate
        self.shortcuts, self.branches = settings.shortcuts, settings.branches
        last, loss = journal.lane_end(connection, number, end) or (0, 0.0)
        self._diverged_at = last if last and (last < end or not np.isfinite(loss)) else None
        self._stop = last + 1

    def share(self, connection: sqlite3.Connection, begin: int, stop: int) -> LaneSlice:
        """Read steps begin … stop - 1, as far as the lane goes."""
        count = max(min(stop, self._stop) - begin, 0)
        scalars, norms = np.full((2, count), np.nan), np.full((2, count, self._blocks), np.nan)
        if count:
            stored = journal.read_lane(connection, self._number, begin, begin + count - 1)
            rows = stored.steps - begin
            scalars[0, rows], scalars[1, rows] = stored.losses, stored.accuracies
            for place, values in enumerate((stored.gradient_norms, stored.output_gradients)):
                norms[place, rows] = _shaped(values, len(rows), self._blocks)
            self._rate = float(stored.learning_rates[-1]) if len(rows) else self._rate
        is_over = self._diverged_at is not None and self._diverged_at < stop
        losses, accuracies = map(readonly, scalars)
        gradient_norms, output_gradients = map(readonly, norms)
        return LaneSlice(
            losses, accuracies, gradient_norms, output_gradients, self._rate, self.shortcuts, self.branches,
            None, self._diverged_at if is_over else None,
        )  # fmt: skip


def _obey(lanes: Sequence[_Lane], given: StoredCommand) -> None:
    """Take on the strengths that a command sets."""
    values = given.command
    if values.get("do") != "strengths":
        return
    lane = lanes[int(values["lane"])]
    if values["shortcuts"] is not None:
        lane.shortcuts = tuple(map(float, values["shortcuts"]))
    if values["branches"] is not None:
        lane.branches = tuple(map(float, values["branches"]))


def _shaped(norms: NDArray[np.float32], steps: int, blocks: int) -> NDArray[np.float32]:
    """Return norms, (steps, blocks); raises ValueError when they are of another network."""
    if steps and norms.shape != (steps, blocks):
        raise ValueError(f"norms of {norms.shape[-1]} blocks, not {blocks}")
    return norms.reshape(steps, blocks)
