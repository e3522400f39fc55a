"""The albums and sources that can be asked for by name, and how one is put to the other."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.judging import Feed, FileFeed, HeldOutFeed
from core.live_run import LiveRun
from core.messages import BROUGHT, HELD_OUT
from core.notices import SkipscopeError
from core.opened_album import OpenedAlbum
from core.pictures import Pixels
from core.predictions import Labels
from core.sources import LANES, LaneSnapshots, Source
from core.transform import Transform


class Albums:
    """The held-out pictures of the run and those that were brought; the lanes and the references."""

    def __init__(self) -> None:
        self.run: LiveRun | None = None
        self.opened: OpenedAlbum | None = None
        self.references: dict[str, Source] = {}
        self._snapshots: LaneSnapshots | None = None
        self._held_out: Labels = np.zeros(0, np.int64)

    def start_run(self, run: LiveRun, snapshots: LaneSnapshots) -> None:
        """Take the run's pictures and lanes."""
        self.run, self._snapshots = run, snapshots
        self._held_out = run.batches.held_out_labels.cpu().numpy().copy()

    def check_run(self) -> LiveRun:
        """Return the run; raise SkipscopeError where there is none."""
        if self.run is None:
            raise SkipscopeError("no run is loaded yet")
        return self.run

    # ---- sources ----------------------------------------------------------------------------

    def has(self, source: str) -> bool:
        """Whether there is something to ask by this name."""
        return source in self.references or (source == LANES and self._snapshots is not None)

    def can_take(self, source: str) -> bool:
        """Whether a source can be taken at once: amid a step the lanes are not all of the same one."""
        return source in self.references or self.run is None or self.run.between_steps

    def take(self, source: str, purpose: str) -> Source | None:
        """Return a source; of the lanes, a copy as they are at present, for one purpose at a time."""
        if source == LANES and self._snapshots is not None:
            return self._snapshots.take(purpose)
        return self.references.get(source)

    def classes(self, source: str) -> tuple[str, ...]:
        """Return the names of a source's classes."""
        if source in self.references:
            return self.references[source].subjects[0].class_names
        return self.run.dataset.class_names if self.run is not None else ()

    def transforms(self, source: str) -> tuple[Transform, ...]:
        """Return what a source's networks make of a picture."""
        if source in self.references:
            return tuple(dict.fromkeys(each.transform for each in self.references[source].subjects))
        if self.run is None or source != LANES:
            return ()
        return (self.run.dataset.transform(self.run.settings.image_size),)

    def knows_classes(self, source: str) -> bool:
        """Whether a source's classes are the data set's; of one without names the number must do."""
        if self.run is None:
            return False
        names, own = self.classes(source), self.run.dataset.class_names
        return names == own or (len(names) == len(own) and names == tuple(map(str, range(len(own)))))

    # ---- albums -----------------------------------------------------------------------------

    def total(self, album: str) -> int:
        """Return how many pictures there are, but for those that turned out to be unreadable."""
        if album == BROUGHT:
            return self.opened.readable if self.opened is not None else 0
        return len(self._held_out)

    def label_names(self, source: str, album: str) -> tuple[str, ...]:
        """Return the names of the classes that `labels` counts."""
        if album == BROUGHT:
            return self.classes(source)
        return self.run.dataset.class_names if self.run is not None else ()

    def labels(self, source: str, album: str) -> Labels:
        """Return each picture's class, -1 where it is not known; brought ones are of the source's classes."""
        if album == BROUGHT:
            names = self.classes(source)
            return self.opened.album.labels(names) if self.opened is not None else np.zeros(0, np.int64)
        return self._held_out

    def truth(self, source: str, album: str) -> Labels:
        """Return each picture's class as the source counts them, -1 where it is none of its own."""
        labels = self.labels(source, album)
        if album == HELD_OUT and not self.knows_classes(source):
            return np.full_like(labels, -1)
        return labels

    def pixels(self, album: str, pictures: NDArray[np.int64]) -> Pixels:
        """Return pictures (n, height, width, 3), all of one size."""
        if album == BROUGHT:
            nothing = np.zeros((0, 1, 1, 3), np.uint8)
            return nothing if self.opened is None else self.opened.pixels(pictures)
        held_out = self.check_run().batches.held_out[pictures.tolist()].cpu().numpy().transpose(0, 2, 3, 1)
        return np.ascontiguousarray(np.broadcast_to(held_out, (*held_out.shape[:3], 3)))

    def feed(self, source: Source, album: str, pictures: Sequence[int]) -> Feed:
        """Return what hands an album's pictures to a source."""
        if album == HELD_OUT:
            return HeldOutFeed(self.check_run(), pictures)
        assert self.opened is not None
        opened = self.opened
        return FileFeed(
            [each for each in pictures if not opened.unreadable[each]],
            [each.transform for each in source.subjects], opened.fitted, opened.wanted,
        )  # fmt: skip
