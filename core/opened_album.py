"""The album that is open: its thumbnails and fitted pictures as far as they were read, within bounds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.album import Album
from core.picture_loader import Loaded, Wanted
from core.pictures import Pixels
from core.thumbnails import SIDE, PixelStore, nothing
from core.transform import Transform

THUMBNAIL_BYTES = 64_000_000
FITTED_BYTES = 32_000_000


class OpenedAlbum:
    """What is known of the files of one album."""

    def __init__(self, number: int, album: Album) -> None:
        self.album = album
        self.unreadable = np.zeros(len(album.paths), bool)
        self.thumbnails = PixelStore(THUMBNAIL_BYTES)  # by number of the picture
        self.fitted = PixelStore(FITTED_BYTES)  # by number and transform
        self._number = number  # told apart from those opened before
        self._nothing = nothing()

    def __len__(self) -> int:
        return len(self.album.paths)

    @property
    def readable(self) -> int:
        """How many pictures there are but for those that turned out to be unreadable."""
        return len(self) - int(self.unreadable.sum())

    def wanted(self, picture: int, transforms: Sequence[Transform] = (), thumbnail: bool = False) -> Wanted:
        """Say to the loader what is wanted of a picture."""
        return Wanted(self._number, picture, self.album.paths[picture], thumbnail, tuple(transforms))

    def take(self, loaded: Loaded) -> bool:
        """Keep what was read; return whether it is of this album."""
        wanted = loaded.wanted
        if wanted.album != self._number:
            return False
        if not loaded.readable:
            self.unreadable[wanted.picture] = True
        if loaded.thumbnail is not None:
            self.thumbnails.put(wanted.picture, loaded.thumbnail)
        for transform, pixels in zip(wanted.transforms, loaded.fitted, strict=False):
            self.fitted.put((wanted.picture, transform), pixels)
        return True

    def pixels(self, pictures: NDArray[np.int64]) -> Pixels:
        """Return thumbnails (n, 128, 128, 3); grey where there is none yet."""
        made = np.empty((len(pictures), SIDE, SIDE, 3), np.uint8)
        for row, picture in enumerate(pictures.tolist()):
            kept = self.thumbnails.get(picture)
            made[row] = self._nothing if kept is None else kept
        return made

    def missing(self, pictures: NDArray[np.int64]) -> list[int]:
        """Return the pictures without a thumbnail, but for those that cannot be read."""
        return [
            picture for picture in pictures.tolist()
            if not self.unreadable[picture] and self.thumbnails.get(picture) is None
        ]  # fmt: skip
