"""An attribution laid over its picture: one signed number per pixel becomes a colour and an opacity.

The colour table says the sign and the size, the opacity grows with the size, so that where a map
says nothing the picture itself is seen. Knows neither torch nor Qt.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.messages import FloatArray
from core.notices import Notice

Sign = Literal["both", "positive", "negative", "absolute"]
Pixels: TypeAlias = NDArray[np.uint8]

# Of |a|: the one percent above it takes the end colours, so that a single pixel cannot hide the rest.
PERCENTILE = 99.0
# The first part of each colour table is left out: it has hardly any colour, and how little a pixel
# matters is said by the opacity already.
PALE = 0.4


@dataclass(frozen=True, slots=True)
class Look:
    """How maps are shown: which signs, in which colours, how strongly."""

    sign: Sign = "both"
    opacity: float = 0.8  # of the strongest pixels


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A picture with its map over it; `notice` says what a person would otherwise wonder about."""

    rgba: Pixels  # (height, width, 4), opaque
    scale: float  # |a| at the end of the colour table; 0: the map is zero everywhere
    notice: Notice | None


def flatten(attribution: NDArray[Any]) -> FloatArray:
    """Sum a signed map (channels, height, width) over its channels, in double precision."""
    with np.errstate(invalid="ignore"):  # inf − inf is NaN, which is what it should be
        total: FloatArray = np.asarray(attribution, np.float64).sum(axis=0)
    return total


def scale_of(attributions: Iterable[NDArray[Any]]) -> float:
    """Return the 99th percentile of |a| over all pixels of all maps together; 0 if all are zero.

    Where fewer than one pixel in a hundred is not zero the percentile would be zero, and the
    largest takes its place. What is not finite does not count.
    """
    sizes = [np.abs(flatten(attribution)).ravel() for attribution in attributions]
    pooled = np.concatenate(sizes) if sizes else np.zeros(0)
    pooled = pooled[np.isfinite(pooled)]
    if not pooled.size:
        return 0.0
    return float(np.percentile(pooled, PERCENTILE)) or float(pooled.max())


def draw(
    picture: Pixels, attribution: NDArray[Any], table: Pixels, look: Look, scale: float | None = None
) -> Overlay:
    """Lay a signed map (channels, height, width) over its picture (height, width, 3).

    `table` holds 256 colours: for both signs its middle is zero, otherwise its beginning. `scale`
    is one that several maps have in common; without it the map takes its own.
    """
    values = flatten(attribution)
    if values.shape != picture.shape[:2]:
        raise ValueError(f"a map of {values.shape} does not lie on a picture of {picture.shape[:2]}")
    finite = np.isfinite(values)
    if scale is None:
        scale = scale_of([attribution])
    shares = _shares(np.where(finite, values, 0.0), scale, look.sign)
    depth = PALE + (1 - PALE) * np.abs(shares)  # from the beginning of the colours to their end
    place = (1 + np.copysign(depth, shares)) / 2 if look.sign == "both" else depth
    colors = table[np.rint(place * 255).astype(np.intp)].astype(np.float64)
    alpha = (look.opacity * np.sqrt(np.abs(shares)))[..., None]
    rgba = np.full((*values.shape, 4), 255, np.uint8)
    rgba[..., :3] = np.rint(picture * (1 - alpha) + colors * alpha)
    return Overlay(rgba, scale, _notice(values, finite, shares, look.sign))


def _shares(values: FloatArray, scale: float, sign: Sign) -> FloatArray:
    """Scale to [-1, 1] (both signs) or [0, 1], with what is not asked for at zero."""
    if not scale > 0:
        return np.zeros_like(values)
    with np.errstate(over="ignore"):  # a scale so small that the quotient is inf is clipped
        shares = np.clip(values / scale, -1.0, 1.0)
    match sign:
        case "both":
            return shares
        case "positive":
            return np.maximum(shares, 0.0)
        case "negative":
            return np.maximum(-shares, 0.0)
        case "absolute":
            return np.abs(shares)


def _notice(values: FloatArray, finite: NDArray[np.bool_], shares: FloatArray, sign: Sign) -> Notice | None:
    if not finite.any():
        return Notice("no number of this map is finite")
    broken = int(finite.size - finite.sum())
    if broken:
        return Notice("left bare, as not finite: {count} of the map's numbers", {"count": broken})
    if not values.any():
        return Notice("this map is zero everywhere")
    if values.size > 1 and np.ptp(values) == 0:
        return Notice("this map has the same value everywhere")
    if not shares.any():
        return Notice(
            "nothing in this map is positive" if sign == "positive" else "nothing in this map is negative"
        )
    return None
