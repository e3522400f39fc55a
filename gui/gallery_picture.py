"""One picture of the gallery, and what the numbers in it stand for."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

State: TypeAlias = Literal["shown", "loading", "unreadable"]


@dataclass(frozen=True, slots=True)
class Names:
    """What the numbers in a page stand for."""

    networks: tuple[str, ...] = ()
    hues: tuple[int, ...] = ()  # a lane's place in the run; empty: the networks are no lanes
    labels: tuple[str, ...] = ()  # the data set's classes
    predicted: tuple[str, ...] = ()  # the networks' classes

    @property
    def comparable(self) -> bool:
        """Whether a prediction can be right: the networks know the data set's classes."""
        return self.labels == self.predicted

    def hue(self, network: int) -> int | None:
        """Return the lane whose colour a network has."""
        return self.hues[network] if network < len(self.hues) else None

    def network(self, network: int) -> str:
        """Return a network's name."""
        return self.networks[network] if network < len(self.networks) else str(network + 1)


@dataclass(frozen=True, slots=True, eq=False)
class GalleryPicture:
    """A picture of an album and what each network says of it."""

    index: int  # in the album
    pixels: NDArray[np.uint8]  # (height, width, 3)
    label: int  # -1: not known
    predicted: tuple[int, ...]  # -1: not known yet
    confidence: tuple[float, ...]
    step: int | None
    losses: tuple[float, ...] = ()  # NaN: not known
    path: str = ""  # of a file
    state: State = "shown"

    def marks(self, names: Names) -> tuple[bool | None, ...]:
        """Say of each network whether it is right; None where that is not known."""
        return tuple(
            None if each < 0 or self.label < 0 or not names.comparable else each == self.label
            for each in self.predicted
        )
