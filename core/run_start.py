"""Where runs begin: from their settings, or from a checkpoint of a recorded run.

A resumed run goes on where its last checkpoint stands, with every command given by then in force;
a branch is a new run that begins at any checkpoint. Batches are functions of seed and step, so
weights, momentum and strengths are all the state there is.
"""

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from core import checkpoint, device
from core.datasets import Dataset, load_dataset
from core.live_run import LaneStart, LiveRun, Start
from core.notices import Notice, SkipscopeError
from core.records import CHECKPOINTS, RecordError, StoredRun
from core.settings import LaneSettings, RunSettings

Say = Callable[[Notice, float | None], None]


def new_run(
    settings: RunSettings,
    old: LiveRun | None,
    say: Say,
    cancelled: Callable[[], bool],
    start: Start | None = None,
) -> LiveRun:
    """Load the data (or take the old run's) and build the lanes; sets the thread count.

    Raises SkipscopeError and leaves the old run alone, but for the thread count.
    """
    chosen, _ = device.choose(settings.device)
    settings = replace(settings, threads=device.threads(settings.threads))
    torch.set_num_threads(settings.threads)
    if old is not None and _shows_same(old.settings, settings):
        dataset = old.dataset
    else:
        dataset = load_dataset(
            settings.dataset,
            image_size=settings.image_size,
            seed=settings.seed,
            progress=say,
            cancelled=cancelled,
        )
    return LiveRun(_for_classes(settings, dataset), dataset, chosen, start)


def resumable(stored: StoredRun) -> Start:
    """Read the last whole checkpoint of a run and what was in force after it; raises RecordError."""
    problem: SkipscopeError | None = None
    for step in checkpoint_steps(stored)[::-1]:
        try:
            return start_at(stored, step, commands_through=step + 1)
        except SkipscopeError as error:  # damaged: the one before may do
            problem = problem or error
    raise problem or RecordError(
        "the run in {folder} has no checkpoint to go on from", folder=stored.directory
    )


def branching(stored: StoredRun, step: int) -> Start:
    """Read the checkpoint at or before a step, with what was in force when it was made."""
    steps = [made for made in checkpoint_steps(stored) if made <= step]
    if not steps:
        raise RecordError(
            "the run in {folder} has no checkpoint by step {step}", folder=stored.directory, step=step
        )
    return start_at(stored, steps[-1], commands_through=steps[-1])


def checkpoint_steps(stored: StoredRun) -> list[int]:
    """Steps at which every lane has a checkpoint, in order."""
    names = {lane.name for lane in stored.settings.lanes}
    found: dict[int, set[str]] = {}
    for row in stored.checkpoints:
        found.setdefault(row.step, set()).add(row.lane)
    return sorted(step for step, lanes in found.items() if lanes >= names)


def start_at(stored: StoredRun, step: int, commands_through: int) -> Start:
    """Read the checkpoints at a step; commands in force by `commands_through` count."""
    rates = [lane.learning_rate for lane in stored.settings.lanes]
    strengths = [(lane.shortcuts, lane.branches) for lane in stored.settings.lanes]
    planned: int | None = None
    last_toggle = None
    for given in stored.commands:
        values = given.command
        if given.step > commands_through:
            continue
        match values.get("do"):
            case "strengths":
                lane = int(values["lane"])
                now = zip((values["shortcuts"], values["branches"]), strengths[lane], strict=True)
                shortcuts, branches = (was if new is None else tuple(map(float, new)) for new, was in now)
                strengths[lane] = (shortcuts, branches)
                last_toggle = given.step
            case "learning_rate":
                for number in range(len(rates)):
                    if values["lane"] in (None, number):
                        rates[number] = float(values["value"])
            case "length":
                planned = int(values["steps"])
    lanes = []
    for number, settings in enumerate(stored.settings.lanes):
        opened = _open(stored, step, settings)
        lanes.append(LaneStart(
            opened.state, opened.momentum, *strengths[number], rates[number], _diverged(stored, number, step)
        ))  # fmt: skip
    return Start(step, planned or 0, tuple(lanes), last_toggle)


def with_strengths(
    start: Start,
    shortcuts: tuple[tuple[float, ...], ...] | None,
    branches: tuple[tuple[float, ...], ...] | None,
) -> Start:
    """Return the start with other strengths, lane by lane; None leaves them as they are."""
    for given in (shortcuts, branches):
        if given is not None and len(given) != len(start.lanes):
            raise SkipscopeError(
                "strengths for {given} lanes, but the run has {lanes}",
                given=len(given),
                lanes=len(start.lanes),
            )
    lanes = list(start.lanes)
    for number, each in enumerate(lanes):
        lanes[number] = replace(
            each, shortcuts=each.shortcuts if shortcuts is None else shortcuts[number],
            branches=each.branches if branches is None else branches[number],
        )  # fmt: skip
    return replace(start, lanes=tuple(lanes))


def branch_settings(stored: StoredRun, start: Start) -> RunSettings:
    """Return the settings of a run that begins with these lanes."""
    lanes = tuple(
        replace(
            each,
            shortcuts=was.shortcuts,
            branches=was.branches,
            learning_rate=was.learning_rate,
            checkpoint=None,
        )
        for each, was in zip(stored.settings.lanes, start.lanes, strict=True)
    )
    return replace(stored.settings, lanes=lanes)


def _diverged(stored: StoredRun, lane: int, step: int) -> int | None:
    """Step of the lane's first non-finite loss, which is its last, if that came by `step`."""
    end = stored.ends[lane]
    return end[0] if end is not None and end[0] <= step and not math.isfinite(end[1]) else None


def _open(stored: StoredRun, step: int, settings: LaneSettings) -> checkpoint.Checkpoint:
    stored.open_checkpoint(step, settings.name)  # raises unless it is what was written
    row = next(row for row in stored.checkpoints if (row.step, row.lane) == (step, settings.name))
    opened = checkpoint.load(stored.directory / CHECKPOINTS / row.file)
    wanted = replace(settings.network, classes=opened.settings.classes)
    if opened.settings != wanted:
        raise RecordError(
            "{file} does not hold the network of lane {lane}", file=row.file, lane=settings.name
        )
    return opened


def _shows_same(old: RunSettings, new: RunSettings) -> bool:
    return (old.dataset, old.seed, old.image_size) == (new.dataset, new.seed, new.image_size)


def _for_classes(settings: RunSettings, dataset: Dataset) -> RunSettings:
    """Let networks that are drawn from the seed have as many classes as the data set."""
    classes = len(dataset.class_names)
    lanes = tuple(
        each if each.checkpoint else replace(each, network=replace(each.network, classes=classes))
        for each in settings.lanes
    )
    return replace(settings, lanes=lanes)
