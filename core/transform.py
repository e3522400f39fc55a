"""From a picture to what a network sees: size, crop, mean and deviation. Knows no torch.

The ImageNet path is torchvision's `ImageClassification` preset on a PIL picture, pixel for pixel.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.notices import SkipscopeError

Pixels: TypeAlias = NDArray[np.uint8]  # (height, width, 3)
Triple: TypeAlias = tuple[float, float, float]

MAX_SIDE = 4096
# A strip is cut to this many times its width first: a 20,000 × 1 line would otherwise be
# enlarged to gigapixels, of which the centre crop keeps a square.
_LONGEST = 50


class TransformError(SkipscopeError):
    """A transform that cannot be used."""


@dataclass(frozen=True, slots=True)
class Transform:
    """What is done to a picture before a network sees it.

    With `resize` the shorter side becomes `resize` and the centre is cut out; without, the shorter
    side becomes `size` itself.
    """

    size: int
    resize: int | None
    mean: Triple
    std: Triple
    grey: bool = False

    def __post_init__(self) -> None:
        _check_side("size", self.size)
        if self.resize is not None:
            _check_side("resize", self.resize)
            if self.resize < self.size:
                raise TransformError(
                    "a picture resized to {resize} is too small for a crop of {size}",
                    resize=self.resize,
                    size=self.size,
                )
        _check_triple("mean", self.mean)
        _check_triple("deviation", self.std)
        if min(self.std) <= 0:
            raise TransformError("each deviation must be above 0, not {value}", value=_spoken(self.std))
        if not isinstance(self.grey, bool):
            raise TransformError("grey must be true or false, not {value}", value=self.grey)

    def words(self) -> str:
        """Say in English what is done."""
        shorter = self.size if self.resize is None else self.resize
        parts = [f"shorter side to {shorter}", f"centre crop {self.size}"]
        if self.grey:
            parts.append("to grey")
        known = {
            (IMAGENET.mean, IMAGENET.std): "ImageNet mean and deviation",
            (CIFAR10.mean, CIFAR10.std): "CIFAR-10 mean and deviation",
        }
        plain = f"mean {_spoken(self.mean)}, deviation {_spoken(self.std)}"
        parts.append(known.get((self.mean, self.std), plain))
        return ", ".join(parts)


def to_json(transform: Transform) -> dict[str, Any]:
    """Turn a transform into plain JSON values."""
    return {
        **dataclasses.asdict(transform),
        "mean": list(transform.mean),
        "std": list(transform.std),
    }


def from_json(values: Any) -> Transform:
    """Read a transform back; anything amiss is a TransformError."""
    names = {field.name for field in dataclasses.fields(Transform)}
    if not isinstance(values, Mapping):
        raise TransformError("a transform must be a table of values")
    for key in values:
        if key not in names:
            raise TransformError("a transform has no {key}", key=key)
    for name in names - {"grey"}:
        if name not in values:
            raise TransformError("a transform needs {name}", name=name)
    return Transform(
        size=values["size"],
        resize=values["resize"],
        mean=_triple(values["mean"]),
        std=_triple(values["std"]),
        grey=values.get("grey", False),
    )


def fit(pixels: Pixels, transform: Transform) -> Pixels:
    """Return the size × size × 3 picture a network sees, still as bytes."""
    height, width = pixels.shape[:2]
    if min(height, width) == 0:
        raise TransformError("a picture needs at least one pixel")
    picture = Image.fromarray(_cut_strip(pixels))
    shorter = transform.size if transform.resize is None else transform.resize
    picture = _scale(picture, shorter, smooth=transform.resize is None)
    picture = _crop_centre(picture, transform.size)
    if transform.grey:
        picture = picture.convert("L").convert("RGB")
    return np.array(picture)


def normalise(pixels: Pixels, transform: Transform) -> NDArray[np.float32]:
    """Return float32 (3, size, size): to [0, 1], less the mean, over the deviation."""
    mean = np.array(transform.mean, np.float32)
    std = np.array(transform.std, np.float32)
    values = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(values.transpose(2, 0, 1))


def prepare(pixels: Pixels, transform: Transform) -> NDArray[np.float32]:
    """Return what goes into the network: fitted and normalised."""
    return normalise(fit(pixels, transform), transform)


def _cut_strip(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    longest = min(height, width) * _LONGEST
    top = max(0, height - longest) // 2
    left = max(0, width - longest) // 2
    return pixels[top : top + longest, left : left + longest]


def _scale(picture: Image.Image, shorter: int, smooth: bool) -> Image.Image:
    width, height = picture.size
    short, long = sorted(picture.size)
    if short == shorter:
        return picture
    longer = int(shorter * long / short)  # torchvision's rounding
    size = (shorter, longer) if width <= height else (longer, shorter)
    averaging = smooth and shorter < short
    return picture.resize(size, Image.Resampling.BOX if averaging else Image.Resampling.BILINEAR)


def _crop_centre(picture: Image.Image, side: int) -> Image.Image:
    width, height = picture.size
    left, top = round((width - side) / 2), round((height - side) / 2)  # torchvision's rounding
    return picture.crop((left, top, left + side, top + side))


def _check_side(name: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MAX_SIDE:
        raise TransformError(
            "{name} must be a whole number from 1 to {most}, not {value}",
            name=name,
            most=MAX_SIDE,
            value=value,
        )


def _check_triple(name: str, values: Any) -> None:
    good = isinstance(values, tuple) and len(values) == 3
    if not good or not all(_is_finite(value) for value in values):
        raise TransformError("{name} must be three numbers, not {value}", name=name, value=values)


def _is_finite(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _triple(values: Any) -> Any:
    return tuple(values) if isinstance(values, list) else values


def _spoken(values: Triple) -> str:
    distinct = values[:1] if len(set(values)) == 1 else values
    return " ".join(f"{value:.4g}" for value in distinct)


# Last, since a Transform checks itself with the functions above.
IMAGENET = Transform(224, 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
CIFAR10 = Transform(32, None, (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
