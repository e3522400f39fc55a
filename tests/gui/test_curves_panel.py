"""The curves panel draws what the history holds, in small bites, and survives any data."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QColor, QWheelEvent
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.messages import (
    BlockSamples,
    Evaluation,
    LaneEvaluation,
    LaneInfo,
    LaneSlice,
    RunStarted,
    TrainingSlice,
)
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.axis_ticks import decade_ticks, linear_ticks, percent_ticks, step_ticks
from gui.curves_panel import CurvesPanel
from gui.gradient_history import colors
from gui.loss_plot import MOST_POINTS
from gui.profile_quantity import ProfileQuantity, choices, gains, products
from gui.theme import DARK, LIGHT

SHALLOW = NetworkSettings(depth=18)
DEEP = NetworkSettings(depth=110, width=8)


def run_of(*lanes: LaneSettings) -> RunStarted:
    infos = tuple(
        LaneInfo(
            one.name, one.network, 0, (1,) * one.network.block_count, ((1, 1, 1),) * one.network.block_count
        )
        for one in lanes
    )
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 100, 100, None)


def part_of(
    run: RunStarted, losses: np.ndarray, first: int = 1, *, norms: float | None = None
) -> TrainingSlice:
    lanes = []
    for info in run.lanes:
        blocks = info.network.block_count
        table = np.ones((len(losses), blocks)) if norms is None else np.full((len(losses), blocks), norms)
        strengths = (1.0,) * blocks
        lanes.append(LaneSlice(losses, np.full(len(losses), 0.5), table, table, 0.1, strengths, strengths))
    return TrainingSlice(first, len(losses), tuple(lanes), (), 1.0, 0)


def evaluation_of(run: RunStarted, step: int, loss: float = 1.0, stale: int | None = None) -> Evaluation:
    return Evaluation(step, 100, tuple(LaneEvaluation(loss, 0.5) for _ in run.lanes), stale)


@pytest.fixture
def panel(qtbot: QtBot) -> CurvesPanel:
    made = CurvesPanel()
    qtbot.addWidget(made)
    made.resize(900, 520)
    made.show()
    return made


def started(panel: CurvesPanel, *lanes: LaneSettings) -> RunStarted:
    run = run_of(*(lanes or (lane("A", SHALLOW), lane("B", SHALLOW, 0.0))))
    panel.start_run(run)
    return run


def painted(panel: CurvesPanel) -> None:
    panel.refresh_all()
    panel.grab()


def test_before_the_first_step_it_says_what_will_come(panel: CurvesPanel) -> None:
    painted(panel)
    assert panel._empty.isVisible()
    run = started(panel)
    painted(panel)
    assert panel._empty.isVisible()
    panel.add_slice(part_of(run, np.ones(1)))
    painted(panel)
    assert not panel._empty.isVisible()
    assert panel.loss.isVisible()


def test_a_short_curve_is_drawn_as_it_was_fed(panel: CurvesPanel) -> None:
    run = started(panel)
    losses = np.random.default_rng(0).random(100)
    panel.add_slice(part_of(run, losses[:60]))
    panel.add_slice(part_of(run, losses[60:], 61))
    painted(panel)
    for item in panel.loss._raw:
        assert np.array_equal(item.xData, np.arange(1, 101))
        np.testing.assert_allclose(item.yData, losses)


def test_a_long_curve_is_decimated_with_its_spike(panel: CurvesPanel) -> None:
    run = started(panel)
    losses = np.ones(5000)
    losses[3210] = 3.0
    panel.add_slice(part_of(run, losses))
    painted(panel)
    raw = panel.loss._raw[0]
    assert len(raw.xData) <= MOST_POINTS
    assert raw.yData.max() == pytest.approx(3)
    assert panel.loss.y_range[1] > 3
    assert np.nanmax(panel.loss._smooth[0].yData) < 2


def test_each_refresh_draws_one_plot_until_all_are_drawn(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(10)))
    painted(panel)
    assert not panel.dirty
    panel.add_slice(part_of(run, np.ones(5), 11))
    left = []
    while panel.dirty:
        panel.refresh_now()
        left.append(len(panel._waiting))
    assert left == [3, 2, 1, 0]


def test_events_only_store(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(10)))
    panel.add_evaluation(evaluation_of(run, 5))
    panel.add_marker(5, 0, "cut 1.0")
    assert panel.dirty
    assert len(panel.loss._raw[0].xData) == 0


def test_markers_stand_at_their_steps_and_say_their_text_on_hover(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(100)))
    panel.add_marker(40, 1, "cut 2.1")
    panel.add_marker(60, None, "learning rate 0.01")
    painted(panel)
    for marks in (panel.loss._marks, panel.accuracy._marks, panel.map._marks):
        assert marks is not None
        assert marks._lines[1].xData.tolist() == [40, 40]
        assert marks._lines[2].xData.tolist() == [60, 60]
        assert not marks._lines[0].isVisible()
    panel.accuracy.hovered.emit(40.2, 0.5)
    assert "cut 2.1" in panel.accuracy.readout.text()
    assert "learning rate" not in panel.accuracy.readout.text()


def test_hover_reads_all_lanes_and_crosses_the_linked_plots(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.linspace(1, 2, 101)))
    panel.add_evaluation(evaluation_of(run, 40, 0.125, stale=35))
    painted(panel)
    panel.loss.hovered.emit(51.3, 1.0)
    text = panel.loss.readout.text()
    assert "step 51" in text
    assert text.count("1.5") == 2
    assert "held-out 0.125 at 40 (stale batch statistics)" in text
    assert panel.loss.cross.value() == panel.accuracy.cross.value() == panel.map.cross.value() == 51
    panel.loss.left.emit()
    assert not panel.loss.readout.isVisible()
    assert not panel.map.cross.isVisible()
    panel.profile.hovered.emit(0.4, 0.0)
    assert "block 2.1: 1" in panel.profile.readout.text()
    panel.map.hovered.emit(20.0, 1.5)
    assert "<b" in panel.map.readout.text()
    assert ">A</b> block" in panel.map.readout.text()


def test_stale_held_out_points_are_hollow_and_said(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(100)))
    panel.add_evaluation(evaluation_of(run, 20))
    painted(panel)
    assert "hollow" not in panel.legend.note
    panel.add_evaluation(evaluation_of(run, 30, stale=25))
    painted(panel)
    brushes = [spot.brush().color() for spot in panel.loss._held_out[0].points()]
    assert brushes == [LIGHT.lane_color(0), QColor(LIGHT.background)]
    assert "batch statistics from before a toggle" in panel.legend.note


def test_a_logarithmic_axis_keeps_decades_and_zero_losses(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.array([100.0, 1.0, 0.01, 0.0])))
    painted(panel)
    panel.loss.log_action.trigger()
    painted(panel)
    assert panel.loss.log
    assert panel.loss._raw[0].yData[:3].tolist() == pytest.approx([2, 0, -2])
    assert panel.loss._raw[0].yData[3] == -8
    assert panel.loss.y_range[0] < -8 < 2 < panel.loss.y_range[1]
    panel.set_log(False)
    assert not panel.loss.log_action.isChecked()
    assert panel.loss._raw[0].yData[0] == 100


@pytest.mark.parametrize("log", [False, True], ids=["linear", "log"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e308, -1e308, 0.0, 1e-320])
def test_no_value_is_too_strange(panel: CurvesPanel, value: float, log: bool) -> None:
    run = started(panel)
    losses = np.ones(50)
    losses[20:30] = value
    panel.add_slice(part_of(run, losses))
    panel.add_slice(part_of(run, losses, 51, norms=abs(value)))
    panel.add_evaluation(evaluation_of(run, 20, value))
    panel.set_log(log)
    painted(panel)
    for plot in (panel.loss, panel.profile):
        assert all(math.isfinite(end) for end in plot.y_range)
    panel.loss.hovered.emit(25.0, 0.0)
    panel.map.hovered.emit(25.0, 0.5)


def test_a_single_peak_does_not_press_the_rest_flat_and_is_said(panel: CurvesPanel) -> None:
    run = started(panel)
    losses = np.linspace(2, 1, 400)
    losses[200] = 1e6
    panel.add_slice(part_of(run, losses))
    painted(panel)
    assert panel.loss.y_range[1] < 10
    assert "peaks to" in panel.loss.title.text()


def test_a_single_step_is_drawn(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(1)))
    painted(panel)
    assert panel.loss._raw[0].xData.tolist() == [1]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_lanes_of_different_depth_share_the_axes(panel: CurvesPanel, count: int) -> None:
    run = started(panel, *(lane("ABCD"[n], DEEP if n % 2 else SHALLOW) for n in range(count)))
    panel.add_slice(part_of(run, np.ones(30)))
    painted(panel)
    assert len(panel.legend.entries) == count
    for n, curve in enumerate(panel.profile._curves):
        blocks = 54 if n % 2 else 8
        assert curve.xData[0] == pytest.approx(0.5 / blocks)
        assert curve.xData[-1] == pytest.approx(1 - 0.5 / blocks)
        assert panel.map._images[n].image.shape[0] == blocks


def test_a_diverged_lane_is_marked_and_the_others_go_on(panel: CurvesPanel) -> None:
    run = started(panel)
    whole = part_of(run, np.ones(20)).lanes
    dead = LaneSlice(
        np.array([1.0, math.nan]), np.ones(2), np.array([[1.0] * 8, [math.inf] * 8]), np.ones((2, 8)),
        0.1, (0.0,) * 8, (1.0,) * 8, diverged_at=2,
    )  # fmt: skip
    panel.add_slice(TrainingSlice(1, 20, (whole[0], dead), (), 1.0, 0))
    painted(panel)
    assert panel.legend.entries[1].alarm == "diverged at 2"
    assert panel.loss._marks is not None
    assert panel.loss._marks._diverged.xData.tolist() == [2, 2]
    assert "8 non-finite" in panel.profile.title.text()
    assert len(panel.loss._raw[0].xData) == 20
    panel.loss.hovered.emit(15.0, 0.5)
    assert "–" in panel.loss.readout.text()


def test_the_profile_covers_all_decades_with_zeros_on_a_floor(panel: CurvesPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    norms = 10.0 ** np.array([-40, -30, -20, -10, -5, 0, 2, 3])
    norms[0] = 0
    part = part_of(run, np.ones(1)).lanes[0]
    shown = LaneSlice(part.losses, part.accuracies, norms[None], norms[None], 0.1, (1.0,) * 8, (1.0,) * 8)
    panel.add_slice(TrainingSlice(1, 1, (shown,), (), 1.0, 0))
    painted(panel)
    low, high = panel.profile.y_range
    assert low < -31 < 3 < high
    assert [spot.pos().y() for spot in panel.profile._floors[0].points()] == [-31]
    ticks = panel.profile._ticks(low, high, 200)
    assert (-31.0, "0") in ticks[0]
    assert "0 vanishing" in panel.profile.title.text()


@pytest.mark.parametrize(
    ("first", "words"), [(1e-5, "vanishing"), (0.5, "0.5 healthy"), (5e4, "exploding"), (0.0, "0 vanishing")]
)
def test_a_regime_is_named_with_its_ratio(panel: CurvesPanel, first: float, words: str) -> None:
    run = started(panel, lane("A", SHALLOW))
    part = part_of(run, np.ones(1)).lanes[0]
    part.gradient_norms[0, 0] = first
    panel.add_slice(TrainingSlice(1, 1, (part,), (), 1.0, 0))
    painted(panel)
    assert words in panel.profile.title.text()


def test_the_reading_can_be_switched(panel: CurvesPanel) -> None:
    run = started(panel, lane("A", SHALLOW))
    part = part_of(run, np.ones(1)).lanes[0]
    two = LaneSlice(part.losses, part.accuracies, part.gradient_norms, part.gradient_norms * 1e-3, 0.1,
                    part.shortcuts, part.branches)  # fmt: skip
    panel.add_slice(TrainingSlice(1, 1, (two,), (), 1.0, 0))
    painted(panel)
    assert panel.profile._curves[0].yData.tolist() == pytest.approx([0] * 8)
    panel.set_reading("output_gradients")
    assert panel.reading.currentIndex() == 3
    assert panel.profile._curves[0].yData.tolist() == pytest.approx([-3] * 8)


# ---- what the profile can show --------------------------------------------------------------

AT_OUTPUT = np.array([8.0, 4.0, 4.0, 1.0, 2.0, 2.0, 1.0, 0.5])
AT_WEIGHTS = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])


def sampled(step: int, weights: np.ndarray) -> BlockSamples:
    rows = [np.ones(8) for _ in range(9)]
    rows[6] = weights
    return BlockSamples(step, *rows)


def with_gradients(
    panel: CurvesPanel, norms: np.ndarray, at_output: np.ndarray, weights: np.ndarray | None = None
) -> None:
    started(panel, lane("A", SHALLOW))
    ones = (1.0,) * 8
    samples = None if weights is None else sampled(1201, weights)
    share = LaneSlice(np.ones(1), np.ones(1), norms[None], at_output[None], 0.1, ones, ones, samples)
    part = TrainingSlice(1, 1, (share,), (), 1.0, 0)
    panel.add_slice(part)
    panel.profile.add_slice(part)


def shown(panel: CurvesPanel, quantity: ProfileQuantity) -> np.ndarray:
    panel.profile.quantity = quantity
    panel.profile.draw()
    return 10.0 ** np.asarray(panel.profile._curves[0].yData)


def test_there_are_five_quantities_each_explained() -> None:
    rows = choices()
    assert [row.quantity.value for row in rows] == ["norm", "rms", "relative", "output", "gain"]
    assert len({row.label for row in rows}) == 5
    assert all(row.explain for row in rows)


def test_the_norm_per_weight_is_divided_by_the_root_of_their_number(panel: CurvesPanel) -> None:
    with_gradients(panel, AT_WEIGHTS, AT_OUTPUT)
    # two 3×3 convolutions and their batch norms; the width doubles with each later stage
    widths = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8)]
    counts = [9 * SHALLOW.width**2 * out * (into + out) + 4 * SHALLOW.width * out for into, out in widths]
    wanted = [norm / math.sqrt(count) for norm, count in zip(AT_WEIGHTS, counts, strict=True)]
    np.testing.assert_allclose(shown(panel, ProfileQuantity.RMS), wanted)


def test_the_number_of_weights_is_the_engines_where_it_says_so(panel: CurvesPanel) -> None:
    run = run_of(lane("A", SHALLOW))
    counts = tuple(range(1, 9))
    info = dataclasses.replace(run.lanes[0], branch_parameters=counts)
    panel.start_run(dataclasses.replace(run, lanes=(info,)))
    part = part_of(run, np.ones(1), norms=6.0)
    panel.add_slice(part)
    np.testing.assert_allclose(shown(panel, ProfileQuantity.RMS), [6 / math.sqrt(n) for n in counts])


def test_the_norm_relative_to_the_weights_uses_the_last_sample(panel: CurvesPanel) -> None:
    weights = np.array([2.0, 1.0, 1.0, 1.0, 1.0, 3.0, 1.0, 0.0])
    norms = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 0.0])
    with_gradients(panel, norms, AT_OUTPUT, weights)
    values = shown(panel, ProfileQuantity.RELATIVE)
    np.testing.assert_allclose(values[:7], [1.5, 1, 4, 1, 5, 3, 2])
    assert [spot.pos().x() for spot in panel.profile._floors[0].points()] == [7.5 / 8]  # a deleted branch
    assert "non-finite" not in panel.profile.title.text()
    assert "‖W‖ of step 1,201" in panel.profile.words(0, 0.01)


def test_before_a_sample_there_is_no_relative_norm(panel: CurvesPanel) -> None:
    with_gradients(panel, AT_WEIGHTS, AT_OUTPUT)
    assert len(shown(panel, ProfileQuantity.RELATIVE)) == 0
    assert panel.profile.words(0, 0.5) == "–"


def test_gains_multiply_to_the_ratio_of_the_ends(panel: CurvesPanel) -> None:
    with_gradients(panel, AT_WEIGHTS, AT_OUTPUT)
    line = shown(panel, ProfileQuantity.GAIN)
    by_block = {1: 2.0, 2: 1.0, 3: 4.0, 4: 0.5, 5: 1.0, 6: 2.0, 7: 2.0}  # ‖∂L/∂x‖ / ‖∂L/∂y‖ by hand
    dots = {round(spot.pos().x() * 8 - 0.5): 10 ** spot.pos().y() for spot in panel.profile._dots[0].points()}
    assert dots == pytest.approx(by_block)
    product, wanted = 1.0, [1.0]
    for block in range(7, 0, -1):
        product *= by_block[block]
        wanted.insert(0, product)
    np.testing.assert_allclose(line, wanted)
    assert product == 16
    assert "16 healthy" in panel.profile.title.text()
    assert panel.profile.words(0, 0.45) == "block 2.1: gain 4, ∏ gain of the later blocks 2"
    assert panel.profile.words(0, 0.0) == "block 1.0: ∏ gain of the later blocks 16"
    assert panel.profile._guide.isVisible()
    assert panel.profile._guide.value() == 0


def test_the_running_product_stands_beside_the_ratio(panel: CurvesPanel) -> None:
    with_gradients(panel, AT_WEIGHTS, AT_OUTPUT)
    shown(panel, ProfileQuantity.NORM)
    assert "0.5 healthy, ∏ gain 16" in panel.profile.title.text()
    shown(panel, ProfileQuantity.OUTPUT)
    assert "16 healthy" in panel.profile.title.text()
    assert not panel.profile._guide.isVisible()


def test_a_product_loses_nothing_where_its_factors_would_underflow() -> None:
    back = 10.0 ** np.linspace(-300, 0, 54)
    assert products(back)[0] == pytest.approx(1e-300)
    assert math.isnan(gains(back)[0])
    with np.errstate(all="raise"):
        assert np.isnan(products(np.zeros(3))).all()
        assert np.isnan(gains(np.zeros(3))).all()
        assert len(products(np.empty(0))) == 0


@pytest.mark.parametrize("quantity", list(ProfileQuantity))
@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e308, 1e-320])
def test_no_gradient_is_too_strange_for_any_quantity(
    panel: CurvesPanel, quantity: ProfileQuantity, value: float
) -> None:
    strange = AT_WEIGHTS.copy()
    strange[2:4] = value
    with_gradients(panel, strange, strange, strange)
    shown(panel, quantity)
    panel.grab()
    assert all(math.isfinite(end) for end in panel.profile.y_range)
    panel.profile.words(0, 0.3)
    if not math.isfinite(value):
        assert "2 non-finite" in panel.profile.title.text()


@pytest.mark.parametrize("quantity", list(ProfileQuantity))
def test_no_quantity_is_scaled_to_less_than_four_decades(
    panel: CurvesPanel, quantity: ProfileQuantity
) -> None:
    with_gradients(panel, np.full(8, 2.0), np.full(8, 3.0), np.full(8, 4.0))
    shown(panel, quantity)
    assert panel.profile.y_range[1] - panel.profile.y_range[0] >= 4


@pytest.mark.parametrize("quantity", list(ProfileQuantity))
def test_every_quantity_exports(panel: CurvesPanel, tmp_path: Path, quantity: ProfileQuantity) -> None:
    with_gradients(panel, AT_WEIGHTS, AT_OUTPUT, AT_WEIGHTS)
    values = shown(panel, quantity)
    panel.export(panel.profile, tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) == 9
    assert float(lines[3].split(",")[3]) == pytest.approx(values[2])
    assert len(lines[0].split(",")) == len(lines[3].split(","))


def test_map_colours_tell_nothing_zero_and_non_finite_apart() -> None:
    values = np.array([[np.nan, 0.0, 1e-9, 1e3, np.nan, 1.0]])
    bad = np.array([[0, 0, 0, 0, 2, 1]])
    picture = colors(values, bad, LIGHT)[0]
    assert picture[0, 3] == 0
    assert QColor(*picture[1]) == QColor(LIGHT.surface)
    assert QColor(*picture[2]) == LIGHT.norm_color(1e-9)
    assert QColor(*picture[3]) == LIGHT.norm_color(1e3)
    assert QColor(*picture[4]) == QColor(*picture[5]) == QColor(LIGHT.warning)


def test_step_axes_move_together_and_zoom_stays_until_view_all(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(1000)))
    painted(panel)
    everything = panel.loss.x_range
    wheel(panel, 120 * 5)
    zoomed = panel.loss.x_range
    assert zoomed[1] - zoomed[0] < everything[1] - everything[0]
    assert panel.accuracy.x_range == panel.map.x_range == zoomed
    panel.add_slice(part_of(run, np.ones(1000), 1001))
    painted(panel)
    assert panel.loss.x_range == zoomed
    assert not panel.loss.follows_y
    panel.loss.view_all_chosen.emit()
    assert panel.map.x_range == panel.loss.x_range
    assert panel.loss.x_range[1] >= 2000
    assert panel.loss.follows_y


def wheel(panel: CurvesPanel, angle: int) -> None:
    viewport = panel.loss.plot.viewport()
    place = QPointF(viewport.rect().center())
    event = QWheelEvent(
        place, viewport.mapToGlobal(place), QPoint(), QPoint(0, angle), Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(viewport, event)


def test_a_double_click_shows_everything(panel: CurvesPanel, qtbot: QtBot) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(1000)))
    panel.view_recent()
    assert panel.loss.x_range == (500, 1000)
    viewport = panel.loss.plot.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.LeftButton, pos=viewport.rect().center())
    qtbot.mouseDClick(viewport, Qt.MouseButton.LeftButton, pos=viewport.rect().center())
    qtbot.mouseRelease(viewport, Qt.MouseButton.LeftButton, pos=viewport.rect().center())
    assert panel.loss.x_range == (0, 1000)


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_a_right_click_opens_our_menu(panel: CurvesPanel, qtbot: QtBot) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(10)))
    painted(panel)
    viewport = panel.loss.plot.viewport()
    qtbot.mouseClick(viewport, Qt.MouseButton.RightButton, pos=viewport.rect().center())
    menu = QApplication.activePopupWidget()
    assert menu is not None
    texts = [action.text() for action in menu.actions() if action.text()]
    menu.close()
    assert texts == ["View all", "Last 500 steps", "Logarithmic loss", "Export SVG, PNG or CSV…"]


def test_following_the_last_steps_goes_on_in_leaps(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(1000)))
    panel.view_recent()
    panel.add_slice(part_of(run, np.ones(3), 1001))
    painted(panel)
    assert panel.loss.x_range == (550, 1050)


@pytest.mark.parametrize("name", ["loss", "accuracy", "profile", "map"])
def test_every_plot_exports_what_it_shows(panel: CurvesPanel, tmp_path: Path, name: str) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(10)))
    painted(panel)
    said: list[str] = []
    panel.said.connect(said.append)
    panel.export(getattr(panel, name), tmp_path / "out")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert len(lines) > 8
    assert lines[0].startswith(("step,A loss", "lane,block"))
    assert "out.csv" in said[0]
    panel.export(getattr(panel, name), tmp_path / "nowhere" / "out.csv")
    assert "could not be written" in said[1]


def test_a_new_run_forgets_the_last_one(panel: CurvesPanel) -> None:
    run = started(panel, lane("A", SHALLOW), lane("B", DEEP), lane("C", SHALLOW))
    panel.add_slice(part_of(run, np.ones(100)))
    panel.add_marker(50, 0, "cut")
    painted(panel)
    panel.loss.hovered.emit(50.0, 1.0)
    items = len(panel.loss.plot.getPlotItem().items)
    run = started(panel, lane("X", SHALLOW))
    assert not panel.loss.readout.isVisible()
    panel.add_slice(part_of(run, np.ones(3)))
    painted(panel)
    assert [entry.name for entry in panel.legend.entries] == ["X"]
    assert len(panel.loss.plot.getPlotItem().items) < items
    assert panel.history.markers == []


def test_both_themes_draw(panel: CurvesPanel) -> None:
    run = started(panel)
    panel.add_slice(part_of(run, np.ones(10)))
    panel.add_evaluation(evaluation_of(run, 5))
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        painted(panel)
        assert panel.loss._smooth[1].opts["pen"].color() == theme.lane_color(1)
        assert panel.loss._held_out[0].points()[0].brush().color() == theme.lane_color(0)


@pytest.mark.parametrize("size", [(440, 300), (620, 360), (1300, 620)])
def test_it_works_from_small_to_large(panel: CurvesPanel, size: tuple[int, int]) -> None:
    run = started(panel, *(lane(f"a rather long name {n}", SHALLOW) for n in range(4)))
    panel.add_slice(part_of(run, np.ones(10)))
    panel.resize(*size)
    painted(panel)
    widths = [plot.view.width() for plot in (panel.accuracy, panel.map)]
    assert widths[0] == pytest.approx(widths[1], abs=1)
    assert all(plot.view.height() > 40 for plot in (panel.loss, panel.accuracy, panel.profile, panel.map))


@pytest.mark.parametrize("ticks", [step_ticks, linear_ticks, percent_ticks, decade_ticks])
@pytest.mark.parametrize(
    "ends", [(0.0, 1.0), (-320.0, 308.0), (0.0, 1e6), (1.0, 1.0 + 1e-6), (2.0, 2.0), (0.0, math.inf)]
)
def test_ticks_lie_within_the_range_and_are_not_too_many(ticks, ends: tuple[float, float]) -> None:  # type: ignore[no-untyped-def]
    if ticks is decade_ticks and ends[1] > 400:
        ends = (-3.0, 400.0)
    major = ticks(*ends, 200.0)[0]
    assert len(major) <= 12
    span = ends[1] - ends[0]
    assert all(ends[0] - 1e-6 * span <= place <= ends[1] + 1e-6 * span for place, _ in major)


def test_decades_are_ticked_as_decades() -> None:
    assert [text for _, text in decade_ticks(-9, 3, 200)[0]] == ["10⁻⁸", "10⁻⁶", "10⁻⁴", "10⁻²", "1", "10²"]
    assert [text for _, text in decade_ticks(-2, 1, 100)[0]] == ["0.01", "0.1", "1", "10"]
