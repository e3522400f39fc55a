"""Odd checkpoints, harmless or of no use: the right verdict and the right words for each, and no change else."""

from pathlib import Path

import pytest
import torch

from core.messages import EngineState, Failed, OpenCheckpoint, Play, RunStarted, Setup
from tests.core.by_hand import Bench, run_settings, trained, use_tiny_dataset
from tests.core.test_checkpoint import (
    BAD,
    GOOD,
    saved,
    test_a_file_beyond_the_limit_is_refused_unread,
    test_a_file_that_is_no_checkpoint_is_refused,
    test_a_file_that_is_no_network_of_ours_is_refused_naming_what_was_found,
    test_a_path_that_is_no_file_is_refused,
    test_a_pickle_from_before_1_6_is_refused,
    test_an_odd_but_good_file_opens_and_says_what_is_odd,
    test_our_metadata_is_not_believed_unchecked,
)

__all__ = [
    "test_a_file_beyond_the_limit_is_refused_unread",
    "test_a_file_that_is_no_checkpoint_is_refused",
    "test_a_file_that_is_no_network_of_ours_is_refused_naming_what_was_found",
    "test_a_path_that_is_no_file_is_refused",
    "test_a_pickle_from_before_1_6_is_refused",
    "test_an_odd_but_good_file_opens_and_says_what_is_odd",
    "test_our_metadata_is_not_believed_unchecked",
]
pytestmark = pytest.mark.gate


@pytest.mark.timeout(120)
def test_no_file_changes_the_running_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them opened between the steps of one run, in each way; it trains as if alone."""
    use_tiny_dataset(monkeypatch)
    steps = len(BAD) + len(GOOD) + 2
    alone = trained(run_settings(steps=steps))
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=steps)))
    for number, (content, _said) in enumerate((*BAD.values(), *GOOD.values())):
        path = saved(tmp_path, content, f"{number}.pt")
        bench.engine.tick(0)
        use = "look" if number >= len(BAD) else ("look", "reference", "lane", "twins")[number % 4]
        bench.engine.submit(OpenCheckpoint(str(path), use))  # type: ignore[arg-type]
    bench.ticks(bench.finished)
    assert len(bench.of(Failed)) == len(BAD)
    assert len(bench.of(RunStarted)) == 1
    assert bench.losses() == alone.losses()
    assert bench.losses(1) == alone.losses(1)
    assert torch.get_num_threads() == 1


@pytest.mark.timeout(120)
def test_a_broken_checkpoint_of_a_lane_leaves_the_old_run_paused_or_playing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_dataset(monkeypatch)
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=10), play=False))
    bench.engine.tick(0)
    for state in (EngineState.PAUSED, EngineState.RUNNING):
        bench.engine.submit(OpenCheckpoint(str(saved(tmp_path, BAD["list"][0])), "lane"))
        bench.engine.tick(0)
        assert bench.engine.state is state
        bench.engine.submit(Play())
        bench.engine.tick(0)
    assert len(bench.of(Failed)) == 2
