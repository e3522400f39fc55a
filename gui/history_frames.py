"""The small maps of a history, drawn side by side on one scale a lane."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QFontMetrics,
    QHelpEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
)
from PySide6.QtWidgets import QToolTip, QWidget

from core.messages import Attributed
from core.overlay import Look, Pixels, draw, scale_of
from gui.attribution_history import Moment
from gui.explanation_painter import as_image
from gui.explanation_words import ages, probable, strengths
from gui.network_ink import scaled
from gui.theme import LANE_DASHES, LIGHT, Theme, color_table
from gui.wording import whole

SIDE = 56  # a small map has at most so many pixels a side
_EDGE = 2  # around a map: the frame of the chosen moment
_MARK = 8  # width of the lane's line at the left
_STEADY = 0.05  # by how much the common scale may be off before everything is drawn anew


class HistoryFrames(QWidget):
    """The small maps: a column a moment, a row a lane, the steps under them.

    Signals: `chosen` (a Moment, or None for the present one).
    """

    chosen = Signal(object)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.moment: Moment | None = None
        self._theme: Theme = LIGHT
        self._moments: tuple[Moment, ...] = ()
        self._look, self._table = Look(), "CET-D1"
        self._small: dict[tuple[int, int], tuple[NDArray[np.float32], Pixels]] = {}  # by step and lane
        self._images: dict[tuple[int, int], QImage] = {}
        self._scales: dict[int, float] = {}  # of the images, by lane
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAccessibleName(self.tr("How the map changed"))

    # ---- data in --------------------------------------------------------------------------

    def show_moments(self, moments: Sequence[Moment], look: Look, table: str) -> None:
        """Show these; only what changed is drawn anew."""
        moments = tuple(moments)
        if (look, table) != (self._look, self._table):
            self._images.clear()
            self._look, self._table = look, table
        elif moments == self._moments:
            return
        gone = {each.step for each in self._moments} - {each.step for each in moments}
        fresh = {each.step for each in moments if each not in self._moments}
        for key in [key for key in self._small if key[0] in gone | fresh]:
            del self._small[key]
            self._images.pop(key, None)
        self._moments = moments
        self._shrink()
        self._rescale()
        self.setAccessibleDescription(", ".join(whole(each.step) for each in moments))
        self.updateGeometry()
        self.update()

    def choose(self, moment: Moment | None) -> None:
        """Look at a moment; None: at the present."""
        if moment is not self.moment:
            self.moment = moment
            self.update()
            self.chosen.emit(moment)

    def forget_choice(self) -> None:
        """Look at the present, without a signal."""
        if self.moment is not None:
            self.moment = None
            self.update()

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        self.update()

    def place(self) -> QRect | None:
        """Return the column of the moment that is looked at."""
        if self.moment is None or self.moment not in self._moments:
            return None
        return self._column(self._moments.index(self.moment))

    def image(self, column: int, lane: int) -> QImage | None:
        """Return a small map as it is drawn."""
        return self._image(self._moments[column], lane)

    # ---- small maps -------------------------------------------------------------------------

    def _lanes(self) -> int:
        return max((len(each.explanation.networks) for each in self._moments), default=0)

    def _shrink(self) -> None:
        for moment in self._moments:
            for lane, answer in enumerate(moment.explanation.networks):
                if answer.attribution is not None and (moment.step, lane) not in self._small:
                    picture = moment.explanation.picture
                    self._small[moment.step, lane] = (
                        shrunk(answer.attribution[0][..., None])[None, ..., 0].astype(np.float32),
                        np.rint(shrunk(picture)).astype(np.uint8),
                    )

    def _rescale(self) -> None:
        """Find each lane's scale; what was drawn on one that is nearly the same stays."""
        for lane in range(self._lanes()):
            maps = [each for (_, row), (each, _) in self._small.items() if row == lane]
            scale, before = scale_of(maps), self._scales.get(lane, 0.0)
            if abs(scale - before) > _STEADY * before:
                self._scales[lane] = scale
                self._images = {key: image for key, image in self._images.items() if key[1] != lane}

    def _image(self, moment: Moment, lane: int) -> QImage | None:
        key = (moment.step, lane)
        if key not in self._small:
            return None
        if key not in self._images:
            attribution, picture = self._small[key]
            made = draw(picture, attribution, color_table(self._table), self._look, self._scales[lane])
            self._images[key] = as_image(made.rgba)
        return self._images[key]

    # ---- geometry ---------------------------------------------------------------------------

    def _side(self) -> int:
        """The side of a small map on screen: what it has, or twice or four times that where it is tiny."""
        most = max((max(each.shape[1:]) for each, _ in self._small.values()), default=SIDE // 2)
        return most * max(1, (SIDE // 2) // most)

    def _line(self) -> int:
        return QFontMetrics(scaled(self.font(), 0.85)).height()

    def _wide(self) -> int:
        metrics = QFontMetrics(scaled(self.font(), 0.85))
        steps = [metrics.horizontalAdvance(whole(each.step)) for each in self._moments]
        return max([self._side() + 2 * _EDGE, *(each + 4 for each in steps)])

    def _column(self, place: int) -> QRect:
        return QRect(_MARK + place * self._wide(), 0, self._wide(), self.height())

    def _at(self, x: int) -> Moment | None:
        place = (x - _MARK) // self._wide()
        return self._moments[place] if 0 <= place < len(self._moments) else None

    def sizeHint(self) -> QSize:
        height = self._lanes() * (self._side() + 2 * _EDGE) + self._line()
        return QSize(_MARK + len(self._moments) * self._wide(), height)

    # ---- painting ---------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        side = self._side()
        for lane in range(self._lanes()):
            pen = QPen(self._theme.lane_color(lane), 2.5)
            pen.setStyle(LANE_DASHES[lane % len(LANE_DASHES)])
            painter.setPen(pen)
            top = lane * (side + 2 * _EDGE) + _EDGE
            painter.drawLine(2, top, 2, top + side)
        painter.setFont(scaled(self.font(), 0.85))
        before: Moment | None = None
        for place, moment in enumerate(self._moments):
            column = self._column(place)
            if column.intersects(event.rect()):
                self._paint_moment(painter, moment, column, side)
                if before is not None and before.strengths != moment.strengths:
                    painter.setPen(QPen(QColor(self._theme.warning), 1, Qt.PenStyle.DashLine))
                    painter.drawLine(column.left(), 0, column.left(), self.height())
            before = moment
        if self.hasFocus():
            painter.setPen(QPen(QColor(self._theme.accent), 1, Qt.PenStyle.DotLine))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_moment(self, painter: QPainter, moment: Moment, column: QRect, side: int) -> None:
        looked_at = moment is self.moment
        for lane in range(len(moment.explanation.networks)):
            top = lane * (side + 2 * _EDGE) + _EDGE
            box = QRect(column.left() + (column.width() - side) // 2, top, side, side)
            if (image := self._image(moment, lane)) is not None:
                longest = max(image.width(), image.height())
                width, height = side * image.width() // longest, side * image.height() // longest
                shown = QRect(0, 0, width, height)
                shown.moveCenter(box.center())
                painter.drawImage(shown, image)
            else:
                painter.fillRect(box, QColor(self._theme.surface))
            if looked_at:
                painter.setPen(QPen(QColor(self._theme.accent), 2))
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.drawRect(box.adjusted(-1, -1, 1, 1))
        line = self._line()
        painter.setPen(QColor(self._theme.accent if looked_at else self._theme.muted))
        foot = QRect(column.left(), self.height() - line, column.width(), line)
        painter.drawText(foot, Qt.AlignmentFlag.AlignCenter, whole(moment.step))

    # ---- mouse and keys -----------------------------------------------------------------------

    def hover_text(self, x: int) -> str:
        """Return what is said of the moment at a place."""
        moment = self._at(x)
        if moment is None:
            return ""
        lines = ages(moment.step, None)[:1]
        lines += [self._lane_words(each, moment) for each in moment.explanation.networks]
        return "\n".join(lines)

    def _lane_words(self, answer: Attributed, moment: Moment) -> str:
        text = self.tr("{name}: explains {target}, {strengths}")
        target = probable(answer, moment.explanation)
        return text.format(name=answer.name, target=target, strengths=strengths(answer.shortcuts))

    def event(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            QToolTip.showText(event.globalPos(), self.hover_text(event.pos().x()), self)
            return True
        return super().event(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        moment = self._at(round(event.position().x()))
        self.choose(None if moment is self.moment else moment)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        keys = Qt.Key
        moves = {keys.Key_Left: -1, keys.Key_Right: 1}
        if event.key() == keys.Key_Escape and self.moment is not None:
            self.choose(None)
        elif Qt.Key(event.key()) in moves and self._moments:
            here = self._moments.index(self.moment) if self.moment in self._moments else len(self._moments)
            there = max(0, here + moves[Qt.Key(event.key())])
            self.choose(self._moments[there] if there < len(self._moments) else None)
        elif event.key() in (keys.Key_Home, keys.Key_End) and self._moments:
            self.choose(self._moments[0] if event.key() == keys.Key_Home else None)
        else:
            super().keyPressEvent(event)


def shrunk(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    """Average (height, width, channels) over squares so that no side has more than SIDE pixels."""
    factor = -(-max(pixels.shape[:2]) // SIDE)
    rows, columns = (max(1, size // factor) for size in pixels.shape[:2])
    whole_squares = np.asarray(pixels[: rows * factor, : columns * factor], np.float64)
    if factor == 1:
        return whole_squares
    height, width, channels = whole_squares.shape
    split = whole_squares.reshape(rows, height // rows, columns, width // columns, channels)
    return np.asarray(split.mean(axis=(1, 3)))
