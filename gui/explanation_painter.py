"""Draws the parts of one network's explanation."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QImage, QPainter, QPen

from core.overlay import Look, Overlay, Pixels, Sign, draw
from gui.explanation_layout import MARGIN, Places, crisp
from gui.explanation_words import Bar, compact_scale, percent, scale_ends
from gui.network_ink import scaled
from gui.theme import LANE_DASHES, Theme, color_table

_STRIP = 8  # height of the colour strip
_ROOMY_LEGEND = 80  # width from which on a small map's scale has two digits
_MIDDLE = Qt.AlignmentFlag.AlignVCenter


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """All that is drawn of one network."""

    name: str
    hue: int | None
    ages: list[str]  # the longest that fits is drawn
    image: QImage
    overlay: Overlay | None
    look: Look
    table: str
    state: str  # over the picture's top
    remark: str  # over the picture's bottom
    lines: tuple[str, ...]  # over the bars
    warn: bool  # the last of the lines is a warning
    bars: tuple[Bar, ...]
    compact: bool = False  # the legend has little room
    difference: bool = False


class ExplanationPainter:
    """Draws a sight part by part."""

    def __init__(self, painter: QPainter, theme: Theme) -> None:
        self._painter = painter
        self._theme = theme
        self._font = painter.font()

    def draw(self, sight: Sight, parts: Places) -> QRectF:
        """Draw everything; return where the picture stands."""
        stand = self._picture(sight.image, parts.picture)
        if sight.state:
            self._label(stand, sight.state, top=True)
        if sight.remark:
            self._label(stand, sight.remark, top=False)
        if not parts.header.isEmpty():
            self._header(sight, parts.header)
        if sight.overlay is not None and sight.overlay.scale > 0:
            self._legend(sight, parts.legend)
        rows = iter(parts.lines)
        for number, (text, rect) in enumerate(zip(sight.lines, rows, strict=False)):
            warned = sight.warn and number == len(sight.lines) - 1
            self._text(rect, text, self._theme.warning if warned else self._theme.muted)
        hue = None if sight.hue is None else self._theme.lane_color(sight.hue)
        for bar, rect in zip(sight.bars, parts.lines[len(sight.lines) :], strict=False):
            self._bar(rect, bar, hue or QColor(self._theme.accent))
        return stand

    def _picture(self, image: QImage, box: QRect) -> QRectF:
        transform = self._painter.deviceTransform()
        stand = crisp(box, image.width(), image.height(), transform)
        smaller = stand.width() * transform.m11() < image.width()
        self._painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smaller)
        self._painter.drawImage(stand, image)
        return stand

    def _label(self, stand: QRectF, text: str, *, top: bool) -> None:
        """Write on a plate over the picture, in as many lines as it takes."""
        painter = self._painter
        painter.setFont(scaled(self._font, 0.9))
        room = stand.adjusted(MARGIN, MARGIN, -MARGIN, -MARGIN)
        flags = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft)
        metrics = QFontMetrics(painter.font())
        longest = max(metrics.horizontalAdvance(word) for word in text.split())
        words = painter.boundingRect(room, flags, text)
        if longest > room.width() or words.height() > room.height():  # one line of it, then
            waits = text.endswith("…")  # a map on its way needs no half word
            text = (
                "…" if waits else metrics.elidedText(text, Qt.TextElideMode.ElideRight, round(room.width()))
            )
            words = painter.boundingRect(room, int(Qt.AlignmentFlag.AlignLeft), text)
        words = words.intersected(room)
        if not top:
            words.moveBottom(room.bottom())
        plate = QColor(self._theme.surface)
        plate.setAlpha(230)
        painter.fillRect(words.adjusted(-3, -1, 3, 1), plate)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(words, flags, text)

    def _header(self, sight: Sight, rect: QRect) -> None:
        painter = self._painter
        left = rect.left()
        if sight.hue is not None:
            pen = QPen(self._theme.lane_color(sight.hue), 2.5)
            pen.setStyle(LANE_DASHES[sight.hue % len(LANE_DASHES)])
            painter.setPen(pen)
            painter.drawLine(left, rect.center().y(), left + 20, rect.center().y())
            left += 26
        bold = scaled(self._font, 1.0, bold=True)
        name_width = min(QFontMetrics(bold).horizontalAdvance(sight.name), rect.right() - left)
        room = rect.right() - left - name_width - MARGIN
        age = self._fitting(sight.ages, room)
        painter.setFont(bold)
        name = QFontMetrics(bold).elidedText(sight.name, Qt.TextElideMode.ElideRight, name_width + 1)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(QRect(left, rect.top(), name_width + 2, rect.height()), _MIDDLE, name)
        painter.setFont(self._font)
        painter.setPen(QColor(self._theme.muted))
        painter.drawText(rect, _MIDDLE | Qt.AlignmentFlag.AlignRight, age)

    def _fitting(self, texts: list[str], room: int) -> str:
        metrics = QFontMetrics(self._font)
        return next((text for text in texts if metrics.horizontalAdvance(text) <= room), "")

    def _legend(self, sight: Sight, rect: QRect) -> None:
        assert sight.overlay is not None
        painter, metrics = self._painter, QFontMetrics(scaled(self._font, 0.9))
        painter.setFont(scaled(self._font, 0.9))
        painter.setPen(QColor(self._theme.muted))
        if sight.compact:
            short = rect.width() < _ROOMY_LEGEND
            high = compact_scale(
                sight.overlay.scale, sight.look.sign, difference=sight.difference, short=short
            )
            low = ""
        else:
            low, high = scale_ends(sight.overlay.scale, sight.look.sign)
            low = f"Δ {low}" if sight.difference else low
        painter.drawText(rect, _MIDDLE | Qt.AlignmentFlag.AlignLeft, low)
        painter.drawText(rect, _MIDDLE | Qt.AlignmentFlag.AlignRight, high)
        strip = rect.adjusted(
            metrics.horizontalAdvance(low) + MARGIN if low else 0, (rect.height() - _STRIP) // 2,
            -metrics.horizontalAdvance(high) - MARGIN, 0,
        )  # fmt: skip
        strip.setHeight(_STRIP)
        if strip.width() < _STRIP:  # the number says it
            return
        painter.drawImage(
            strip, _ramp(sight.table, sight.look.sign, sight.look.opacity, self._theme.background)
        )

    def _text(self, rect: QRect, text: str, color: str) -> None:
        self._painter.setFont(self._font)
        self._painter.setPen(QColor(color))
        text = QFontMetrics(self._font).elidedText(text, Qt.TextElideMode.ElideRight, rect.width())
        self._painter.drawText(rect, _MIDDLE, text)

    def _bar(self, rect: QRect, bar: Bar, color: QColor) -> None:
        painter = self._painter
        track = rect.adjusted(0, 1, 0, -1)
        painter.fillRect(track, QColor(self._theme.surface))
        share = bar.probability if np.isfinite(bar.probability) else 0.0
        filled = QRectF(track)
        filled.setWidth(track.width() * share)
        color.setAlpha(90)
        painter.fillRect(filled, color)
        number = percent(bar.probability)
        inner = track.adjusted(MARGIN, 0, -MARGIN, 0)
        font = scaled(self._font, 1.0, bold=bar.true)
        if QFontMetrics(font).horizontalAdvance(bar.spoken + number) + MARGIN > inner.width():
            font = self._font
        metrics = QFontMetrics(font)
        painter.setFont(font)
        painter.setPen(QColor(self._theme.text))
        painter.drawText(inner, _MIDDLE | Qt.AlignmentFlag.AlignRight, number)
        room = inner.width() - metrics.horizontalAdvance(number) - MARGIN
        painter.drawText(inner, _MIDDLE, _elided(bar, metrics, room))


def _elided(bar: Bar, metrics: QFontMetrics, room: int) -> str:
    """Shorten the name, not what is said of it."""
    spare = room - metrics.horizontalAdvance(bar.spoken) + metrics.horizontalAdvance(bar.name)
    name = metrics.elidedText(bar.name, Qt.TextElideMode.ElideRight, spare)
    return Bar(name, bar.probability, bar.true).spoken


@lru_cache(maxsize=32)
def _ramp(table: str, sign: Sign, opacity: float, background: str) -> QImage:
    """The colour strip: the same drawing as the maps', from one end of the scale to the other."""
    ends = {"both": (-1.0, 1.0), "negative": (0.0, -1.0)}.get(sign, (0.0, 1.0))
    color = QColor(background)
    paper = np.full((1, 256, 3), (color.red(), color.green(), color.blue()), np.uint8)
    values = np.linspace(*ends, 256)[None, None, :]
    return as_image(draw(paper, values, color_table(table), Look(sign, opacity), scale=1.0).rgba)


def as_image(pixels: Pixels) -> QImage:
    """Turn 8-bit RGB or RGBA into an image that owns its pixels."""
    height, width, channels = pixels.shape
    rows = np.ascontiguousarray(pixels)
    form = QImage.Format.Format_RGBA8888 if channels == 4 else QImage.Format.Format_RGB888
    image = QImage(rows.data, width, height, channels * width, form)
    return image.convertToFormat(QImage.Format.Format_RGB32)
