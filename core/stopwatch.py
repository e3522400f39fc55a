"""Counts the time of work that is done in pieces, not of the training between them."""

import time
from collections.abc import Iterator


class Stopwatch:
    """Runs from its making, but for pauses."""

    def __init__(self) -> None:
        self._before = 0.0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds worked so far."""
        return self._before + time.perf_counter() - self._began

    def pause(self) -> Iterator[None]:
        """Yield once; the time until the generator goes on does not count."""
        self._before = self.seconds
        yield
        self._began = time.perf_counter()
