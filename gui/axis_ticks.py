"""Where an axis has its ticks and what they say: pure functions of the range and the room."""

import math
from typing import TypeAlias

from gui.network_words import power_of_ten
from gui.wording import whole

# Levels of (place, text), as pyqtgraph's AxisItem.setTicks takes them: labelled ones, then unlabelled.
Ticks: TypeAlias = list[list[tuple[float, str]]]

_STEP_ROOM = 74.0  # pixels one label needs beside its neighbour
_LEVEL_ROOM = 26.0  # pixels one label needs above its neighbour
_LINE_ROOM = 12.0  # pixels between unlabelled lines
_PLAIN_DECADES = (-3.0, 4.5)  # within these, 0.01 reads better than a power of ten


def step_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of an axis of steps: whole numbers."""
    places = _places(low, high, pixels / _STEP_ROOM, least=1.0)
    return [[(place, whole(round(place))) for place in places if place >= 0], []]


def linear_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of a linear upright axis."""
    places = _places(low, high, pixels / _LEVEL_ROOM)
    return [[(place, _plain(place, places)) for place in places], []]


def percent_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of a linear upright axis of shares in [0, 1], in percent."""
    places = _places(100 * low, 100 * high, pixels / _LEVEL_ROOM)
    return [[(place / 100, _plain(place, places)) for place in places], []]


def depth_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of a lying linear axis."""
    places = _places(low, high, pixels / _STEP_ROOM)
    return [[(place, _plain(place, places)) for place in places], []]


def decade_ticks(low: float, high: float, pixels: float) -> Ticks:
    """Ticks of an axis whose places are log10 of the values: every decade, or every nth."""
    span = high - low
    if not (math.isfinite(span) and span > 0):
        return [[], []]
    if span < 1:
        return _within_decade(low, high, pixels)
    stride = _nice(span * _LEVEL_ROOM * 0.75 / max(pixels, 1), least=1.0)
    decades = range(math.ceil(low), math.floor(high) + 1)
    plain = low >= _PLAIN_DECADES[0] and high <= _PLAIN_DECADES[1]
    major = [
        (float(decade), f"{10.0**decade:g}" if plain else power_of_ten(decade))
        for decade in decades
        if decade % stride == 0
    ]
    if stride == 1:
        return [major + _between(low, high, (2, 5), "{:g}" if pixels > 78 * span else ""), []]
    lines = decades if pixels > _LINE_ROOM * span else ()
    return [major, [(float(decade), "") for decade in lines if decade % stride]]


def _between(low: float, high: float, factors: tuple[int, ...], text: str) -> list[tuple[float, str]]:
    """Places within the decades, labelled where there is a text for them; none where decades are tight."""
    places: list[tuple[float, str]] = []
    for decade in range(math.floor(low), math.floor(high) + 1):
        for factor in factors if text else ():
            place = decade + math.log10(factor)
            if low <= place <= high:
                places.append((place, text.format(factor * 10.0**decade)))
    return places


def _within_decade(low: float, high: float, pixels: float) -> Ticks:
    """Ticks at plain values where there is less than a decade to show."""
    values = _places(10.0**low, 10.0**high, pixels / _LEVEL_ROOM)
    return [[(math.log10(value), _plain(value, values)) for value in values if value > 0], []]


def _places(low: float, high: float, most: float, least: float = 0.0) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten, about `most` of them."""
    if not (math.isfinite(low) and math.isfinite(high) and high > low):
        return []
    step = _nice((high - low) / max(most, 1.0), least)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _nice(rough: float, least: float = 0.0) -> float:
    rough = max(rough, least)
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))


def _plain(value: float, places: list[float]) -> str:
    step = places[1] - places[0] if len(places) > 1 else abs(value) or 1.0
    if max(abs(places[0]), abs(places[-1])) >= 1e5:
        return f"{value:.3g}"
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{value:.{digits}f}" if digits < 5 else f"{value:.3g}"
