"""Points and bands of the degradation chart, and what is counted without a network."""

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from core.degradation import PUBLISHED, bands, count_parameters, multiply_adds, points
from core.journal import StoredLane
from core.messages import LaneSlice
from core.network import ResidualNetwork
from core.records import RunRecord, read_run
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane, twins
from core.stored_run import StoredCommand, StoredRun

SMALL = NetworkSettings(width=4)


def stored_lane(losses: list[float], accuracies: list[float] | None = None) -> StoredLane:
    count = len(losses)
    norms = np.ones((count, 8), np.float32)
    read = np.array(accuracies if accuracies is not None else [0.5] * count)
    return StoredLane(np.arange(1, count + 1), np.array(losses), read, np.full(count, 0.05), norms, norms)


def run_of(
    settings: RunSettings,
    *lanes: StoredLane,
    commands: tuple[Mapping[str, Any], ...] = (),
    begins_at: int = 0,
) -> StoredRun:
    given = tuple(StoredCommand(3, 0.0, command) for command in commands)
    ends = tuple((int(each.steps[-1]), float(each.losses[-1])) if len(each.steps) else None for each in lanes)
    return StoredRun(
        directory=Path("/runs/one"), program="1", created=0.0, settings=settings, lesson=None, extra={},
        parent=None, parent_step=None, begins_at=begins_at, state="finished", name="", lanes=lanes, ends=ends,
        commands=given, evaluations=(), checkpoints=(),
    )  # fmt: skip


def test_a_point_is_the_mean_of_the_last_twenty() -> None:
    settings = RunSettings(twins(SMALL, 0.02), dataset="cifar10", image_size=32, seed=4)
    early = [50.0] * 30
    losses = [float(n) for n in range(20)]  # their mean is 9.5
    rates = [0.0] * 30 + [0.7, 0.9] * 10
    run = run_of(settings, stored_lane(early + losses, rates), stored_lane([2.0, 4.0], [0.25, 0.75]))
    with_shortcuts, plain = points(run)
    assert (with_shortcuts.loss, with_shortcuts.steps) == (9.5, 50)
    assert with_shortcuts.error == pytest.approx(0.2)
    assert (plain.loss, plain.error, plain.steps) == (3.0, 0.5, 2)
    assert (with_shortcuts.shortcuts, plain.shortcuts) == ("with", "plain")
    for point, name in ((with_shortcuts, "A"), (plain, "B")):
        assert (point.run, point.lane, point.depth, point.width) == ("one", name, 18, 4)
        assert (point.learning_rate, point.seed, point.dataset) == (0.02, 4, "cifar10")


def test_a_run_read_without_its_steps_gives_the_same_points(tmp_path: Path) -> None:
    record = RunRecord.create(tmp_path / "run", RunSettings(twins(SMALL)))
    norms, ones, losses = np.ones((50, 8)), (1.0,) * 8, np.arange(50.0)
    made = LaneSlice(losses, losses / 100, norms, norms, 0.05, ones, ones)
    record.append_steps(1, (made, made))
    assert record.close()
    whole, light = (points(read_run(tmp_path / "run", with_steps=steps)) for steps in (True, False))
    assert whole == light
    assert light[0].loss == 39.5


def test_a_lane_that_never_trained_has_no_point() -> None:
    run = run_of(RunSettings(twins(SMALL)), stored_lane([1.0]), stored_lane([]))
    assert [point.lane for point in points(run)] == ["A"]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ({"do": "strengths", "lane": 0, "shortcuts": [0.0] * 8, "branches": None}, "mixed"),
        ({"do": "strengths", "lane": 0, "shortcuts": [1.0] * 8, "branches": None}, "with"),
        ({"do": "strengths", "lane": 0, "shortcuts": None, "branches": [1.0] * 7 + [0.0]}, "mixed"),
        ({"do": "strengths", "lane": 1, "shortcuts": [0.5] * 8, "branches": None}, "with"),
        ({"do": "length", "steps": 100}, "with"),
    ],
)
def test_what_was_toggled_on_the_way_is_mixed(command: Mapping[str, Any], expected: str) -> None:
    run = run_of(RunSettings(twins(SMALL)), stored_lane([1.0]), stored_lane([1.0]), commands=(command,))
    assert points(run)[0].shortcuts == expected


@pytest.mark.parametrize(
    ("shortcuts", "branches", "expected"),
    [
        ((1.0,) * 8, (1.0,) * 8, "with"),
        ((0.0,) * 8, (1.0,) * 8, "plain"),
        ((0.5,) * 8, (1.0,) * 8, "mixed"),
        ((1.0,) * 7 + (0.0,), (1.0,) * 8, "mixed"),
        ((1.0,) * 8, (0.5,) * 8, "mixed"),
    ],
)
def test_shortcuts_are_told_apart(shortcuts: Any, branches: Any, expected: str) -> None:
    settings = RunSettings((LaneSettings("A", SMALL, shortcuts, branches),))
    assert points(run_of(settings, stored_lane([1.0])))[0].shortcuts == expected


def test_a_run_that_branched_off_began_as_another_network() -> None:
    run = run_of(RunSettings((lane("A", SMALL, 0.0),)), stored_lane([1.0]), begins_at=50)
    assert points(run)[0].shortcuts == "mixed"


def test_the_learning_rate_is_the_last_one() -> None:
    commands = (
        {"do": "learning_rate", "lane": 0, "value": 0.01},
        {"do": "learning_rate", "lane": 1, "value": 0.02},
        {"do": "learning_rate", "lane": None, "value": 0.03},
        {"do": "learning_rate", "lane": 1, "value": 0.04},
    )
    run = run_of(RunSettings(twins(SMALL)), stored_lane([1.0]), stored_lane([1.0]), commands=commands)
    assert [point.learning_rate for point in points(run)] == [0.03, 0.04]


def test_bands_are_over_seeds_alone() -> None:
    base = RunSettings(twins(SMALL), threads=1, device="cpu")
    found = []
    for seed, loss in enumerate((3.0, 1.0, 2.0, 10.0)):
        settings = replace(base, seed=seed, threads=seed)
        run = run_of(settings, stored_lane([loss], [loss / 10]), stored_lane([loss + 1]))
        found += points(run)
    other = run_of(replace(base, batch_size=64), stored_lane([7.0]), stored_lane([7.0]))
    longer = run_of(replace(base, seed=9), stored_lane([8.0] * 30), stored_lane([8.0] * 30))
    deep = run_of(RunSettings((lane("deep", NetworkSettings(depth=20, width=4)),)), stored_lane([5.0]))
    made = bands([*points(deep), *found, *points(other), *points(longer)])
    assert [band.depth for band in made] == [18] * 6 + [20]
    assert [band.shortcuts for band in made] == ["with"] * 3 + ["plain"] * 3 + ["with"]
    wide = next(band for band in made if len(band.points) == 4)
    assert (wide.median_loss, wide.low_loss, wide.high_loss) == (2.5, 1.0, 10.0)
    assert (wide.median_error, wide.low_error, wide.high_error) == pytest.approx((0.75, 0.0, 0.9))
    assert sorted(band.median_loss for band in made if len(band.points) == 1) == [5.0, 7.0, 7.0, 8.0, 8.0]
    assert all(band.diverged == 0 for band in made)


def test_lanes_that_diverged_are_counted_and_not_averaged() -> None:
    base = RunSettings((lane("A", SMALL),))
    runs = [run_of(replace(base, seed=seed), stored_lane([2.0 + seed] * 30)) for seed in (0, 1)]
    runs.append(run_of(replace(base, seed=2), stored_lane([2.0] * 3 + [math.inf])))
    (band,) = bands(point for run in runs for point in points(run))
    assert (band.median_loss, band.low_loss, band.high_loss, band.diverged) == (2.5, 2.0, 3.0, 1)
    (alone,) = bands(points(run_of(base, stored_lane([math.nan]))))
    assert (alone.diverged, len(alone.points)) == (1, 1)
    assert math.isnan(alone.median_loss)


NETWORKS = [
    NetworkSettings(width=64),
    NetworkSettings(depth=34, width=8, stem="7x7", classes=1000),
    NetworkSettings(depth=20, projection="pad"),
    NetworkSettings(depth=56, width=8, block="pre"),
    NetworkSettings(width=4, block="pre", stem="7x7", norm="none"),
    NetworkSettings(depth=32, width=4, block="pre_shared", classes=3),
    NetworkSettings(width=4, norm="none"),
    NetworkSettings(depth=44, width=4, norm="none", projection="pad", block="pre"),
]


@pytest.mark.parametrize("settings", NETWORKS, ids=str)
@pytest.mark.parametrize("size", [8, 15, 32])
def test_counts_are_those_of_the_network_itself(settings: NetworkSettings, size: int) -> None:
    with torch.device("meta"):
        network = ResidualNetwork(settings).eval()
        seen = []

        def count(module: nn.Module, given: tuple[torch.Tensor, ...], result: torch.Tensor) -> None:
            weight = module.weight
            assert isinstance(weight, torch.Tensor)
            places = result[0, 0].numel() if isinstance(module, nn.Conv2d) else 1
            seen.append(weight.numel() * places)

        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_hook(count)
        network(torch.empty(1, 3, size, size))
    assert count_parameters(settings) == sum(each.numel() for each in network.parameters())
    assert multiply_adds(settings, size) == sum(seen)


@pytest.mark.parametrize(
    ("settings", "size", "parameters", "macs", "unit"),
    [
        (NetworkSettings(width=64), 32, 11_173_962, 0.5554, 1e9),
        (NetworkSettings(width=64, stem="7x7", classes=1000), 224, 11_689_512, 1.814, 1e9),
        (NetworkSettings(depth=20, projection="pad"), 32, 269_722, 40.6, 1e6),
        (NetworkSettings(depth=32, projection="pad"), 32, 464_154, 68.9, 1e6),
        (NetworkSettings(depth=44, projection="pad"), 32, 658_586, 97.2, 1e6),
        (NetworkSettings(depth=56, projection="pad"), 32, 853_018, 125.5, 1e6),
        (NetworkSettings(depth=110, projection="pad"), 32, 1_727_962, 252.9, 1e6),
    ],
    ids=str,
)
def test_counts_are_the_published_ones(
    settings: NetworkSettings, size: int, parameters: int, macs: float, unit: float
) -> None:
    assert count_parameters(settings) == parameters
    digits = len(str(macs).partition(".")[2])
    assert round(multiply_adds(settings, size) / unit, digits) == macs


def test_published_figures_say_what_they_are() -> None:
    figures = {(each.source[:2], each.shortcuts, each.depth): each.value for each in PUBLISHED}
    assert figures == {
        ("He", "with", 20): 8.75, ("He", "with", 32): 7.51, ("He", "with", 44): 7.17, ("He", "with", 56): 6.97,
        ("He", "with", 110): 6.43, ("Li", "with", 20): 7.37, ("Li", "with", 56): 5.89, ("Li", "with", 110): 5.79,
        ("Li", "plain", 20): 8.18, ("Li", "plain", 56): 13.31, ("Li", "plain", 110): 16.44,
    }  # fmt: skip
    assert {(each.what, each.dataset) for each in PUBLISHED} == {("test error, %", "cifar10")}
