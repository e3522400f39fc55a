"""Lets every network of a source predict pictures of an album, in pieces of about 40 ms."""

import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from core.evaluation import LARGEST_PIECE, PIECE_SECONDS
from core.live_run import LiveRun
from core.messages import JudgeAll
from core.picture_loader import Loaded, Wanted
from core.pictures import Pixels
from core.predictions import Labels, Predictions
from core.sources import Source, Subject, as_seen
from core.thumbnails import PixelStore
from core.transform import Transform, normalise

_FIRST_PIECE = 4  # pictures: how long a network takes for one is not known yet
_MOST_BYTES = 16_000_000  # of fitted pictures, read and not predicted yet
_MOST_READ = 256


class Feed(Protocol):
    """Where pictures come from."""

    @property
    def is_ready(self) -> bool:
        """Whether a picture is there."""

    @property
    def is_over(self) -> bool:
        """Whether no more will come."""

    def take(self, most: int) -> list[int]:
        """Return the numbers of the next pictures."""

    def tensors(self, subject: Subject, pictures: Sequence[int]) -> Tensor:
        """Return taken pictures (n, 3, S, S) as a network gets them."""


class Judging:
    """Puts what every network of a source says of a feed's pictures into a table, piece by piece.

    `labels` are those of the whole album in the networks' own numbers, -1 where not known. `asked`: the
    request for every picture; None: pictures are judged so that a page says more of them.
    """

    def __init__(
        self, source: Source, album: str, feed: Feed, labels: Labels, table: Predictions,
        asked: JudgeAll | None = None,
    ) -> None:  # fmt: skip
        self.source = source
        self.album = album
        self.feed = feed
        self.labels = labels
        self.table = table
        self.asked = asked
        self._is_amid = False  # some pictures are predicted by some of the networks
        self._pieces = self._work()

    @property
    def key(self) -> tuple[str, str]:
        """Source and album."""
        return self.source.name, self.album

    @property
    def is_ready(self) -> bool:
        """Whether a piece can be done, or everything is done."""
        return self._is_amid or self.feed.is_ready or self.feed.is_over

    def do_piece(self) -> bool:
        """Do one piece; return whether more is to come."""
        return next(self._pieces, self) is not self

    def _work(self) -> Iterator[None]:
        size = _FIRST_PIECE
        while not self.feed.is_over:
            if not self.feed.is_ready:
                yield
                continue
            pictures = self.feed.take(size)
            rows = []
            longest = 1e-4
            for subject in self.source.subjects:
                began = time.perf_counter()
                inputs = self.feed.tensors(subject, pictures)
                with torch.inference_mode():
                    rows.append(subject.network(inputs).to("cpu", torch.float32).numpy().copy())
                longest = max(longest, time.perf_counter() - began)
                self._is_amid = len(rows) < len(self.source.subjects)
                if self._is_amid:
                    yield
            places = np.array(pictures, np.int64)
            self.table.put(places, rows, self.labels[places])
            size = int(min(max(1, len(pictures) * PIECE_SECONDS / longest), LARGEST_PIECE))
            yield


class HeldOutFeed:
    """Held-out pictures of a run, by number."""

    def __init__(self, run: LiveRun, pictures: Sequence[int]) -> None:
        self._run = run
        self._left = deque(pictures)
        self._own = run.dataset.transform(run.settings.image_size)

    @property
    def is_ready(self) -> bool:
        """Whether a picture is left."""
        return bool(self._left)

    @property
    def is_over(self) -> bool:
        """Whether none is left."""
        return not self._left

    def take(self, most: int) -> list[int]:
        """Return the numbers of the next pictures."""
        return [self._left.popleft() for _ in range(min(most, len(self._left)))]

    def tensors(self, subject: Subject, pictures: Sequence[int]) -> Tensor:
        """Return pictures (n, 3, S, S): as the lanes are trained on, or through the network's own transform."""
        if subject.transform == self._own:
            return self._run.batches.normalised(self._run.batches.held_out[list(pictures)])
        return torch.stack([as_seen(picture, subject, self._run)[0] for picture in pictures])


@dataclass(frozen=True, slots=True, eq=False)
class _Fitted:
    picture: int
    pixels: dict[Transform, Pixels]


class FileFeed:
    """Pictures of an album of files: read by the loader, a bounded number at a time."""

    def __init__(
        self, pictures: Sequence[int], transforms: Sequence[Transform], kept: PixelStore,
        wanted: Callable[[int, tuple[Transform, ...]], Wanted],
    ) -> None:  # fmt: skip
        self._left = deque(pictures)
        self._transforms = tuple(dict.fromkeys(transforms))
        self._kept = kept
        self._wanted = wanted
        self._read: deque[_Fitted] = deque()
        self._awaited: set[int] = set()
        self._taken: dict[int, _Fitted] = {}
        size = sum(each.size**2 * 3 for each in self._transforms)
        self._most = int(min(max(1, _MOST_BYTES // max(size, 1)), _MOST_READ))

    @property
    def is_ready(self) -> bool:
        """Whether a picture was read."""
        return bool(self._read)

    @property
    def is_over(self) -> bool:
        """Whether none will come any more."""
        return not (self._left or self._read or self._awaited)

    def fill(self) -> list[Wanted]:
        """Take from the store what is there; return what is to be read next, now that there is room."""
        asked = []
        while self._left and len(self._read) + len(self._awaited) < self._most:
            picture = self._left.popleft()
            if not self._find(picture):
                self._awaited.add(picture)
                asked.append(self._wanted(picture, self._transforms))
        return asked

    def give(self, loaded: Loaded) -> None:
        """Take what was read, if it was waited for; what could not be read is left out."""
        picture = loaded.wanted.picture
        if picture not in self._awaited:
            return
        if not loaded.readable:
            self._awaited.discard(picture)
        elif set(self._transforms) <= set(loaded.wanted.transforms):
            self._awaited.discard(picture)
            fitted = dict(zip(loaded.wanted.transforms, loaded.fitted, strict=True))
            self._read.append(_Fitted(picture, fitted))

    def take(self, most: int) -> list[int]:
        """Return the numbers of the next pictures; those taken before are let go."""
        taken = [self._read.popleft() for _ in range(min(most, len(self._read)))]
        self._taken = {each.picture: each for each in taken}
        return list(self._taken)

    def tensors(self, subject: Subject, pictures: Sequence[int]) -> Tensor:
        """Return taken pictures (n, 3, S, S), fitted and normalised as an own picture is."""
        transform = subject.transform
        rows = [normalise(self._taken[picture].pixels[transform], transform) for picture in pictures]
        return torch.from_numpy(np.stack(rows)).to(subject.network.fc.weight.device)

    def _find(self, picture: int) -> bool:
        found: dict[Transform, Pixels] = {}
        for transform in self._transforms:
            pixels = self._kept.get((picture, transform))
            if pixels is None:
                return False
            found[transform] = pixels
        self._read.append(_Fitted(picture, found))
        return True


def unjudged(table: Predictions, first: Sequence[int] = ()) -> list[int]:
    """Return the pictures a table knows nothing of, those in `first` before the others."""
    places = np.flatnonzero(~table.judged)
    ahead = np.isin(places, np.array(first, np.int64))
    return [*places[ahead].tolist(), *places[~ahead].tolist()]


def made_by(source: Source) -> Hashable:
    """Return what is equal for equal weights and strengths only."""
    return tuple((each.weights, *strengths(each)) for each in source.subjects)


def strengths(subject: Subject) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return a network's shortcut and branch strengths."""
    return subject.network.shortcuts, subject.network.branches
