"""Small square pictures for a gallery, and stores of pixels that stay within bounds. Knows no torch."""

from collections import OrderedDict
from collections.abc import Hashable

import numpy as np
from PIL import Image

from core.pictures import Pixels

SIDE = 128
GREY = 128  # around what is not square, and where nothing is there yet: plain on light and on dark


def thumbnail(pixels: Pixels) -> Pixels:
    """Return (128, 128, 3): the whole picture, centred, with grey beside it where it is not square.

    A larger one is averaged over areas, as a network's input is; of a smaller one every pixel becomes a
    whole square of pixels.
    """
    height, width = pixels.shape[:2]
    longest = max(height, width)
    if longest <= SIDE:
        factor = SIDE // longest
        small = pixels.repeat(factor, 0).repeat(factor, 1)
    else:
        size = max(1, round(width * SIDE / longest)), max(1, round(height * SIDE / longest))
        small = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    top, left = (SIDE - small.shape[0]) // 2, (SIDE - small.shape[1]) // 2
    square = nothing()
    square[top : top + small.shape[0], left : left + small.shape[1]] = small
    return square


def nothing() -> Pixels:
    """Return what stands for a picture that is not there: grey."""
    return np.full((SIDE, SIDE, 3), GREY, np.uint8)


class PixelStore:
    """Arrays of pixels by key; beyond `most_bytes` those not asked for longest are let go."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Hashable, Pixels] = OrderedDict()
        self.bytes = 0

    def get(self, key: Hashable) -> Pixels | None:
        """Return what is kept under a key."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: Hashable, pixels: Pixels) -> None:
        """Keep an array, which must not be written to any more."""
        before = self._kept.pop(key, None)
        self.bytes += pixels.nbytes - (0 if before is None else before.nbytes)
        self._kept[key] = pixels
        while self.bytes > self._most_bytes and len(self._kept) > 1:
            self.bytes -= self._kept.popitem(last=False)[1].nbytes

    def clear(self) -> None:
        """Let go of everything."""
        self._kept.clear()
        self.bytes = 0
