"""The geometry of the network drawing: nothing overlaps, everything is inside, points find their part."""

import itertools

import pytest
from PySide6.QtCore import QPointF, QRectF

from gui.network_layout import Arch, Hit, Labels, Metrics, NetworkLayout, Part, make_layout
from gui.network_legend import flow

STAGES = {8: (2, 2, 2, 2), 9: (3, 3, 3), 16: (3, 4, 6, 3), 27: (9, 9, 9), 54: (18, 18, 18)}
SIZES = ((560, 220), (620, 240), (900, 300), (1000, 420), (1900, 500))
METRICS = Metrics(line=13, digit=6.5)
CASES = [
    pytest.param(size, lanes, blocks, id=f"{size[0]}x{size[1]}, {lanes} lanes of {blocks} blocks")
    for size, lanes, blocks in itertools.product(SIZES, (1, 2, 4), STAGES)
]


def laid_out(size: tuple[int, int], lanes: int, blocks: int) -> NetworkLayout:
    return make_layout(*size, [STAGES[blocks]] * lanes, METRICS, legend_lines=2)


@pytest.mark.parametrize(("size", "lanes", "blocks"), CASES)
def test_every_part_is_inside_its_row_and_the_widget(size: tuple[int, int], lanes: int, blocks: int) -> None:
    layout = laid_out(size, lanes, blocks)
    widget = QRectF(0, 0, *size)
    assert widget.contains(layout.legend)
    for row in layout.rows:
        assert widget.contains(row.area)
        assert row.area.bottom() <= layout.legend.top() + 1
        parts = [row.name, row.all_switch, row.stem, row.head, *(stage.header for stage in row.stages)]
        parts += [area for block in row.blocks for area in (block.box, block.arc_area, block.box_area)]
        for part in parts:
            assert part.width() > 0
            assert part.height() > 0
            assert row.area.contains(part)


@pytest.mark.parametrize(("size", "lanes", "blocks"), CASES)
def test_arcs_stand_above_their_boxes_and_nothing_overlaps(
    size: tuple[int, int], lanes: int, blocks: int
) -> None:
    for row in laid_out(size, lanes, blocks).rows:
        for block in row.blocks:
            assert block.arch.top < block.arch.base <= block.box.top()
            assert block.arc_area.bottom() <= block.box.top() + 1e-6
            assert block.arc_area.top() <= block.arch.top
            assert block.arch.left <= block.box.left()
            assert block.arch.right >= block.box.right()
        boxes = [row.name, row.stem, *(block.box for block in row.blocks), row.head]
        for left, right in itertools.pairwise(boxes):
            assert left.right() <= right.left()
        for left_area, right_area in itertools.pairwise(block.arc_area for block in row.blocks):
            assert left_area.right() <= right_area.left() + 1e-6
        for stage in row.stages:
            assert stage.header.bottom() <= row.blocks[stage.first].arc_area.top() + 1e-6


@pytest.mark.parametrize(("size", "lanes", "blocks"), CASES)
def test_a_point_on_a_part_finds_that_part(size: tuple[int, int], lanes: int, blocks: int) -> None:
    layout = laid_out(size, lanes, blocks)

    def at(point: QPointF) -> Hit | None:
        return layout.hit(point.x(), point.y())

    for lane, row in enumerate(layout.rows):
        for index, block in enumerate(row.blocks):
            assert at(block.box.center()) == Hit(Part.BLOCK, lane, index)
            assert at(block.arc_area.center()) == Hit(Part.ARC, lane, index)
            assert at(block.arch.point(0.5)) == Hit(Part.ARC, lane, index)
        for index, stage in enumerate(row.stages):
            assert at(stage.header.center()) == Hit(Part.STAGE, lane, index)
        assert at(row.all_switch.center()) == Hit(Part.ALL, lane)
        assert at(row.name.bottomLeft() + QPointF(3, -3)) == Hit(Part.NAME, lane)
        assert at(row.stem.center()) == Hit(Part.STEM, lane)
        assert at(row.head.center()) == Hit(Part.HEAD, lane)
    assert at(layout.legend.center()) == Hit(Part.LEGEND)
    assert at(QPointF(-5, -5)) is None


@pytest.mark.parametrize("blocks", STAGES)
def test_stages_cover_the_blocks_in_order(blocks: int) -> None:
    row = laid_out((900, 300), 1, blocks).rows[0]
    assert [block for stage in row.stages for block in stage.blocks] == list(range(blocks))


def test_labels_thin_out_and_arcs_stay() -> None:
    kinds = [laid_out((width, 300), 2, 54).rows[0].labels for width in (2400, 1500, 900)]
    assert kinds == [Labels.INSIDE, Labels.ROTATED, Labels.BELOW]
    deep = laid_out((900, 300), 2, 54).rows[0]
    assert 3 <= len(deep.labelled) < 54
    assert {stage.first for stage in deep.stages} <= set(deep.labelled)
    low = laid_out((560, 220), 4, 54).rows[0]
    assert low.labels is Labels.NONE
    assert len(low.blocks) == 54


def test_blocks_of_lanes_of_different_depth_stand_at_their_relative_depth() -> None:
    layout = make_layout(1000, 420, [STAGES[8], STAGES[54]], METRICS)
    shallow, deep = (row.blocks for row in layout.rows)
    assert shallow[0].arc_area.left() == pytest.approx(deep[0].arc_area.left(), abs=20)
    assert shallow[-1].arc_area.right() == pytest.approx(deep[-1].arc_area.right(), abs=20)


def test_a_lane_with_other_stages_than_the_one_above_names_them_even_where_height_is_short() -> None:
    layout = make_layout(560, 220, [STAGES[8], STAGES[8], STAGES[54], STAGES[54]], METRICS, legend_lines=2)
    assert [row.has_stage_text for row in layout.rows] == [True, False, True, False]


def test_an_arch_starts_and_ends_on_its_base_and_its_pieces_join() -> None:
    arch = Arch(left=10, right=50, base=40, top=10, foot=60)
    assert arch.point(0) == QPointF(10, 40)
    assert arch.point(1) == QPointF(50, 40)
    assert arch.point(0.5) == QPointF(30, 10)
    first, _, _, last = arch.piece(0.0, 0.36)
    assert (first, last) == (arch.point(0), arch.point(0.36))
    whole = arch.piece(0.0, 1.0)
    assert [point.x() for point in whole] == pytest.approx([10, 10, 50, 50])
    assert [point.y() for point in whole] == pytest.approx([40, 0, 0, 40])


def test_legend_entries_wrap_and_what_does_not_fit_is_left_out() -> None:
    assert flow((100, 50, 60), 200, 2) == [(0, 0), (114, 0), (0, 1)]
    assert len(flow((100, 100, 100), 100, 2)) == 2


def test_no_lanes_leave_only_the_legend() -> None:
    assert make_layout(600, 240, [], METRICS).rows == ()
