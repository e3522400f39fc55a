"""Reads pictures in a thread of its own, while the engine trains (Pillow decodes without the interpreter's lock).

The engine hands in what it wants and takes what was read; the thread ends when it has nothing to do.
No tensors here.
"""

import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from core.pictures import Pixels, load_picture
from core.thumbnails import thumbnail
from core.transform import Transform, fit

IDLE_SECONDS = 1.0  # after which the thread ends


@dataclass(frozen=True, slots=True)
class Wanted:
    """A picture file, and what is wanted of it."""

    album: int  # which album it is of, told apart from those opened before
    picture: int  # its number in the album
    path: str
    thumbnail: bool
    transforms: tuple[Transform, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """What came of it; nothing where the file could not be read."""

    wanted: Wanted
    thumbnail: Pixels | None  # (128, 128, 3)
    fitted: tuple[Pixels, ...]  # (size, size, 3) for each transform
    readable: bool


class PictureLoader:
    """Three queues of pictures to be read: seen on a page, predicted for a page, and all others."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: tuple[deque[Wanted], ...] = (deque(), deque(), deque())  # the first goes first
        self._loaded: deque[Loaded] = deque()
        self._is_running = False  # the thread; it says so itself when it ends
        self._is_reading = False

    def look_at(self, wanted: Iterable[Wanted]) -> None:
        """Read these next; what was looked at before and is not read yet is dropped."""
        with self._changed:
            self._queues[0].clear()
            self._add(self._queues[0], wanted)

    def add(self, wanted: Iterable[Wanted], for_page: bool) -> None:
        """Read these after what is looked at; `for_page`: before what is not for a page."""
        with self._changed:
            self._add(self._queues[1 if for_page else 2], wanted)

    def forget(self, for_page: bool) -> None:
        """Forget what was wanted for a page, or what was added beside that."""
        with self._changed:
            for queue in self._queues[:2] if for_page else self._queues[2:]:
                queue.clear()

    def drop(self, read: Wanted) -> None:
        """Forget what was added and is no more than what was read by now."""
        with self._changed:
            for queue in self._queues[1:]:
                for each in [each for each in queue if _is_part(each, read)]:
                    queue.remove(each)

    def clear(self) -> None:
        """Forget everything; a picture being read at the moment comes all the same."""
        with self._changed:
            for queue in self._queues:
                queue.clear()
            self._loaded.clear()

    @property
    def has_news(self) -> bool:
        """Whether something was read that nobody took yet."""
        return bool(self._loaded)

    @property
    def is_busy(self) -> bool:
        """Whether there is something to read or to take."""
        with self._changed:
            return any(self._queues) or bool(self._loaded) or self._is_reading

    def take(self) -> list[Loaded]:
        """Return what was read since; from the engine's thread."""
        with self._changed:
            taken = list(self._loaded)
            self._loaded.clear()
        return taken

    def wait(self, seconds: float) -> None:
        """Wait until something was read, but no longer than this."""
        with self._changed:
            if not self._loaded:
                self._changed.wait(seconds)

    # ---- the loader's thread ----------------------------------------------------------------

    def _add(self, queue: deque[Wanted], wanted: Iterable[Wanted]) -> None:
        queue.extend(wanted)
        if not queue:
            return
        self._changed.notify_all()
        if not self._is_running:
            self._is_running = True
            threading.Thread(target=self._work, name="pictures", daemon=True).start()

    def _work(self) -> None:
        while (wanted := self._next()) is not None:
            loaded = _load(wanted)
            with self._changed:
                self._is_reading = False
                self._loaded.append(loaded)
                self._changed.notify_all()

    def _next(self) -> Wanted | None:
        with self._changed:
            if not any(self._queues):
                self._changed.wait(IDLE_SECONDS)
            for queue in self._queues:
                if queue:
                    self._is_reading = True
                    return queue.popleft()
            self._is_running = False
            return None


def _is_part(wanted: Wanted, read: Wanted) -> bool:
    same = (wanted.album, wanted.picture) == (read.album, read.picture)
    return same and set(wanted.transforms) <= set(read.transforms) and wanted.thumbnail <= read.thumbnail


def _load(wanted: Wanted) -> Loaded:
    try:
        pixels = load_picture(wanted.path).pixels
        small = thumbnail(pixels) if wanted.thumbnail else None
        return Loaded(wanted, small, tuple(fit(pixels, each) for each in wanted.transforms), True)
    except Exception:  # noqa: BLE001 - whatever a file does to its reader, the next one is to be read
        return Loaded(wanted, None, (), False)
