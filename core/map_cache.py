"""Maps that were made already, by everything they depend on; the least recently used are dropped first."""

import hashlib
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass

from core.attribution import Result
from core.messages import OwnPicture
from core.methods import Parameters

MOST_BYTES = 128_000_000


@dataclass(frozen=True, slots=True)
class MapKey:
    """All that a map depends on. `weights`: what stands for the network's weights and statistics."""

    weights: Hashable
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]
    picture: Hashable
    method: str
    parameters: Parameters  # every one
    target: int


class MapCache:
    """Keeps whole maps up to MOST_BYTES."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._maps: OrderedDict[MapKey, Result] = OrderedDict()
        self._bytes = 0

    def get(self, key: MapKey) -> Result | None:
        """Return a map that was kept."""
        if key in self._maps:
            self._maps.move_to_end(key)
        return self._maps.get(key)

    def keep(self, key: MapKey, result: Result) -> None:
        """Keep a whole map."""
        if key in self._maps or result.attribution.nbytes > self._most:
            return
        self._maps[key] = result
        self._bytes += result.attribution.nbytes
        while self._bytes > self._most:
            _, dropped = self._maps.popitem(last=False)
            self._bytes -= dropped.attribution.nbytes

    def clear(self) -> None:
        """Forget all."""
        self._maps.clear()
        self._bytes = 0


def picture_key(picture: int | OwnPicture) -> Hashable:
    """Return what a picture is known by: its number among the held-out ones, or its content."""
    if isinstance(picture, int):
        return picture
    digest = hashlib.blake2b(picture.pixels.tobytes(), digest_size=16).digest()
    return picture.pixels.shape, digest
