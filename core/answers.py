"""What the engine is asked beside training: predictions, explanations, held-out figures, instruments.

Every piece of work is a generator that yields after about 50 ms; `do_piece` takes one step of the
most urgent one. Work is done on copies, so that no hook or mode touches a network in training.
"""

import threading
import time
import traceback
from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from core import analyses, jobs, sources
from core.evaluation import HeldOut
from core.live_run import LiveRun
from core.messages import (
    Analyse,
    BrowsePictures,
    Cancel,
    Event,
    Explain,
    Failed,
    LibrariesLoaded,
    References,
)
from core.notices import Notice, SkipscopeError
from core.shock_watch import ShockWatch

PIECE_SECONDS = 0.05  # after which no further piece is begun between two steps
EVALUATION_SHARE = 0.03  # of the engine's time
Question: TypeAlias = Explain | Analyse


class Answers:
    """The work beside training of one engine; its methods belong to the engine's thread."""

    def __init__(self, publish: Callable[[Event], None]) -> None:
        self._publish = publish
        self._run: LiveRun | None = None
        self.shocks: ShockWatch | None = None
        self._snapshots: sources.LaneSnapshots | None = None
        self._references: dict[str, sources.Source] = {}
        self._predictions: dict[str, tuple[int | None, list[NDArray[np.float32]]]] = {}
        self._explain: Explain | None = None  # asked, …
        self._explaining: Iterator[None] | None = None  # … and under way
        self._analyses: list[tuple[Analyse, Iterator[None]]] = []  # the first is under way
        self._predicting: Iterator[None] | None = None
        self._judging: Iterator[None] | None = None
        self._evaluating: Iterator[None] | None = None
        self._waiting_pages: list[BrowsePictures] = []
        self._next_evaluation = 0.0
        self._evaluation_cost = 0.0
        self._captum = threading.Event()
        self._captum_started = False

    @property
    def are_due(self) -> bool:
        """Whether anything is left to be done."""
        under_way = (self._explain, self._predicting, self._judging, self._evaluating)
        waiting = self._analyses or (self.shocks is not None and self.shocks.is_waiting)
        return bool(waiting) or any(work is not None for work in under_way)

    @property
    def evaluation_is_due(self) -> bool:
        """Whether held-out figures may be taken again without costing more than their share."""
        return not self.is_evaluating and time.perf_counter() >= self._next_evaluation

    @property
    def is_evaluating(self) -> bool:
        """Whether held-out figures are being taken."""
        return self._evaluating is not None

    def start_run(self, run: LiveRun) -> None:
        """Speak of another run from now on."""
        self.forget()
        self._run = run
        self.shocks = ShockWatch(run, self._publish)
        self._snapshots = sources.LaneSnapshots(run)
        self.drop_past()
        self._predictions.clear()
        self._waiting_pages.clear()
        self._next_evaluation = time.perf_counter() + 3

    def forget(self) -> None:
        """Give up all work under way."""
        self._explain = self._explaining = self._evaluating = self._predicting = self._judging = None
        self._analyses.clear()

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
        """Give up an explanation or an analysis."""
        if self._explain is not None and self._explain.id == request.request:
            self._explain = self._explaining = None
        self._analyses = [row for row in self._analyses if row[0].id != request.request]

    def evaluate(self, request: int | None) -> None:
        """Take held-out figures of all lanes as they are now."""
        run = self._needed()
        assert self._snapshots is not None
        self._evaluation_cost = 0.0
        step = run.step

        def keep(results: list[HeldOut]) -> None:
            self._predictions[sources.LANES] = (step, [result.logits for result in results])

        taken = self._snapshots.take("evaluate")
        self._evaluating = jobs.evaluation(run, taken, self._publish, keep, request)

    def browse(self, command: BrowsePictures) -> None:
        """Publish a page of pictures; a reference's predictions follow when they are there."""
        run = self._needed()
        unknown = command.source not in self._predictions and command.source in self._references
        if unknown and self._predicting is None:
            source = self._references[command.source]
            if all(jobs.same_classes(subject, run) for subject in source.subjects):
                self._predicting = jobs.predictions(
                    run, source, lambda rows: self._keep_predictions(source, rows)
                )
        if unknown and self._predicting is not None:
            self._waiting_pages = [command]
        self._publish(jobs.page(run, command, self._predictions))

    def keep(self, source: sources.Source) -> None:
        """Keep networks beside the run, to be asked by name; of past steps only the newest."""
        if source.step is not None:
            self.drop_past()
        self._references[source.name] = source
        self._predictions.pop(source.name, None)
        self._publish(References((sources.LANES, *self._references), source.name))

    def drop_past(self) -> None:
        """Let go of what was looked back at."""
        past = [name for name, source in self._references.items() if source.step is not None]
        for name in past:
            del self._references[name]
            self._predictions.pop(name, None)
        if past:
            self._publish(References((sources.LANES, *self._references), sources.LANES))

    # ---- work -------------------------------------------------------------------------------

    def do_piece(self, training: bool) -> None:
        """Do a little of the most urgent work; `training`: something else may be done meanwhile.

        What was asked of an instrument takes pieces until PIECE_SECONDS are over, or it would take minutes.
        """
        began = time.perf_counter()
        self._do_one(training)
        while (self._analyses or self._judging) and time.perf_counter() - began < PIECE_SECONDS:
            self._do_one(training)

    def _do_one(self, training: bool) -> None:
        if self._explain is not None and self._explaining is None:
            self._begin_explanation(training)
        if self._explaining is not None:
            self._explain_on()
        elif self._predicting is not None:
            if next(self._predicting, self) is self:
                self._predicting = None
                waiting, self._waiting_pages = self._waiting_pages, []
                for browse in waiting:
                    self.browse(browse)
        elif self._judging is not None or (self.shocks is not None and self.shocks.is_waiting):
            assert self.shocks is not None
            self._judging = self._judging or self.shocks.judge()
            if next(self._judging, self) is self:
                self._judging = None
        elif self._analyses:
            self._analyse_on()
        elif self._evaluating is not None:
            began = time.perf_counter()
            ended = next(self._evaluating, self) is self
            self._evaluation_cost += time.perf_counter() - began
            if ended:
                self._evaluating = None
                self._next_evaluation = time.perf_counter() + self._evaluation_cost / EVALUATION_SHARE

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

    def _go_on(self, work: Iterator[None], asked: Question, words: str) -> bool:
        """Do one piece; a fault in it must not stop training. Whether more is to come."""
        try:
            return next(work, self) is not self
        except SkipscopeError as error:
            self._publish(Failed(error.notice, asked.id))
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - a map or a reading that fails ends alone
            what = Notice(words, {"what": f"{type(error).__name__}: {error}"})
            self._publish(Failed(what, asked.id, traceback.format_exc()))
        return False

    def _begin_explanation(self, training: bool) -> None:
        asked = self._explain
        assert asked is not None
        if not self._captum.is_set():
            self.import_captum()
            if training:
                return  # training goes on until the import is through
            self._captum.wait()
        if asked.source in self._references:
            source = self._references[asked.source]
        elif self._snapshots is not None:
            source = self._snapshots.take("explain")
        else:
            self._explain = None
            return
        self._explaining = jobs.explanation(self._run, source, asked, self._publish)

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

    def _keep_predictions(self, source: sources.Source, rows: list[NDArray[np.float32]]) -> None:
        self._predictions[source.name] = (source.step, rows)

    def _needed(self) -> LiveRun:
        if self._run is None:
            raise SkipscopeError("no run is loaded yet")
        return self._run
