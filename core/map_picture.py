"""A map as a picture file, without a window: its colours, the colour bar, PNG bytes. No torch."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.overlay import Look, Pixels, draw

BAR_PIXELS = 128


def diverging() -> Pixels:
    """Return colours from blue (against) over white to vermilion (for), after Okabe and Ito: (256, 3)."""
    blue, white, vermilion = (0, 114, 178), (255, 255, 255), (213, 94, 0)
    place = np.linspace(-1, 1, 256)[:, None]
    ends = np.where(place < 0, blue, vermilion)
    return np.rint(white + np.abs(place) * (ends - np.array(white))).astype(np.uint8)


def color_bar(table: Pixels, look: Look, count: int = BAR_PIXELS) -> Pixels:
    """Return `count` colours of a scale from its low end to its high one, on white: (1, count, 3)."""
    low, high = {"both": (-1.0, 1.0), "negative": (0.0, -1.0)}.get(look.sign, (0.0, 1.0))
    values = np.linspace(low, high, count)[None, None, :]
    paper = np.full((1, count, 3), 255, np.uint8)
    return draw(paper, values, table, look, scale=1.0).rgba[..., :3]


def png(pixels: Pixels, factor: int = 1) -> bytes:
    """Return 8-bit RGB (height, width, 3) as PNG, each pixel enlarged to factor × factor."""
    enlarged: NDArray[np.uint8] = pixels.repeat(factor, 0).repeat(factor, 1)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(enlarged)).save(file, "PNG")
    return file.getvalue()
