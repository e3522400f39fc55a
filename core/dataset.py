"""What a data set is, whoever reads it: pictures as arrays, and how reading one can fail. Knows no torch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.notices import Notice, SkipscopeError
from core.transform import Transform, Triple

Images: TypeAlias = NDArray[np.uint8]  # (pictures, channels, height, width)
Labels: TypeAlias = NDArray[np.int64]
ReportProgress: TypeAlias = Callable[[Notice, float | None], None]


class DatasetError(SkipscopeError):
    """A data set that cannot be used."""


class DatasetCancelledError(DatasetError):
    """Loading was given up because the caller asked for it."""


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Pictures to learn from and pictures held out, with the training set's mean and deviation in [0, 1].

    The arrays are writable, since torch warns of sharing memory that is not.
    """

    name: str  # as it was asked for
    images: Images
    labels: Labels
    held_out_images: Images
    held_out_labels: Labels
    class_names: tuple[str, ...]
    mean: Triple
    std: Triple
    notice: Notice | None = None

    def transform(self, image_size: int) -> Transform:
        """Return what makes any picture look like those of this set."""
        grey = self.images.shape[1] == 1
        return Transform(image_size, None, self.mean, self.std, grey)


@dataclass(frozen=True, slots=True)
class Watch:
    """The caller's two wishes while something takes long: to be told, and to be able to stop it."""

    progress: ReportProgress | None
    cancelled: Callable[[], bool] | None

    def check(self) -> None:
        """Raise DatasetCancelledError if the caller wants no more."""
        if self.cancelled is not None and self.cancelled():
            raise DatasetCancelledError("loading the data set was cancelled")

    def say(self, what: Notice, fraction: float | None) -> None:
        """Tell the caller what is under way, and how much of it is done."""
        if self.progress is not None:
            self.progress(what, fraction)


def measured(images: Images) -> tuple[Triple, Triple]:
    """Return mean and deviation per channel of [0, 1], exactly, by counting values."""
    channels = images.shape[1]
    counts = np.zeros((channels, 256))
    for start in range(0, len(images), 1000):  # bincount wants eight bytes a pixel
        for channel in range(channels):
            part = images[start : start + 1000, channel].ravel()
            counts[channel] += np.bincount(part, minlength=256)
    values = np.arange(256) / 255
    share = counts / counts.sum(axis=1, keepdims=True)
    mean = share @ values
    std = np.sqrt((share * (values - mean[:, None]) ** 2).sum(axis=1))
    std[std == 0] = 1  # a channel that never changes is only centred
    return _triple(mean), _triple(std)


def _triple(values: NDArray[np.float64]) -> Triple:
    red, green, blue = np.broadcast_to(values, 3).tolist()
    return red, green, blue
