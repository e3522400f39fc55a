"""Where everything of the network drawing stands, and what lies under a point. No widget needed.

A lane is a row: a name column, then stem, blocks by stage and head along a wire. Every row spans
the same width, so that blocks of lanes of different depth stand at their relative depth, as in
the plots. Above the boxes is a band of arcs, above that the stage switches.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from PySide6.QtCore import QPointF, QRectF

MARGIN = 6.0


class Part(Enum):
    """What a point can lie on."""

    BLOCK = auto()
    ARC = auto()
    STAGE = auto()
    ALL = auto()
    NAME = auto()
    STEM = auto()
    HEAD = auto()
    LEGEND = auto()


class Labels(Enum):
    """How the blocks' names are written."""

    INSIDE = auto()
    ROTATED = auto()
    BELOW = auto()  # only some of them
    NONE = auto()


@dataclass(frozen=True, slots=True)
class Hit:
    """A part of the drawing; `index` is a block, or a stage counted from 0."""

    part: Part
    lane: int = -1
    index: int = -1


@dataclass(frozen=True, slots=True)
class Metrics:
    """Sizes of the drawing's small font, in pixels."""

    line: float  # height of a line
    digit: float  # width of a digit


@dataclass(frozen=True, slots=True)
class Arch:
    """An arc from one side of a block to the other; its legs reach down to the wire."""

    left: float
    right: float
    base: float
    top: float
    foot: float  # where the legs end; equal to base where there is no room for legs

    def point(self, place: float) -> QPointF:
        """Return the point at `place`, 0 (left) to 1 (right)."""
        rise = 3 * place * (1 - place)  # of a cubic whose controls stand above its ends
        x = self.left + (self.right - self.left) * place * place * (3 - 2 * place)
        return QPointF(x, self.base - (self.base - self.top) * rise * 4 / 3)

    def piece(self, start: float, end: float) -> tuple[QPointF, QPointF, QPointF, QPointF]:
        """Return the control points of the part between two places."""
        third = (end - start) / 3
        first, last = self.point(start), self.point(end)
        return first, first + self._slope(start) * third, last - self._slope(end) * third, last

    def _slope(self, place: float) -> QPointF:
        x = (self.right - self.left) * 6 * place * (1 - place)
        return QPointF(x, -(self.base - self.top) * 4 * (1 - 2 * place))


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """A block's box, its arc, and the ground that belongs to each under the mouse."""

    box: QRectF
    arch: Arch
    box_area: QRectF
    arc_area: QRectF


@dataclass(frozen=True, slots=True)
class StagePlace:
    """A stage's switch and the blocks it acts on."""

    header: QRectF
    first: int
    count: int

    @property
    def blocks(self) -> range:
        """Indices of the stage's blocks."""
        return range(self.first, self.first + self.count)


@dataclass(frozen=True, slots=True)
class Row:
    """One lane."""

    area: QRectF
    name: QRectF
    all_switch: QRectF
    stem: QRectF
    head: QRectF
    wire: float  # y of the main path
    blocks: tuple[BlockPlace, ...]
    stages: tuple[StagePlace, ...]
    has_stage_text: bool
    labels: Labels
    below: QRectF  # strip for labels under the boxes
    labelled: tuple[int, ...]  # blocks that carry a label


@dataclass(frozen=True, slots=True)
class NetworkLayout:
    """The whole drawing."""

    rows: tuple[Row, ...]
    legend: QRectF

    def hit(self, x: float, y: float) -> Hit | None:
        """Say what lies under a point."""
        point = QPointF(x, y)
        for lane, row in enumerate(self.rows):
            if row.area.contains(point):
                return _hit_row(row, lane, point)
        return Hit(Part.LEGEND) if self.legend.contains(point) else None


@dataclass(frozen=True, slots=True)
class _Bands:
    """Heights of a row's parts, top down, and whether its stages are named."""

    named: bool
    header: float
    arc: float
    box: float
    below: float

    @property
    def total(self) -> float:
        return self.header + self.arc + self.box + self.below


@dataclass(frozen=True, slots=True)
class _Columns:
    """A row's parts from left to right; a slot is a block's share of the width."""

    stem: float
    ends: float  # width of stem and head
    head: float
    slots: tuple[float, ...]  # left edges
    pitch: float
    gap: float
    box: float  # width


def make_layout(
    width: float, height: float, lanes: Sequence[tuple[int, ...]], metrics: Metrics, legend_lines: int = 1
) -> NetworkLayout:
    """Lay out lanes, each given by its number of blocks per stage."""
    legend_height = legend_lines * (metrics.line + 4) + 2
    legend = QRectF(MARGIN, height - legend_height - 2, max(width - 2 * MARGIN, 1), legend_height)
    if not lanes:
        return NetworkLayout((), legend)
    row_height = (legend.top() - 2) / len(lanes)
    rows = []
    for lane, stages in enumerate(lanes):
        area = QRectF(0, 1 + lane * row_height, width, row_height)
        repeats = lane > 0 and lanes[lane - 1] == stages
        rows.append(_row(area, stages, metrics, repeats))
    return NetworkLayout(tuple(rows), legend)


def name_width(width: float, metrics: Metrics) -> float:
    """Width of the column with the lanes' names."""
    return min(max(0.2 * width, 17 * metrics.digit), 25 * metrics.digit)


def _row(area: QRectF, stages: tuple[int, ...], metrics: Metrics, repeats: bool) -> Row:
    left = MARGIN + name_width(area.width(), metrics) + 1.5 * metrics.digit
    columns = _columns(left, area.right() - MARGIN, stages, metrics)
    longest = metrics.digit * (1 + len(str(max(stages) - 1)) + 0.6)
    labels = _labels(columns, longest, metrics)
    bands = _bands(area.height(), columns.pitch, metrics, labels, longest, repeats=repeats)
    if labels is Labels.ROTATED and bands.box < longest:
        labels = Labels.BELOW
        bands = _bands(area.height(), columns.pitch, metrics, labels, longest, repeats=repeats)
    if labels is Labels.BELOW and not bands.below:
        labels = Labels.NONE

    top = area.top() + (area.height() - bands.total) / 2
    box_top = top + bands.header + bands.arc
    wire = box_top + bands.box / 2
    blocks = tuple(_block(columns, slot, top, bands) for slot in columns.slots)
    places = tuple(_stage_places(stages, blocks, top, bands))
    name = QRectF(MARGIN, area.top() + 2, name_width(area.width(), metrics), area.height() - 4)
    return Row(
        area=area,
        name=name,
        all_switch=_all_switch(name, metrics),
        stem=QRectF(columns.stem, box_top, columns.ends, bands.box),
        head=QRectF(columns.head, box_top, columns.ends, bands.box),
        wire=wire,
        blocks=blocks,
        stages=places,
        has_stage_text=bands.named,
        labels=labels,
        below=QRectF(left, box_top + bands.box, area.right() - MARGIN - left, bands.below),
        labelled=_labelled(labels, stages, columns.pitch, longest),
    )


def _columns(left: float, right: float, stages: tuple[int, ...], metrics: Metrics) -> _Columns:
    count = sum(stages)
    ends = 5.4 * metrics.digit if right - left > 75 * metrics.digit else metrics.line + 2
    space = right - left - 2 * ends
    stage_gap = min(max(0.3 * space / count, 2.0), 18.0)
    pitch = max((space - (len(stages) + 1) * stage_gap) / count, 1.0)
    gap = min(max(0.22 * pitch, 1.5), 18.0)
    slots = []
    x = left + ends + stage_gap
    for blocks in stages:
        slots += [x + number * pitch for number in range(blocks)]
        x += blocks * pitch + stage_gap
    box = max(min(pitch - gap, 16 * metrics.digit), 1.0)
    return _Columns(left, ends, right - ends, tuple(slots), pitch, gap, box)


def _labels(columns: _Columns, longest: float, metrics: Metrics) -> Labels:
    if columns.box >= longest:
        return Labels.INSIDE
    return Labels.ROTATED if columns.box >= 0.86 * metrics.line else Labels.BELOW


def _bands(
    row: float, pitch: float, metrics: Metrics, labels: Labels, longest: float, *, repeats: bool
) -> _Bands:
    line = metrics.line
    height = row - min(max(0.09 * row, 4.0), 14.0)
    # Where height is short, a row that stands under one with the same stages need not name them.
    named = height > 5.2 * line or (not repeats and height > 3 * line)
    header = (line + 3 if height > 5.2 * line else line) if named else 0.45 * line
    below = line if labels is Labels.BELOW and height > 4.4 * line else 0.0
    rest = max(height - header - below, 8.0)
    box = min((0.54 if height > 5.2 * line else 0.48) * rest, 4.4 * line)
    if labels is Labels.ROTATED and rest - longest >= 0.8 * line:
        box = max(box, longest)
    arc = min(rest - box, 6.5 * line, max(2 * line, 1.6 * pitch))
    return _Bands(named, header, arc, box, below)


def _block(columns: _Columns, slot: float, top: float, bands: _Bands) -> BlockPlace:
    box_top = top + bands.header + bands.arc
    box_left = slot + (columns.pitch - columns.box) / 2
    box = QRectF(box_left, box_top, columns.box, bands.box)
    has_legs = columns.gap >= 9
    inset = columns.gap * 0.2 if has_legs else 0.5
    base = box_top - (1 if bands.arc < 20 else 2)
    arch = Arch(
        left=slot + inset,
        right=slot + columns.pitch - inset,
        base=base,
        top=top + bands.header + min(8.0, 0.26 * bands.arc),
        foot=box.center().y() if has_legs else base,
    )
    arc_area = QRectF(slot, top + bands.header, columns.pitch, bands.arc)
    box_area = QRectF(slot, box_top, columns.pitch, bands.box + bands.below)
    return BlockPlace(box, arch, box_area, arc_area)


def _stage_places(
    stages: tuple[int, ...], blocks: tuple[BlockPlace, ...], top: float, bands: _Bands
) -> list[StagePlace]:
    places = []
    first = 0
    for count in stages:
        left = blocks[first].arc_area.left()
        right = blocks[first + count - 1].arc_area.right()
        places.append(StagePlace(QRectF(left, top, right - left, bands.header), first, count))
        first += count
    return places


def _all_switch(name: QRectF, metrics: Metrics) -> QRectF:
    width = min(6.4 * metrics.digit, 0.45 * name.width())
    height = min(metrics.line + 2, name.height())
    lines = min(3 * metrics.line + 4, name.height())
    return QRectF(name.right() - width, name.center().y() - lines / 2, width, height)


def _labelled(labels: Labels, stages: tuple[int, ...], pitch: float, longest: float) -> tuple[int, ...]:
    if labels is Labels.NONE:
        return ()
    if labels is not Labels.BELOW:
        return tuple(range(sum(stages)))
    every = max(math.ceil(1.25 * longest / pitch), 1)
    every = next((tidy for tidy in (1, 2, 3, 5, 10) if tidy >= every), every)
    chosen = []
    first = 0
    for count in stages:
        # A label too near the next stage's first would run into it.
        chosen += [first + place for place in range(0, count, every) if not place or count - place >= every]
        first += count
    return tuple(chosen)


def _hit_row(row: Row, lane: int, point: QPointF) -> Hit | None:
    for part, area in ((Part.ALL, row.all_switch), (Part.NAME, row.name)):
        if area.contains(point):
            return Hit(part, lane)
    for part, area in ((Part.STEM, row.stem), (Part.HEAD, row.head)):
        if area.contains(point):
            return Hit(part, lane)
    for index, block in enumerate(row.blocks):
        if block.arc_area.left() <= point.x() < block.arc_area.right():
            if block.box_area.contains(point):
                return Hit(Part.BLOCK, lane, index)
            if block.arc_area.contains(point):
                return Hit(Part.ARC, lane, index)
    for index, stage in enumerate(row.stages):
        if stage.header.contains(point):
            return Hit(Part.STAGE, lane, index)
    return None
