"""Stored runs' losses stand behind the live ones: the same figures, in pens that are told apart."""

import threading
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor
from pytestqt.qtbot import QtBot

from core.history import RunHistory
from core.messages import FloatArray, LaneSlice
from core.notices import SkipscopeError
from core.records import RunRecord
from core.settings import NetworkSettings, RunSettings, twins
from gui.loss_plot import LossPlot
from gui.overlay_legend import OverlayLegend
from gui.run_ink import MOST_OVERLAID, Overlaid, stored_color, stored_pen
from gui.run_overlay import DRAWN_POINTS, RunOverlay
from gui.theme import DARK, LIGHT, Theme

TWINS = RunSettings(lanes=twins(NetworkSettings(width=4)))
Curve = tuple[FloatArray, FloatArray, FloatArray]


def at(slot: int, name: str = "run", lanes: tuple[str, ...] = ("A",)) -> Overlaid:
    return Overlaid(slot, Path(f"/runs/{name}{slot}"), f"{name} {slot}", lanes)


@pytest.fixture
def plot(qtbot: QtBot) -> LossPlot:
    made = LossPlot("loss")
    qtbot.addWidget(made)
    made.start(RunHistory((8, 8)))
    made.resize(600, 260)
    made.show()
    made.set_x_range(0, 400)
    made.set_y_range(0, 3)
    return made


@pytest.fixture
def make(qtbot: QtBot, plot: LossPlot) -> Callable[..., RunOverlay]:
    made: list[RunOverlay] = []

    def make_one(reader: Callable[[Path, int, int], Curve] | None = None) -> RunOverlay:
        made.append(RunOverlay(plot, reader))
        return made[-1]

    yield make_one  # type: ignore[misc]
    for overlay in made:
        overlay.clear()
        assert overlay.wait()


def shown(qtbot: QtBot, overlay: RunOverlay, *runs: Overlaid) -> None:
    overlay.show_runs(runs)
    qtbot.waitUntil(lambda: overlay.entries == tuple(sorted(runs, key=lambda run: run.slot)))


def steady(_directory: Path, lane: int, _most: int) -> Curve:
    steps = np.arange(1.0, 301.0)
    losses = np.full(300, 1.0 + lane)
    return steps, losses, losses


def test_a_recorded_run_is_drawn_as_it_was_recorded(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot
) -> None:
    rng = np.random.default_rng(0)
    losses = [rng.random(120) + 0.5, rng.random(120) + 1.5]
    losses[1][40] = np.nan
    record = RunRecord.create(None, TWINS)
    ones = np.ones((120, 8))
    record.append_steps(
        1, [LaneSlice(each, each, ones, ones, 0.1, (1.0,) * 8, (1.0,) * 8) for each in losses]
    )
    record.close()
    overlay = make()
    shown(qtbot, overlay, Overlaid(2, record.directory, "mine", ("A", "B")))
    overlay.draw(averaged=1)
    for line, expected in zip(overlay._drawn[record.directory].lines, losses, strict=True):
        assert np.array_equal(line.xData, np.arange(1, 121))
        np.testing.assert_allclose(line.yData, expected)
    overlay.draw(averaged=10)
    mean = [np.mean(losses[0][max(0, end - 10) : end]) for end in range(1, 121)]
    np.testing.assert_allclose(overlay._drawn[record.directory].lines[0].yData, mean)


def test_a_long_run_is_thinned_and_follows_the_view(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot
) -> None:
    steps = np.arange(1.0, 4001.0)

    def reader(_directory: Path, _lane: int, _most: int) -> Curve:
        return steps, steps / 1000 - 0.1, steps / 1000 + 0.1

    overlay = make(reader)
    shown(qtbot, overlay, at(0))
    plot.set_x_range(0, 4000)
    overlay.draw()
    line = overlay._drawn[at(0).directory].lines[0]
    assert DRAWN_POINTS / 2 <= len(line.xData) <= DRAWN_POINTS + 1
    assert line.xData[-1] == 4000
    # a mean over the last 16 steps lags by 7.5 of them
    np.testing.assert_allclose(line.yData[5:-1], (line.xData[5:-1] - 7.5) / 1000, atol=1e-9)
    plot.set_x_range(1000, 1100)
    overlay.draw()
    assert line.xData[0] <= 1000
    assert line.xData[-1] >= 1100
    assert len(line.xData) == 103


def test_a_spike_does_not_smear_over_the_rest(qtbot: QtBot, make: Callable[..., RunOverlay]) -> None:
    losses = np.full(300, 1.5)
    losses[100] = 1e30

    def reader(_directory: Path, _lane: int, _most: int) -> Curve:
        return np.arange(1.0, 301.0), losses, losses

    overlay = make(reader)
    shown(qtbot, overlay, at(0))
    overlay.draw(averaged=10)
    np.testing.assert_allclose(overlay._drawn[at(0).directory].lines[0].yData[120:], 1.5)


def test_the_curves_stand_where_the_live_axis_has_them(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot
) -> None:
    overlay = make(steady)
    shown(qtbot, overlay, at(0, lanes=("A", "B")))
    plot.set_log(True)
    overlay.draw(plot.placed, 1)
    heights = [set(np.round(line.yData, 6)) for line in overlay._drawn[at(0).directory].lines]
    assert heights == [{0.0}, {round(float(np.log10(2)), 6)}]


def test_runs_come_and_go_with_their_items(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot
) -> None:
    overlay = make(steady)
    before = len(plot.plot.getPlotItem().items)
    shown(qtbot, overlay, at(0), at(1))
    assert len(plot.plot.getPlotItem().items) == before + 4  # a line and a name each
    shown(qtbot, overlay, at(1))
    assert len(plot.plot.getPlotItem().items) == before + 2
    overlay.clear()
    assert len(plot.plot.getPlotItem().items) == before
    assert overlay.entries == ()


def test_a_run_that_is_drawn_already_is_not_read_again(qtbot: QtBot, make: Callable[..., RunOverlay]) -> None:
    read: list[Path] = []

    def reader(directory: Path, lane: int, most: int) -> Curve:
        read.append(directory)
        return steady(directory, lane, most)

    overlay = make(reader)
    shown(qtbot, overlay, at(0))
    shown(qtbot, overlay, at(0), at(1))
    assert read == [at(0).directory, at(1).directory]


def test_what_is_no_longer_wanted_when_it_is_read_is_not_drawn(
    qtbot: QtBot, make: Callable[..., RunOverlay]
) -> None:
    has_begun, may_go_on, threads = threading.Event(), threading.Event(), set()

    def reader(directory: Path, lane: int, most: int) -> Curve:
        threads.add(threading.current_thread())
        has_begun.set()
        may_go_on.wait(5)
        return steady(directory, lane, most)

    overlay = make(reader)
    overlay.show_runs([at(0), at(1)])
    assert has_begun.wait(5)
    overlay.show_runs([at(2)])
    may_go_on.set()
    qtbot.waitUntil(lambda: overlay.entries == (at(2),))
    assert len(threads) <= 2
    assert threading.main_thread() not in threads


def test_reading_does_not_hold_the_window_up(qtbot: QtBot, make: Callable[..., RunOverlay]) -> None:
    def reader(directory: Path, lane: int, most: int) -> Curve:
        time.sleep(0.1)
        return steady(directory, lane, most)

    overlay = make(reader)
    began = time.perf_counter()
    overlay.show_runs([at(slot) for slot in range(8)])
    assert time.perf_counter() - began < 0.1
    qtbot.waitUntil(lambda: len(overlay.entries) == 8)


def test_a_run_that_cannot_be_read_is_said(qtbot: QtBot, make: Callable[..., RunOverlay]) -> None:
    def reader(directory: Path, lane: int, most: int) -> Curve:
        if "bad" in directory.name:
            raise SkipscopeError("{folder} is not a run folder", folder=directory.name)
        return steady(directory, lane, most)

    overlay = make(reader)
    with qtbot.waitSignal(overlay.said) as heard:
        overlay.show_runs([at(0, "bad"), at(1)])
    assert heard.args == ["bad0 is not a run folder"]
    qtbot.waitUntil(lambda: overlay.entries == (at(1),))


@pytest.mark.parametrize(
    "losses", [np.full(5, np.nan), np.empty(0), np.array([np.inf, 1, -np.inf, 2, np.nan])]
)
def test_any_curve_can_be_drawn(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot, losses: FloatArray
) -> None:
    def reader(_directory: Path, _lane: int, _most: int) -> Curve:
        return np.arange(1.0, len(losses) + 1), losses, losses

    overlay = make(reader)
    shown(qtbot, overlay, at(0))
    for averaged in (1, 50):
        overlay.draw(plot.placed, averaged)
        overlay.draw(averaged=averaged)
        plot.grab()


def test_names_of_curves_that_end_together_do_not_cover_each_other(
    qtbot: QtBot, make: Callable[..., RunOverlay], plot: LossPlot
) -> None:
    def reader(directory: Path, lane: int, _most: int) -> Curve:
        losses = np.linspace(2, 1 + lane / 100, 300)
        return np.arange(1.0, 301.0), losses, losses

    overlay = make(reader)
    shown(qtbot, overlay, *(at(slot, lanes=("A", "B")) for slot in range(3)))
    overlay.draw()
    plot.grab()
    boxes = [
        tag.mapRectToScene(tag.boundingRect()).adjusted(5, 5, -5, -5)
        for drawn in overlay._drawn.values()
        for tag in drawn.tags
    ]
    assert len(boxes) == 6
    assert not any(one.intersects(other) for one, other in combinations(boxes, 2))


def test_the_legend_names_the_runs(qtbot: QtBot) -> None:
    legend = OverlayLegend()
    qtbot.addWidget(legend)
    assert legend.isHidden()
    legend.show_runs((at(0, "first"), at(3, "second", ("A", "B"))))
    assert not legend.isHidden()
    assert "1: first 0 (lanes A)" in legend.accessibleName()
    assert "4: second 3 (lanes A, B)" in legend.accessibleName()
    for width in (1000, 420, 60):
        legend.resize(width, legend.sizeHint().height())
        assert not legend.grab().isNull()
    legend.show_runs(())
    assert legend.isHidden()


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_pens_are_told_apart_from_each_other_and_from_the_lanes(theme: Theme) -> None:
    colors = [stored_color(theme, slot) for slot in range(MOST_OVERLAID)]
    for one, other in combinations([*colors, *(theme.lane_color(lane) for lane in range(4))], 2):
        if one in colors:
            assert _distance(one, other) > 16, (one.name(), other.name())
    for color in colors:
        assert _contrast(color, QColor(theme.background)) >= 3
    for slot in range(MOST_OVERLAID):
        pen, beside = stored_pen(theme, slot), stored_pen(theme, (slot + 1) % MOST_OVERLAID)
        assert pen.style() == Qt.PenStyle.CustomDashLine
        assert pen.dashPattern() != beside.dashPattern()
        assert pen.widthF() <= 1


def _linear(color: QColor) -> FloatArray:
    channels = np.array([color.redF(), color.greenF(), color.blueF()])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def _contrast(one: QColor, other: QColor) -> float:
    """WCAG 2."""
    low, high = sorted(float(_linear(color) @ [0.2126, 0.7152, 0.0722]) for color in (one, other))
    return (high + 0.05) / (low + 0.05)


def _distance(one: QColor, other: QColor) -> float:
    """CIE 1976 colour difference, D65."""
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    places = []
    for color in (one, other):
        x, y, z = np.cbrt(matrix @ _linear(color) / [0.9505, 1, 1.089])
        places.append(np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)]))
    return float(np.linalg.norm(places[0] - places[1]))
