"""A stored run shows what it showed live, whatever part of it is read back."""

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core import stored_history
from core.history import READINGS, RunHistory
from core.journal import lane_end, open_journal
from core.messages import Evaluation, LaneEvaluation, LaneSlice, TrainingSlice
from core.records import RecordError, RunRecord, read_run
from core.settings import NetworkSettings, RunSettings, lane
from core.stored_history import detail, detail_map, history_of, stored_slices

SETTINGS = RunSettings((lane("A", NetworkSettings(depth=18)), lane("B", NetworkSettings(depth=20), 0.0)))
BLOCKS = (8, 9)


class Recorder:
    """Makes up a run: keeps its slices, records them, and can say what a history fed with them is."""

    def __init__(self, directory: Path, first: int = 1) -> None:
        self.rng = np.random.default_rng(5)
        self.record = RunRecord.create(directory, SETTINGS, begins_at=first - 1)
        self.shortcuts = [[1.0] * BLOCKS[0], [0.0] * BLOCKS[1]]
        self.next = first
        self.diverged: int | None = None
        self.events: list[TrainingSlice | Evaluation] = []

    def train(self, steps: int, *, diverge_after: int | None = None, record: bool = True) -> None:
        """Train both lanes; B's loss becomes infinite after so many of the steps."""
        counts = [steps, 0 if self.diverged else steps]
        if diverge_after is not None:
            counts[1], self.diverged = diverge_after, self.next + diverge_after - 1
        shares = []
        for number, count in enumerate(counts):
            losses = self.rng.normal(size=count)
            if number and diverge_after is not None:
                losses[-1] = math.inf
            norms = self.rng.random((2, count, BLOCKS[number])).astype(np.float32).astype(np.float64)
            branches = (1.0,) * BLOCKS[number]
            shares.append(LaneSlice(
                losses, losses / 8, *norms, 0.01, tuple(self.shortcuts[number]), branches, None,
                self.diverged if number else None,
            ))  # fmt: skip
        self.events.append(TrainingSlice(self.next, steps, tuple(shares), (), 1.0, 0))
        if record:
            self.record.append_steps(self.next, shares)
        self.next += steps

    def toggle(self, number: int, block: int, strength: float) -> None:
        self.shortcuts[number][block] = strength
        command = {"do": "strengths", "lane": number, "shortcuts": self.shortcuts[number], "branches": None}
        self.record.append_command(self.next, command)

    def evaluate(self, stale: int | None = None) -> None:
        figures = [(float(self.rng.random()), float(self.rng.random())) for _ in BLOCKS]
        self.record.append_evaluation(self.next - 1, figures, stale)
        lanes = tuple(LaneEvaluation(*each) for each in figures)
        self.events.append(Evaluation(self.next - 1, 100, lanes, stale))

    def live(self, last_step: int = 10**9) -> RunHistory:
        """The history of all there was up to a step."""
        history = RunHistory(BLOCKS)
        for event in self.events:
            if isinstance(event, Evaluation):
                if event.step <= last_step:
                    history.add_evaluation(event)
            elif event.first_step <= last_step:
                count = min(event.steps, last_step + 1 - event.first_step)
                lanes = []
                for each in event.lanes:
                    at = each.diverged_at
                    lanes.append(LaneSlice(
                        each.losses[:count], each.accuracies[:count], each.gradient_norms[:count],
                        each.output_gradients[:count], each.learning_rate, each.shortcuts, each.branches, None,
                        at if at is not None and at <= last_step else None,
                    ))  # fmt: skip
                history.add_slice(TrainingSlice(event.first_step, count, tuple(lanes), (), 1.0, 0))
        return history

    def close(self) -> Path:
        assert self.record.close(20)
        return self.record.directory

    def column(self, number: int) -> np.ndarray:
        """All losses of a lane, in float64; step 1 comes first."""
        return np.concatenate([e.lanes[number].losses for e in self.events if isinstance(e, TrainingSlice)])


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    made = Recorder(tmp_path / "run")
    yield made
    made.record.close()


def assert_same(found: RunHistory, live: RunHistory) -> None:
    assert (found.first_step, found.last_step) == (live.first_step, live.last_step)
    assert (found.has_stale, found.evaluations) == (live.has_stale, live.evaluations)
    # When old rows are forgotten depends on how many come at once; until then all is the same.
    ranges = [(1, live.last_step, 300)]
    ranges += (
        [(700, 900, 400), (1, 30, 5)]
        if live.full_from == 1
        else [(live.last_step - 500, live.last_step, 600)]
    )
    for number, (mine, theirs) in enumerate(zip(found.lanes, live.lanes, strict=True)):
        assert mine.diverged_at == theirs.diverged_at
        assert mine.shortcuts == theirs.shortcuts
        assert mine.non_finite == theirs.non_finite
        assert mine.scalars.count == theirs.scalars.count
        for quantity in ("loss", "accuracy"):
            for first, last, points in ranges:
                pairs = (h.curve(number, quantity, first, last, points) for h in (found, live))
                for a, b in zip(*pairs, strict=True):
                    np.testing.assert_array_equal(a, b)
            held_out = [h.held_out(number, quantity) for h in (found, live)]
            for name in ("steps", "values", "stale"):
                np.testing.assert_array_equal(*(getattr(each, name) for each in held_out))
        for reading in READINGS:
            np.testing.assert_array_equal(found.profile(number, reading)[1], live.profile(number, reading)[1])
            maps = [h.gradient_map(number, reading, 1, live.last_step, 50) for h in (found, live)]
            np.testing.assert_array_equal(maps[0].values, maps[1].values)
            np.testing.assert_array_equal(maps[0].non_finite, maps[1].non_finite)
    oldest = max(found.full_from, live.full_from)
    rows = [[row for row in each.table("AB")[1] if row[0] >= oldest] for each in (found, live)]
    assert str(rows[0]) == str(rows[1])  # NaN is not equal to itself


def fill(recorder: Recorder) -> None:
    recorder.train(7)
    recorder.evaluate()
    recorder.toggle(0, 3, 0.0)
    recorder.train(1)
    recorder.toggle(1, 0, 0.5)
    recorder.toggle(1, 1, 0.25)
    recorder.train(9000)  # longer than a piece
    recorder.evaluate(stale=8)
    recorder.evaluate()  # again at the same step
    recorder.train(30, diverge_after=12)  # B is lost at step 9020
    recorder.record.append_command(recorder.next, {"do": "length", "steps": 10**6})
    recorder.train(15_000)  # more than is kept in full
    recorder.evaluate()


# ---- histories ----------------------------------------------------------------------------


def test_a_stored_run_has_the_history_it_had_live(recorder: Recorder) -> None:
    fill(recorder)
    assert_same(history_of(recorder.close()), recorder.live())


def test_a_long_stored_run_keeps_as_much_as_it_had_kept_live(recorder: Recorder) -> None:
    fill(recorder)
    for _ in range(15):
        recorder.train(1000)
    found, live = history_of(recorder.close()), recorder.live()
    assert found.full_from > 1
    assert live.full_from > 1
    assert found.nbytes == live.nbytes
    assert_same(found, live)


@pytest.mark.parametrize("last_step", [0, 1, 7, 8, 9, 4097, 9008, 9019, 9020, 9021, 9038, 20_000, 10**9])
def test_the_history_up_to_a_step_is_that_of_a_run_that_stopped_there(
    recorder: Recorder, last_step: int
) -> None:
    fill(recorder)
    assert_same(history_of(recorder.close(), last_step), recorder.live(last_step))


def test_a_branch_begins_where_it_branched_off(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "run", first=501)
    assert history_of(tmp_path / "run").first_step is None
    recorder.train(10)
    found = history_of(recorder.close())
    assert found.first_step == 501
    assert_same(found, recorder.live())


def test_pieces_are_short_in_order_and_under_one_set_of_strengths(recorder: Recorder) -> None:
    fill(recorder)
    parts = list(stored_slices(recorder.close()))
    assert max(part.steps for part in parts) <= 4096
    assert [part.first_step for part in parts[1:]] == [part.first_step + part.steps for part in parts[:-1]]
    for part in parts:
        cut = part.lanes[0].shortcuts[3] == 0
        assert cut == (part.first_step >= 8)
        assert part.lanes[1].shortcuts[:2] == ((0.5, 0.25) if part.first_step >= 9 else (0.0, 0.0))
        assert not part.lanes[0].losses.flags.writeable
        assert part.lanes[0].learning_rate == 0.01
        assert part.lanes[1].diverged_at == (9020 if part.first_step + part.steps > 9020 else None)
        assert len(part.lanes[0].losses) == part.steps
    np.testing.assert_array_equal(np.concatenate([p.lanes[1].losses for p in parts]), recorder.column(1))


def test_a_hole_where_the_disk_was_full_is_a_gap(recorder: Recorder) -> None:
    recorder.train(10, record=False)
    recorder.train(100)
    recorder.train(5000, record=False)
    recorder.train(50, diverge_after=20)
    recorder.train(10)
    directory = recorder.close()
    found = history_of(directory)
    assert (found.first_step, found.last_step) == (1, 5170)
    assert found.lanes[1].diverged_at == 5130
    for number, length in ((0, 5170), (1, 5130)):
        expected = recorder.column(number)
        expected[:10] = expected[110:5110] = np.nan
        expected[~np.isfinite(expected)] = np.nan
        values = found.lanes[number].scalars.values(0, 10**6)[:, 0]
        assert len(values) == length
        np.testing.assert_array_equal(np.where(np.isfinite(values), values, np.nan), expected)


def test_a_run_without_steps_and_one_with_a_lane_without_any(recorder: Recorder) -> None:
    assert history_of(recorder.record.directory).last_step == 0
    recorder.train(5)
    directory = recorder.close()
    change(directory, "DELETE FROM steps WHERE lane = 1")
    found = history_of(directory)
    assert found.last_step == 5
    assert len(found.curve(1, "loss", 1, 5, 10)[0]) == 0


def change(directory: Path, statement: str) -> None:
    connection = sqlite3.connect(directory / "journal.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE steps SET step = 2000000000 WHERE step = 30", "steps are missing"),
        ("UPDATE steps SET gradient_norms = x'00000000'", "norms of 1 blocks, not 8"),
        ("UPDATE steps SET loss = 'x'", "cannot be read"),
        ('UPDATE commands SET json = \'{"do": "strengths"}\'', "cannot be read"),
        ('UPDATE commands SET json = \'{"do": "strengths", "lane": 7}\'', "cannot be read"),
        ("UPDATE evaluations SET loss = 'x'", "cannot be read"),
        ("DROP TABLE evaluations", "no such table"),
    ],
)
def test_a_damaged_journal_is_one_line(recorder: Recorder, statement: str, said: str) -> None:
    recorder.train(20)
    recorder.toggle(0, 1, 0.5)
    recorder.train(10)
    recorder.evaluate()
    directory = recorder.close()
    change(directory, statement)
    with pytest.raises(RecordError) as caught:
        history_of(directory)
    assert said in str(caught.value)


def test_an_evaluation_that_is_not_whole_is_left_out(recorder: Recorder) -> None:
    recorder.train(20)
    recorder.evaluate()
    directory = recorder.close()
    change(directory, "DELETE FROM evaluations WHERE lane = 1")
    assert history_of(directory).held_out(0, "loss").steps.size == 0


def test_a_history_goes_on_live_after_it_was_read(recorder: Recorder) -> None:
    recorder.train(5000)
    directory = recorder.close()
    found = history_of(directory, 3000)
    share = [np.ones(3), np.ones(3), np.ones((3, 8)), np.ones((3, 8))]
    other = [np.ones(3), np.ones(3), np.ones((3, 9)), np.ones((3, 9))]
    lanes = (LaneSlice(*share, 0.1, (), ()), LaneSlice(*other, 0.1, (), ()))
    found.add_slice(TrainingSlice(3001, 3, lanes, (), 1.0, 0))
    assert found.value(0, "loss", 3002) == (1, 1)
    assert found.value(0, "loss", 3000) == (recorder.column(0)[2999],) * 2


# ---- part of a run in full ----------------------------------------------------------------


def test_old_steps_come_back_in_full(recorder: Recorder) -> None:
    recorder.train(30_000)
    directory = recorder.close()
    losses = recorder.column(0)
    steps, values = detail(directory, 0, "loss", 101, 600, 500)
    np.testing.assert_array_equal(steps, np.arange(101, 601))
    np.testing.assert_array_equal(values, losses[100:600])
    np.testing.assert_array_equal(detail(directory, 0, "accuracy", 101, 600, 500)[1], losses[100:600] / 8)
    assert not np.array_equal(recorder.live().curve(0, "loss", 101, 600, 500)[1], losses[100:600])


@pytest.mark.parametrize(("first", "last", "most"), [(1, 9000, 100), (-5, 10**9, 77), (2000, 2999, 998)])
def test_long_ranges_come_back_as_lowest_and_highest(
    recorder: Recorder, first: int, last: int, most: int
) -> None:
    recorder.train(9000)
    directory = recorder.close()
    losses = recorder.column(0)
    steps, values = detail(directory, 0, "loss", first, last, most)
    first, last = max(first, 1), min(last, 9000)
    assert len(steps) == len(values) <= most
    size = math.ceil((last + 1 - first) / (most // 2))
    parts = [losses[start - 1 : min(start + size - 1, last)] for start in range(first, last + 1, size)]
    np.testing.assert_array_equal(values[::2], [part.min() for part in parts])
    np.testing.assert_array_equal(values[1::2], [part.max() for part in parts])
    assert (first <= steps).all()
    assert (steps <= last).all()


def test_detail_has_gaps_where_nothing_finite_is(recorder: Recorder) -> None:
    recorder.train(50, diverge_after=40)
    recorder.train(10, record=False)
    recorder.train(10)
    directory = recorder.close()
    steps, values = detail(directory, 1, "loss", 30, 80, 200)
    assert np.isnan(values).tolist() == [step >= 40 for step in steps]
    steps, values = detail(directory, 0, "loss", 30, 80, 200)
    assert steps[np.isnan(values)].tolist() == list(range(51, 61))
    assert detail(directory, 0, "loss", 71, 90, 200)[0].size == 0
    assert detail(directory, 0, "loss", 55, 58, 200)[0].size == 0
    assert detail(directory, 5, "loss", 1, 9, 3)[0].size <= 3
    with pytest.raises(RecordError, match="cannot be read"):
        detail(directory.parent, 0, "loss", 1, 9, 3)


def test_the_map_of_old_steps_holds_the_largest_norm_of_each_column(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_history, "CHUNK", 64)
    recorder.train(700)
    directory = recorder.close()
    change(
        directory,
        "UPDATE steps SET output_gradients = x'" + "0000807f" * 8 + "' WHERE step = 150 AND lane = 0",
    )
    norms = np.concatenate([e.lanes[0].output_gradients for e in recorder.events])  # type: ignore[union-attr]
    norms[149] = np.inf
    shown = detail_map(directory, 0, "output_gradients", 101, 400, 70)
    assert (shown.first, shown.size, shown.values.shape) == (101, 5, (8, 60))
    for column in range(60):
        part = norms[100 + 5 * column : 105 + 5 * column]
        finite = np.where(np.isfinite(part), part, -1)
        np.testing.assert_allclose(shown.values[:, column], finite.max(axis=0))
        np.testing.assert_array_equal(shown.non_finite[:, column], (~np.isfinite(part)).sum(axis=0))
    assert shown.non_finite.sum() == 8
    assert detail_map(directory, 0, "gradient_norms", 900, 1000, 9).values.shape == (8, 0)


@pytest.mark.parametrize("end", [1, 2, 77, 499, 500])
def test_the_end_of_a_lane_is_found_across_holes(recorder: Recorder, end: int) -> None:
    recorder.train(500)
    directory = recorder.close()
    change(directory, f"DELETE FROM steps WHERE lane = 1 AND step > {end}")
    change(directory, "DELETE FROM steps WHERE step BETWEEN 80 AND 300")
    with open_journal(directory / "journal.sqlite") as connection:
        assert lane_end(connection, 0, 500) == (500, recorder.column(0)[499])
        assert lane_end(connection, 1, 500) == (end, recorder.column(1)[end - 1])
        assert lane_end(connection, 2, 500) is None
        assert lane_end(connection, 1, 50) == (min(end, 50), recorder.column(1)[min(end, 50) - 1])
    assert len(read_run(directory).lanes[1].steps) == len(
        [s for s in range(1, end + 1) if not 80 <= s <= 300]
    )


# ---- memory -------------------------------------------------------------------------------


@pytest.mark.soak
def test_a_million_steps_of_four_lanes_of_110_layers_take_under_300_mb() -> None:
    assert _kept(1_000_000, 54) < 300e6


def test_a_quarter_of_a_million_steps_of_18_layers_take_under_50_mb() -> None:
    assert _kept(250_000, 8) < 50e6


def _kept(steps: int, blocks: int) -> int:
    history = RunHistory([blocks] * 4)
    rng = np.random.default_rng(0)
    share = LaneSlice(rng.random(4096), rng.random(4096), *rng.random((2, 4096, blocks)), 0.1, (), ())
    while history.last_step < steps:
        history.add_slice(TrainingSlice(history.last_step + 1, 4096, (share,) * 4, (), 1.0, 0))
    return history.nbytes
