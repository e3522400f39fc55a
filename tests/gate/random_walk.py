"""A walk of random commands through an engine, and a model of what it must say.

The model knows little: which strengths are in force, which step comes next, which requests still need a
reply. Every event is held against it.
"""

import random
import re
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from PIL import Image

from core.checks import CHECKS
from core.findings import INSTRUMENTS
from core.messages import (
    Analyse,
    Analysed,
    Arrangement,
    Assess,
    Assessed,
    Branch,
    BrowsePictures,
    Cancel,
    Command,
    Download,
    EngineState,
    Evaluate,
    Evaluation,
    Event,
    Explain,
    Explanation,
    Failed,
    JudgeAll,
    Judged,
    LookBack,
    LookedBack,
    OpenAlbum,
    OpenCheckpoint,
    OwnPicture,
    Pause,
    PicturePage,
    Play,
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
    TrainingSlice,
)
from core.records import read_run
from core.settings import NetworkSettings, RunSettings, lane, twins
from tests.core.by_hand import NETWORK, Bench, run_settings

METHODS = ("saliency", "input_x_gradient", "grad_cam", "occlusion", "no_such_method")
OWN = OwnPicture("own", np.zeros((6, 9, 3), np.uint8))
BEGINS = (Setup, Reset, Resume, Branch)
REPLY: dict[type, type] = {
    Explain: Explanation, Assess: Assessed, Analyse: Analysed, Evaluate: Evaluation, BrowsePictures: PicturePage,
    JudgeAll: Judged, LookBack: LookedBack, SaveCheckpoint: Saved,
}  # fmt: skip


@dataclass(frozen=True)
class Material:
    """Files that commands name: good, bad and absent ones."""

    checkpoint: Path
    run: Path
    folder: Path  # where anything may be written


def make_material(folder: Path) -> Material:
    """Record a run of a few steps, save a checkpoint of it, and put odd files beside it."""
    bench = Bench(record=True)
    bench.engine.record_to(folder / "recorded")
    bench.engine.submit(Setup(run_settings(steps=3)))
    bench.ticks(bench.finished)
    bench.engine.submit(SaveCheckpoint(0, folder / "good.safetensors"))
    bench.engine.tick(0)
    bench.engine.close()
    (folder / "bad.pt").write_bytes(b"PK\x03\x04 nothing")
    (folder / "album").mkdir()
    for number in range(3):
        pixels = np.full((9, 7, 3), 40 * number, np.uint8)
        Image.fromarray(pixels).save(folder / "album" / f"{number}.png")
    (folder / "album" / "broken.png").write_bytes(b"no picture")
    return Material(folder / "good.safetensors", folder / "recorded", folder)


@dataclass
class Walk:
    """One walk: the engine, what was asked, and the model."""

    chance: random.Random
    material: Material
    place: Path  # of this walk's own files
    bench: Bench = field(init=False)
    told: list[Command] = field(default_factory=list)  # everything, in order: for the reader of a failure
    faults: int = 0
    _seen: int = 0  # events
    _begins: list[int] = field(default_factory=list)  # ids of commands that begin a run, unanswered
    _pending: list[SetStrengths] = field(default_factory=list)  # not in force yet
    _strengths: list[tuple[tuple[float, ...], tuple[float, ...]]] = field(default_factory=list)
    _next_step: int = 0
    _lanes: int = 0
    _losses: list[list[float]] = field(default_factory=list)
    _replies: dict[int, list[Event]] = field(default_factory=dict)
    _runs: int = 0
    _begun_at: list[int] = field(default_factory=list)  # for each answered begin: commands told by then

    def __post_init__(self) -> None:
        self.bench = Bench(record=True, evaluate=True, watch=True)
        self.bench.engine.record_to(self.place / "run")

    def words(self) -> str:
        """What was asked, a line a command, for the reader of a failure."""
        return "\n".join(
            re.sub(r"array\(.*?\)\)", "…", str(command), flags=re.S)[:300] for command in self.told
        )

    # ---- asking -----------------------------------------------------------------------------

    def go(self, commands: int) -> None:
        """Give so many random commands with a few ticks between them, then let the engine come to rest."""
        self.tell(Setup(self._settings(), play=self.chance.random() < 0.5))
        for _ in range(commands):
            if self.chance.random() < 0.04:
                self._break_a_step()
            self.tell(self._command())
            for _ in range(self.chance.choice((0, 0, 1, 1, 2, 5))):
                self.tick()
        self.tell(Pause())
        self._rest()
        self._check_rest()
        self.tell(Shutdown())
        self.tick()
        assert self.bench.engine.state is EngineState.STOPPED
        self._check_record()

    def tell(self, command: Command) -> None:
        """Hand in a command and remember what it must bring about."""
        self.told.append(command)
        begins = isinstance(command, BEGINS)
        if begins or (isinstance(command, OpenCheckpoint) and command.use in ("lane", "twins")):
            self._begins.append(command.id)
        if isinstance(command, SetStrengths):
            self._pending.append(command)
        self.bench.engine.submit(command)

    def tick(self) -> None:
        """One tick, as the engine's loop makes it."""
        engine = self.bench.engine
        try:
            engine.tick(0)
        except Exception as error:
            if "injected" not in str(error):
                raise
            engine._on_fault(error)
            self.faults += 1
        self._take()
        assert sum(thread.name == "journal" for thread in threading.enumerate()) <= 1

    def _break_a_step(self) -> None:
        run = self.bench.engine.run
        if run is None:
            return
        victim = self.chance.choice(run.lanes)

        def broken(*_: object) -> None:
            del victim.prepare  # type: ignore[attr-defined]
            raise RuntimeError("injected")

        victim.prepare = broken  # type: ignore[method-assign]

    def _command(self) -> Command:
        chance = self.chance
        number = chance.randrange(4)
        ids = [command.id for command in self.told]
        picture = chance.choice((0, 5, 31, 10_000, OWN))
        source = chance.choice(("lanes", "lanes", "lanes", "good.safetensors", "nothing"))
        good = str(self.material.checkpoint)
        commands: tuple[tuple[int, Callable[[], Command]], ...] = (
            (12, Play), (8, Pause), (10, StepOnce), (2, lambda: Reset(play=chance.random() < 0.5)),
            (14, lambda: SetStrengths(number, self._random_strengths(), self._random_strengths())),
            (4, lambda: SetLearningRate(chance.choice((0.01, 0.2, -1.0, float("nan"))), chance.choice((None, number)))),
            (3, lambda: Setup(self._settings(), play=chance.random() < 0.5)),
            (2, lambda: Setup(run_settings(batch_size=100))),
            (1, lambda: Setup(run_settings(dataset="no-such"))),
            (8, lambda: Explain(picture, chance.choice(METHODS), chance.choice((None, 3)), source,
                                arrangement=chance.choice(get_args(Arrangement)))),
            (3, lambda: Assess(chance.choice(list(CHECKS)), 1, "saliency", 2, number, source)),
            (5, lambda: Analyse(chance.choice(INSTRUMENTS), chance.choice((None, number)), source)),
            (5, lambda: BrowsePictures(chance.choice(("all", "wrong", "disagree")), source=source,
                                       album=chance.choice(("held-out", "brought")),
                                       offset=chance.choice((0, 7, 999)))),
            (2, lambda: JudgeAll(source, chance.choice(("held-out", "brought")))),
            (2, lambda: OpenAlbum((str(self.material.folder / chance.choice(("album", "absent"))),))),
            (3, Evaluate),
            (4, lambda: OpenCheckpoint(chance.choice((good, good, str(self.material.folder / "bad.pt"), "absent")),
                                       chance.choice(("look", "reference", "lane", "twins")))),
            (3, lambda: SaveCheckpoint(number, self.place / chance.choice(("saved.safetensors", "no/such/folder")))),
            (3, lambda: LookBack(chance.choice((None, 0, 2, 50)))),
            (2, lambda: Branch(chance.choice((0, 2, 50)), play=chance.random() < 0.5)),
            (1, lambda: Resume(self._copied_run(), play=chance.random() < 0.5)),
            (1, lambda: Resume(self.place / "no-such-run")),
            (1, lambda: Resume(self.place / "run")),
            (4, lambda: Cancel(chance.choice(ids))),
            (1, lambda: Download("no-such-data")),
        )  # fmt: skip
        weights, makers = zip(*commands, strict=True)
        made: Callable[[], Command] = chance.choices(makers, weights)[0]
        return made()

    def _settings(self) -> RunSettings:
        chance = self.chance
        lanes = chance.choice((
            twins(NETWORK), (lane("A", NETWORK),), (*twins(NETWORK), lane("C", NETWORK, 0.5)),
            (lane("A", NetworkSettings(width=4, depth=20)), lane("B", NETWORK)),
            (lane("A", NETWORK), lane("B", NetworkSettings(width=4, norm="none"), 0.0, 1e4)),  # diverges
        ))  # fmt: skip
        return run_settings(
            lanes=lanes,
            steps=chance.choice((1, 4, 40)),
            augment=chance.random() < 0.3,
            seed=chance.randrange(3),
        )

    def _random_strengths(self) -> tuple[float, ...] | None:
        chance = self.chance
        if chance.random() < 0.3:
            return None
        values = (0.0, 1.0, 0.5) if chance.random() < 0.9 else (2.0, float("nan"))
        return tuple(chance.choice(values) for _ in range(chance.choice((8, 8, 8, 8, 9, 3))))

    def _copied_run(self) -> Path:
        target = self.place / f"copy{len(self.told)}"
        shutil.copytree(self.material.run, target)
        return target

    # ---- what it says -----------------------------------------------------------------------

    def _take(self) -> None:
        for event in self.bench.events[self._seen :]:
            request = getattr(event, "request", None)
            if request is not None:
                self._replies.setdefault(request, []).append(event)
            match event:
                case RunStarted():
                    self._on_run(event)
                case TrainingSlice():
                    self._on_slice(event)
                case Failed():
                    self._on_failed(event)
                case StateChanged():
                    assert isinstance(event.state, EngineState)
                case _:
                    pass
        self._seen = len(self.bench.events)
        states = self.bench.of(StateChanged)
        if states:
            assert states[-1].state is self.bench.engine.state  # type: ignore[attr-defined]

    def _on_run(self, event: RunStarted) -> None:
        begin = self._begins.pop(0)
        self._runs += 1
        self._pending = [command for command in self._pending if command.id > begin]
        asked = next(command for command in self.told if command.id == begin)
        if isinstance(asked, Setup):
            assert [each.network for each in event.settings.lanes] == [
                each.network for each in asked.settings.lanes
            ]
            assert event.done == event.begins_at == 0
        self._lanes = len(event.lanes)
        run = self.bench.engine.run
        assert run is not None
        # what the run begins with; commands after it may have been handled in this very tick
        self._strengths = [(each.shortcuts, each.branches) for each in event.settings.lanes]
        if isinstance(asked, Resume):
            self._strengths = []  # as its record says; taken from its first slice
        self._next_step = event.done + 1
        self._losses = [[] for _ in event.lanes]

    def _on_slice(self, event: TrainingSlice) -> None:
        assert event.first_step == self._next_step, "a step is missing, or there twice"
        assert event.steps > 0
        assert len(event.lanes) == self._lanes
        self._next_step += event.steps
        strengths = [command for command in self._pending if command.id in event.applied]
        assert strengths == self._pending[: len(strengths)], "commands came into force in another order"
        del self._pending[: len(strengths)]
        found = [(each.shortcuts, each.branches) for each in event.lanes]
        if not self._strengths:
            self._strengths = found
        for command in strengths:
            was = self._strengths[command.lane]
            self._strengths[command.lane] = (command.shortcuts or was[0], command.branches or was[1])
        assert found == self._strengths, "these are not the strengths that were asked for"
        for losses, part in zip(self._losses, event.lanes, strict=True):
            whole = event.steps if part.diverged_at is None else part.diverged_at - event.first_step + 1
            assert len(part.losses) == max(min(whole, event.steps), 0)
            assert np.isfinite(part.losses[:-1]).all()
            assert not part.losses.flags.writeable
            losses.extend(part.losses.tolist())

    def _on_failed(self, event: Failed) -> None:
        text = str(event.notice)
        assert text
        assert "\n" not in text
        if event.traceback is not None:
            assert "injected" in event.traceback, event.traceback
        if event.request in self._begins:
            self._begins.remove(event.request)
        self._pending = [command for command in self._pending if command.id != event.request]

    # ---- at rest ----------------------------------------------------------------------------

    def _rest(self) -> None:
        for _ in range(20_000):
            self.tick()
            if (
                not self.bench.engine.is_busy
                and self.bench.engine._queue.empty()
                and not self.bench.engine._inbox
            ):
                return
        raise AssertionError("it does not come to rest")

    def _check_rest(self) -> None:
        engine = self.bench.engine
        assert engine.state in (EngineState.PAUSED, EngineState.FINISHED)
        assert self._begins == [], "a run was asked for and nothing came"
        assert self._runs >= 1
        run = engine.run
        assert run is not None
        assert run.between_steps
        assert run.step == self._next_step - 1
        expected = list(self._strengths)
        for command in self._pending:  # handled, but no step was trained since
            if expected:
                was = expected[command.lane]
                expected[command.lane] = (command.shortcuts or was[0], command.branches or was[1])
        if expected:
            assert [(each.network.shortcuts, each.network.branches) for each in run.lanes] == expected
        self._check_replies()

    def _check_replies(self) -> None:
        """What was asked since the last run began got its answer, unless it was given up or asked again."""
        last_run = max(
            index for index, command in enumerate(self.told)
            if isinstance(command, (*BEGINS, OpenCheckpoint))
        )  # fmt: skip
        since = self.told[last_run + 1 :]
        cancelled = {command.request for command in self.told if isinstance(command, Cancel)}
        for kind in (Evaluate, SaveCheckpoint, LookBack, Explain, Assess):
            asked = [
                command for command in since if isinstance(command, kind) and command.id not in cancelled
            ]
            if kind in (Evaluate, LookBack, Explain):  # the newest only
                asked = asked[-1:]
            for command in asked:
                if kind is Evaluate and any(isinstance(each, SetStrengths) for each in since):
                    continue  # figures after a toggle take the place of these (see test_state_machine)
                if self.faults and kind in (Evaluate, Explain, Assess):
                    continue  # a fault gives up the work under way
                replies = self._replies.get(command.id, [])
                assert replies, f"no reply to {command}"
                whole = [
                    reply for reply in replies
                    if isinstance(reply, Failed) or getattr(reply, "done", True)
                ]  # fmt: skip
                assert len(whole) == 1, f"{len(whole)} replies to {command}"
        for number, replies in self._replies.items():
            for reply in replies:
                asked_for = next(command for command in self.told if command.id == number)
                expected = (REPLY.get(type(asked_for), object), Failed)
                assert isinstance(reply, expected) or type(reply).__name__ in ("Progress", "AlbumOpened")

    def _check_record(self) -> None:
        run = self.bench.engine.run
        assert run is not None
        folders = [path.parent for path in self.place.glob("*/settings.json")]
        assert len(folders) >= 1
        for folder in folders:
            stored = read_run(folder)
            assert stored.state in ("finished", "stopped", "diverged", "created")
            steps = stored.lanes[0].steps
            assert (
                steps.tolist() == list(range(int(steps[0]), int(steps[0]) + len(steps)))
                if len(steps)
                else True
            )
            for checkpoint in stored.checkpoints:
                assert stored.open_checkpoint(checkpoint.step, checkpoint.lane)
