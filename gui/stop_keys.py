"""Walking through the points of a plot with the keys."""

from collections.abc import Sequence
from typing import TypeVar

from PySide6.QtCore import Qt

_ENDS = {Qt.Key.Key_Home: 0, Qt.Key.Key_End: -1}
_BY = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
Stop = TypeVar("Stop", int, float)


def stop_after(key: int, stops: Sequence[Stop], place: Stop | None) -> Stop | None:
    """Return the stop that a key leads to from where one is; None: it leads nowhere."""
    if not stops:
        return None
    if key in _ENDS:
        return stops[_ENDS[Qt.Key(key)]]
    if key in _BY:
        now = stops.index(place) + _BY[Qt.Key(key)] if place is not None and place in stops else 0
        return stops[min(max(now, 0), len(stops) - 1)]
    return None
