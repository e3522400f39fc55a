"""Stored runs' loss curves behind the live plot: read in a thread, drawn thin and dotted.

Of each curve the lowest and highest per bin is kept, at most `MOST_POINTS` bins over its whole run; a
run with no more steps is kept step by step. What is drawn is the middle of the two, averaged over as
many steps as the live curve: for a run kept step by step that is the same mean.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QObject, Signal

from core.messages import FloatArray
from core.notices import SkipscopeError
from gui.plot_canvas import PlotCanvas, Range
from gui.run_ink import Overlaid, stored_color, stored_pen
from gui.theme import LIGHT, Theme
from gui.wording import say

MOST_POINTS = 4000  # bins kept a curve: 96 kB
DRAWN_POINTS = 250  # dotted lines are dear to draw
_TAG = (24.0, 13.0)  # pixels a curve's name takes
_TRIES = 12

# (directory, lane, most_points) → steps, lowest, highest
Reader: TypeAlias = Callable[[Path, int, int], tuple[FloatArray, FloatArray, FloatArray]]
Place: TypeAlias = Callable[[FloatArray], FloatArray]  # losses → places on the upright axis


@dataclass(frozen=True, slots=True, eq=False)
class StoredCurve:
    """One lane's loss over a stored run; a bin that holds nothing finite is NaN."""

    label: str
    steps: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(slots=True, eq=False)
class _Drawn:
    """The items of one run."""

    run: Overlaid
    curves: tuple[StoredCurve, ...]
    lines: list[Any] = field(default_factory=list)
    tags: list[Any] = field(default_factory=list)


class RunOverlay(QObject):
    """Puts stored runs on a canvas and takes them off.

    Signals: `changed` when a run came or went; `said`, a sentence, when one could not be read.
    """

    changed = Signal()
    said = Signal(str)
    _loaded = Signal(object, object)  # Overlaid, curves or SkipscopeError

    def __init__(
        self, canvas: PlotCanvas, reader: Reader | None = None, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._canvas = canvas
        self._reader = reader or _stored_loss
        self._theme: Theme = LIGHT
        self._wanted: dict[Path, Overlaid] = {}
        self._drawn: dict[Path, _Drawn] = {}
        self._known: dict[Path, tuple[StoredCurve, ...]] = {}  # of runs still wanted
        self._thread: threading.Thread | None = None
        self._queue: list[Overlaid] = []
        self._lock = threading.Lock()
        self._loaded.connect(self._on_loaded)

    # ---- what is shown ------------------------------------------------------------------------

    @property
    def entries(self) -> tuple[Overlaid, ...]:
        """The runs on the canvas, by number: for a legend."""
        return tuple(sorted((drawn.run for drawn in self._drawn.values()), key=lambda run: run.slot))

    def show_runs(self, runs: Sequence[Overlaid]) -> None:
        """Show these and no others; those not yet known are read in a thread and come when they are."""
        self._wanted = {run.directory: run for run in runs}
        for directory in [
            known for known in self._drawn if self._wanted.get(known) != self._drawn[known].run
        ]:
            self._remove(directory)
        self._known = {key: curves for key, curves in self._known.items() if key in self._wanted}
        for run in runs:
            if run.directory in self._known:
                self._add(run, self._known[run.directory])
        self._read([run for run in runs if run.directory not in self._known])
        self.draw()
        self.changed.emit()

    def clear(self) -> None:
        """Take all runs off."""
        self.show_runs(())

    def set_theme(self, theme: Theme) -> None:
        """Take new colours."""
        self._theme = theme
        for drawn in self._drawn.values():
            self._paint(drawn)

    def draw(self, place: Place | None = None, averaged: int = 1) -> None:
        """Put the curves where the canvas's axes have them; `place` as the live curves are placed."""
        taken: list[tuple[float, float]] = []
        for drawn in self._drawn.values():
            pairs = zip(drawn.curves, drawn.lines, drawn.tags, strict=True)
            for curve, line, tag in pairs:
                steps, values = _visible(curve, self._canvas.x_range, averaged)
                placed = _finite(values) if place is None else place(values)
                gaps = bool(np.isnan(placed).any())
                line.setData(steps, placed, connect="finite" if gaps else "all", skipFiniteCheck=True)
                self._put_tag(tag, steps, placed, taken)

    def wait(self, seconds: float = 5.0) -> bool:
        """Wait for the thread (tests and shutdown); whether it has ended."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)
        return thread is None or not thread.is_alive()

    # ---- reading ------------------------------------------------------------------------------

    def _read(self, runs: list[Overlaid]) -> None:
        """Have at most one thread read; what is no longer wanted is left out."""
        with self._lock:
            self._queue = list(runs)
            if not runs or (self._thread is not None and self._thread.is_alive()):
                return
            self._thread = threading.Thread(target=self._work, name="stored runs", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._queue:
                    self._thread = None
                    return
                run = self._queue.pop(0)
            found: object
            try:
                found = tuple(self._curve(run, lane) for lane in range(len(run.lanes)))
            except SkipscopeError as error:
                found = error
            try:
                self._loaded.emit(run, found)
            except RuntimeError:  # the window is gone
                return

    def _curve(self, run: Overlaid, lane: int) -> StoredCurve:
        steps, low, high = self._reader(run.directory, lane, MOST_POINTS)
        label = run.number + (run.lanes[lane] if len(run.lanes) > 1 else "")
        return StoredCurve(label, np.asarray(steps, np.float64), low, high)

    def _on_loaded(self, run: Overlaid, found: object) -> None:
        if self._wanted.get(run.directory) != run:
            return
        if isinstance(found, SkipscopeError):
            self.said.emit(say(found.notice))
            return
        assert isinstance(found, tuple)
        self._known[run.directory] = found
        self._add(run, found)
        self.draw()
        self.changed.emit()

    # ---- items --------------------------------------------------------------------------------

    def _add(self, run: Overlaid, curves: tuple[StoredCurve, ...]) -> None:
        if run.directory in self._drawn:
            return
        drawn = self._drawn[run.directory] = _Drawn(run, curves)
        for curve in curves:
            line = pg.PlotCurveItem(antialias=False)
            line.setZValue(-10)
            tag = pg.TextItem(anchor=(0, 0.5))
            tag.setZValue(-9)
            tag.setText(curve.label)
            for item, kept in ((line, drawn.lines), (tag, drawn.tags)):
                self._canvas.plot.addItem(item, ignoreBounds=True)
                kept.append(item)
        self._paint(drawn)

    def _remove(self, directory: Path) -> None:
        drawn = self._drawn.pop(directory)
        for item in (*drawn.lines, *drawn.tags):
            self._canvas.plot.removeItem(item)

    def _paint(self, drawn: _Drawn) -> None:
        pen, color = stored_pen(self._theme, drawn.run.slot), stored_color(self._theme, drawn.run.slot)
        for line in drawn.lines:
            line.setPen(pen)
        for tag in drawn.tags:
            tag.setColor(color)

    def _put_tag(
        self, tag: Any, steps: FloatArray, placed: FloatArray, taken: list[tuple[float, float]]
    ) -> None:
        """Name the curve at its last point in view; further back along it where another name stands."""
        low, high = self._canvas.y_range
        seen = np.flatnonzero(np.isfinite(placed) & (placed >= low) & (placed <= high))
        tag.setVisible(len(seen) > 0)
        if len(seen) == 0:
            return
        across = self._canvas.pixel_width()
        upward = (high - low) / max(float(self._canvas.view.height()), 1.0)
        last, place = int(seen[-1]), int(seen[-1])
        for back in range(_TRIES):
            wanted = float(steps[last]) - back * _TAG[0] * across
            place = int(seen[min(int(np.searchsorted(steps[seen], wanted)), len(seen) - 1)])
            x, y = float(steps[place]) / across, float(placed[place]) / upward
            if all(abs(x - left) >= _TAG[0] or abs(y - top) >= _TAG[1] for left, top in taken):
                break
        taken.append((float(steps[place]) / across, float(placed[place]) / upward))
        fits = self._canvas.x_range[1] - float(steps[place]) > _TAG[0] * across
        tag.setAnchor((0, 0.5) if fits and place == last else (1, 1))
        tag.setPos(float(steps[place]), float(placed[place]))


def _visible(curve: StoredCurve, view: Range, averaged: int) -> tuple[FloatArray, FloatArray]:
    """Return steps and averaged losses of what is in view, few enough to draw."""
    size = float(curve.steps[1] - curve.steps[0]) if len(curve.steps) > 1 else 1.0
    first = max(int(np.searchsorted(curve.steps, view[0])) - 1, 0)  # one beyond each edge
    last = min(int(np.searchsorted(curve.steps, view[1], side="right")) + 1, len(curve.steps))
    stride = max(-(-(last - first) // DRAWN_POINTS), 1)
    width = max(round(averaged / max(size, 1.0)), stride)
    mean = _trailing_mean((curve.low + curve.high) / 2, width)
    places = np.arange(first, last, stride)
    if len(places) and places[-1] != last - 1:
        places = np.append(places, last - 1)
    return curve.steps[places], mean[places]


def _trailing_mean(values: FloatArray, width: int) -> FloatArray:
    """Mean of the last `width` finite values at each place; NaN where there is none there."""
    if len(values) == 0:
        return values
    finite = np.isfinite(values)
    window = np.ones(min(width, len(values)))
    total = np.convolve(np.where(finite, values, 0.0), window)[: len(values)]
    count = np.convolve(finite.astype(np.float64), window)[: len(values)]
    mean: FloatArray = np.full(len(values), np.nan)
    np.divide(total, count, out=mean, where=finite)
    return mean


def _finite(values: FloatArray) -> FloatArray:
    placed = values.copy()
    placed[~np.isfinite(placed)] = np.nan
    return placed


def _stored_loss(directory: Path, lane: int, most_points: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    from core.library import loss_curve

    return loss_curve(directory, lane, most_points)
