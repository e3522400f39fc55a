"""The arrows of the split gradient: where they are, how long, what they say, and that off is off."""

import math

import numpy as np
import pytest
from PySide6.QtCore import QPointF
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from core.findings import GradientSplit
from core.messages import LaneInfo, RunStarted
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane
from gui.network_layout import Arch
from gui.network_panel import NetworkPanel
from gui.split_overlay import Split, part_areas
from gui.theme import DARK, LIGHT

WIDE = Arch(left=100, right=160, base=80, top=40, foot=100)
NARROW = Arch(left=100, right=110, base=80, top=60, foot=80)


def finding(
    shortcut: list[float], branch: list[float], cosine: float = 0.25, total: float = 5.0
) -> GradientSplit:
    blocks = len(shortcut)
    return GradientSplit(
        np.array(shortcut), np.array(branch), np.full(blocks, cosine), np.full(blocks, total), np.ones(blocks)
    )


def run_of(*lanes: LaneSettings) -> RunStarted:
    infos = tuple(
        LaneInfo(
            one.name, one.network, 0, (1,) * one.network.block_count,
            tuple((block.out_channels, 7, 7) for block in one.network.blocks),
        )
        for one in lanes
    )  # fmt: skip
    return RunStarted(RunSettings(lanes=lanes), infos, ("a", "b"), 1000, 100, 100, 100, None)


@pytest.fixture
def panel(qtbot: QtBot) -> NetworkPanel:
    made = NetworkPanel()
    qtbot.addWidget(made)
    made.resize(900, 300)
    made.start_run(run_of(lane("A", NetworkSettings()), lane("B", NetworkSettings(), 0.0)))
    return made  # not shown: pictures of it do not depend on the focus


def picture(panel: NetworkPanel) -> QImage:
    return panel.grab().toImage()


def difference(before: QImage, after: QImage) -> set[tuple[int, int]]:
    return {
        (x, y)
        for x in range(before.width())
        for y in range(before.height())
        if before.pixel(x, y) != after.pixel(x, y)
    }


# ---- arithmetic and places ----------------------------------------------------------------


def test_shares_are_of_the_two_norms() -> None:
    split = Split(1, finding([3.0, 0.0, 0.0, math.inf, 1e-300], [1.0, 2.0, 0.0, 1.0, 1e-300]))
    assert split.shares(0) == (0.75, 0.25)
    assert split.shares(1) == (0.0, 1.0)
    assert split.shares(2) is None
    assert split.shares(3) is None
    assert split.shares(4) == (0.5, 0.5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_arrows_begin_at_the_addition_and_are_as_long_as_their_share(share: float) -> None:
    (shortcut, first), (branch, second) = part_areas(WIDE, (share, 1 - share))
    assert (first, second) == (True, False)
    assert shortcut.right() == branch.right()
    assert shortcut.width() / branch.width() == pytest.approx(share / (1 - share))
    assert shortcut.bottom() <= branch.top()
    for area in (shortcut, branch):
        assert WIDE.left < area.left()
        assert area.right() < WIDE.right
        assert WIDE.top < area.top()
        assert area.bottom() < WIDE.base


def test_where_blocks_are_narrow_both_are_one_upright_tick() -> None:
    (branch, first), (shortcut, second) = part_areas(NARROW, (0.75, 0.25))
    assert (first, second) == (False, True)
    assert shortcut.left() == branch.left()
    assert shortcut.width() == branch.width() <= 3
    assert shortcut.height() == pytest.approx(3 * branch.height())
    assert shortcut.bottom() == pytest.approx(branch.top())


@pytest.mark.parametrize("arch", [WIDE, NARROW], ids=["wide", "narrow"])
def test_a_part_of_zero_has_no_arrow(arch: Arch) -> None:
    assert [is_shortcut for _, is_shortcut in part_areas(arch, (0.0, 1.0))] == [False]
    assert [is_shortcut for _, is_shortcut in part_areas(arch, (1.0, 0.0))] == [True]


# ---- on the panel -------------------------------------------------------------------------


def test_arrows_are_drawn_within_the_arcs_and_go_away(panel: NetworkPanel) -> None:
    before = picture(panel)
    panel.set_split(0, 41, finding([3.0] * 8, [1.0] * 8))
    changed = difference(before, picture(panel))
    drawing = panel.drawing()
    legend = drawing.legend.top()
    areas = [block.arc_area for block in drawing.rows[0].blocks]
    above = {place for place in changed if place[1] < legend - 3}
    for x, y in above:
        assert any(area.adjusted(-1, -1, 1, 1).contains(QPointF(x, y)) for area in areas)
    for area in areas:  # every addition has its own
        assert any(area.contains(QPointF(x, y)) for x, y in above)
    assert len(changed) > len(above)  # the legend names them
    panel.clear_splits()
    assert picture(panel) == before


def test_the_two_parts_differ_in_colour_and_shape(panel: NetworkPanel) -> None:
    panel.set_split(0, 41, finding([1.0] * 8, [1.0] * 8))
    place = panel.drawing().rows[0].blocks[0]
    (shortcut, _), (branch, _) = part_areas(place.arch, (0.5, 0.5))
    image = panel.grab().toImage()
    middle = [image.pixelColor(area.center().toPoint()) for area in (shortcut, branch)]
    assert middle[0] == LIGHT.lane_color(0)
    assert middle[1].name() == LIGHT.background  # hollow


def test_the_hover_says_norms_and_cosine_of_that_lane_only(panel: NetworkPanel) -> None:
    panel.set_split(0, 1201, finding([0.012] * 8, [0.0034] * 8, cosine=-0.5, total=0.0111))
    rows = panel.drawing().rows
    for part in (rows[0].blocks[2].box, rows[0].blocks[2].arc_area):
        text = panel.tooltip_at(part.center())
        assert "step 1,201: 0.012 through the shortcut, 0.0034 through the branch, cosine −0.5" in text
        assert "together 0.0111" in text
    assert "∂L/∂x" not in panel.tooltip_at(rows[1].blocks[2].box.center())
    assert "∂L/∂x" not in panel.tooltip_at(rows[0].stages[0].header.center())


def test_a_cosine_of_nothing_is_a_dash() -> None:
    words = Split(1, finding([0.0], [1.0], cosine=math.nan)).words(0)
    assert "cosine –" in words
    assert "NaN" not in words


def test_a_finding_that_does_not_fit_the_lane_is_left_out(panel: NetworkPanel) -> None:
    before = picture(panel)
    panel.set_split(0, 1, finding([1.0] * 7, [1.0] * 7))
    panel.set_split(0, 1, finding([1.0] * 9, [1.0] * 9))
    panel.set_split(5, 1, finding([1.0] * 8, [1.0] * 8))
    assert picture(panel) == before


def test_a_new_run_has_no_arrows(panel: NetworkPanel) -> None:
    before = picture(panel)
    panel.set_split(0, 1, finding([1.0] * 8, [1.0] * 8))
    panel.start_run(run_of(lane("A", NetworkSettings()), lane("B", NetworkSettings(), 0.0)))
    assert picture(panel) == before


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_a_hundred_and_ten_layers_have_ticks(panel: NetworkPanel, theme) -> None:  # type: ignore[no-untyped-def]
    panel.set_theme(theme)
    panel.start_run(run_of(*(lane(name, NetworkSettings(depth=110)) for name in "AB")))
    before = picture(panel)
    shares = finding([0.0, *[1.0] * 53], [1.0, *[0.0] * 53])
    panel.set_split(1, 1, shares)
    image = panel.grab().toImage()
    blocks = panel.drawing().rows[1].blocks
    for block in (0, 1, 53):
        ((area, is_shortcut),) = part_areas(blocks[block].arch, (0.0, 1.0) if block == 0 else (1.0, 0.0))
        ink = image.pixelColor(area.center().toPoint())
        wanted = theme.lane_color(1).name() if is_shortcut else theme.text
        assert ink.name() == wanted
    assert difference(before, image)


@pytest.mark.parametrize("value", [math.nan, math.inf, 0.0, 1e308])
def test_no_value_is_too_strange(panel: NetworkPanel, value: float) -> None:
    panel.set_split(0, 1, finding([value] * 8, [value] * 8, cosine=value, total=value))
    panel.grab()
    panel.tooltip_at(panel.drawing().rows[0].blocks[0].box.center())


# ---- the block that is being passed -------------------------------------------------------


def test_the_passed_block_is_outlined_and_only_it(panel: NetworkPanel) -> None:
    before = picture(panel)
    panel.set_highlight([4, None])
    box = panel.drawing().rows[0].blocks[4].box.adjusted(-5, -5, 5, 5)
    changed = difference(before, picture(panel))
    assert changed
    assert all(box.contains(QPointF(x, y)) for x, y in changed)
    panel.set_highlight([None, None])
    assert picture(panel) == before


def test_lanes_can_be_lit_one_by_one(panel: NetworkPanel) -> None:
    before = picture(panel)
    panel.highlight_block(0, 2)
    panel.highlight_block(1, 3)
    panel.highlight_block(1, 99)  # no such block
    panel.highlight_block(9, 0)
    panel.set_highlight([1, 1, 1, 1])
    panel.highlight_block(0, -1)
    panel.highlight_block(1, -1)
    assert picture(panel) == before
