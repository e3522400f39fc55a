"""The health panel draws the sampled readings of all lanes over one axis, and says what is not there."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from core.messages import BlockSamples, LaneInfo, LaneSlice, RunStarted, TrainingSlice
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.health_panel import HealthPanel
from gui.health_quantity import HealthQuantity
from gui.theme import DARK, LIGHT

SHALLOW = NetworkSettings()
DEEP = NetworkSettings(depth=110, width=8, norm="none", block="pre")


def run_of(*lanes: LaneSettings) -> RunStarted:
    infos = tuple(
        LaneInfo(
            one.name, one.network, 0, (1,) * one.network.block_count, ((1, 1, 1),) * one.network.block_count
        )
        for one in lanes
    )
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 100, 100, None)


def samples_of(blocks: int, step: int = 41) -> BlockSamples:
    """Each field has numbers of its own."""
    base = np.linspace(0.1, 0.9, blocks)
    rows = [base * (10.0**-number) for number in range(9)]
    return BlockSamples(step, *rows)


def slice_of(run: RunStarted, *samples: BlockSamples | None, diverged_at: int | None = None) -> TrainingSlice:
    lanes = []
    for info, sample in zip(run.lanes, samples, strict=True):
        blocks = info.network.block_count
        table = np.ones((1, blocks))
        ones = (1.0,) * blocks
        lanes.append(LaneSlice(np.ones(1), np.ones(1), table, table, 0.1, ones, ones, sample, diverged_at))
    return TrainingSlice(1, 1, tuple(lanes), (), 1.0, 0)


@pytest.fixture
def panel(qtbot: QtBot) -> HealthPanel:
    made = HealthPanel()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def started(panel: HealthPanel, *lanes: LaneSettings) -> RunStarted:
    run = run_of(*(lanes or (lane("A", SHALLOW), lane("B", SHALLOW, 0.0))))
    panel.start_run(run)
    return run


def test_before_a_sample_it_says_what_will_come(panel: HealthPanel) -> None:
    run = started(panel)
    panel.add_slice(slice_of(run, None, None))
    panel.refresh_now()
    assert panel._empty.isVisible()
    panel.add_slice(slice_of(run, samples_of(8), samples_of(8)))
    assert panel.dirty
    panel.refresh_now()
    assert not panel._empty.isVisible()


@pytest.mark.parametrize(
    ("quantity", "field", "is_log"),
    [("updates", "updates", True), ("dead", "dead", False), ("saturated", "saturated", False),
     ("output", "means", False), ("branch_ratio", "branch_ratios", True),
     ("branch_deviation", "branch_deviations", True), ("gamma", "gammas", False)],
)  # fmt: skip
def test_every_choice_draws_its_field_on_its_axis(
    panel: HealthPanel, quantity: str, field: str, is_log: bool
) -> None:
    run = started(panel, lane("A", SHALLOW), lane("B", NetworkSettings(depth=110)))
    samples = samples_of(8), samples_of(54)
    panel.add_slice(slice_of(run, *samples))
    panel.set_quantity(HealthQuantity(quantity))
    assert panel.choice.currentData() == quantity
    for curve, sample, blocks in zip(panel.plot._curves, samples, (8, 54), strict=True):
        wanted = getattr(sample, field)
        np.testing.assert_allclose(curve.yData, np.log10(wanted) if is_log else wanted)
        np.testing.assert_allclose(curve.xData, [(block + 0.5) / blocks for block in range(blocks)])


def test_choosing_by_hand_shows_the_choice(panel: HealthPanel) -> None:
    run = started(panel)
    panel.add_slice(slice_of(run, samples_of(8), samples_of(8)))
    panel.choice.setCurrentIndex(1)
    panel.choice.activated.emit(1)
    assert panel.plot.reading.quantity is HealthQuantity.DEAD
    assert panel.plot.y_range[0] < 0 < 1 < panel.plot.y_range[1] < 1.1


def test_the_step_of_the_sample_is_said(panel: HealthPanel) -> None:
    run = started(panel)
    panel.add_slice(slice_of(run, samples_of(8, 1201), samples_of(8, 1201)))
    panel.refresh_now()
    assert "of step 1,201" in panel.plot.title.text()
    panel.add_slice(slice_of(run, samples_of(8, 1221), None))
    panel.refresh_now()
    assert ">A</b></span> of step 1,221" in panel.plot.title.text()
    assert ">B</b></span> of step 1,201" in panel.plot.title.text()


def test_the_rule_of_thumb_is_a_line_in_view_and_called_that(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    far = dataclasses.replace(samples_of(8), updates=np.full(8, 1e2), weights=np.ones(8))
    panel.add_slice(slice_of(run, far))
    panel.refresh_now()
    assert panel.plot._guide.isVisible()
    assert panel.plot._guide.value() == -3
    assert panel.plot.y_range[0] < -3 < 2 < panel.plot.y_range[1]
    assert "10⁻³: a rule of thumb" in panel.plot.title.text()
    panel.set_quantity(HealthQuantity.GAMMA)
    assert not panel.plot._guide.isVisible()


def test_what_a_network_has_not_got_is_said_in_words(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW), lane("B", DEEP))
    bare = dataclasses.replace(samples_of(54), gammas=np.full(54, math.nan), saturated=np.full(54, math.nan))
    panel.add_slice(slice_of(run, samples_of(8), bare))
    panel.set_quantity(HealthQuantity.GAMMA)
    assert "B</b></span> no batch norm in this network" in panel.plot.title.text()
    panel.plot.hovered.emit(0.5, 0.0)
    assert "no batch norm in this network" in panel.plot.readout.text()
    assert "NaN" not in panel.plot.readout.text() + panel.plot.title.text()
    panel.set_quantity(HealthQuantity.SATURATED)
    assert "ReLU does not saturate" in panel.plot.title.text()
    assert "not there in this network" in panel.plot.title.text()


def test_a_value_that_is_missing_for_no_known_reason_is_said_too(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    panel.add_slice(slice_of(run, dataclasses.replace(samples_of(8), branch_ratios=np.full(8, math.nan))))
    panel.set_quantity(HealthQuantity.BRANCH_RATIO)
    assert "not there in this network" in panel.plot.title.text()


def test_the_mean_has_its_deviation_around_it(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    samples = dataclasses.replace(samples_of(8), means=np.arange(8.0), deviations=np.full(8, 2.0))
    panel.add_slice(slice_of(run, samples))
    panel.set_quantity(HealthQuantity.OUTPUT)
    low, high = panel.plot._edges[0]
    assert low.yData.tolist() == [block - 2 for block in range(8)]
    assert high.yData.tolist() == [block + 2 for block in range(8)]
    assert panel.plot.y_range[0] < -2
    assert panel.plot.y_range[1] > 9
    panel.plot.hovered.emit(0.99, 0.0)
    assert "block 4.1: 7 ± 2" in panel.plot.readout.text()
    panel.set_quantity(HealthQuantity.DEAD)
    assert not low.isVisible()


def test_a_deleted_branch_is_a_zero_and_an_infinite_value_is_marked(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    updates, weights = np.full(8, 1e-3), np.ones(8)
    updates[2], weights[2], updates[5] = math.nan, 0.0, math.inf
    panel.add_slice(slice_of(run, dataclasses.replace(samples_of(8), updates=updates, weights=weights)))
    panel.refresh_now()
    assert [spot.pos().x() for spot in panel.plot._floors[0].points()] == [2.5 / 8]
    assert [spot.pos().x() for spot in panel.plot._lost.points()] == [5.5 / 8]


def test_lanes_are_told_apart_by_dash_and_symbol_too(panel: HealthPanel) -> None:
    run = started(panel, *(lane(name, SHALLOW) for name in "ABCD"))
    panel.add_slice(slice_of(run, *(samples_of(8),) * 4))
    panel.refresh_now()
    assert len({curve.opts["pen"].style() for curve in panel.plot._curves}) == 4
    assert len({dots.opts["symbol"] for dots in panel.plot._dots}) == 4


def test_a_diverged_lane_is_named_in_the_legend(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    panel.add_slice(slice_of(run, samples_of(8), diverged_at=7))
    panel.refresh_now()
    assert panel.legend.entries[0].alarm == "diverged at 7"


def test_a_new_run_forgets_the_last_one(panel: HealthPanel) -> None:
    run = started(panel, lane("A", SHALLOW), lane("B", SHALLOW))
    panel.add_slice(slice_of(run, samples_of(8), samples_of(8)))
    panel.refresh_now()
    items = len(panel.plot.plot.getPlotItem().items)
    run = started(panel, lane("X", DEEP))
    panel.refresh_now()
    assert panel._empty.isVisible()
    panel.add_slice(slice_of(run, samples_of(54)))
    panel.refresh_now()
    assert [entry.name for entry in panel.legend.entries] == ["X"]
    assert len(panel.plot.plot.getPlotItem().items) < items


def test_it_exports_what_it_shows(panel: HealthPanel, tmp_path: Path) -> None:
    run = started(panel, lane("A", SHALLOW))
    panel.add_slice(slice_of(run, samples_of(8)))
    panel.set_quantity(HealthQuantity.DEAD)
    said: list[str] = []
    panel.said.connect(said.append)
    panel.export(tmp_path / "health")
    lines = (tmp_path / "health.csv").read_text().splitlines()
    assert lines[0] == "lane,block,step,dead"
    assert len(lines) == 9
    assert lines[1].startswith("A,1.0,41,")
    panel.export(tmp_path / "nowhere" / "health")
    assert "could not be written" in said[1]


@pytest.mark.parametrize("size", [(300, 200), (420, 420), (900, 500)])
def test_both_themes_draw_at_any_size(panel: HealthPanel, size: tuple[int, int]) -> None:
    run = started(panel, *(lane(f"a rather long name {n}", SHALLOW) for n in range(4)))
    panel.add_slice(slice_of(run, *(samples_of(8),) * 4))
    panel.resize(*size)
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        panel.grab()
        assert panel.plot._curves[1].opts["pen"].color() == theme.lane_color(1)
