"""Draws the network: what changes only at a click is kept as a picture, the rest goes on top."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from PySide6.QtCore import QCoreApplication, QPointF, QRectF, QSize, QSizeF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QPainter, QPen, QPixmap, QStaticText, QTransform

from gui.lane_state import LaneState, Strengths
from gui.network_ink import (
    UNKNOWN,
    ArcColors,
    ArcLook,
    Shades,
    arc_colors,
    arc_path,
    draw_arc,
    draw_glyph,
    draw_ring,
    scaled,
)
from gui.network_layout import Hit, Labels, Metrics, NetworkLayout, Part, Row, make_layout
from gui.network_legend import Legend
from gui.network_words import lane_loss, lane_status, short_number
from gui.split_overlay import Split, draw_split
from gui.theme import Theme

_LEFT = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft
_CENTER = Qt.AlignmentFlag.AlignCenter


@dataclass(frozen=True, slots=True)
class View:
    """What is marked in the drawing: the chosen block (lane, index), the part under the mouse.

    By lane besides: how its gradient splits at the additions, and a block that is being passed.
    """

    selected: tuple[int, int]
    hovered: Hit | None
    focused: bool
    splits: Mapping[int, Split] = field(default_factory=dict)
    passed: Mapping[int, int] = field(default_factory=dict)


class NetworkPainter:
    """Draws lanes in one size, font and theme; made anew when one of them changes."""

    def __init__(
        self,
        lanes: tuple[LaneState, ...],
        size: QSize,
        font: QFont,
        theme: Theme,
        *,
        ratio: float,
        with_split: bool = False,
    ) -> None:
        self._lanes, self._size, self._theme, self._ratio = lanes, size, theme, ratio
        self._small = scaled(font, 0.88)
        self._bold = scaled(font, 1.0, bold=True)
        self._metrics = QFontMetricsF(self._small)
        self._shades = Shades(theme)
        self._legend = Legend(self._metrics, with_split=with_split)
        line = self._metrics.height()
        most = 2 if size.height() > 13 * line else 1
        self.layout: NetworkLayout = make_layout(
            size.width(),
            size.height(),
            [lane.info.network.stages for lane in lanes],
            Metrics(line, self._metrics.horizontalAdvance("0")),
            self._legend.lines(size.width() - 12, most),
        )
        self._labels = [[self._static_text(block.name) for block in lane.blocks] for lane in lanes]
        self._still: QPixmap | None = None
        self._still_key: Hashable = None

    def paint(self, painter: QPainter, view: View) -> None:
        """Draw everything as it is now."""
        painter.drawPixmap(0, 0, self._still_picture(view.splits))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(self._small)
        for lane, row in enumerate(self.layout.rows):
            self._draw_readings(painter, lane, row)
            self._draw_boxes(painter, lane, row)
        if view.hovered is not None:
            self._draw_hover(painter, view.hovered)
        self._draw_selection(painter, view)
        self._draw_passed(painter, view.passed)

    # ---- what changes with every slice ----------------------------------------------------

    def _draw_readings(self, painter: QPainter, lane: int, row: Row) -> None:
        state = self._lanes[lane]
        line = self._metrics.height()
        status = lane_status(state)
        top = row.all_switch.top() + line + 2
        places = [QRectF(row.name.left(), top + number * line, row.name.width(), line) for number in (0, 1)]
        if places[1].bottom() > row.name.bottom() + 2:  # one line only: news before the loss
            lines = [(status or lane_loss(state), bool(status))]
        else:
            lines = [(lane_loss(state), False), (status, True)]
        for place, (text, is_status) in zip(places, lines, strict=False):
            color = self._theme.text
            if is_status:
                color = self._theme.warning if state.diverged_at is not None else self._theme.accent
            painter.setPen(QColor(color))
            painter.drawText(place, _LEFT, self._elided(text, place.width()))

    def _draw_boxes(self, painter: QPainter, lane: int, row: Row) -> None:
        state = self._lanes[lane]
        branches = state.shown_branches
        outline = QPen(QColor(self._theme.muted if not self._theme.dark else self._theme.grid), 1)
        narrow = row.blocks[0].box.width() < 9
        radius = min(4.0, 0.25 * row.blocks[0].box.width())
        shades = self._shades.indices(state.norms, len(row.blocks))
        painter.setPen(Qt.PenStyle.NoPen if narrow else outline)
        for index, place in enumerate(row.blocks):
            if not branches[index]:
                continue
            painter.setBrush(self._shades.brushes[shades[index]])
            if narrow:
                painter.drawRect(place.box)
            else:
                painter.drawRoundedRect(place.box, radius, radius)
        for index, strength in enumerate(branches):
            if strength < 1:
                self._draw_weak_branch(painter, row, index, strength, shades)
        self._draw_labels(painter, lane, row, shades)
        for index, place in enumerate(row.blocks):
            if branches[index] != state.branches[index]:
                reach = min(4.0, 0.4 * place.box.width())
                painter.setBrush(QColor(self._theme.background))
                draw_ring(painter, place.box.topRight(), reach, QColor(self._theme.accent))

    def _draw_weak_branch(
        self, painter: QPainter, row: Row, index: int, strength: float, shades: list[int]
    ) -> None:
        box = row.blocks[index].box
        if strength == 0:
            shades[index] = UNKNOWN
            painter.setPen(QPen(QColor(self._theme.muted), 1, Qt.PenStyle.DashLine))
            painter.setBrush(QColor(self._theme.background))
            painter.drawRect(box)
            return
        height = min(3.0, 0.14 * box.height())
        bar = QRectF(box.left() + 1, box.bottom() - height - 1, (box.width() - 2) * strength, height)
        painter.fillRect(bar, self._shades.inks[shades[index]])

    def _draw_labels(self, painter: QPainter, lane: int, row: Row, shades: list[int]) -> None:
        if row.labels not in (Labels.INSIDE, Labels.ROTATED):
            return
        norms = self._lanes[lane].norms
        box = row.blocks[0].box
        line = self._metrics.height()
        has_number = (
            norms is not None
            and row.labels is Labels.INSIDE
            and box.height() >= 2 * line + 2
            and box.width() >= 6 * self._metrics.horizontalAdvance("0")
        )
        branches = self._lanes[lane].shown_branches
        for index, place in enumerate(row.blocks):
            text = self._labels[lane][index]
            painter.setPen(self._shades.inks[shades[index]])
            if row.labels is Labels.ROTATED:
                self._draw_rotated(painter, place.box.center(), text)
                continue
            shift = line / 2 if has_number and branches[index] else 0.0
            half = QPointF(text.size().width() / 2, text.size().height() / 2 + shift)
            painter.drawStaticText(place.box.center() - half, text)
            if shift and norms is not None:
                below = QRectF(place.box.left(), place.box.center().y(), place.box.width(), line)
                painter.drawText(below, _CENTER, short_number(float(norms[index])))

    def _draw_rotated(self, painter: QPainter, center: QPointF, text: QStaticText) -> None:
        painter.save()
        painter.translate(center)
        painter.rotate(-90)
        painter.drawStaticText(QPointF(-text.size().width() / 2, -text.size().height() / 2), text)
        painter.restore()

    def _draw_hover(self, painter: QPainter, hit: Hit) -> None:
        accent = QColor(self._theme.accent)
        faint = QColor(accent)
        faint.setAlpha(38)
        row = self.layout.rows[hit.lane] if hit.lane >= 0 else None
        if row is None:
            return
        if hit.part is Part.ARC:
            place = row.blocks[hit.index]
            painter.fillRect(place.arc_area, faint)
            painter.strokePath(arc_path(place.arch), QPen(accent, 1.2))
            return
        areas = {Part.ALL: row.all_switch}
        if hit.part is Part.BLOCK:
            areas[Part.BLOCK] = row.blocks[hit.index].box.adjusted(-1, -1, 1, 1)
        if hit.part is Part.STAGE:
            areas[Part.STAGE] = row.stages[hit.index].header
        if hit.part in areas:
            painter.setPen(QPen(accent, 1.5))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(areas[hit.part], 4, 4)

    def _draw_selection(self, painter: QPainter, view: View) -> None:
        lane, index = view.selected
        box = self.layout.rows[lane].blocks[index].box
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(QColor(self._theme.accent), 2.4))
        painter.drawRoundedRect(box.adjusted(-3, -3, 3, 3), 5, 5)
        if view.focused:
            painter.setPen(QPen(QColor(self._theme.accent), 1.5))
            painter.drawRect(QRectF(0.75, 0.75, self._size.width() - 1.5, self._size.height() - 1.5))

    def _draw_passed(self, painter: QPainter, passed: Mapping[int, int]) -> None:
        """Light the block of each lane that a step taken apart is passing."""
        painter.setBrush(Qt.BrushStyle.NoBrush)
        for lane, index in passed.items():
            box = self.layout.rows[lane].blocks[index].box.adjusted(-1.5, -1.5, 1.5, 1.5)
            for ink, width in ((self._theme.background, 5.0), (self._theme.text, 2.6)):
                painter.setPen(QPen(QColor(ink), width))
                painter.drawRect(box)

    # ---- what changes with a click --------------------------------------------------------

    def _still_picture(self, splits: Mapping[int, Split]) -> QPixmap:
        key = tuple(
            (lane.shortcuts, lane.shown_shortcuts, lane.branches, lane.shown_branches, splits.get(number))
            for number, lane in enumerate(self._lanes)
        )
        if self._still is None or key != self._still_key:
            self._still_key = key
            self._still = QPixmap(self._size * self._ratio)
            self._still.setDevicePixelRatio(self._ratio)
            self._still.fill(QColor(self._theme.background))
            painter = QPainter(self._still)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setFont(self._small)
            for lane, row in enumerate(self.layout.rows):
                self._draw_row(painter, lane, row)
                if lane in splits:
                    draw_split(painter, row, splits[lane], arc_colors(self._theme, lane), self._theme)
            self._legend.draw(painter, self.layout.legend, self._theme, self._shades)
            painter.end()
        return self._still

    def _draw_row(self, painter: QPainter, lane: int, row: Row) -> None:
        state = self._lanes[lane]
        painter.setPen(QPen(QColor(self._theme.grid), 1))
        painter.drawLine(row.area.bottomLeft(), row.area.bottomRight())
        self._draw_name(painter, lane, row)
        self._draw_switch(
            painter, row.all_switch, QCoreApplication.translate("Network", "all"), lane, state.shown_shortcuts
        )
        self._draw_path(painter, row)
        self._draw_stages(painter, lane, row)
        self._draw_arcs(painter, lane, row)
        if row.labels is Labels.BELOW:
            painter.setPen(QColor(self._theme.muted))
            width = 8 * self._metrics.horizontalAdvance("0")
            for index in row.labelled:
                center = row.blocks[index].box.center().x()
                place = QRectF(center - width / 2, row.below.top(), width, row.below.height())
                painter.drawText(place, _CENTER, state.blocks[index].name)

    def _draw_name(self, painter: QPainter, lane: int, row: Row) -> None:
        place = QRectF(row.name.left(), row.all_switch.top(), row.name.width(), row.all_switch.height())
        pen = self._theme.lane_pen(lane, width=2.5)
        painter.setPen(pen)
        y = place.center().y()
        painter.drawLine(QPointF(place.left(), y), QPointF(place.left() + 24, y))
        place.setLeft(place.left() + 30)
        place.setRight(row.all_switch.left() - 3)
        painter.setFont(self._bold)
        painter.setPen(QColor(self._theme.text))
        name = QFontMetricsF(self._bold).elidedText(
            self._lanes[lane].info.name, Qt.TextElideMode.ElideRight, place.width()
        )
        painter.drawText(place, _LEFT, name)
        painter.setFont(self._small)

    def _draw_switch(
        self, painter: QPainter, place: QRectF, text: str, lane: int, strengths: Strengths
    ) -> None:
        color = self._theme.lane_color(lane)
        painter.setPen(QPen(QColor(self._theme.grid), 1))
        painter.setBrush(QColor(self._theme.surface))
        painter.drawRoundedRect(place, min(4.0, place.height() / 2), min(4.0, place.height() / 2))
        inner = place.adjusted(4, 0, -4, 0)
        radius = min(0.26 * self._metrics.height(), 0.36 * place.height())
        wanted = self._metrics.horizontalAdvance(text) + 2 * radius + 5
        shown = text if wanted <= inner.width() else ""
        left = inner.center().x() - (wanted / 2 if shown else radius)
        state = 1.0 if all(value == 1 for value in strengths) else 0.5 if any(strengths) else 0.0
        draw_glyph(painter, QPointF(left + radius, place.center().y()), radius, color, state)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(
            QRectF(left + 2 * radius + 5, place.top(), inner.width(), place.height()), _LEFT, shown
        )

    def _draw_path(self, painter: QPainter, row: Row) -> None:
        painter.setPen(QPen(QColor(self._theme.muted), 1.4))
        painter.drawLine(QPointF(row.stem.right(), row.wire), QPointF(row.head.left(), row.wire))
        ends = (
            (row.stem, QCoreApplication.translate("Network", "stem")),
            (row.head, QCoreApplication.translate("Network", "head")),
        )
        for place, text in ends:
            painter.setPen(QPen(QColor(self._theme.grid), 1))
            painter.setBrush(QColor(self._theme.surface))
            painter.drawRoundedRect(place, 4, 4)
            painter.setPen(QColor(self._theme.muted))
            width = self._metrics.horizontalAdvance(text)
            if width <= place.width() - 2:
                painter.drawText(place, _CENTER, text)
            elif width <= place.height() - 2:
                self._draw_rotated(painter, place.center(), self._static_text(text))

    def _draw_stages(self, painter: QPainter, lane: int, row: Row) -> None:
        for number, stage in enumerate(row.stages, start=1):
            strengths = tuple(self._lanes[lane].shown_shortcuts[block] for block in stage.blocks)
            place = stage.header.adjusted(1, 0, -1, -1)
            if not row.has_stage_text:
                self._draw_slim_switch(painter, place, lane, strengths)
                continue
            text = QCoreApplication.translate("Network", "stage {stage}").format(stage=number)
            if self._metrics.horizontalAdvance(text) > place.width() - 28:
                text = str(number)
            self._draw_switch(painter, place, text, lane, strengths)

    def _draw_slim_switch(self, painter: QPainter, place: QRectF, lane: int, strengths: Strengths) -> None:
        """Draw a switch too low for a word: a bar, filled as far as its shortcuts are on."""
        color = self._theme.lane_color(lane)
        bar = QRectF(place.left(), place.center().y() - 1.5, place.width(), 3)
        painter.setPen(QPen(color, 0.8))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(bar)
        painter.fillRect(
            QRectF(bar.topLeft(), QSizeF(bar.width() * sum(strengths) / len(strengths), 3)), color
        )

    def _draw_arcs(self, painter: QPainter, lane: int, row: Row) -> None:
        state = self._lanes[lane]
        colors = arc_colors(self._theme, lane)
        padded = state.info.network.projection == "pad"
        for index, place in enumerate(row.blocks):
            strength = state.shown_shortcuts[index]
            look = ArcLook(
                strength,
                requested=strength != state.shortcuts[index],
                marked=state.blocks[index].changes_shape,
                hollow_mark=padded,
            )
            draw_arc(painter, place.arch, look, colors)
            if 0 < strength < 1:
                self._draw_strength(painter, row, index, strength)
        self._draw_additions(painter, row, colors)

    def _draw_strength(self, painter: QPainter, row: Row, index: int, strength: float) -> None:
        arch = row.blocks[index].arch
        text = f"{strength:.2f}".removesuffix("0")
        line = self._metrics.height()
        if (
            arch.base - arch.top >= line
            and arch.right - arch.left > self._metrics.horizontalAdvance(text) + 8
        ):
            painter.setPen(QColor(self._theme.text))
            middle = (arch.top + 2 + arch.base) / 2 + 1
            place = QRectF(arch.left, middle - line / 2, arch.right - arch.left, line)
            painter.drawText(place, _CENTER, text)

    def _draw_additions(self, painter: QPainter, row: Row, colors: ArcColors) -> None:
        """Draw ⊕ where shortcut and branch meet, as far as there is room."""
        first = row.blocks[0]
        radius = min(4.5, first.arc_area.right() - first.box.right() - 3.0)
        if first.arch.foot == first.arch.base or radius < 3:
            return
        painter.setPen(QPen(QColor(self._theme.muted), 1.2))
        painter.setBrush(colors.ground)
        for place in row.blocks:
            center = QPointF(place.arch.right, row.wire)
            painter.drawEllipse(center, radius, radius)
            painter.drawLine(center - QPointF(radius - 1.5, 0), center + QPointF(radius - 1.5, 0))
            painter.drawLine(center - QPointF(0, radius - 1.5), center + QPointF(0, radius - 1.5))

    def _static_text(self, text: str) -> QStaticText:
        static = QStaticText(text)
        static.setTextFormat(Qt.TextFormat.PlainText)
        static.prepare(QTransform(), self._small)
        return static

    def _elided(self, text: str, width: float) -> str:
        return self._metrics.elidedText(text, Qt.TextElideMode.ElideRight, width)
