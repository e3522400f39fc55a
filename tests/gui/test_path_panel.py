"""The path panel shows shares and norms by length, and says what was followed and what it means."""

from math import comb
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

import gui.path_panel
from core.findings import PathShares
from core.messages import Analysed, LaneInfo, LaneSlice, RunStarted, TrainingSlice, next_id
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.path_panel import PathPanel
from gui.path_words import carrying, carrying_words, count_words, path_count, slope_words
from gui.plot_export import export
from gui.theme import DARK, LIGHT

SHALLOW = NetworkSettings(depth=18)
DEEP = NetworkSettings(depth=110, width=8)
# measured on a trained 18-layer network, by length 0 … 8
NORMS = [0.0129, 0.0084, 0.0057, 0.0043, 0.0032, 0.0025, 0.0019, 0.0015, 0.0011]


def run_of(*lanes: LaneSettings) -> RunStarted:
    infos = tuple(
        LaneInfo(
            one.name, one.network, 0, (1,) * one.network.block_count, ((1, 1, 1),) * one.network.block_count
        )
        for one in lanes
    )
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 10_000, 1000, None)


def shares_of(norms: list[float], *, paths: int | None = None, sampled: bool = False) -> PathShares:
    n = len(norms) - 1
    counts = np.array([comb(n, length) for length in range(n + 1)], float)
    weights = counts * np.array(norms)
    total = np.nansum(weights)
    return PathShares(
        32, 2**n if paths is None else paths, sampled, counts, np.array(norms),
        weights / total if total else weights,
    )  # fmt: skip


PLAIN = shares_of([0.0] * 8 + [1e-4], paths=1)


@pytest.fixture
def panel(qtbot: QtBot) -> PathPanel:
    made = PathPanel()
    qtbot.addWidget(made)
    made.resize(700, 420)
    made.show()
    return made


def started(panel: PathPanel, *lanes: LaneSettings) -> RunStarted:
    run = run_of(*(lanes or (lane("A", SHALLOW), lane("B", SHALLOW, 0.0))))
    panel.start_run(run)
    return run


def measured(panel: PathPanel, *findings: PathShares, fraction: float = 1.0) -> None:
    request = panel.record.request or next_id()
    for number, finding in enumerate(findings):
        last = number == len(findings) - 1 and fraction == 1
        panel.add_finding(Analysed(request, "paths", number, "x", 40, finding, fraction, last))
    panel.refresh_now()
    panel.grab()


def test_it_says_how_many_paths_there_are_before_it_follows_them(panel: PathPanel, qtbot: QtBot) -> None:
    started(panel)
    panel.refresh_now()
    assert "all 256 paths, 32 pictures" in panel.price.text()
    started(panel, lane("A", DEEP))
    panel.refresh_now()
    assert "about 1,024 of 2⁵⁴ paths" in panel.price.text()
    with qtbot.waitSignal(panel.analyse_requested) as asked:
        qtbot.mouseClick(panel.measure, Qt.MouseButton.LeftButton)
    assert (asked.args[0].instrument, asked.args[0].lane) == ("paths", None)


def test_bars_are_shares_and_the_line_is_the_mean_norm_on_a_log_axis(panel: PathPanel) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    heights = panel.shares.bars[0].heights
    # published beside the norms, in per cent; both are rounded
    assert (100 * heights).tolist() == pytest.approx(
        [1.4, 7.4, 17.7, 26.2, 24.9, 15.2, 5.8, 1.3, 0.1], abs=0.8
    )
    assert heights.sum() == pytest.approx(1)
    assert panel.norms.curves[0].xData.tolist() == list(range(9))
    assert (10 ** panel.norms.curves[0].yData).tolist() == pytest.approx(NORMS)
    low, high = panel.norms.y_range
    assert low < -4 < high
    assert high > np.log10(0.0129)
    # the plain lane: one bar, one dot, both at the full length
    assert np.flatnonzero(np.isfinite(panel.shares.bars[1].heights)).tolist() == [8]
    assert [spot.pos().x() for spot in panel.norms.dots[1].points()] == [8]
    assert panel.shares.bars[0].fill != panel.shares.bars[1].fill


def test_lanes_stand_beside_each_other(panel: PathPanel) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    first, second = panel.shares.bars[:2]
    assert first.left + first.width == pytest.approx(second.left)
    assert (first.left + second.left + second.width).tolist() == pytest.approx([2 * n for n in range(9)])


def test_the_words_say_what_was_followed_and_what_was_measured(panel: PathPanel) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    text = panel.summary.text()
    assert "256 paths, all of them" in text
    assert "lengths 2–4 carry" not in text
    assert "lengths 2–5 carry 84 %" in text
    assert "the mean norm falls with every length" in text
    assert "plain: one path of 256 is open, through every branch" in text
    assert "Measured at step 40" in text


@pytest.mark.parametrize(
    ("norms", "words"),
    [
        ([4, 3, 2, 1], "the mean norm falls with every length"),
        ([1, 2, 3, 4], "the mean norm rises with every length"),
        ([4, 3, 3.5, 1], "the mean norm does not fall steadily: it rises at 2"),
        ([4, np.nan, 2, 1], "the mean norm falls with every length"),
        ([0, 0, 0, 1], ""),
        ([np.nan] * 4, ""),
    ],
    ids=["falling", "rising", "bent", "not all measured", "plain", "nothing"],
)
def test_whether_norms_fall_is_said_as_measured(norms: list[float], words: str) -> None:
    assert slope_words(np.array(norms, float)) == words


@pytest.mark.parametrize(
    ("shares", "ends"),
    [
        ([0.1, 0.4, 0.4, 0.1], (1, 2)),
        ([0.0, 0.0, 1.0], (2, 2)),
        ([0.25, 0.25, 0.25, 0.25], (0, 3)),
        ([0.1, 0.5, 0.2, 0.2], (1, 3)),
        ([np.nan, np.nan], None),
        ([0.0, 0.0], None),
    ],
)
def test_the_fewest_neighbouring_lengths_carry_four_fifths(
    shares: list[float], ends: tuple[int, int] | None
) -> None:
    assert carrying(np.array(shares)) == ends
    if ends is None:
        assert carrying_words(np.array(shares)) == ""


@pytest.mark.parametrize(
    ("finding", "words"),
    [
        (shares_of(NORMS), "256 paths, all of them"),
        (shares_of([0.1] * 28, paths=1008, sampled=True), "sampled: 1,008 of 2²⁷ paths"),
        (PLAIN, "plain: one path of 256 is open, through every branch"),
        (shares_of([0.0] * 4 + [0.1] * 5, paths=16), "16 of 256 paths are open, all of them followed"),
        (shares_of([0.0] * 9, paths=0), "no path is open: some block has neither branch nor shortcut"),
    ],
    ids=["all", "sampled", "plain", "partly cut", "blocked"],
)
def test_how_many_paths_were_followed(finding: PathShares, words: str) -> None:
    assert count_words(finding) == words


def test_large_numbers_of_paths_are_powers_of_two() -> None:
    assert path_count(1024.0) == "1,024"
    assert path_count(2.0**27) == "2²⁷"
    assert path_count(2.0**54) == "2⁵⁴"


def test_counts_are_said_under_the_mouse(panel: PathPanel, qtbot: QtBot) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    panel.shares.hovered.emit(2.2, 0.1)
    text = panel.shares.readout.text()
    assert "length 2: 28 of 256 paths" in text
    assert "mean norm 0.0057" in text
    panel.shares.left.emit()
    assert not panel.shares.readout.isVisible()
    qtbot.keyClick(panel.norms, Qt.Key.Key_End)
    assert "length 8: 1 of 256 paths" in panel.norms.readout.text()


def test_lanes_of_different_depth_have_counts_of_their_own(panel: PathPanel) -> None:
    started(panel, lane("A", SHALLOW), lane("B", NetworkSettings(depth=20)))
    measured(panel, shares_of(NORMS), shares_of([*NORMS, 0.0009]))
    text = panel.shares.words(2.0)
    assert "28 of 256 paths" in text
    assert "36 of 512 paths" in text
    assert "256" not in panel.shares.words(9.0)


def test_part_of_a_measurement_is_shown_with_its_progress(panel: PathPanel) -> None:
    started(panel)
    panel._on_measure()
    part = shares_of([np.nan] * 5 + NORMS[5:], paths=30)
    measured(panel, part, fraction=0.25)
    assert panel.progress.value() == 12
    assert "25 % done" in panel.summary.text()
    assert np.isfinite(panel.shares.bars[0].heights).tolist() == [False] * 5 + [True] * 4
    assert panel.cancel.isVisible()


@pytest.mark.parametrize(
    "finding",
    [
        shares_of([np.nan] * 9, paths=0),
        shares_of([0.0] * 9, paths=0),
        PathShares(32, 256, False, np.ones(9), np.full(9, np.inf), np.full(9, np.nan)),
    ],
    ids=["nothing yet", "all zero", "diverged"],
)
def test_it_survives_what_cannot_be_drawn(panel: PathPanel, finding: PathShares) -> None:
    started(panel)
    measured(panel, finding, PLAIN)
    panel.shares.read_out(3.0)
    panel.norms.read_out(3.0)
    assert np.isfinite(panel.norms.y_range).all()
    assert np.isfinite(panel.shares.y_range).all()
    assert "nan" not in panel.summary.text().lower()


def test_a_diverged_lane_is_said(panel: PathPanel) -> None:
    run = started(panel)
    one = np.ones((1, 8))
    lanes = tuple(
        LaneSlice(np.ones(1), np.ones(1), one, one, 0.1, (s,) * 8, (1.0,) * 8, diverged_at=d)
        for s, d in ((1.0, None), (0.0, 9))
    )
    panel.add_slice(TrainingSlice(9, 1, lanes, (), 1.0, 0))
    assert run.lanes[1].name == "B"
    measured(panel, shares_of(NORMS))
    assert "diverged at step 9" in panel.summary.text()


def test_54_blocks_fit(panel: PathPanel) -> None:
    started(panel, lane("A", DEEP), lane("B", DEEP))
    norms = (0.01 * 0.8 ** np.arange(55)).tolist()
    measured(panel, *(shares_of(norms, paths=1008, sampled=True) for _ in range(2)))
    assert panel.shares.x_range[0] < 0
    assert panel.shares.x_range[1] > 54
    assert len(panel.norms.curves[0].xData) == 55
    assert len(panel.norms.dots[0].points()) <= 30
    assert "sampled: 1,008 of 2⁵⁴ paths" in panel.summary.text()


def test_both_themes_draw(panel: PathPanel) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    for theme in (DARK, LIGHT):
        panel.set_theme(theme)
        panel.grab()
        assert panel.shares.bars[1].color == theme.lane_color(1)
        assert panel.norms.curves[0].opts["pen"].color() == theme.lane_color(0)
        assert theme.lane_color(0).name() in panel.summary.text()


@pytest.mark.parametrize("size", [(360, 260), (420, 420), (700, 420), (1300, 700)])
def test_four_lanes_work_from_small_to_large(panel: PathPanel, size: tuple[int, int]) -> None:
    started(panel, *(lane(f"lane {n}", SHALLOW) for n in range(4)))
    panel.resize(*size)
    measured(panel, *(shares_of(NORMS) for _ in range(4)))
    if size != (360, 260):
        assert panel.shares.view.height() > 20
        assert panel.norms.view.height() > 20
    side_by_side = (
        panel.shares.mapTo(panel, panel.shares.pos()).y() == panel.norms.mapTo(panel, panel.norms.pos()).y()
    )
    assert side_by_side == (size[0] >= 560)


def test_copy_and_export(panel: PathPanel, tmp_path: Path, qtbot: QtBot) -> None:
    started(panel)
    measured(panel, shares_of(NORMS), PLAIN)
    qtbot.mouseClick(panel.copy, Qt.MouseButton.LeftButton)
    text = QApplication.clipboard().text()
    assert text.count("lane\tlength\tpaths\tmean norm\tshare") == 1
    assert "A\t2\t28.0\t0.0057\t" in text
    assert "A: 256 paths, all of them" in text
    for figure in (panel.shares, panel.norms):
        export(figure, figure.table(), tmp_path / "x.svg")
        assert QSvgRenderer(str(tmp_path / "x.svg")).isValid()


def test_the_price_is_what_the_instrument_does() -> None:
    from inspect import signature

    from core.analyses import PATH_PICTURES
    from core.path_shares import path_shares_in_pieces

    assert gui.path_panel.PICTURES == PATH_PICTURES
    assert signature(path_shares_in_pieces).parameters["most_paths"].default == gui.path_panel.ALL_UP_TO
