"""The history shows what was fed: exactly while it is short, with every spike once it is long."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.history import Marker, RunHistory, write_csv
from core.messages import Evaluation, LaneEvaluation, LaneSlice, TrainingSlice
from core.pyramid import BAD, FULL_STEPS, HIGH, LOW, Pyramid
from core.verdict import Regime, judge


def lane_slice(
    losses: Sequence[float] | NDArray[np.float64], norms: NDArray[np.float64], **more: object
) -> LaneSlice:
    losses = np.asarray(losses, float)
    blocks = norms.shape[1]
    doubled = np.where(norms == 1e308, norms, 2 * np.where(norms == 1e308, 0, norms))
    return LaneSlice(losses, losses / 10, norms, doubled, 0.05, (1.0,) * blocks, (1.0,) * blocks, **more)  # type: ignore[arg-type]


def feed(
    history: RunHistory, losses: NDArray[np.float64], *, chunk: int = 977, blocks: int = 3
) -> NDArray[np.float64]:
    """Feed one lane; its norms are the losses times 1, 2, 3 …"""
    norms = np.abs(losses)[:, None] * np.arange(1, blocks + 1)
    for start in range(0, len(losses), chunk):
        part = lane_slice(losses[start : start + chunk], norms[start : start + chunk])
        history.add_slice(TrainingSlice(history.last_step + 1, len(part.losses), (part,), (), 1.0, 0))
    return norms


def history_of(losses: NDArray[np.float64], **more: int) -> RunHistory:
    history = RunHistory([more.get("blocks", 3)])
    feed(history, losses, **more)
    return history


def test_a_short_run_comes_back_as_it_was_fed() -> None:
    losses = np.random.default_rng(0).normal(size=400)
    history = history_of(losses, chunk=7)
    steps, values = history.curve(0, "loss", 1, 400, 500)
    assert np.array_equal(steps, np.arange(1, 401))
    assert np.array_equal(values, losses)
    steps, values = history.curve(0, "accuracy", 11, 20, 500)
    assert np.array_equal(values, losses[10:20] / 10)


@settings(deadline=None, max_examples=40)
@given(
    length=st.integers(1, 30_000),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    most=st.integers(2, 600),
    chunk=st.integers(1, 5000),
    seed=st.integers(0, 99),
)
def test_bins_are_the_brute_force_ones(
    length: int, ends: tuple[float, float], most: int, chunk: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(length, 2))
    data[rng.random(data.shape) < 0.01] = np.nan
    pyramid = Pyramid(2, means=True)
    for start in range(0, length, max(chunk, length // 50)):
        pyramid.add(data[start : start + max(chunk, length // 50)])
    first = min(int(min(ends) * length), length - 1)
    stop = max(math.ceil(max(ends) * length), first + 1)
    bins = pyramid.bins(first, stop, most)
    assert 1 <= len(bins.stats) <= most
    assert bins.first <= first
    assert bins.first + len(bins.stats) * bins.size >= min(stop, length)
    known = -(-max(length - FULL_STEPS, 0) // bins.size)  # older bins may begin late; see the next test
    for place, stats in enumerate(bins.stats):
        start = bins.first + place * bins.size
        if start >= known:
            part = data[start : start + bins.size]
            assert_bin(stats, part)


def assert_bin(stats: NDArray[np.float64], part: NDArray[np.float64]) -> None:
    for column in range(part.shape[1]):
        finite = part[np.isfinite(part[:, column]), column]
        assert stats[BAD, column] == len(part) - len(finite)
        if len(finite):
            assert stats[LOW, column] == finite.min()
            assert stats[HIGH, column] == finite.max()
            assert np.isclose(stats[3, column], finite.sum())
            assert stats[4, column] == len(finite)
        else:
            assert np.isnan(stats[LOW, column])


@pytest.mark.parametrize("spike", [17, 5_000, 99_999, 150_003, 199_990])
def test_a_spike_survives_however_old(spike: int) -> None:
    losses = np.full(200_000, 2.0)
    losses[spike] = 50.0
    history = history_of(losses)
    steps, values = history.curve(0, "loss", 1, 200_000, 500)
    assert len(values) <= 500
    assert values.max() == 50
    assert abs(steps[values.argmax()] - (spike + 1)) <= 200_000 / 250
    assert history.gradient_map(0, "gradient_norms", 1, 200_000, 300).values.max() == 150


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_non_finite_values_leave_gaps_and_are_counted(bad: float) -> None:
    losses = np.ones(1000)
    losses[100] = bad
    history = history_of(losses)
    values = history.curve(0, "loss", 1, 200, 500)[1]
    assert np.isnan(values[100])
    assert np.count_nonzero(np.isnan(values)) == 1
    assert np.nanmax(history.curve(0, "loss", 1, 1000, 100)[1]) == 1
    shown = history.gradient_map(0, "gradient_norms", 1, 1000, 100)
    assert shown.non_finite.sum() == 3
    assert np.nanmax(shown.values) == 3
    assert history.lanes[0].non_finite == 2 + 3 + 3


def test_huge_finite_values_are_not_called_non_finite() -> None:
    history = history_of(np.full(50, 1e308), blocks=1)
    assert np.all(history.curve(0, "loss", 1, 50, 10)[1] == 1e308)
    assert np.all(np.isfinite(history.smoothed(0, "loss", 1, 50, 10, 5)[1]))
    shown = history.gradient_map(0, "gradient_norms", 1, 50, 10)
    assert np.all(np.isfinite(shown.values))
    assert shown.non_finite.sum() == 0


def test_smoothing_is_the_mean_of_the_last_steps() -> None:
    losses = np.random.default_rng(1).normal(size=300)
    losses[120] = np.nan
    history = history_of(losses)
    steps, values = history.smoothed(0, "loss", 51, 300, 500, 20)
    assert np.array_equal(steps, np.arange(51, 301))
    expected = [np.nanmean(losses[step - 20 : step]) for step in range(51, 301)]
    expected[120 - 50] = np.nan
    np.testing.assert_allclose(values, expected)


def test_smoothing_does_not_show_a_toggle_before_it() -> None:
    losses = np.where(np.arange(30_000) < 20_000, 1.0, 5.0)
    steps, values = history_of(losses).smoothed(0, "loss", 1, 30_000, 300, 500)
    np.testing.assert_allclose(values[steps <= 20_000], 1)
    assert values[-1] == pytest.approx(5)


def test_the_gradient_map_holds_the_largest_norm_of_each_column() -> None:
    losses = np.random.default_rng(2).random(5000)
    history = RunHistory([3])
    norms = feed(history, losses)
    shown = history.gradient_map(0, "gradient_norms", 1, 5000, 100)
    assert shown.values.shape[0] == 3
    assert shown.values.shape[1] <= 100
    for column in range(shown.values.shape[1]):
        start = shown.first - 1 + column * shown.size
        expected = norms[start : start + shown.size].max(axis=0)
        np.testing.assert_allclose(shown.values[:, column], expected, rtol=1e-6)


def test_a_diverged_lane_ends_and_the_others_go_on() -> None:
    history = RunHistory([2, 2])
    for first in (1, 11, 21):
        left = 10 if first == 1 else 5 if first == 11 else 0
        dead = lane_slice(np.ones(left), np.ones((left, 2)), diverged_at=15 if first > 1 else None)
        history.add_slice(
            TrainingSlice(first, 10, (lane_slice(np.ones(10), np.ones((10, 2))), dead), (), 1.0, 0)
        )
    assert history.lanes[1].diverged_at == 15
    assert len(history.curve(1, "loss", 1, 30, 500)[0]) == 15
    assert len(history.curve(0, "loss", 1, 30, 500)[0]) == 30
    assert history.value(1, "loss", 16) is None
    assert len(history.profile(1, "gradient_norms")[1]) == 2


def test_profile_is_the_latest_step_over_relative_depth() -> None:
    history = history_of(np.array([1.0, 3.0]), blocks=4)
    depth, norms = history.profile(0, "output_gradients")
    assert depth.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert norms.tolist() == [6, 12, 18, 24]


def test_an_empty_history_answers_with_nothing() -> None:
    history = RunHistory([8])
    assert len(history.curve(0, "loss", 1, 100, 500)[0]) == 0
    assert len(history.smoothed(0, "loss", 1, 100, 500, 10)[0]) == 0
    assert len(history.profile(0, "gradient_norms")[0]) == 0
    assert history.gradient_map(0, "gradient_norms", 1, 100, 50).values.shape == (8, 0)
    assert history.value(0, "loss", 1) is None
    assert list(history.table(["A"])[1]) == []


def test_a_value_is_exact_while_kept_and_a_range_after() -> None:
    losses = np.arange(60_000, dtype=float)
    history = history_of(losses)
    assert history.value(0, "loss", 59_000) == (58_999, 58_999)
    low, high = history.value(0, "loss", 100) or (0, 0)
    assert low <= 99 <= high
    assert high - low < 64


def test_a_gap_between_slices_is_refused() -> None:
    history = history_of(np.ones(10))
    with pytest.raises(ValueError, match="begins at step 15, after step 10"):
        history.add_slice(TrainingSlice(15, 1, (lane_slice([1], np.ones((1, 3))),), (), 1.0, 0))


def test_a_resumed_run_keeps_its_step_numbers() -> None:
    history = RunHistory([3])
    history.add_slice(TrainingSlice(501, 2, (lane_slice([1, 2], np.ones((2, 3))),), (), 1.0, 0))
    steps, values = history.curve(0, "loss", 1, 1000, 500)
    assert steps.tolist() == [501, 502]
    assert values.tolist() == [1, 2]


def test_evaluations_and_markers_come_back_in_order() -> None:
    history = history_of(np.ones(10))
    for step, loss, stale in ((2, 1.0, None), (6, 2.0, 5), (6, 3.0, None)):
        history.add_evaluation(Evaluation(step, 100, (LaneEvaluation(loss, 0.5),), stale))
    held_out = history.held_out(0, "loss")
    assert held_out.steps.tolist() == [2, 6]
    assert held_out.values.tolist() == [1, 3]
    assert not held_out.stale.any()
    history.add_marker(7, 0, "later")
    history.add_marker(3, None, "earlier")
    assert history.markers_between(3, 6.5) == [Marker(3, None, "earlier")]
    assert [marker.step for marker in history.markers] == [3, 7]


def test_the_table_can_be_written_and_read(tmp_path) -> None:  # type: ignore[no-untyped-def]
    history = history_of(np.array([1.0, 2.0]))
    history.add_evaluation(Evaluation(2, 100, (LaneEvaluation(0.25, 0.75),)))
    path = tmp_path / "curves.csv"
    write_csv(path, *history.table(["A"]))
    assert path.read_text().splitlines() == [
        "step,A loss,A accuracy,A held-out loss,A held-out accuracy",
        "1,1.0,0.1,,",
        "2,2.0,0.2,0.25,0.75",
    ]


def test_memory_stops_growing() -> None:
    history = RunHistory([8] * 4)
    rng = np.random.default_rng(3)
    sizes = {}
    for first in range(1, 100_001, 1000):
        lanes = tuple(lane_slice(rng.random(1000), rng.random((1000, 8))) for _ in range(4))
        history.add_slice(TrainingSlice(first, 1000, lanes, (), 1.0, 0))
        sizes[first + 999] = history.nbytes
    assert sizes[100_000] - sizes[1000] < 50e6
    assert sizes[100_000] - sizes[50_000] < 5e6


@pytest.mark.parametrize(
    ("norms", "regime", "ratio"),
    [
        ([1.0, 5.0, 2.0], Regime.HEALTHY, 0.5),
        ([1e-4, 1.0], Regime.VANISHING, 1e-4),
        ([1e3, 1.0], Regime.EXPLODING, 1e3),
        ([0.0, 1.0], Regime.VANISHING, 0.0),
        ([1.0, 0.0], Regime.EXPLODING, math.inf),
        ([0.0, 0.0], Regime.ZERO, math.nan),
        ([1.0, math.inf, math.nan, 1.0], Regime.NON_FINITE, 1.0),
    ],
)
def test_a_profile_is_named_by_its_ratio(norms: list[float], regime: Regime, ratio: float) -> None:
    verdict = judge(np.array(norms))
    assert verdict.regime is regime
    assert verdict.ratio == pytest.approx(ratio, nan_ok=True)
    assert verdict.non_finite == sum(not math.isfinite(norm) for norm in norms)
    assert verdict.zeros == norms.count(0.0)
