"""Owns every tensor and one thread: takes commands, ticks, publishes.

`tick` does everything and can be called without a thread. Commands that change training are handled
between steps; questions (explain, browse) between the lanes' steps, so that they wait for at most
one lane, or after a command for the step that has it. The newest of several like questions is the
one that is answered.
"""

import queue
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import assert_never

import torch

from core import allocator, checkpoint, device, export_weights, imagenet, run_start, sources
from core.acts import Act
from core.answers import Answers
from core.datasets import load_dataset, local_datasets
from core.evaluation import evaluated_count
from core.files import write_atomically
from core.live_run import LiveRun, Start
from core.messages import (
    Analyse,
    Assess,
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
    JudgeAll,
    LookBack,
    LookedBack,
    OpenAlbum,
    OpenCheckpoint,
    Pause,
    Play,
    Progress,
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
from core.records import RecordError, RunRecord, RunState, StoredRun, read_run
from core.settings import SETTING, RunSettings, lane
from core.versions import versions

SLICE_SECONDS = 0.05
CHECKPOINT_SECONDS = 30.0
CAPTUM_AFTER_STEPS = 3
QUESTIONS = (Explain, BrowsePictures, JudgeAll, OpenAlbum, Cancel)
COPYING = (Assess, Analyse)  # questions too, but they copy all lanes at once: a step must be whole


class Engine:
    """Trains, answers and records; every method but `submit` belongs to one thread.

    `evaluate`: held-out figures now and then; `watch`: shock readings after every toggle.
    """

    def __init__(
        self, publish: Callable[[Event], None], *, commands: "queue.SimpleQueue[Command] | None" = None,
        evaluate: bool = True, watch: bool = True, record: bool = True,
    ) -> None:  # fmt: skip
        self._publish = publish
        self._queue: queue.SimpleQueue[Command] = commands if commands is not None else queue.SimpleQueue()
        self._evaluates = evaluate
        self._watches = watch
        self._records = record
        self._directory: Path | None = None
        self._inbox: list[Command] = []
        self._run: LiveRun | None = None
        self._setup: Setup | Branch | None = None  # how the present run began
        self._acts: list[Act] = []  # of the lesson, still to come
        self._answers = Answers(publish)
        self.state = EngineState.LOADING
        self._next_slice = 0.0
        self._next_checkpoint = 0.0

    # ---- from any thread --------------------------------------------------------------------

    def submit(self, command: Command) -> None:
        """Hand in a command; it is taken at the next tick."""
        self._queue.put(command)

    # ---- the engine's thread ----------------------------------------------------------------

    @property
    def run(self) -> LiveRun | None:
        """The run in progress, for headless use on the engine's own thread."""
        return self._run

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to do without a new command."""
        return self.state is EngineState.RUNNING or self._answers.are_due

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
        self._take_commands(wait)
        if self.state is EngineState.STOPPED:
            return
        if self.state is EngineState.RUNNING:
            self._train()
        running = self.state is EngineState.RUNNING
        if running and self._needed().owes_word:
            return  # somebody watches for what was commanded: other work waits for that step
        self._answers.do_piece(training=running)

    def close(self, state: RunState | None = None) -> None:
        """Save the last checkpoint and the record; the run can be gone on with later."""
        self._end_run(state)
        self._set_state(EngineState.STOPPED)

    def record_to(self, directory: Path | None) -> None:
        """Name the folder of the first run (None: a new one in the user's data folder)."""
        self._directory = directory

    # ---- commands ---------------------------------------------------------------------------

    def _take_commands(self, wait: float | None) -> None:
        if not self.is_busy and not self._inbox:
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
                    if isinstance(command, Cancel):
                        kept = [
                            each for each in kept
                            if not (isinstance(each, COPYING) and each.id == command.request)
                        ]  # fmt: skip
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

    @staticmethod
    def _is_superseded(command: Command, later: list[Command]) -> bool:
        if isinstance(command, Explain | LookBack):
            return any(type(other) is type(command) for other in later)
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
            case Resume():
                self._resume(command)
            case Branch():
                self._branch(command)
            case Play():
                self._play()
            case Pause():
                self._pause()
            case StepOnce():
                self._step_once()
            case Reset():
                if self._setup is not None:
                    self._handle(replace(self._setup, play=command.play, id=command.id))
            case SetStrengths():
                self._set_strengths(command)
            case SetLearningRate():
                self._set_learning_rate(command)
            case OpenCheckpoint():
                self._open_checkpoint(command)
            case SaveCheckpoint():
                self._save_checkpoint(command)
            case LookBack():
                self._look_back(command)
            case BrowsePictures():
                self._answers.browse(command)
            case JudgeAll():
                self._answers.judge_all(command)
            case OpenAlbum():
                self._answers.open_album(command)
            case Explain():
                self._answers.explain(command)
            case Assess():
                self._answers.assess(command)
            case Analyse():
                self._answers.analyse(command)
            case Evaluate():
                self._answers.evaluate(command.id)
            case Download():
                self._download(command)
            case Cancel():
                self._answers.cancel(command)
            case Shutdown():
                self.close()
            case _:
                assert_never(command)

    # ---- runs begin and end -----------------------------------------------------------------

    def _set_up(self, command: Setup) -> None:
        def build() -> tuple[LiveRun, RunRecord | None]:
            run = self._new_run(command.settings, command.id)
            return run, self._new_record(run, command.lesson)

        run = self._begin(build)
        self._setup = replace(command, settings=run.settings)
        self._acts = sorted(command.script, key=lambda act: act.step)
        self._go(run, command.play, lesson=command.lesson)

    def _resume(self, command: Resume) -> None:
        stored = self._stored(command.directory)
        start = run_start.resumable(stored)

        def build() -> tuple[LiveRun, RunRecord | None]:
            run = self._new_run(stored.settings, command.id, start)
            return run, RunRecord.reopen(stored.directory, start.step, on_error=self._say_unrecorded)

        run = self._begin(build)
        self._setup = self._beginning(stored)
        self._acts = []
        self._go(run, command.play, stored)

    def _branch(self, command: Branch) -> None:
        own = self._run.record.directory if self._run is not None and self._run.record is not None else None
        directory = command.directory or own
        if directory is None:
            raise SkipscopeError("this run is not recorded, so there is no earlier step to branch from")
        stored = read_run(directory, with_steps=False)
        start = run_start.with_strengths(
            run_start.branching(stored, command.step), command.shortcuts, command.branches
        )

        def build() -> tuple[LiveRun, RunRecord | None]:
            run = self._new_run(run_start.branch_settings(stored, start), command.id, start)
            if run.step >= run.planned:
                run.planned = run.step + run.length
            return run, self._new_record(run, None, directory, start.step)

        run = self._begin(build)
        self._setup = replace(command, directory=directory)
        self._acts = []
        self._go(run, command.play, parent=directory)

    def _begin(self, build: Callable[[], tuple[LiveRun, RunRecord | None]]) -> LiveRun:
        """Put a new run in the place of the present one; on error the present one is as it was."""
        before = self.state
        self._set_state(EngineState.LOADING)
        try:
            run, record = build()
        except SkipscopeError:
            if self._run is not None:
                torch.set_num_threads(self._run.settings.threads)
                self._run.resume_clock()
            self._set_state(before if self._run is not None else EngineState.PAUSED)
            raise
        self._end_run()
        run.record = record
        if self._run is None:
            self._run = run
        else:
            self._run.release()
            self._run = run
            allocator.give_back_memory()
        self._answers.start_run(run)
        return run

    def _go(
        self, run: LiveRun, play: bool, resumed: StoredRun | None = None, *, lesson: str | None = None,
        parent: Path | None = None,
    ) -> None:  # fmt: skip
        if run.record is not None:
            run.record.set_state("running")
        if resumed is None:
            run.save("start")
            if run.planned != run.length or run.settings.steps is None:
                run.record_length()
        self._next_checkpoint = time.perf_counter() + CHECKPOINT_SECONDS
        self._publish(RunStarted(
            settings=run.settings, lanes=run.infos(), class_names=run.dataset.class_names, steps=run.planned,
            steps_per_epoch=run.batches.steps_per_epoch, held_out=len(run.batches.held_out),
            evaluated=evaluated_count(run.batches), directory=run.record.directory if run.record else None,
            lesson=resumed.lesson if resumed is not None else lesson, notice=run.dataset.notice,
            begins_at=resumed.begins_at if resumed is not None else run.step, done=run.step,
            parent=resumed.parent if resumed is not None else parent,
        ))  # fmt: skip
        self._do_acts()
        if run.is_finished:
            self._set_state(EngineState.FINISHED)
        elif play:
            self._play()
        else:
            self._set_state(EngineState.PAUSED)

    def _new_run(self, settings: RunSettings, request: int, start: Start | None = None) -> LiveRun:
        return run_start.new_run(
            settings, self._run, lambda what, share: self._publish(Progress(what, share, request)),
            lambda: self._is_cancelled(request), start,
        )  # fmt: skip

    def _new_record(
        self, run: LiveRun, lesson: str | None, parent: Path | None = None, parent_step: int = 0
    ) -> RunRecord | None:
        if not self._records:
            return None
        directory = self._directory
        if directory is not None and self._run is not None:  # the first run has taken the name
            others = (directory.with_name(f"{directory.name}-{number}") for number in count(2))
            directory = next(other for other in others if not other.exists())
        try:
            return RunRecord.create(
                directory, run.settings, lesson=lesson,
                extra={"class_names": list(run.dataset.class_names), "versions": dict(versions())},
                parent=parent, parent_step=parent_step, begins_at=run.step, on_error=self._say_unrecorded,
            )  # fmt: skip
        except RecordError as error:
            if directory is not None:  # asked for by name, so it matters
                raise
            self._publish(Failed(Notice("this run is not recorded: {reason}", {"reason": error.notice})))
            return None

    def _say_unrecorded(self, notice: Notice) -> None:
        self._publish(Failed(notice))

    def _stored(self, directory: Path) -> StoredRun:
        if self._run is not None and self._run.record is not None:
            here = self._run.record.directory.resolve()
            if directory.resolve() == here:
                raise SkipscopeError("this run is the present one")
        return read_run(directory, with_steps=False)

    @staticmethod
    def _beginning(stored: StoredRun) -> "Setup | Branch":
        """How a recorded run began: what Reset does after it was resumed."""
        if stored.begins_at:
            return Branch(stored.begins_at, stored.directory)
        return Setup(stored.settings, lesson=stored.lesson)

    def _end_run(self, state: RunState | None = None) -> None:
        run = self._run
        if run is None:
            return
        try:
            self._flush()
            run.save("last")
        except Exception as error:  # noqa: BLE001 - a lost device must not keep the record open, or the engine on
            what = {"what": f"{type(error).__name__}: {error}"}
            notice = Notice("the last steps of the run could not be saved: {what}", what)
            self._publish(Failed(notice, None, traceback.format_exc()))
        if run.record is None:
            return
        if state is None:
            state = "finished" if run.is_finished else "stopped"
            if not run.has_living_lane:
                state = "diverged"
            if run.in_doubt:
                state = "failed"
        run.record.set_state(state)
        run.record.close(4.0)
        run.record = None

    # ---- training ---------------------------------------------------------------------------

    def _play(self) -> None:
        run = self._needed()
        run.check_trainable()
        if run.is_finished:
            run.plan(run.planned + run.length)
        run.resume_clock()
        self._set_state(EngineState.RUNNING)

    def _pause(self) -> None:
        self._flush()
        if self.state is EngineState.RUNNING:
            self._needed().save("regular")
            self._set_state(EngineState.PAUSED)

    def _step_once(self) -> None:
        run = self._needed()
        run.check_trainable()
        run.resume_clock()
        run.train_lane()
        while not run.between_steps:
            run.train_lane()
        self._flush()
        self._step_done()
        self._set_state(EngineState.PAUSED)

    def _train(self) -> None:
        run = self._needed()
        run.train_lane()
        if not run.between_steps:
            return
        now = time.perf_counter()
        ended = run.is_finished or not run.has_living_lane
        if now >= self._next_slice or run.must_flush or run.owes_word or ended:
            self._flush()
            self._next_slice = now + SLICE_SECONDS
        self._step_done()
        if now >= self._next_checkpoint:
            self._flush()  # so that no kill leaves a checkpoint without the steps before it
            run.save("regular")
            self._next_checkpoint = now + CHECKPOINT_SECONDS
        if self._evaluates and (ended or self._answers.evaluation_is_due):
            self._answers.evaluate(None)  # at the end in place of older figures still being taken
        if self._evaluates and run.step >= CAPTUM_AFTER_STEPS:
            self._answers.import_captum()
        if not run.has_living_lane:
            self._set_state(EngineState.PAUSED, Notice("every lane has diverged"))
        elif run.is_finished:
            run.save("last")
            self._set_state(EngineState.FINISHED)

    def _step_done(self) -> None:
        if self._watches and self._answers.shocks is not None:
            self._answers.shocks.step_done()
        self._do_acts()

    def _do_acts(self) -> None:
        """Do what the lesson does by itself at this step."""
        run = self._needed()
        while self._acts and self._acts[0].step <= run.step:
            act = self._acts.pop(0)
            if act.do == "analyse":
                assert act.instrument is not None
                self._answers.analyse(Analyse(act.instrument, act.lane))
                continue
            for number, each in enumerate(run.lanes):
                if act.lane in (None, number):
                    strengths = (act.value,) * each.blocks
                    on_shortcuts = act.do == "shortcuts"
                    self._set_strengths(SetStrengths(
                        number, strengths if on_shortcuts else None, None if on_shortcuts else strengths
                    ))  # fmt: skip

    def _set_strengths(self, command: SetStrengths) -> None:
        run = self._needed()
        self._check_lane(command.lane)
        blocks = run.lanes[command.lane].blocks
        if any(asked is not None and len(asked) != blocks for asked in (command.shortcuts, command.branches)):
            raise SkipscopeError("this was asked of a run that has ended")  # another one began meanwhile
        shocks = self._answers.shocks if self._watches else None
        self._flush()
        run.save("toggle")
        if shocks is not None:
            shocks.before(command.lane)
        try:
            run.set_strengths(command.lane, command.shortcuts, command.branches)
        except SkipscopeError:
            if shocks is not None:
                shocks.drop_last()
            raise
        if shocks is not None:
            shocks.after(command.lane)
        run.applied(command.id)
        if run.record is not None:
            run.record.append_command(run.step + 1, {
                "do": "strengths", "lane": command.lane, "shortcuts": command.shortcuts,
                "branches": command.branches,
            })  # fmt: skip
        if self._evaluates:
            self._answers.evaluate(None)

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

    # ---- files ------------------------------------------------------------------------------

    def _open_checkpoint(self, command: OpenCheckpoint) -> None:
        if command.path == "pretrained":
            self._answers.keep(sources.pretrained(self._device()))
            return
        opened = imagenet.open_weights(command.path)
        if command.use == "look":
            classes = len(self._run.dataset.class_names) if self._run else -1
            self._publish(CheckpointOpened(
                command.id, command.path, opened.title, opened.settings, opened.transform.words(),
                opened.settings.classes == classes, opened.report,
            ))  # fmt: skip
        elif command.use == "reference":
            self._answers.refer(opened, self._device())
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
        run.check_weights()
        try:
            write_atomically(command.path, self._weights(run, command))
        except OSError as error:
            raise SkipscopeError(
                "{path} cannot be written: {reason}", path=str(command.path), reason=error.strerror
            ) from None
        self._publish(Saved(command.path, command.id))

    @staticmethod
    def _weights(run: LiveRun, command: SaveCheckpoint) -> bytes:
        """Our own file, or under torchvision's names where the suffix says so."""
        network = run.lanes[command.lane].network
        if command.path.suffix.lower() in (".pt", ".pth"):
            export_weights.check_counterpart(network.settings)
            return export_weights.torchvision_bytes(network.state_dict())
        return run.checkpoint_bytes(run.lanes[command.lane])

    def _look_back(self, command: LookBack) -> None:
        if command.step is None:
            self._answers.drop_past()
            self._publish(LookedBack(None, request=command.id))
            return
        run = self._needed()
        if run.record is None:
            raise SkipscopeError("this run is not recorded, so there is no earlier step to look at")
        stored = read_run(run.record.directory, with_steps=False)
        start = run_start.branching(stored, command.step)
        source = sources.past(run, start)
        self._answers.keep(source)
        self._publish(LookedBack(
            start.step, tuple(lane.shortcuts for lane in start.lanes),
            tuple(lane.branches for lane in start.lanes), command.id,
        ))  # fmt: skip

    def _download(self, command: Download) -> None:
        before = self.state
        self._set_state(EngineState.LOADING)
        try:
            if command.what in imagenet.WEIGHTS:
                what = Notice("Downloading {name}", {"name": imagenet.WEIGHTS[command.what].title})
                opened = imagenet.download(
                    command.what, lambda share: self._publish(Progress(what, share, command.id)),
                    lambda: self._is_cancelled(command.id),
                )  # fmt: skip
                self._answers.refer(opened, self._device())
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

    # ---- small things -----------------------------------------------------------------------

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
        waiting = self._answers.waiting()
        self._answers.forget()
        if self._run is not None:
            self._run.abandon_step()
        text = "".join(traceback.format_exception(error))
        if device.is_out_of_memory(error):
            notice = Notice("the device is out of memory; take a smaller batch or width and Apply")
        else:
            notice = Notice(
                "training stopped by a fault: {what}", {"what": f"{type(error).__name__}: {error}"}
            )
        for place, request in enumerate(waiting or (None,)):
            self._publish(Failed(notice, request, None if place else text))
        self._set_state(EngineState.PAUSED)
