"""Looks for the pictures of an album in a thread of its own. No tensors here."""

import threading
import traceback

from core.album import Album, find_pictures
from core.messages import Failed, OpenAlbum
from core.notices import Notice, SkipscopeError


class AlbumSearch:
    """One search, begun at once; the engine asks it how far it is."""

    def __init__(self, request: OpenAlbum) -> None:
        self.request = request
        self.found = 0  # pictures so far
        self.album: Album | None = None  # once it is over …
        self.failed: Failed | None = None  # … or why there is none
        self._ended = threading.Event()
        self._cancelled = threading.Event()
        self.thread = threading.Thread(target=self._work, name="album", daemon=True)
        self.thread.start()

    @property
    def is_over(self) -> bool:
        """Whether it has ended."""
        return self._ended.is_set()

    def cancel(self) -> None:
        """Let it end soon, whatever it found."""
        self._cancelled.set()

    def wait(self, seconds: float) -> None:
        """Wait until it has ended, but no longer than this."""
        self._ended.wait(seconds)

    def _work(self) -> None:
        try:
            self.album = find_pictures(self.request.paths, self._count, self._cancelled.is_set)
        except SkipscopeError as error:
            self.failed = Failed(error.notice, self.request.id)
        except Exception as error:  # noqa: BLE001 - the engine must hear of it, or it would wait for ever
            what = Notice(
                "the pictures could not be opened: {what}", {"what": f"{type(error).__name__}: {error}"}
            )
            self.failed = Failed(what, self.request.id, traceback.format_exc())
        finally:
            self._ended.set()

    def _count(self, found: int) -> None:
        self.found = found
