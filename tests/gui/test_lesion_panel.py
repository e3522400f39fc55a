"""The lesion panel shows what was measured, how far it is, and when it is out of date."""

import math
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from core.findings import Lesions, Surplus
from core.messages import Analyse, Analysed, Failed, LaneInfo, LaneSlice, RunStarted, TrainingSlice, next_id
from core.notices import Notice
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.lesion_bars import LesionBars
from gui.lesion_panel import LesionPanel
from gui.plot_export import as_text, export
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
    return RunStarted(RunSettings(lanes=lanes), infos, tuple("abcdefghij"), 1000, 100, 10_000, 1000, None)


def found(
    base: float, branch: list[float], shortcut: list[float], random: dict[int, list[float]] | None = None
) -> Lesions:
    draws = random or {1: [math.nan]}
    table = np.array(list(draws.values()), float).reshape(len(draws), -1)
    return Lesions(
        1000, base, np.array(branch), np.array(shortcut), np.array(list(draws), dtype=np.int64), table
    )


def analysed(
    finding: Lesions | Surplus, of: int = 0, *, request: int, step: int = 40, fraction: float = 1.0,
    last: bool = True,
) -> Analysed:  # fmt: skip
    instrument = "lesions" if isinstance(finding, Lesions) else "surplus"
    return Analysed(request, instrument, of, "AB"[of], step, finding, fraction, last)


def trained(run: RunStarted, step: int, *strengths: float, diverged: int | None = None) -> TrainingSlice:
    lanes = []
    for number, (info, strength) in enumerate(zip(run.lanes, strengths, strict=True)):
        blocks = info.network.block_count
        one = np.ones((1, blocks))
        gone = step if number == diverged else None
        lanes.append(
            LaneSlice(
                np.ones(1), np.ones(1), one, one, 0.1, (strength,) * blocks, (1.0,) * blocks, diverged_at=gone
            )
        )
    return TrainingSlice(step, 1, tuple(lanes), (), 1.0, 0)


@pytest.fixture
def panel(qtbot: QtBot) -> LesionPanel:
    made = LesionPanel()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def started(panel: LesionPanel, *lanes: LaneSettings) -> RunStarted:
    run = run_of(*(lanes or (lane("A", SHALLOW), lane("B", SHALLOW, 0.0))))
    panel.start_run(run)
    return run


def painted(panel: LesionPanel) -> None:
    panel.refresh_now()
    panel.grab()


BRANCH = [0.62, 0.79, 0.71, 0.81, 0.70, 0.80, 0.65, 0.83]
SHORTCUT = [0.10, 0.50, 0.40, 0.60, 0.30, 0.55, 0.20, 0.70]


def test_before_anything_is_measured_it_says_what_it_shows_and_what_it_costs(panel: LesionPanel) -> None:
    painted(panel)
    assert not panel.measure.isEnabled()
    started(panel)
    painted(panel)
    assert panel.measure.isEnabled()
    assert panel.empty.isVisible()
    assert "Nothing is measured yet" in panel.empty.text()
    # the network as it is, 8 blocks, 8 shortcuts, and 8 points of 5 draws less those known already
    assert "about 48 accuracy measurements on 500 held-out pictures per lane" in panel.price.text()
    assert not panel.progress.isVisible()
    assert not panel.copy.isEnabled()


def test_measure_asks_for_every_lane_and_cancel_takes_it_back(panel: LesionPanel, qtbot: QtBot) -> None:
    started(panel)
    painted(panel)
    with qtbot.waitSignal(panel.analyse_requested) as asked:
        qtbot.mouseClick(panel.measure, Qt.MouseButton.LeftButton)
    request = asked.args[0]
    assert isinstance(request, Analyse)
    assert (request.instrument, request.lane, request.source) == ("lesions", None, "lanes")
    assert panel.progress.isVisible()
    assert not panel.measure.isEnabled()
    with qtbot.waitSignal(panel.cancel_requested) as cancelled:
        qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
    assert cancelled.args == [request.id]
    assert panel.measure.isEnabled()
    assert not panel.progress.isVisible()
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=request.id))
    assert not panel.record.findings


def test_the_keyboard_alone_measures_and_cancels(panel: LesionPanel, qtbot: QtBot) -> None:
    started(panel)
    painted(panel)
    panel.activateWindow()
    panel.measure.setFocus()
    with qtbot.waitSignal(panel.analyse_requested):
        qtbot.keyClick(panel.measure, Qt.Key.Key_Space)
    assert panel.cancel.hasFocus()
    with qtbot.waitSignal(panel.cancel_requested):
        qtbot.keyClick(panel.cancel, Qt.Key.Key_Space)
    assert panel.measure.hasFocus()


def test_bars_are_points_of_accuracy_lost(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id(), last=False))
    painted(panel)
    bars = panel.bars[0]
    assert bars.branch.heights.tolist() == pytest.approx([18, 1, 9, -1, 10, 0, 15, -3])
    assert bars.shortcut.heights.tolist() == pytest.approx([70, 30, 40, 20, 50, 25, 60, 10])
    low, high = bars.y_range
    assert low < -3
    assert high > 70
    assert panel.bars[1].y_range == (low, high)
    # the sorted losses are -3 -1 0 1 9 10 15 18
    sentence = bars.sentence()
    assert "median 5.0 points lost by deleting one block; largest 18.0 (1.0)" in sentence
    assert "median 35.0 points lost by deleting one shortcut; largest 70.0 (1.0)" in sentence
    assert "80.0 %" in bars.title.text()
    assert bars.title.toolTip() == sentence


def test_blocks_that_change_shape_are_marked(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    painted(panel)
    assert [spot.pos().x() for spot in panel.bars[0].shape_marks.points()] == [2, 4, 6]
    low, high = panel.bars[0].y_range
    assert all(low < spot.pos().y() < high for spot in panel.bars[0].shape_marks.points())
    assert "changes shape" in panel.bars[0].words(2.0)
    assert "changes shape" not in panel.bars[0].words(1.0)


def test_the_curve_is_the_median_and_the_band_the_range_of_the_draws(panel: LesionPanel) -> None:
    started(panel)
    random = {1: [0.7, 0.5, 0.6], 4: [0.3, 0.2, 0.1], 8: [math.nan, 0.1, math.nan]}
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT, random), request=next_id()))
    painted(panel)
    curve = panel.curve
    assert curve.curves[0].xData.tolist() == [0, 1, 4, 8]
    assert curve.curves[0].yData.tolist() == pytest.approx([0.8, 0.6, 0.2, 0.1])
    corners = [curve.bands[0].path().elementAt(n) for n in range(curve.bands[0].path().elementCount())]
    assert {(round(c.x, 6), round(c.y, 6)) for c in corners} == {
        (0, 0.8), (1, 0.5), (1, 0.7), (4, 0.1), (4, 0.3), (8, 0.1),
    }  # fmt: skip
    assert "60.0 %, draws 50.0 % to 70.0 %" in curve.words(1.0)
    assert curve.chance.pos().y() == pytest.approx(0.1)
    assert len(curve.curves[1].xData) == 0


def test_what_is_not_measured_yet_has_no_bar_and_the_progress_counts_all_lanes(panel: LesionPanel) -> None:
    started(panel)
    panel._on_measure()
    request = panel.record.request
    assert request is not None
    half = found(0.8, [0.7, *[math.nan] * 7], [math.nan] * 8, {1: [math.nan] * 3})
    panel.add_finding(analysed(half, request=request, fraction=0.5, last=False))
    painted(panel)
    assert panel.progress.value() == 25
    assert np.isfinite(panel.bars[0].branch.heights).tolist() == [True] + [False] * 7
    assert "50 % done" in panel.bars[0].title.text()
    assert "waits its turn" in panel.bars[1].title.text()
    assert "not measured" in panel.bars[0].words(3.0)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=request, last=False))
    panel.add_finding(analysed(found(0.3, BRANCH, [math.nan] * 8), 1, request=request))
    painted(panel)
    assert not panel.progress.isVisible()
    assert panel.measure.isEnabled()
    assert "cut as it is" in panel.bars[1].words(3.0)


def test_nothing_but_nan_is_drawn_and_said_as_nothing(panel: LesionPanel) -> None:
    started(panel)
    nothing = found(math.nan, [math.nan] * 8, [math.nan] * 8, {1: [math.nan], 8: [math.nan]})
    panel.add_finding(analysed(nothing, request=next_id(), fraction=0.01, last=False))
    painted(panel)
    assert "nan" not in panel.bars[0].title.text().lower()
    assert len(panel.curve.curves[0].xData) == 0
    assert panel.bars[0].stops()


def test_a_lane_no_better_than_guessing_is_said_to_have_nothing_to_lose(panel: LesionPanel) -> None:
    started(panel)
    request = next_id()
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=request, last=False))
    panel.add_finding(analysed(found(0.12, [0.1] * 8, [0.1] * 8), 1, request=request))
    painted(panel)
    assert "no better than guessing" in panel.bars[1].title.text()
    assert "guessing" not in panel.bars[0].title.text()


def test_a_lane_that_diverged_is_not_waited_for(panel: LesionPanel) -> None:
    run = started(panel)
    panel.add_slice(trained(run, 7, 1.0, 0.0, diverged=1))
    panel._on_measure()
    assert panel.record.request is not None
    part = found(0.8, BRANCH, SHORTCUT)
    panel.add_finding(analysed(part, request=panel.record.request, fraction=0.5, last=False))
    painted(panel)
    assert panel.progress.value() == 50
    assert "diverged at step 7" in panel.bars[1].title.text()


def test_a_toggle_puts_the_figures_out_of_date_and_training_alone_does_not(panel: LesionPanel) -> None:
    run = started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id(), step=40))
    panel.add_slice(trained(run, 41, 1.0, 0.0))
    painted(panel)
    assert "Measured at step 40" in panel.summary.text()
    assert "1,000 pictures" in panel.summary.text()
    assert "changed" not in panel.summary.text()
    panel.add_slice(trained(run, 42, 0.5, 0.0))
    assert panel.dirty
    painted(panel)
    assert "strengths of A have changed since" in panel.summary.text()
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id(), step=42))
    painted(panel)
    assert "changed" not in panel.summary.text()


def test_a_failure_is_said_and_what_was_there_stays(panel: LesionPanel) -> None:
    started(panel)
    panel._on_measure()
    panel.add_failure(Failed(Notice("no memory for {what}", {"what": "it"}), panel.record.request))
    painted(panel)
    assert "no memory for it" in panel.empty.text()
    assert panel.measure.isEnabled()
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    panel._on_measure()
    panel.add_failure(Failed(Notice("again <not>"), panel.record.request))
    painted(panel)
    assert "again &lt;not&gt;" in panel.summary.text()
    assert panel.bars[0].branch.heights[0] == pytest.approx(18)


def test_other_instruments_and_the_last_run_are_not_listened_to(panel: LesionPanel) -> None:
    started(panel)
    panel._on_measure()
    old = panel.record.request
    assert old is not None
    panel.add_finding(analysed(Surplus(1, 1, 0.5, 0.0, 0.5, 0.1), request=old))
    assert not panel.record.findings
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=old, fraction=0.5, last=False))
    started(panel, lane("A", SHALLOW))
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=old))
    painted(panel)
    assert not panel.record.findings
    assert panel.empty.isVisible()
    assert [figure.isHidden() for figure in panel.bars] == [False, True, True, True]


def test_54_blocks_fit_and_the_stages_are_named(panel: LesionPanel) -> None:
    started(panel, lane("A", DEEP), lane("B", DEEP, 0.0))
    request = next_id()
    rng = np.random.default_rng(0)
    for number in (0, 1):
        lost = found(0.9, (0.9 - rng.random(54) / 5).tolist(), rng.random(54).tolist(), {54: [0.1, 0.2]})
        panel.add_finding(analysed(lost, number, request=request, last=number == 1))
    painted(panel)
    texts = [text for _, text in panel.bars[0]._block_ticks(-0.6, 53.6, 350.0)[0]]
    assert {"1.0", "2.0", "3.0"} <= set(texts)
    assert 6 <= len(texts) <= 14
    assert len(panel.bars[0].branch.heights) == 54
    assert [spot.pos().x() for spot in panel.bars[0].shape_marks.points()] == [18, 36]
    assert "139" in panel.price.text() or "140" in panel.price.text()


@pytest.mark.parametrize("size", [(360, 260), (420, 420), (700, 420), (1300, 700)])
def test_four_lanes_work_from_small_to_large(panel: LesionPanel, size: tuple[int, int]) -> None:
    run = started(panel, *(lane(f"a rather long name {n}", SHALLOW) for n in range(4)))
    request = next_id()
    for number in range(len(run.lanes)):
        finding = found(0.8, BRANCH, SHORTCUT, {8: [0.1, 0.2]})
        panel.add_finding(Analysed(request, "lesions", number, "x", 4, finding, 1.0, number == 3))
    panel.resize(*size)
    painted(panel)
    shown = [figure for figure in panel.bars if figure.isVisibleTo(panel)]
    assert len(shown) == 4
    assert all(figure.view.height() > 12 for figure in shown)
    assert panel.curve.view.height() > 20


def test_both_themes_draw(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        painted(panel)
        assert panel.bars[1].branch.color == theme.lane_color(1)
        assert panel.curve.curves[0].opts["pen"].color() == theme.lane_color(0)
        corner = panel.grab().toImage().pixelColor(2, panel.height() - 2)
        assert corner.name() == theme.background


def test_branch_and_shortcut_bars_differ_without_colour(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    painted(panel)
    image = panel.bars[0].plot.grab().toImage()
    color = LIGHT.lane_color(0)
    # counted over the whole plot: a solid bar is its colour all over, a hatched one in stripes
    share = {}
    for name, bars in (("branch", panel.bars[0].branch), ("shortcut", panel.bars[0].shortcut)):
        rect = panel.bars[0].plot.mapFromScene(bars.mapRectToScene(bars.boundingRect())).boundingRect()
        left = panel.bars[0].plot.mapFromScene(bars.mapToScene(bars.left[0], 0)).x() + 2
        right = panel.bars[0].plot.mapFromScene(bars.mapToScene(bars.left[0] + bars.width, 0)).x() - 2
        top = panel.bars[0].plot.mapFromScene(bars.mapToScene(0, bars.heights[0])).y() + 2
        bottom = panel.bars[0].plot.mapFromScene(bars.mapToScene(0, 0)).y() - 2
        pixels = [image.pixelColor(x, y) == color for x in range(left, right) for y in range(top, bottom)]
        share[name] = sum(pixels) / len(pixels)
        assert rect.height() > 10
    assert share["branch"] > 0.95
    assert share["shortcut"] < 0.6


def test_arrow_keys_read_out_block_by_block(panel: LesionPanel, qtbot: QtBot) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    painted(panel)
    bars = panel.bars[0]
    qtbot.keyClick(bars, Qt.Key.Key_Right)
    assert "block 1.0" in bars.readout.text()
    qtbot.keyClick(bars, Qt.Key.Key_Right)
    assert "block 1.1" in bars.readout.text()
    assert "branch deleted: −1.0 points" in bars.readout.text()
    qtbot.keyClick(bars, Qt.Key.Key_End)
    assert "branch deleted: +3.0 points" in bars.readout.text()
    qtbot.keyClick(bars, Qt.Key.Key_Escape)
    assert not bars.readout.isVisible()


def test_the_table_goes_to_the_clipboard(panel: LesionPanel, qtbot: QtBot) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT, {2: [0.5, 0.6]}), request=next_id()))
    painted(panel)
    qtbot.mouseClick(panel.copy, Qt.MouseButton.LeftButton)
    text = QApplication.clipboard().text()
    lines = text.splitlines()
    assert "lane\tblock\tchanges shape\taccuracy\tbranch deleted\tshortcut deleted" in lines
    assert "A\t2.0\tyes\t0.8\t0.71\t0.4" in lines
    assert "A\t2\t1\t0.6" in lines
    assert "median 5.0 points lost by deleting one block" in text


def test_a_plot_exports_itself_as_svg_png_and_csv(panel: LesionPanel, tmp_path: Path) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    painted(panel)
    bars = panel.bars[0]
    assert "drawn.svg" in export(bars, bars.table(), tmp_path / "drawn")
    assert "v1.2.svg" in export(bars, bars.table(), tmp_path / "v1.2")
    for ending in ("png", "csv"):
        export(bars, bars.table(), tmp_path / f"drawn.{ending}")
    renderer = QSvgRenderer(str(tmp_path / "drawn.svg"))
    assert renderer.isValid()
    svg = (tmp_path / "drawn.svg").read_text()
    assert ">4.1</text>" in svg.replace("\n", "").replace(" >", ">")
    assert svg.count("<rect") + svg.count("<path") > 16
    image = QImage(str(tmp_path / "drawn.png"))
    assert image.size() == bars.size() * 2
    assert (tmp_path / "drawn.csv").read_text().splitlines()[1] == "A,1.0,no,0.8,0.62,0.1"
    assert "could not be written" in export(bars, bars.table(), tmp_path / "nowhere" / "x.svg")


@pytest.mark.qt_log_ignore("This plugin does not support")
def test_the_menu_copies_and_exports(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT), request=next_id()))
    painted(panel)
    menu = panel.bars[0].menu()
    texts = [action.text() for action in menu.actions() if action.text()]
    assert texts == ["View all", "Copy as table", "Export SVG, PNG or CSV…"]
    menu.actions()[2].trigger()
    assert QApplication.clipboard().text() == as_text(panel.bars[0].table())
    menu.close()
    menu.deleteLater()


def test_what_is_said_reaches_a_screen_reader(panel: LesionPanel) -> None:
    started(panel)
    panel.add_finding(analysed(found(0.8, BRANCH, SHORTCUT, {8: [0.1, 0.2]}), request=next_id()))
    painted(panel)
    assert "median 5.0 points lost" in panel.accessibleDescription()
    assert "15.0 % with 8 branches deleted" in panel.accessibleDescription()
    assert all(w.accessibleName() for w in (panel, panel.progress, panel.cancel, panel.copy, panel.key))
    assert all(w.accessibleName() for w in panel.findChildren(LesionBars) if w.isVisibleTo(panel))


def test_the_price_is_what_the_instrument_does(panel: LesionPanel) -> None:
    from core.lesions import _random_choices, random_counts

    for network in (SHALLOW, DEEP):
        blocks = network.block_count
        choices = set(_random_choices(blocks, random_counts(blocks), 5, 0).values())
        measured = 1 + 2 * blocks + sum(len(choice) > 1 for choice in choices)
        words = panel.price_words(run_of(lane("A", network)))
        assert abs(int(words.split()[1]) - measured) <= 3
