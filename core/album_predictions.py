"""What sources said of albums so far, and the albums that are being predicted whole.

Each source and album has one table, whose rows are of the same weights: newer ones take the place of older.
"""

import time
import traceback
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from core.albums import Albums
from core.judgement import judgement
from core.judging import FileFeed, Judging, made_by, strengths, unjudged
from core.messages import BROUGHT, HELD_OUT, Event, Failed, JudgeAll, Progress
from core.notices import Notice, SkipscopeError
from core.picture_loader import Loaded, PictureLoader
from core.predictions import Predictions
from core.sources import LANES, Source

FIGURES_SECONDS = 2.0  # figures so far are sent no sooner than this, …
PROGRESS_SECONDS = 0.2  # … and how far it is than this

Key = tuple[str, str]  # source and album


class AlbumPredictions:
    """The tables, and the queue of albums asked for; `grown` is told whose table says more than before."""

    def __init__(
        self, publish: Callable[[Event], None], albums: Albums, loader: PictureLoader,
        grown: Callable[[Key], None],
    ) -> None:  # fmt: skip
        self._publish = publish
        self._albums = albums
        self._loader = loader
        self._grown = grown
        self._tables: dict[Key, Predictions] = {}
        self._asked: list[JudgeAll] = []  # the first is under way, once `_under_way` is there
        self._under_way: Judging | None = None
        self._next_figures = self._next_progress = 0.0

    # ---- tables -----------------------------------------------------------------------------

    def known(self, key: Key) -> Predictions | None:
        """Return what a source said of an album."""
        return self._tables.get(key)

    def fitting(self, source: Source, album: str) -> Predictions:
        """Return the table for what a source says: the one there is, if of the same weights, else a fresh one."""
        table = self._tables.get((source.name, album))
        if table is not None and table.made_by == made_by(source):
            return table
        pictures = len(self._albums.labels(source.name, album))
        return Predictions(len(source.subjects), pictures, source.step, made_by(source))

    def put(self, source: Source, album: str, table: Predictions) -> None:
        """Let a table speak for a source."""
        self._tables[source.name, album] = table

    def keep_only(self, stays: Callable[[str, str], bool]) -> None:
        """Forget the tables, and what was asked, of other sources and albums."""
        self._tables = {key: table for key, table in self._tables.items() if stays(*key)}
        self.drop(lambda asked: not stays(asked.source, asked.album))

    def take_evaluated(self, source: Source, rows: Sequence[NDArray[np.float32]]) -> None:
        """Take logits (n, classes) of each lane for the first held-out pictures."""
        table = self.fitting(source, HELD_OUT)
        places = np.arange(len(rows[0]))
        table.put(places, rows, self._albums.truth(source.name, HELD_OUT)[places])
        self.put(source, HELD_OUT, table)
        self.say_judged(source, HELD_OUT, table)
        work = self._under_way
        if work is not None and work.source.name == source.name:
            pairs = zip(work.source.subjects, source.subjects, strict=True)
            if any(strengths(old) != strengths(new) for old, new in pairs):
                self._give_up()  # toggled since: begin again, with what is in force

    # ---- whole albums -----------------------------------------------------------------------

    @property
    def are_due(self) -> bool:
        """Whether an album is being predicted or is to be."""
        return bool(self._asked)

    @property
    def under_way(self) -> Key | None:
        """The source and album whose pictures are being predicted."""
        return self._under_way.key if self._under_way is not None else None

    def ask(self, command: JudgeAll) -> None:
        """Predict a whole album after those asked before; raises SkipscopeError where that cannot be."""
        if command.source == LANES or command.album == HELD_OUT:
            self._albums.check_run()
        if not self._albums.has(command.source):
            raise SkipscopeError("there is no {name} to ask", name=command.source)
        if command.album == BROUGHT and self._albums.opened is None:
            raise SkipscopeError("no pictures are open yet")
        self.drop(lambda asked: (asked.source, asked.album) == (command.source, command.album))
        self._asked.append(command)
        self._say_progress(command, 0.0)

    def cancel(self, request: int) -> None:
        """Give an album up: what was predicted by then stays."""
        work = self._under_way
        if work is not None and work.asked is not None and work.asked.id == request:
            self._finish(work)
        self.drop(lambda asked: asked.id == request)

    def drop(self, gone: Callable[[JudgeAll], bool]) -> None:
        """End what was asked for: done, given up, or of no use any more."""
        dropped = [asked for asked in self._asked if gone(asked)]
        self._asked = [asked for asked in self._asked if not gone(asked)]
        if self._under_way is not None and self._under_way.asked in dropped:
            self._give_up()
        for asked in dropped:
            self._say_progress(asked, 1.0)

    def judge(self, shown: Key | None, on_page: Sequence[int]) -> bool:
        """Do a piece, the pictures of a page first; return whether there was one to be done."""
        if self._under_way is None and self._asked and self._albums.can_take(self._asked[0].source):
            self._begin(self._asked[0], shown, on_page)
        work = self._under_way
        if work is None or not work.is_ready:
            return False
        more = self.do_piece(work)
        if self._under_way is work:  # it may have failed
            self._take_so_far(work)
            if not more:
                self._finish(work)
        return True

    def _begin(self, asked: JudgeAll, shown: Key | None, on_page: Sequence[int]) -> None:
        source = self._albums.take(asked.source, "judge")
        assert source is not None
        table = self.fitting(source, asked.album)
        table.asked_whole = True
        pictures = unjudged(table, on_page if shown == (asked.source, asked.album) else ())
        self._next_figures = time.perf_counter() + FIGURES_SECONDS
        self._under_way = self.work(source, asked.album, table, pictures, asked)

    def _give_up(self) -> None:
        self._under_way = None
        self._loader.forget(for_page=False)

    def _take_so_far(self, work: Judging) -> None:
        """Let pages speak by what is predicted, once that is no less than before; say how far it is."""
        before = self._tables.get(work.key)
        if before is None or before is work.table or work.table.count >= before.count:
            self._tables[work.key] = work.table
            self._grown(work.key)
            if _is_time(self._next_figures):
                self._next_figures = time.perf_counter() + FIGURES_SECONDS
                self.say_judged(work.source, work.album, work.table, work.asked)
        if work.asked is not None and _is_time(self._next_progress):
            self._next_progress = time.perf_counter() + PROGRESS_SECONDS
            share = work.table.count / max(1, self._albums.total(work.album))
            self._say_progress(work.asked, min(0.999, share))  # 1 says that it is over

    def _finish(self, work: Judging) -> None:
        self._next_figures = float("inf")
        self._take_so_far(work)
        self.drop(lambda asked: asked is work.asked)
        if (table := self._tables.get(work.key)) is not None:
            self.say_judged(work.source, work.album, table, work.asked, is_reply=True)

    # ---- pieces -----------------------------------------------------------------------------

    def work(
        self, source: Source, album: str, table: Predictions, pictures: Sequence[int],
        asked: JudgeAll | None = None,
    ) -> Judging:  # fmt: skip
        """Return work that puts what a source says of some pictures into a table."""
        feed = self._albums.feed(source, album, pictures)
        work = Judging(source, album, feed, self._albums.truth(source.name, album), table, asked)
        self._top_up(work)
        return work

    def do_piece(self, work: Judging) -> bool:
        """Do one piece; a fault in it must not stop training. Whether more is to come."""
        try:
            more = work.do_piece()
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - predictions that fail end alone
            what = Notice(
                "these could not be predicted: {what}", {"what": f"{type(error).__name__}: {error}"}
            )
            request = work.asked.id if work.asked is not None else None
            self.drop(lambda asked: asked is work.asked)
            self._publish(Failed(what, request, traceback.format_exc()))
            return False
        self._top_up(work)
        return more

    def give(self, read: Sequence[Loaded], works: Sequence[Judging]) -> None:
        """Hand pictures that were read to those who wait for them; let the next be read."""
        for work in (*works, *([self._under_way] if self._under_way is not None else ())):
            if isinstance(work.feed, FileFeed):
                for loaded in read:
                    work.feed.give(loaded)
                self._top_up(work)

    def _top_up(self, work: Judging) -> None:
        if isinstance(work.feed, FileFeed):
            self._loader.add(work.feed.fill(), for_page=work.asked is None)

    # ---- saying -----------------------------------------------------------------------------

    def say_judged(
        self, source: Source, album: str, table: Predictions, asked: JudgeAll | None = None,
        is_reply: bool = False,
    ) -> None:  # fmt: skip
        """Say how predictions compare with the classes; where they do not, only as a reply."""
        truth = self._albums.truth(source.name, album)
        if is_reply or bool((table.judged & (truth >= 0)).any()):
            self._publish(judgement(
                source.name, album, table, truth, tuple(each.name for each in source.subjects),
                self._albums.label_names(source.name, album), self._albums.total(album),
                asked.id if asked is not None else None,
            ))  # fmt: skip

    def _say_progress(self, asked: JudgeAll, fraction: float) -> None:
        what = Notice("predicting {count:,} pictures", {"count": self._albums.total(asked.album)})
        self._publish(Progress(what, fraction, asked.id))


def _is_time(when: float) -> bool:
    return time.perf_counter() >= when
