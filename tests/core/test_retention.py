"""Which checkpoints stay."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.retention import keep

Checkpoints = list[tuple[int, str, int]]


@st.composite
def runs(draw: st.DrawFn) -> Checkpoints:
    steps = sorted(draw(st.sets(st.integers(1, 5000), min_size=1, max_size=70)))
    kinds = draw(st.lists(st.sampled_from(["regular", "regular", "toggle"]), min_size=70, max_size=70))
    sizes = draw(st.lists(st.integers(1, 100), min_size=71, max_size=71))
    return [(0, "start", sizes[70]), *zip(steps, kinds, sizes, strict=False)]


@given(runs(), st.integers(1, 50))
def test_start_toggles_and_last_stay_and_the_rest_fills_up(checkpoints: Checkpoints, most: int) -> None:
    kept = keep(checkpoints, most)
    wanted = {step for step, kind, _size in checkpoints if kind != "regular"} | {checkpoints[-1][0]}
    assert wanted <= kept
    assert len(kept) == min(len(checkpoints), max(most, len(wanted)))


@given(runs(), st.integers(1, 5000))
def test_bytes_cost_regular_ones_first_then_toggles_never_the_ends(
    checkpoints: Checkpoints, most_bytes: int
) -> None:
    kept = keep(checkpoints, 1000, most_bytes)
    ends = {0, checkpoints[-1][0]}
    kinds = {step: kind for step, kind, _size in checkpoints if step not in ends}
    assert ends <= kept <= {step for step, _kind, _size in checkpoints}
    assert kept == ends or sum(size for step, _kind, size in checkpoints if step in kept) <= most_bytes
    if any(kind == "toggle" and step not in kept for step, kind in kinds.items()):
        assert not any(kind == "regular" and step in kept for step, kind in kinds.items())


@given(runs(), st.integers(1, 50), st.integers(1, 5000))
def test_choosing_again_from_what_stayed_changes_nothing(
    checkpoints: Checkpoints, most: int, most_bytes: int
) -> None:
    kept = keep(checkpoints, most, most_bytes)
    assert keep([row for row in checkpoints if row[0] in kept], most, most_bytes) == kept


def test_a_long_run_thinned_as_it_grows_stays_log_spaced() -> None:
    held: Checkpoints = []
    for number in range(2000):
        held.append((number * 300, "regular" if number else "start", 1))
        kept = keep(held)
        held = [row for row in held if row[0] in kept]
    distances = [held[-1][0] - step for step, _kind, _size in held[:-1]]
    assert len(held) == 40
    assert all(older <= 2.01 * newer for older, newer in pairwise(distances))


@pytest.mark.parametrize(
    ("checkpoints", "kept"),
    [
        pytest.param([], set(), id="none"),
        pytest.param([(7, "regular", 10**12)], {7}, id="one too heavy"),
        pytest.param([(0, "start", 1), (3, "toggle", 9), (5, "last", 1)], {0, 5}, id="toggle too heavy"),
    ],
)
def test_small_cases(checkpoints: Checkpoints, kept: set[int]) -> None:
    assert keep(checkpoints, 1, 5) == kept
