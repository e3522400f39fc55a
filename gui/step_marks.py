"""Toggles and divergences on a plot over steps: one item a lane, however many there are."""

from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QColor, QPen

from core.history import RunHistory
from gui.plot_canvas import PlotCanvas, Range
from gui.theme import Theme

_MOST = 200  # marks drawn; more in one view would be a wall


class StepMarks:
    """Upright lines through a canvas, in the lane's colour.

    On a picture they go through the lane's band only, and on a ground of their own, so that they are
    seen on any colour.
    """

    def __init__(self, canvas: PlotCanvas, lanes: int, *, on_picture: bool = False) -> None:
        self._canvas = canvas
        self._lanes: list[int | None] = [*range(lanes), None]
        self._halo = _line(canvas) if on_picture else None
        self._lines = [_line(canvas) for _ in self._lanes]
        self._diverged = _line(canvas)
        self._drawn: list[list[tuple[float, Range]]] = [[] for _ in range(len(self._lines) + 1)]

    def remove(self) -> None:
        """Take the lines off the canvas."""
        for line in (*self._lines, self._diverged, *([self._halo] if self._halo else [])):
            self._canvas.plot.removeItem(line)

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        for lane, line in zip(self._lanes, self._lines, strict=True):
            plain = QColor(theme.text if self._halo is not None else theme.muted)
            color = plain if lane is None or self._halo is not None else theme.lane_color(lane, 170)
            line.setPen(_pen(color, Qt.PenStyle.DotLine))
        if self._halo is not None:
            self._halo.setPen(_pen(QColor(theme.background), Qt.PenStyle.SolidLine))
        self._diverged.setPen(_pen(QColor(theme.warning), Qt.PenStyle.SolidLine))

    def draw(self, history: RunHistory, bands: tuple[Range, ...] | None = None) -> None:
        """Show the marks of what is in view; `bands`: the y-range of each lane."""
        everywhere = self._canvas.y_range
        spans = bands if bands is not None else (everywhere,) * len(history.lanes)
        markers = history.markers_between(*self._canvas.x_range)
        markers = markers[:: max(-(-len(markers) // _MOST), 1)]
        ends = [(lane.diverged_at, spans[place]) for place, lane in enumerate(history.lanes)]
        wanted: list[list[tuple[float, Range]]] = [
            [
                (float(marker.step), everywhere if lane is None else spans[lane])
                for marker in markers
                if marker.lane == lane
            ]
            for lane in self._lanes
        ]
        wanted.append([(float(step), span) for step, span in ends if step is not None])
        if wanted == self._drawn:
            return
        self._drawn = wanted
        for line, marks in zip((*self._lines, self._diverged), wanted, strict=True):
            _set_lines(line, marks)
        if self._halo is not None:
            _set_lines(self._halo, [mark for marks in wanted[:-1] for mark in marks])


def _set_lines(line: Any, marks: list[tuple[float, Range]]) -> None:
    line.setVisible(bool(marks))
    if marks:
        steps = np.repeat([step for step, _ in marks], 2)
        line.setData(steps, np.ravel([span for _, span in marks]), connect="pairs", skipFiniteCheck=True)


def _line(canvas: PlotCanvas) -> Any:
    line = pg.PlotCurveItem()
    line.setZValue(-5)
    line.setVisible(False)
    canvas.plot.addItem(line, ignoreBounds=True)
    return line


def _pen(color: QColor, style: Qt.PenStyle) -> QPen:
    pen = QPen(color, 1.0, style)
    pen.setCosmetic(True)
    return pen
