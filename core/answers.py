"""What the engine is asked beside training: predictions, explanations, held-out figures, instruments.

Every piece of work is a generator that yields after about 50 ms; `do_piece` takes one step of the
most urgent one. Work is done on copies, so that no hook or mode touches a network in training.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch

from core import analyses, jobs, sources
from core.assessing import assessment
from core.browsing import Browsing
from core.checkpoint import Checkpoint
from core.evaluation import HeldOut
from core.explaining import explanation
from core.live_run import LiveRun
from core.map_cache import MapCache
from core.messages import (
    Analyse,
    Assess,
    BrowsePictures,
    Cancel,
    Event,
    Explain,
    Failed,
    JudgeAll,
    LibrariesLoaded,
    OpenAlbum,
    References,
)
from core.notices import Notice, SkipscopeError
from core.shock_watch import ShockWatch

PIECE_SECONDS = 0.05  # after which no further piece is begun between two steps
EVALUATION_SHARE = 0.03  # of the engine's time
MOST_REFERENCES = 4  # a ResNet-34 takes 85 MB
Question: TypeAlias = Explain | Analyse | Assess


class Answers:
    """The work beside training of one engine; its methods belong to the engine's thread."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._run: LiveRun | None = None
        self.shocks: ShockWatch | None = None
        self._snapshots: sources.LaneSnapshots | None = None
        self._references: dict[str, sources.Source] = {}
        self._browsing = Browsing(publish)
        self._explain: Explain | None = None  # asked, …
        self._explaining: Iterator[None] | None = None  # … and under way
        self._maps = MapCache()
        self._assessments: list[tuple[Assess, Iterator[None]]] = []  # the first is under way
        self._analyses: list[tuple[Analyse, Iterator[None]]] = []  # the first is under way
        self._judging: Iterator[None] | None = None
        self._evaluating: Iterator[None] | None = None
        self._evaluation_asked: int | None = None  # the request that the figures under way answer
        self._next_evaluation = 0.0
        self._evaluation_cost = 0.0
        self._captum = threading.Event()
        self._captum_started = False

    @property
    def are_due(self) -> bool:
        """Whether anything is left to be done."""
        under_way = (self._explain, self._judging, self._evaluating)
        waiting = self._analyses or self._assessments or (self.shocks is not None and self.shocks.is_waiting)
        return bool(waiting) or any(work is not None for work in under_way) or self._browsing.is_due

    @property
    def evaluation_is_due(self) -> bool:
        """Whether held-out figures may be taken again without costing more than their share."""
        return self._evaluating is None and time.perf_counter() >= self._next_evaluation

    def start_run(self, run: LiveRun) -> None:
        """Speak of another run from now on."""
        self.forget()
        self._maps.clear()  # a held-out picture of this number is another one from here on
        self._run = run
        self.shocks = ShockWatch(run, self._publish)
        self._snapshots = sources.LaneSnapshots(run)
        self.drop_past()
        self._browsing.start_run(run, self._snapshots)
        self._next_evaluation = time.perf_counter() + 3

    def forget(self) -> None:
        """Give up all work under way."""
        self._explain = self._explaining = self._evaluating = self._judging = None
        self._browsing.forget()
        self._analyses.clear()
        self._assessments.clear()

    def waiting(self) -> tuple[int, ...]:
        """Return the ids of the questions that are not answered yet: each must hear of its end."""
        explaining = () if self._explain is None else (self._explain.id,)
        assessing = (asked.id for asked, _ in self._assessments)
        return (*explaining, *assessing, *(asked.id for asked, _ in self._analyses))

    # ---- questions --------------------------------------------------------------------------

    def explain(self, request: Explain) -> None:
        """Explain one picture; supersedes the explanation under way."""
        self._explain, self._explaining = request, None

    def analyse(self, request: Analyse) -> None:
        """Copy what is to be looked at now; it is looked at after what was asked before."""
        run = self._needed()
        source = None if request.source == sources.LANES else self._references.get(request.source)
        if source is None and request.source != sources.LANES:
            raise SkipscopeError("there is no {name} to look at", name=request.source)
        if request.automatic and any(asked.instrument == request.instrument for asked, _ in self._analyses):
            return  # it is being looked at
        self._analyses = [
            row for row in self._analyses
            if (row[0].instrument, row[0].lane) != (request.instrument, request.lane)
        ]  # fmt: skip
        looked_at = analyses.patients(run, source, request)
        step = run.step if source is None else source.step
        self._analyses.append((request, analyses.analysis(run, looked_at, step, request, self._publish)))

    def cancel(self, request: Cancel) -> None:
        """Give up an explanation, an analysis, predictions of an album, or looking for pictures."""
        self._browsing.cancel(request.request)
        if self._explain is not None and self._explain.id == request.request:
            self._explain = self._explaining = None
        self._analyses = [row for row in self._analyses if row[0].id != request.request]
        self._assessments = [row for row in self._assessments if row[0].id != request.request]

    def assess(self, request: Assess) -> None:
        """Check how far one map can be trusted, after what was asked before."""
        source = self._asked_source(request.source)
        if not 0 <= request.network < len(source.subjects):
            raise SkipscopeError("there is no network {number} to ask", number=request.network + 1)
        self._assessments.append((request, assessment(self._run, source, request, self._publish)))

    def _asked_source(self, name: str) -> sources.Source:
        """A reference, or a copy of the lanes that is the asker's own."""
        if name in self._references:
            return self._references[name]
        if name != sources.LANES:
            raise SkipscopeError("there is no {name} to ask", name=name)
        return sources.LaneSnapshots(self._needed()).take("assess")

    def evaluate(self, request: int | None) -> None:
        """Take held-out figures of all lanes as they are now."""
        run = self._needed()
        assert self._snapshots is not None
        self._evaluation_cost = 0.0
        if request is None and self._evaluating is not None:
            request = self._evaluation_asked  # newer figures answer what asked for older ones
        self._evaluation_asked = request
        taken = self._snapshots.take("evaluate")

        def keep(results: list[HeldOut]) -> None:
            self._browsing.keep_predictions(taken, [result.logits for result in results])

        self._evaluating = jobs.evaluation(run, taken, self._publish, keep, request)

    def browse(self, command: BrowsePictures) -> None:
        """Publish a page of pictures; a reference's predictions follow when they are there."""
        self._browsing.browse(command)

    def judge_all(self, command: JudgeAll) -> None:
        """Let a source predict every picture of an album."""
        self._browsing.judge_all(command)

    def open_album(self, command: OpenAlbum) -> None:
        """Look for the pictures of files and folders."""
        self._browsing.open_album(command)

    def refer(self, opened: Checkpoint, device: torch.device) -> None:
        """Keep an opened checkpoint's network beside the run."""
        self.keep(sources.reference(opened, device, self._references))

    def keep(self, source: sources.Source) -> None:
        """Keep networks beside the run, to be asked by name: the newest few, and of past steps only one."""
        if source.step is not None:
            self.drop_past()
        self._references.pop(source.name, None)  # so that it comes last
        self._references[source.name] = source
        self._browsing.keep_source(source)
        lasting = [name for name, kept in self._references.items() if kept.step is None]
        dropped = lasting[:-MOST_REFERENCES]
        for name in dropped:
            del self._references[name]
            self._browsing.forget_source(name)
        notice = Notice(
            "{names} is no longer kept: at most {most} are, beside the lanes",
            {"names": ", ".join(dropped), "most": MOST_REFERENCES},
        )
        self._tell_references(source.name, notice if dropped else None)

    def _tell_references(self, selected: str, notice: Notice | None = None) -> None:
        lines = (None, *(sources.about(source) for source in self._references.values()))
        self._publish(References((sources.LANES, *self._references), selected, lines, notice))

    def drop_past(self) -> None:
        """Let go of what was looked back at."""
        past = [name for name, source in self._references.items() if source.step is not None]
        for name in past:
            del self._references[name]
            self._browsing.forget_source(name)
        if past:
            self._tell_references(sources.LANES)

    # ---- work -------------------------------------------------------------------------------

    def do_piece(self, training: bool) -> None:
        """Do a little of the most urgent work; `training`: something else may be done meanwhile.

        What somebody waits for takes pieces until PIECE_SECONDS are over: a map of a small picture comes at
        once, and an instrument within seconds.
        """
        began = time.perf_counter()
        self._do_one(training)
        while self._is_asked and time.perf_counter() - began < PIECE_SECONDS:
            self._do_one(training)
        if self._explaining is not None and self._browsing.is_urgent:
            self._browsing.serve()  # a map may take minutes; the gallery does not wait for its end

    @property
    def _is_asked(self) -> bool:
        """Whether somebody waits; held-out figures can."""
        assessing = self._assessments and self._captum.is_set()
        return bool(self._explaining or assessing or self._analyses or self._judging)

    def _do_one(self, training: bool) -> None:
        if self._explain is not None and self._explaining is None:
            self._begin_explanation(training)
        if self._explaining is not None:
            self._explain_on()
        elif self._browsing.is_urgent:
            self._browsing.serve()
        elif self._judging is not None or (self.shocks is not None and self.shocks.is_waiting):
            assert self.shocks is not None
            self._judging = self._judging or self.shocks.judge()
            if not self._go_on(self._judging, None, "a shock reading failed: {what}"):
                self._judging = None
        elif self._assessments and self._has_captum(training):
            self._assess_on()
        elif self._analyses:
            self._analyse_on()
        elif self._evaluating is not None:
            began = time.perf_counter()
            ended = next(self._evaluating, self) is self
            self._evaluation_cost += time.perf_counter() - began
            if ended:
                self._evaluating = None
                self._next_evaluation = time.perf_counter() + self._evaluation_cost / EVALUATION_SHARE
        elif self._browsing.is_due:
            self._browsing.judge(wait=not training)

    def _explain_on(self) -> None:
        assert self._explain is not None
        assert self._explaining is not None
        asked = self._explain
        if not self._go_on(self._explaining, asked, "this could not be explained: {what}"):
            self._explain = self._explaining = None

    def _analyse_on(self) -> None:
        asked, work = self._analyses[0]
        if not self._go_on(work, asked, "this could not be measured: {what}"):
            self._analyses = [row for row in self._analyses if row[0] is not asked]

    def _assess_on(self) -> None:
        asked, work = self._assessments[0]
        if not self._go_on(work, asked, "this could not be checked: {what}"):
            self._assessments = [row for row in self._assessments if row[0] is not asked]

    def _go_on(self, work: Iterator[None], asked: Question | None, words: str) -> bool:
        """Do one piece; a fault in it must not stop training. Whether more is to come."""
        request = None if asked is None else asked.id
        try:
            return next(work, self) is not self
        except SkipscopeError as error:
            self._publish(Failed(error.notice, request))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a map or a reading that fails ends alone
            what = Notice(words, {"what": f"{type(error).__name__}: {error}"})
            self._publish(Failed(what, request, traceback.format_exc()))
        return False

    def _begin_explanation(self, training: bool) -> None:
        asked = self._explain
        assert asked is not None
        if not self._has_captum(training):
            return
        if asked.source in self._references:
            source = self._references[asked.source]
        elif asked.source == sources.LANES and self._snapshots is not None:
            if training and not self._needed().between_steps:
                return  # or one lane would be a step ahead of what the answer says
            source = self._snapshots.take("explain")
        else:
            self._explain = None
            self._publish(Failed(Notice("there is no {name} to ask", {"name": asked.source}), asked.id))
            return
        self._explaining = explanation(self._run, source, asked, self._publish, self._maps)

    def _has_captum(self, training: bool) -> bool:
        """Whether captum is imported; training goes on until it is, nothing else does."""
        if not self._captum.is_set():
            self.import_captum()
            if training:
                return False
            self._captum.wait()
        return True

    def import_captum(self) -> None:
        """Import captum (a second, with matplotlib) beside training, not within it."""
        if self._captum_started:
            return
        self._captum_started = True

        def load() -> None:
            try:
                import captum.attr
                import torchvision

                self._publish(LibrariesLoaded((captum.attr.__name__, torchvision.__name__)))
            finally:
                self._captum.set()

        threading.Thread(target=load, name="imports", daemon=True).start()

    def _needed(self) -> LiveRun:
        if self._run is None:
            raise SkipscopeError("no run is loaded yet")
        return self._run
