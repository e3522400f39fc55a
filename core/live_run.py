"""A run in progress: its lanes on the same batches, the step count, the slices, the record."""

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import psutil
import torch

from core import checkpoint
from core.batches import Batches
from core.datasets import Dataset
from core.journal_thread import CheckpointKind
from core.messages import LaneInfo, LaneSlice, TrainingSlice
from core.network import ResidualNetwork
from core.notices import SkipscopeError
from core.paths import weights_path
from core.records import RunRecord
from core.settings import RunSettings
from core.training import Lane, scheduled

MEMORY_SECONDS = 1.0  # between readings of the memory in use
STALE_STEPS = 30  # after so many steps the running statistics (momentum 0.1) hold 4 % of what was before


@dataclass(frozen=True, slots=True, eq=False)
class LaneStart:
    """A lane as it was at a recorded step."""

    state: dict[str, torch.Tensor]
    momentum: dict[str, torch.Tensor] | None
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]
    learning_rate: float
    diverged_at: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Start:
    """Where a run begins that does not begin with weights drawn from its seed."""

    step: int  # steps done
    planned: int
    lanes: tuple[LaneStart, ...]
    last_toggle: int | None = None


class LiveRun:
    """Trains lanes in turn; owned by the engine's thread."""

    def __init__(
        self, settings: RunSettings, dataset: Dataset, device: torch.device, start: Start | None = None
    ) -> None:
        self.settings = settings
        self.dataset = dataset
        self.device = device
        self.batches = Batches(dataset, settings, device)
        self.lanes = [Lane(lane, settings, device) for lane in settings.lanes]
        for lane, asked in zip(self.lanes, settings.lanes, strict=True):
            if asked.network.classes != len(dataset.class_names):
                raise SkipscopeError(
                    "lane {lane} has {classes} classes, but {dataset} has {wanted}; it can predict and "
                    "explain, not train on it",
                    lane=lane.name, classes=asked.network.classes, dataset=dataset.name,
                    wanted=len(dataset.class_names),
                )  # fmt: skip
            if start is None and asked.checkpoint is not None:
                self._load(lane, asked.checkpoint)
        self.step = start.step if start is not None else 0  # steps done
        self.length = settings.steps or settings.epochs * self.batches.steps_per_epoch
        self.planned = (start.planned if start is not None else 0) or self.length
        self.record: RunRecord | None = None
        self.last_toggle = start.last_toggle if start is not None else None
        if start is not None:
            for lane, was in zip(self.lanes, start.lanes, strict=True):
                _put_back(lane, was)
        self.speed = 0.0  # images per second, smoothed
        self._protected_step = -1  # of the last checkpoint that retention never drops
        self._saved_step = -1
        self._lane_turn = 0
        self.abandoned = 0  # steps given up, which some lanes have done
        self.in_doubt = False  # an update of the weights was broken off: how far they moved is not known
        self._first_unpublished = self.step + 1
        self._applied: list[int] = []
        self._batch: tuple[torch.Tensor, torch.Tensor] | None = None
        self._clock = time.perf_counter()
        self._process = psutil.Process()
        self._memory_bytes, self._memory_read = 0, -math.inf

    @property
    def between_steps(self) -> bool:
        """Whether every lane has done the same number of steps."""
        return self._lane_turn == 0

    @property
    def is_finished(self) -> bool:
        """Whether the planned length is reached."""
        return self.step >= self.planned

    def check_trainable(self) -> None:
        """Raise SkipscopeError where another step cannot be done."""
        if not self.has_living_lane:
            raise SkipscopeError("every lane has diverged; Reset begins again")
        self.check_weights()

    def check_weights(self) -> None:
        """Raise SkipscopeError where the weights are not those of a whole step."""
        if self.in_doubt:
            raise SkipscopeError(
                "a fault broke off the update of step {step}: Reset, or branch from an earlier step",
                step=self.step + 1,
            )

    @property
    def has_living_lane(self) -> bool:
        """Whether any lane can still be trained."""
        return any(lane.diverged_at is None for lane in self.lanes)

    @property
    def is_stale(self) -> bool:
        """Whether running batch statistics are still from before the last toggle."""
        return self.last_toggle is not None and self.step - self.last_toggle < STALE_STEPS

    def train_lane(self) -> None:
        """Train the next lane one step; after the last lane the step is done."""
        number = self.step + 1
        if self._batch is None:
            self._batch = self.batches.batch(number)
        lane = self.lanes[self._lane_turn]
        if lane.diverged_at is None:
            lane.prepare(number, *self._batch)
        self._lane_turn = (self._lane_turn + 1) % len(self.lanes)
        if self._lane_turn == 0:
            self.in_doubt = True
            for each in self.lanes:  # all or none: what fails before leaves every lane as it was
                each.take(scheduled(each.learning_rate, self.settings.schedule, number, self.planned))
            self.in_doubt = False
            self.step = number
            self._batch = None

    def abandon_step(self) -> None:
        """Give up a step that not every lane has prepared; every lane is as before it."""
        self._lane_turn, self._batch = 0, None
        self.abandoned += 1
        for lane in self.lanes:
            lane.keep_readings(self.unpublished_steps)
            lane.give_up(self.step + 1)

    def release(self) -> None:
        """Let go of the networks: they must not wait for a garbage collection."""
        for lane in self.lanes:
            lane.release()

    def resume_clock(self) -> None:
        """Forget time in which nothing was trained."""
        self._clock = time.perf_counter()

    def set_strengths(
        self, lane: int, shortcuts: tuple[float, ...] | None, branches: tuple[float, ...] | None
    ) -> None:
        """Set one lane's strengths from the next step on; take the slice before."""
        self.lanes[lane].set_strengths(shortcuts, branches)
        self.last_toggle = self.step + 1

    def applied(self, command: int) -> None:
        """Name a command that is in force from the next step on."""
        self._applied.append(command)

    @property
    def owes_word(self) -> bool:
        """Whether a command is in force that no slice has named yet."""
        return bool(self._applied)

    def plan(self, steps: int) -> None:
        """Make the run as long as this."""
        self.planned = steps
        self.record_length()

    def record_length(self) -> None:
        """Record that the planned length is another than the settings say."""
        if self.record is not None:
            self.record.append_command(self.step + 1, {"do": "length", "steps": self.planned})

    @property
    def must_flush(self) -> bool:
        """Whether the device's store of readings is full."""
        return any(lane.is_full for lane in self.lanes)

    @property
    def unpublished_steps(self) -> int:
        """Steps done since the last slice."""
        return self.step - self._first_unpublished + 1

    def take_slice(self) -> TrainingSlice | None:
        """Return all steps since the last slice, or None; also hands them to the record."""
        steps = self.unpublished_steps
        if steps <= 0:
            return None
        now = time.perf_counter()
        measured = steps * self.batches.batch_size / max(now - self._clock, 1e-6)
        self.speed = measured if not self.speed else 0.8 * self.speed + 0.2 * measured
        self._clock = now
        first = self._first_unpublished
        self._first_unpublished = self.step + 1
        made = TrainingSlice(
            first_step=first, steps=steps, lanes=tuple(self._lane_slice(lane, first) for lane in self.lanes),
            applied=tuple(self._applied), images_per_second=self.speed, memory_bytes=self._memory(now),
        )  # fmt: skip
        self._applied.clear()
        if self.record is not None:
            self.record.append_steps(first, made.lanes)
        return made

    def infos(self) -> tuple[LaneInfo, ...]:
        """Say what each lane is."""
        return tuple(lane_info(lane.name, lane.network, self.settings.image_size) for lane in self.lanes)

    def checkpoint_bytes(self, lane: Lane) -> bytes:
        """Return a lane's weights, statistics and momentum as a file of ours."""
        return checkpoint.to_bytes(
            lane.network, transform=self.dataset.transform(self.settings.image_size),
            class_names=self.dataset.class_names, step=self.step, dataset=self.dataset.name,
            momentum=lane.momentum,
        )  # fmt: skip

    def save(self, kind: CheckpointKind) -> None:
        """Hand a checkpoint of every lane to the record's writer."""
        kept = {"toggle": self._protected_step, "regular": self._saved_step}.get(kind)
        if kept == self.step or self.in_doubt:
            return  # these weights are kept already, or nobody's
        self._saved_step = self.step
        if kind in ("start", "toggle"):
            self._protected_step = self.step
        if self.record is not None:
            files: Mapping[str, bytes] = {lane.name: self.checkpoint_bytes(lane) for lane in self.lanes}
            self.record.append_checkpoint(self.step, kind, files)

    def _lane_slice(self, lane: Lane, first: int) -> LaneSlice:
        readings = lane.take_readings()
        losses = readings.losses
        bad = np.flatnonzero(~np.isfinite(losses))
        if len(bad):  # on a GPU the loss is read only here; steps after the first bad one do not count
            lane.diverged_at = first + int(bad[0])
            losses = losses[: bad[0] + 1]
        count = len(losses)
        return LaneSlice(
            losses, readings.accuracies[:count], readings.gradient_norms[:count],
            readings.output_gradients[:count],
            scheduled(lane.learning_rate, self.settings.schedule, self.step, self.planned),
            lane.shortcuts, lane.branches, lane.samples, lane.diverged_at,
        )  # fmt: skip

    def _memory(self, now: float) -> int:
        if now - self._memory_read > MEMORY_SECONDS:
            self._memory_read = now
            if self.device.type == "cuda":
                self._memory_bytes = int(torch.cuda.memory_allocated(self.device))
            else:
                self._memory_bytes = int(self._process.memory_info().rss)
        return self._memory_bytes

    def _load(self, lane: Lane, path: str) -> None:
        opened = checkpoint.load(weights_path(path))
        if opened.settings != lane.network.settings:
            raise SkipscopeError(
                "{path} does not hold the network that lane {lane} asks for", path=path, lane=lane.name
            )
        lane.load(opened.state, opened.momentum)


def _put_back(lane: Lane, was: LaneStart) -> None:
    lane.set_strengths(was.shortcuts, was.branches)
    lane.load(was.state, was.momentum)
    lane.learning_rate = was.learning_rate
    lane.diverged_at = was.diverged_at


def lane_info(name: str, network: ResidualNetwork, image_size: int) -> LaneInfo:
    """Count a network's parameters and the sizes of its blocks' outputs at an input size."""
    side = image_size
    if network.settings.stem == "7x7":
        side = -(-side // 4)  # stride 2, then pooling with stride 2
    outputs: list[tuple[int, int, int]] = []
    for shape in network.settings.blocks:
        side = -(-side // shape.stride)
        outputs.append((shape.out_channels, side, side))
    return LaneInfo(
        name=name, network=network.settings, parameters=_count(network),
        parameters_per_block=tuple(_count(block) for block in network.blocks), block_outputs=tuple(outputs),
        branch_parameters=tuple(_count(block) - _count(block.shortcut) for block in network.blocks),
    )  # fmt: skip


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
