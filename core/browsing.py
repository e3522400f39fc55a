"""Pages of pictures and what networks say of them: the engine's side of the gallery.

All of it belongs to the engine's thread; two other threads help without tensors: one looks for the files
of an album, one reads pictures. `serve` does what somebody looks at, `judge` a piece of what takes long.
"""

import time
from collections.abc import Callable, Sequence
from itertools import count

import numpy as np
from numpy.typing import NDArray

from core.album_predictions import AlbumPredictions, Key
from core.album_search import AlbumSearch
from core.albums import Albums
from core.evaluation import evaluated_count
from core.judging import Judging, made_by
from core.live_run import LiveRun
from core.messages import (
    BROUGHT,
    HELD_OUT,
    AlbumOpened,
    BrowsePictures,
    Event,
    Failed,
    JudgeAll,
    OpenAlbum,
    Progress,
)
from core.notices import Notice
from core.opened_album import OpenedAlbum
from core.picture_loader import PictureLoader
from core.picture_pages import page
from core.predictions import needs_predictions
from core.sources import LANES, LaneSnapshots, Source

PAGE_SECONDS = 0.5  # a page is sent again no sooner than this, …
THUMBNAIL_SECONDS = 0.2  # … than this where pictures are still to come, …
PROGRESS_SECONDS = 0.2  # … and how far a search is than this
WAIT_SECONDS = 0.02  # for another thread, where there is nothing else to do


class Browsing:
    """The pictures of one engine that are looked at, and what is known of them."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._albums = Albums()
        self._loader = PictureLoader()
        self._predictions = AlbumPredictions(publish, self._albums, self._loader, self._on_grown)
        self._openings = count(1)
        self._search: AlbumSearch | None = None
        self._shown: BrowsePictures | None = None  # the page asked for last …
        self._on_page: NDArray[np.int64] = np.zeros(0, np.int64)  # … its pictures …
        self._awaited: set[int] = set()  # … those of them that are being read …
        self._more = False  # … and whether more is known than it says
        self._look_due = False  # its pictures may have to be predicted
        self._looks: dict[str, Judging] = {}  # by album: predictions for a page, under way
        self._next_page = self._next_progress = 0.0

    # ---- what there is ----------------------------------------------------------------------

    def start_run(self, run: LiveRun, snapshots: LaneSnapshots) -> None:
        """Speak of another run from here on; what references said of brought pictures stays."""
        self.forget()
        self._hide()
        self._albums.start_run(run, snapshots)
        self._predictions.keep_only(lambda source, album: source != LANES and album != HELD_OUT)

    def forget(self) -> None:
        """Give up all predictions under way."""
        self._predictions.drop(lambda asked: True)
        self._looks.clear()
        self._look_due = False

    def keep_source(self, source: Source) -> None:
        """Keep networks beside the run, to be asked by name."""
        self.forget_source(source.name)
        self._albums.references[source.name] = source

    def forget_source(self, name: str) -> None:
        """Let go of networks beside the run."""
        self._looks = {album: work for album, work in self._looks.items() if work.source.name != name}
        self._predictions.keep_only(lambda source, album: source != name)
        self._albums.references.pop(name, None)

    def keep_predictions(self, source: Source, rows: Sequence[NDArray[np.float32]]) -> None:
        """Take logits (n, classes) of each lane for the first held-out pictures; older ones give way."""
        self._predictions.take_evaluated(source, rows)

    # ---- questions --------------------------------------------------------------------------

    def browse(self, command: BrowsePictures) -> None:
        """Publish a page; it comes again when more of its pictures or of their predictions is there."""
        if command.album == HELD_OUT:
            self._albums.check_run()
        self._shown = command
        self._looks.pop(BROUGHT, None)
        self._loader.forget(for_page=True)
        self._awaited.clear()
        self._show()
        self._look_due = True

    def judge_all(self, command: JudgeAll) -> None:
        """Predict every picture of an album, after what was asked before."""
        self._predictions.ask(command)

    def open_album(self, command: OpenAlbum) -> None:
        """Look for pictures beside everything else; a search under way is given up."""
        if self._search is not None:
            self._search.cancel()
        self._search = AlbumSearch(command)
        self._next_progress = 0.0

    def cancel(self, request: int) -> None:
        """Give up a search, or predicting an album: what was predicted by then stays."""
        if self._search is not None and self._search.request.id == request:
            self._search.cancel()
            self._search = None
            self._publish(Failed(Notice("looking for pictures was given up"), request))
        self._predictions.cancel(request)

    # ---- work -------------------------------------------------------------------------------

    @property
    def is_due(self) -> bool:
        """Whether anything is left to be done, or waited for."""
        of_page = self._shown is not None and (self._more or self._look_due)
        under_way = self._search is not None or bool(self._looks) or self._predictions.are_due
        return of_page or under_way or self._loader.is_busy

    @property
    def is_urgent(self) -> bool:
        """Whether something that is looked at can be done at once."""
        return (
            self._loader.has_news
            or (self._search is not None and (self._search.is_over or _is_time(self._next_progress)))
            or self._can_look
            or any(work.is_ready for work in self._looks.values())
            or self._page_is_due
        )

    def serve(self) -> None:
        """Do a piece of what is looked at: an album was found, pictures were read, a page says more."""
        self._follow_search()
        self._take_read()
        if self._can_look:
            self._look_due = False
            self._begin_look()
        ready = [work for work in self._looks.values() if work.is_ready]
        if ready and not self._predictions.do_piece(ready[0]):
            self._end_look(ready[0])
        if self._page_is_due:
            self._show()

    def judge(self, wait: bool) -> None:
        """Do a piece of predicting whole albums; `wait`: for a moment, if only other threads have work."""
        shown = (self._shown.source, self._shown.album) if self._shown is not None else None
        if self._predictions.judge(shown, self._on_page.tolist()) or not wait:
            return
        if self._search is not None and not self._loader.is_busy:
            self._search.wait(WAIT_SECONDS)
        else:
            self._loader.wait(WAIT_SECONDS)

    def _take_read(self) -> None:
        """Keep what the loader read, and hand it to those who wait for it."""
        opened = self._albums.opened
        read = [loaded for loaded in self._loader.take() if opened is not None and opened.take(loaded)]
        for loaded in read:
            self._loader.drop(loaded.wanted)
            picture = loaded.wanted.picture
            if picture in self._awaited and (loaded.wanted.thumbnail or not loaded.readable):
                self._awaited.discard(picture)
                self._more = True
        self._predictions.give(read, list(self._looks.values()))

    # ---- an album is opened -----------------------------------------------------------------

    def _follow_search(self) -> None:
        search = self._search
        if search is None:
            return
        request = search.request.id
        if not search.is_over:
            if _is_time(self._next_progress):
                self._next_progress = time.perf_counter() + PROGRESS_SECONDS
                what = Notice("looking for pictures: {count:,} so far", {"count": search.found})
                self._publish(Progress(what, None, request))
            return
        self._search = None
        if search.failed is not None:
            self._publish(search.failed)
        elif (found := search.album) is not None:
            self._looks.pop(BROUGHT, None)
            self._predictions.keep_only(lambda source, album: album != BROUGHT)
            self._loader.clear()
            self._albums.opened = OpenedAlbum(next(self._openings), found)
            if self._shown is not None and self._shown.album == BROUGHT:
                self._hide()
            self._publish(Progress(Notice("looking for pictures"), 1.0, request))
            self._publish(AlbumOpened(request, found.title, len(found.paths), found.notice))

    # ---- pages ------------------------------------------------------------------------------

    def _show(self) -> None:
        """Publish the page asked for last, as far as it is known, and let its pictures be read."""
        asked = self._shown
        assert asked is not None
        made = page(asked, self._albums, self._predictions.known((asked.source, asked.album)))
        self._on_page = made.indices
        self._publish(made)
        opened = self._albums.opened
        missing = opened.missing(made.indices) if opened is not None and asked.album == BROUGHT else []
        if opened is not None and missing and set(missing) != self._awaited:
            transforms = self._albums.transforms(asked.source)
            self._loader.look_at([opened.wanted(each, transforms, thumbnail=True) for each in missing])
        self._awaited = set(missing)
        self._more = False
        self._next_page = time.perf_counter() + (THUMBNAIL_SECONDS if missing else PAGE_SECONDS)

    def _hide(self) -> None:
        """Forget the page asked for last: what it is of is no longer there."""
        self._shown, self._more, self._look_due = None, False, False
        self._awaited.clear()

    @property
    def _page_is_due(self) -> bool:
        return self._more and self._shown is not None and (not self._awaits_more or _is_time(self._next_page))

    @property
    def _awaits_more(self) -> bool:
        """Whether the page will soon say more than it could by now."""
        keys = [work.key for work in self._looks.values()]
        return bool(self._awaited) or any(self._shows(key) for key in (*keys, self._predictions.under_way))

    def _shows(self, key: Key | None) -> bool:
        return self._shown is not None and (self._shown.source, self._shown.album) == key

    def _on_grown(self, key: Key) -> None:
        self._more |= self._shows(key)

    # ---- predictions for a page -------------------------------------------------------------

    @property
    def _can_look(self) -> bool:
        return self._look_due and self._shown is not None and self._albums.can_take(self._shown.source)

    def _begin_look(self) -> None:
        """Let the pictures looked at be predicted, where they are not yet."""
        asked = self._shown
        assert asked is not None
        if asked.album == HELD_OUT:
            self._begin_first_look(asked.source)
        elif self._albums.opened is not None:
            self._look_at_page(asked, self._albums.opened)

    def _begin_first_look(self, name: str) -> None:
        """Let a reference predict the held-out pictures that the lanes are evaluated on."""
        source, run = self._albums.references.get(name), self._albums.run
        if source is None or run is None or HELD_OUT in self._looks:
            return
        if self._predictions.known((name, HELD_OUT)) is not None:
            return
        if len(self._albums.classes(name)) == len(run.dataset.class_names):
            table = self._predictions.fitting(source, HELD_OUT)
            pictures = range(evaluated_count(run.batches))
            self._looks[HELD_OUT] = self._predictions.work(source, HELD_OUT, table, pictures)

    def _look_at_page(self, asked: BrowsePictures, opened: OpenedAlbum) -> None:
        key = asked.source, BROUGHT
        source = self._albums.take(asked.source, "look")
        if source is None or self._predictions.under_way == key:
            return
        before = self._predictions.known(key)
        if before is not None and before.made_by != made_by(source):
            covers = len(self._on_page) >= opened.readable
            if needs_predictions(asked) or (before.asked_whole and not covers):
                return  # what orders and filters the pages, or was asked for by hand, stays
        table = self._predictions.fitting(source, BROUGHT)
        pictures = [each for each in self._on_page.tolist() if not table.judged[each]]
        if any(not opened.unreadable[each] for each in pictures):
            self._looks[BROUGHT] = self._predictions.work(source, BROUGHT, table, pictures)

    def _end_look(self, work: Judging) -> None:
        if self._looks.get(work.album) is work:
            del self._looks[work.album]
        if work.table.count and self._predictions.under_way != work.key:
            self._predictions.put(work.source, work.album, work.table)
            if work.album == HELD_OUT or work.table.count >= self._albums.total(work.album):
                self._predictions.say_judged(work.source, work.album, work.table)
        if self._shows(work.key):
            self._more, self._next_page = True, 0.0
        else:
            self._look_due = self._shown is not None  # another reference may wait for its turn


def _is_time(when: float) -> bool:
    return time.perf_counter() >= when
