"""Owns every tensor and one thread: takes commands, ticks, publishes.

`tick` does everything and can be called without a thread. Commands that change training are handled
between steps; questions (explain, browse) between the lanes' steps, so that they wait for at most
one lane. The newest of several like questions is the one that is answered.
"""

import queue
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from core import checkpoint, device, imagenet, jobs, sources
from core.datasets import load_dataset, local_datasets
from core.evaluation import HeldOut
from core.files import write_atomically
from core.live_run import LiveRun
from core.messages import (
    Analyse,
    Branch,
    BrowsePictures,
    Cancel,
    CheckpointOpened,
    Command,
    Download,
    Downloaded,
    EngineReady,
    EngineState,
    Evaluate,
    Event,
    Explain,
    Failed,
    LibrariesLoaded,
    LookBack,
    OpenCheckpoint,
    Pause,
    Play,
    Progress,
    References,
    Reset,
    Resume,
    RunStarted,
    SaveCheckpoint,
    Saved,
    SetLearningRate,
    SetStrengths,
    Setup,
    Shutdown,
    StateChanged,
    StepOnce,
)
from core.notices import Notice, SkipscopeError
from core.records import RecordError, RunRecord, RunState
from core.settings import SETTING, RunSettings, lane
from core.versions import versions

SLICE_SECONDS = 0.05
CHECKPOINT_SECONDS = 30.0
EVALUATION_SHARE = 0.03  # of the engine's time; each toggle brings one more
CAPTUM_AFTER_STEPS = 3
QUESTIONS = (Explain, BrowsePictures, Cancel)


class Engine:
    """Trains, answers and records; every method but `submit` belongs to one thread."""

    def __init__(
        self, publish: Callable[[Event], None], *, commands: "queue.SimpleQueue[Command] | None" = None,
        evaluate: bool = True, record: bool = True,
    ) -> None:  # fmt: skip
        self._publish = publish
        self._queue: queue.SimpleQueue[Command] = commands if commands is not None else queue.SimpleQueue()
        self._evaluates = evaluate
        self._records = record
        self._directory: Path | None = None
        self._inbox: list[Command] = []
        self._run: LiveRun | None = None
        self._setup: Setup | None = None
        self.state = EngineState.LOADING
        self._snapshots: sources.LaneSnapshots | None = None
        self._references: dict[str, sources.Source] = {}
        self._predictions: dict[str, tuple[int | None, list[NDArray[np.float32]]]] = {}
        self._asked: Explain | None = None  # the explanation under way …
        self._explaining: Iterator[None] | None = None  # … and its pieces
        self._evaluating: Iterator[None] | None = None
        self._predicting: Iterator[None] | None = None
        self._waiting_pages: list[BrowsePictures] = []
        self._next_evaluation = 0.0
        self._evaluation_cost = 0.0
        self._next_slice = 0.0
        self._next_checkpoint = 0.0
        self._captum = threading.Event()
        self._captum_started = False

    # ---- from any thread --------------------------------------------------------------------

    def submit(self, command: Command) -> None:
        """Hand in a command; it is taken at the next tick."""
        self._queue.put(command)

    # ---- the engine's thread ----------------------------------------------------------------

    @property
    def run(self) -> LiveRun | None:
        """The run in progress, for headless use on the engine's own thread."""
        return self._run

    def open(self, threads: int = 0) -> None:
        """Set the thread count (which belongs to the calling thread) and say what was found."""
        torch.set_num_threads(device.threads(threads))
        chosen, reason = device.choose()
        self._publish(EngineReady(
            chosen.type, reason, torch.get_num_threads(), versions(), device.available(), local_datasets(),
        ))  # fmt: skip

    def loop(self) -> None:
        """Run until Shutdown: the body of the engine's thread."""
        self.open()
        while self.state is not EngineState.STOPPED:
            try:
                self.tick()
            except Exception as error:  # noqa: BLE001 - a fault ends the run's training, not the program
                self._on_fault(error)

    def tick(self, wait: float | None = None) -> None:
        """Take commands, train one lane one step, do a piece of other work, publish."""
        self._take_commands(None if wait is None else wait)
        if self.state is EngineState.STOPPED:
            return
        if self.state is EngineState.RUNNING:
            self._train()
        self._do_piece()

    def close(self, state: RunState | None = None) -> None:
        """Save the last checkpoint and the record; the run can be gone on with later."""
        self._end_run(state)
        self._set_state(EngineState.STOPPED)

    # ---- commands ---------------------------------------------------------------------------

    def _take_commands(self, wait: float | None) -> None:
        if self._is_idle() and not self._inbox:
            try:
                self._inbox.append(self._queue.get(timeout=wait))
            except queue.Empty:
                return
        self._drain()
        between = self._run is None or self._run.between_steps
        kept: list[Command] = []
        try:
            while self._inbox:
                command = self._inbox.pop(0)  # before it is handled: one that faults is not tried again
                if self._is_superseded(command, self._inbox):
                    continue
                if between or isinstance(command, QUESTIONS):
                    self._handle_safely(command)
                else:
                    kept.append(command)
        finally:
            self._inbox[:0] = kept

    def _drain(self) -> None:
        while True:
            try:
                self._inbox.append(self._queue.get_nowait())
            except queue.Empty:
                return

    def _is_idle(self) -> bool:
        working = (self._explaining, self._evaluating, self._predicting)
        return self.state is not EngineState.RUNNING and all(job is None for job in working)

    @staticmethod
    def _is_superseded(command: Command, later: list[Command]) -> bool:
        if isinstance(command, Explain):
            return any(isinstance(other, Explain) for other in later)
        return False

    def _handle_safely(self, command: Command) -> None:
        try:
            self._handle(command)
        except SkipscopeError as error:
            self._publish(Failed(error.notice, command.id))
            if self._run is None:
                self._set_state(EngineState.PAUSED)

    def _handle(self, command: Command) -> None:  # noqa: C901 - one line a command
        match command:
            case Setup():
                self._set_up(command)
            case Play():
                self._play()
            case Pause():
                self._pause()
            case StepOnce():
                self._step_once()
            case Reset():
                if self._setup is not None:
                    self._set_up(replace(self._setup, play=command.play, id=command.id))
            case SetStrengths():
                self._set_strengths(command)
            case SetLearningRate():
                self._set_learning_rate(command)
            case OpenCheckpoint():
                self._open_checkpoint(command)
            case SaveCheckpoint():
                self._save_checkpoint(command)
            case BrowsePictures():
                self._browse(command)
            case Explain():
                self._asked, self._explaining = command, None
            case Evaluate():
                self._begin_evaluation(command.id)
            case Download():
                self._download(command)
            case Cancel():
                self._cancel(command)
            case Shutdown():
                self.close()
            case Analyse() | Resume() | Branch() | LookBack():
                raise SkipscopeError("not there yet")
            case _:
                assert_never(command)

    def _set_up(self, command: Setup) -> None:
        before = self.state
        self._set_state(EngineState.LOADING)
        try:
            run = self._new_run(command)
            record = self._new_record(run, command.lesson) if self._records else None
        except SkipscopeError:
            if self._run is not None:
                torch.set_num_threads(self._run.settings.threads)
                self._run.resume_clock()
            self._set_state(before if self._run is not None else EngineState.PAUSED)
            raise
        self._end_run()
        if self._run is not None:
            self._run.release()
        run.record = record
        if record is not None:
            record.set_state("running")
        run.save("start")
        self._next_checkpoint = time.perf_counter() + CHECKPOINT_SECONDS
        self._run = run
        self._setup = replace(command, settings=run.settings)
        self._snapshots = sources.LaneSnapshots(run)
        self._predictions.clear()
        self._asked = None
        self._explaining = self._evaluating = self._predicting = None
        self._waiting_pages.clear()
        self._publish(RunStarted(
            settings=run.settings, lanes=run.infos(), class_names=run.dataset.class_names, steps=run.planned,
            steps_per_epoch=run.batches.steps_per_epoch, held_out=len(run.batches.held_out),
            evaluated=jobs.evaluated_count(run), directory=run.record.directory if run.record else None,
            lesson=command.lesson, notice=run.dataset.notice,
        ))  # fmt: skip
        self._next_evaluation = time.perf_counter() + 3
        if command.play:
            self._play()
        else:
            self._set_state(EngineState.PAUSED)

    def _new_run(self, command: Setup) -> LiveRun:
        settings = command.settings
        chosen, _ = device.choose(settings.device)
        settings = replace(settings, threads=device.threads(settings.threads))
        torch.set_num_threads(settings.threads)
        old = self._run
        same = old is not None and (old.settings.dataset, old.settings.seed) == (
            settings.dataset,
            settings.seed,
        )
        if same and old is not None and settings.image_size == old.settings.image_size:
            dataset = old.dataset
        else:
            dataset = load_dataset(
                settings.dataset, image_size=settings.image_size, seed=settings.seed,
                progress=lambda what, share: self._publish(Progress(what, share, command.id)),
                cancelled=lambda: self._is_cancelled(command.id),
            )  # fmt: skip
        return LiveRun(_for_classes(settings, len(dataset.class_names)), dataset, chosen)

    def _new_record(self, run: LiveRun, lesson: str | None) -> RunRecord | None:
        directory = self._directory
        if directory is not None and self._run is not None:  # the first run has taken the name
            others = (directory.with_name(f"{directory.name}-{number}") for number in count(2))
            directory = next(other for other in others if not other.exists())
        try:
            return RunRecord.create(
                directory, run.settings, lesson=lesson,
                extra={"class_names": list(run.dataset.class_names), "versions": dict(versions())},
                on_error=lambda notice: self._publish(Failed(notice)),
            )  # fmt: skip
        except RecordError as error:
            if directory is not None:  # asked for by name, so it matters
                raise
            self._publish(Failed(Notice("this run is not recorded: {reason}", {"reason": error.notice})))
            return None

    def record_to(self, directory: Path | None) -> None:
        """Name the folder of the first run (None: a new one in the user's data folder)."""
        self._directory = directory

    def _end_run(self, state: RunState | None = None) -> None:
        run = self._run
        if run is None:
            return
        self._flush()
        if run.record is None:
            return
        run.save("last")
        if state is None:
            state = "finished" if run.is_finished else "stopped"
            if not run.has_living_lane:
                state = "diverged"
        run.record.set_state(state)
        run.record.close(4.0)
        run.record = None

    def _play(self) -> None:
        run = self._needed()
        if not run.has_living_lane:
            raise SkipscopeError("every lane has diverged; Reset begins again")
        if run.is_finished:
            run.planned += run.length
        run.resume_clock()
        self._set_state(EngineState.RUNNING)

    def _pause(self) -> None:
        self._flush()
        if self.state is EngineState.RUNNING:
            self._set_state(EngineState.PAUSED)

    def _step_once(self) -> None:
        run = self._needed()
        if not run.has_living_lane:
            raise SkipscopeError("every lane has diverged; Reset begins again")
        run.resume_clock()
        run.train_lane()
        while not run.between_steps:
            run.train_lane()
        self._flush()
        self._set_state(EngineState.PAUSED)

    def _set_strengths(self, command: SetStrengths) -> None:
        run = self._needed()
        self._check_lane(command.lane)
        self._flush()
        run.save("toggle")
        run.set_strengths(command.lane, command.shortcuts, command.branches)
        run.applied(command.id)
        if run.record is not None:
            run.record.append_command(run.step + 1, {
                "do": "strengths", "lane": command.lane, "shortcuts": command.shortcuts,
                "branches": command.branches,
            })  # fmt: skip
        if self._evaluates:
            self._begin_evaluation(None)

    def _check_lane(self, number: int) -> None:
        if not 0 <= number < len(self._needed().lanes):
            raise SkipscopeError("there is no lane {number}", number=number + 1)

    def _set_learning_rate(self, command: SetLearningRate) -> None:
        run = self._needed()
        SETTING["learning_rate"].check(command.learning_rate)
        self._flush()
        for number, each in enumerate(run.lanes):
            if command.lane in (None, number):
                each.learning_rate = command.learning_rate
        run.applied(command.id)
        if run.record is not None:
            row = {"do": "learning_rate", "lane": command.lane, "value": command.learning_rate}
            run.record.append_command(run.step + 1, row)

    def _open_checkpoint(self, command: OpenCheckpoint) -> None:
        if command.path == "pretrained":
            self._keep(sources.pretrained(self._device()))
            return
        opened = sources.open_checkpoint(command.path)
        if command.use == "look":
            classes = len(self._run.dataset.class_names) if self._run else -1
            self._publish(CheckpointOpened(
                command.id, command.path, opened.title, opened.settings, opened.transform.words(),
                opened.settings.classes == classes, opened.report,
            ))  # fmt: skip
        elif command.use == "reference":
            self._keep(sources.reference(replace(opened, path=command.path), self._device()))
        else:
            settings = self._with_checkpoint(opened, command.use)
            self._set_up(Setup(settings, play=self.state is EngineState.RUNNING, id=command.id))

    def _with_checkpoint(self, opened: checkpoint.Checkpoint, use: str) -> RunSettings:
        base = self._needed().settings
        rate = base.lanes[0].learning_rate
        first = lane("A", opened.settings, opened.shortcuts, rate, opened.path)
        first = replace(first, branches=opened.branches)
        if use == "lane":
            return replace(base, lanes=(first,))
        whole = lane("A", opened.settings, 1.0, rate, opened.path)
        return replace(base, lanes=(whole, lane("B", opened.settings, 0.0, rate, opened.path)))

    def _save_checkpoint(self, command: SaveCheckpoint) -> None:
        run = self._needed()
        self._check_lane(command.lane)
        try:
            write_atomically(command.path, run.checkpoint_bytes(run.lanes[command.lane]))
        except OSError as error:
            raise SkipscopeError(
                "{path} cannot be written: {reason}", path=str(command.path), reason=error.strerror
            ) from None
        self._publish(Saved(command.path, command.id))

    def _browse(self, command: BrowsePictures) -> None:
        run = self._needed()
        unknown = command.source not in self._predictions and command.source in self._references
        if unknown and self._predicting is None:
            source = self._references[command.source]
            if all(jobs.same_classes(subject, run) for subject in source.subjects):
                self._predicting = jobs.predictions(
                    run, source, lambda rows: self._keep_predictions(source.name, rows)
                )
        if unknown and self._predicting is not None:
            self._waiting_pages = [command]
        self._publish(jobs.page(run, command, self._predictions))

    def _keep_predictions(self, name: str, rows: list[NDArray[np.float32]]) -> None:
        self._predictions[name] = (None, rows)

    def _download(self, command: Download) -> None:
        before = self.state
        self._set_state(EngineState.LOADING)
        what = Notice("Downloading {name}", {"name": command.what})
        try:
            if command.what == "imagenet":
                imagenet.imagenet(
                    lambda share: self._publish(Progress(what, share, command.id)), download=True,
                    cancelled=lambda: self._is_cancelled(command.id),
                )  # fmt: skip
                self._keep(sources.reference(replace(imagenet.imagenet(), path="imagenet"), self._device()))
            else:
                load_dataset(
                    command.what, image_size=32, seed=0, download=True,
                    progress=lambda notice, share: self._publish(Progress(notice, share, command.id)),
                    cancelled=lambda: self._is_cancelled(command.id),
                )  # fmt: skip
                self._publish(Downloaded(command.what, local_datasets(), command.id))
        finally:
            if self._run is not None:
                self._run.resume_clock()
            self._set_state(before)

    def _is_cancelled(self, request: int) -> bool:
        self._drain()
        return any(
            isinstance(command, Shutdown) or (isinstance(command, Cancel) and command.request == request)
            for command in self._inbox
        )

    def _cancel(self, command: Cancel) -> None:
        if self._asked is not None and self._asked.id == command.request:
            self._asked = self._explaining = None

    # ---- work -------------------------------------------------------------------------------

    def _train(self) -> None:
        run = self._needed()
        run.train_lane()
        if not run.between_steps:
            return
        now = time.perf_counter()
        ended = run.is_finished or not run.has_living_lane
        if now >= self._next_slice or run.must_flush or ended:
            self._flush()
            self._next_slice = now + SLICE_SECONDS
        if now >= self._next_checkpoint:
            run.save("regular")
            self._next_checkpoint = now + CHECKPOINT_SECONDS
        if self._evaluates and self._evaluating is None and (now >= self._next_evaluation or ended):
            self._begin_evaluation(None)
        if not self._captum_started and self._evaluates and run.step >= CAPTUM_AFTER_STEPS:
            self._import_captum()
        if not run.has_living_lane:
            self._set_state(EngineState.PAUSED, Notice("every lane has diverged"))
        elif run.is_finished:
            run.save("last")
            self._set_state(EngineState.FINISHED)

    def _do_piece(self) -> None:
        """One piece of the most urgent other work."""
        if self._asked is not None and self._explaining is None:
            self._begin_explanation()
        if self._explaining is not None:
            asked = self._asked
            try:
                if next(self._explaining, self) is self:
                    self._asked = self._explaining = None
            except SkipscopeError as error:
                self._asked = self._explaining = None
                self._publish(Failed(error.notice, asked.id if asked else None))
            except Exception as error:  # noqa: BLE001 - a map that fails must not stop training
                self._asked = self._explaining = None
                what = Notice(
                    "this could not be explained: {what}", {"what": f"{type(error).__name__}: {error}"}
                )
                self._publish(Failed(what, asked.id if asked else None, traceback.format_exc()))
        elif self._predicting is not None:
            if next(self._predicting, self) is self:
                self._predicting = None
                waiting, self._waiting_pages = self._waiting_pages, []
                for browse in waiting:
                    self._browse(browse)
        elif self._evaluating is not None:
            began = time.perf_counter()
            ended = next(self._evaluating, self) is self
            self._evaluation_cost += time.perf_counter() - began
            if ended:
                self._evaluating = None
                self._next_evaluation = time.perf_counter() + self._evaluation_cost / EVALUATION_SHARE

    def _begin_evaluation(self, request: int | None) -> None:
        run = self._needed()
        assert self._snapshots is not None
        self._evaluation_cost = 0.0

        def keep(results: list[HeldOut]) -> None:
            self._predictions[sources.LANES] = (step, [result.logits for result in results])

        step = run.step
        self._evaluating = jobs.evaluation(
            run, self._snapshots.take("evaluate"), self._publish, keep, request
        )

    def _begin_explanation(self) -> None:
        asked = self._asked
        assert asked is not None
        if not self._captum.is_set():
            if not self._captum_started:
                self._import_captum()
            if self.state is EngineState.RUNNING:
                return  # training goes on until the import is through
            self._captum.wait()
        if asked.source in self._references:
            source = self._references[asked.source]
        elif self._snapshots is not None:
            source = self._snapshots.take("explain")
        else:
            self._asked = None
            return
        self._explaining = jobs.explanation(self._run, source, asked, self._publish)

    def _import_captum(self) -> None:
        """Import captum (a second, with matplotlib) beside training, not within it."""
        self._captum_started = True

        def load() -> None:
            try:
                import captum.attr
                import torchvision

                self._publish(LibrariesLoaded((captum.attr.__name__, torchvision.__name__)))
            finally:
                self._captum.set()

        threading.Thread(target=load, name="imports", daemon=True).start()

    # ---- small things -----------------------------------------------------------------------

    def _keep(self, source: sources.Source) -> None:
        self._references[source.name] = source
        self._predictions.pop(source.name, None)
        self._publish(References((sources.LANES, *self._references), source.name))

    def _flush(self) -> None:
        if self._run is not None and (made := self._run.take_slice()) is not None:
            self._publish(made)

    def _needed(self) -> LiveRun:
        if self._run is None:
            raise SkipscopeError("no run is loaded yet")
        return self._run

    def _device(self) -> torch.device:
        return self._run.device if self._run is not None else device.choose()[0]

    def _set_state(self, state: EngineState, notice: Notice | None = None) -> None:
        self.state = state
        self._publish(StateChanged(state, notice))

    def _on_fault(self, error: Exception) -> None:
        self._asked = self._explaining = self._evaluating = self._predicting = None
        if self._run is not None:
            self._run.abandon_step()
        text = "".join(traceback.format_exception(error))
        if isinstance(error, torch.OutOfMemoryError):
            notice = Notice("the device is out of memory; take a smaller batch or width and Apply")
        else:
            notice = Notice(
                "training stopped by a fault: {what}", {"what": f"{type(error).__name__}: {error}"}
            )
        self._publish(Failed(notice, None, text))
        self._set_state(EngineState.PAUSED)


def _for_classes(settings: RunSettings, classes: int) -> RunSettings:
    """Let networks that are drawn from the seed have as many classes as the data set."""
    lanes = tuple(
        each if each.checkpoint else replace(each, network=replace(each.network, classes=classes))
        for each in settings.lanes
    )
    return replace(settings, lanes=lanes)
