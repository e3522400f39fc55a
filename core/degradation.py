"""What depth does to recorded runs: the points of the degradation chart. No torch.

He et al. 2015 (figures 1 and 6) show *training* figures: a deeper plain network is worse on the very
pictures it is trained on. Parameters and multiply-adds are counted from the settings alone.
"""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.settings import BlockShape, LaneSettings, NetworkSettings, RunSettings
from core.stored_run import StoredRun, read_steps

END = 20  # final figures are means of so many last steps

Shortcuts = Literal["with", "plain", "mixed"]


@dataclass(frozen=True, slots=True)
class DepthPoint:
    """One lane of a recorded run.

    A lane that has diverged has figures that are not finite. `parameters` and `macs` are those of the
    whole network, cut projections included. `recipe` is all else that could matter: the run with this
    lane alone, without name and seed.
    """

    run: str  # the folder's name
    lane: str
    depth: int
    shortcuts: Shortcuts  # all at 1, all at 0, or anything else at any time
    loss: float  # on the training batches
    error: float  # in [0, 1], on the training batches
    steps: int  # recorded
    parameters: int
    macs: int  # multiply-adds for one picture
    learning_rate: float  # at the end, before the schedule
    seed: int
    dataset: str
    width: int
    recipe: RunSettings


@dataclass(frozen=True, slots=True)
class Band:
    """Points that differ in their seed only: median, lowest and highest of those that are finite."""

    depth: int
    shortcuts: Shortcuts
    median_loss: float
    low_loss: float
    high_loss: float
    median_error: float
    low_error: float
    high_error: float
    diverged: int  # how many of the points are not finite and not in the figures
    points: tuple[DepthPoint, ...]


@dataclass(frozen=True, slots=True)
class Published:
    """A figure from a paper. It is a *test* error in per cent: never on one axis with training figures."""

    depth: int
    shortcuts: Shortcuts
    value: float
    what: str
    dataset: str
    source: str


_TEST_ERROR = "test error, %"
_HE = "He et al. 2015, table 6"
_LI = "Li et al. 2018 (weight decay 5e-4, 300 epochs)"
# He et al. give plain networks a figure only, no numbers.
PUBLISHED: tuple[Published, ...] = (
    Published(20, "with", 8.75, _TEST_ERROR, "cifar10", _HE),
    Published(32, "with", 7.51, _TEST_ERROR, "cifar10", _HE),
    Published(44, "with", 7.17, _TEST_ERROR, "cifar10", _HE),
    Published(56, "with", 6.97, _TEST_ERROR, "cifar10", _HE),
    Published(110, "with", 6.43, _TEST_ERROR, "cifar10", _HE),
    Published(20, "with", 7.37, _TEST_ERROR, "cifar10", _LI),
    Published(56, "with", 5.89, _TEST_ERROR, "cifar10", _LI),
    Published(110, "with", 5.79, _TEST_ERROR, "cifar10", _LI),
    Published(20, "plain", 8.18, _TEST_ERROR, "cifar10", _LI),
    Published(56, "plain", 13.31, _TEST_ERROR, "cifar10", _LI),
    Published(110, "plain", 16.44, _TEST_ERROR, "cifar10", _LI),
)


def points(run: StoredRun) -> tuple[DepthPoint, ...]:
    """Return one point for each lane that has trained; a run read without its steps will do.

    Raises RecordError.
    """
    made = []
    for number, (stored, lane, end) in enumerate(zip(run.lanes, run.settings.lanes, run.ends, strict=True)):
        if end is None:
            continue
        if not len(stored.steps):
            stored = read_steps(run.directory, number, end[0] - END + 1, end[0])
        network = lane.network
        made.append(DepthPoint(
            run=run.directory.name, lane=lane.name, depth=network.depth, shortcuts=_shortcuts(run, number),
            loss=float(stored.losses[-END:].mean()), error=1 - float(stored.accuracies[-END:].mean()),
            steps=int(stored.steps[-1]), parameters=count_parameters(network),
            macs=multiply_adds(network, run.settings.image_size), learning_rate=_learning_rate(run, number),
            seed=run.settings.seed, dataset=run.settings.dataset, width=network.width,
            recipe=_recipe(run.settings, lane),
        ))  # fmt: skip
    return tuple(made)


def bands(found: Iterable[DepthPoint]) -> tuple[Band, ...]:
    """Group points by everything but the seed, by depth.

    Runs of unequal length are not comparable and go apart; a lane that diverged counts in every group
    that got as far.
    """
    groups: dict[tuple[object, ...], list[DepthPoint]] = {}
    diverged = []
    for point in found:
        if _is_finite(point):
            groups.setdefault((*_key(point), point.steps), []).append(point)
        else:
            diverged.append(point)
    for point in diverged:
        fitting = [key for key in groups if key[:-1] == _key(point) and groups[key][0].steps >= point.steps]
        for key in fitting or [(*_key(point), 0)]:  # 0: only diverged ones
            groups.setdefault(key, []).append(point)
    made = [_band(members) for members in groups.values()]
    return tuple(
        sorted(made, key=lambda band: (band.depth, ("with", "mixed", "plain").index(band.shortcuts)))
    )


def count_parameters(settings: NetworkSettings) -> int:
    """Count the parameters of a network, cut projections included."""
    total = _conv(3, settings.width, 7 if settings.stem == "7x7" else 3, settings)
    if settings.block == "post" or settings.stem == "7x7":
        total += _norm(settings.width, settings)
    for shape in settings.blocks:
        total += _conv(shape.in_channels, shape.out_channels, 3, settings)
        total += _conv(shape.out_channels, shape.out_channels, 3, settings)
        total += _norm(shape.out_channels if settings.block == "post" else shape.in_channels, settings)
        total += _norm(shape.out_channels, settings)
        if _projects(shape, settings):
            total += _conv(shape.in_channels, shape.out_channels, 1, settings)
            total += _norm(shape.out_channels, settings) if settings.block == "post" else 0
    channels = settings.blocks[-1].out_channels
    total += _norm(channels, settings) if settings.block == "pre" else 0
    return total + (channels + 1) * settings.classes


def multiply_adds(settings: NetworkSettings, image_size: int) -> int:
    """Count the multiply-adds of the convolutions and the last layer for one picture of that side."""
    side, kernel = image_size, 3
    if settings.stem == "7x7":
        side, kernel = _halved(side), 7
    total = 3 * settings.width * kernel**2 * side**2
    if settings.stem == "7x7":
        side = _halved(side)  # the pooling
    for shape in settings.blocks:
        side = _halved(side) if shape.stride == 2 else side
        weights = 9 * (shape.in_channels + shape.out_channels) * shape.out_channels
        if _projects(shape, settings):
            weights += shape.in_channels * shape.out_channels
        total += weights * side**2
    return total + settings.blocks[-1].out_channels * settings.classes


def _conv(before: int, after: int, kernel: int, settings: NetworkSettings) -> int:
    return before * after * kernel**2 + (after if settings.norm == "none" else 0)


def _norm(channels: int, settings: NetworkSettings) -> int:
    return 2 * channels if settings.norm == "batch" else 0


def _projects(shape: BlockShape, settings: NetworkSettings) -> bool:
    return shape.changes_shape and settings.projection == "conv"


def _halved(side: int) -> int:
    return -(-side // 2)


def _shortcuts(run: StoredRun, number: int) -> Shortcuts:
    """Tell what a lane was; one that was toggled on the way, or began as another network, is mixed."""
    lane = run.settings.lanes[number]
    seen = {(lane.shortcuts, lane.branches)}
    for row in run.commands:
        if row.command.get("do") == "strengths" and row.command.get("lane") == number:
            shortcuts, branches = (row.command.get(key) for key in ("shortcuts", "branches"))
            seen.add((
                lane.shortcuts if shortcuts is None else tuple(map(float, shortcuts)),
                lane.branches if branches is None else tuple(map(float, branches)),
            ))  # fmt: skip
    if run.begins_at or len(seen) > 1 or any(strength != 1 for strength in lane.branches):
        return "mixed"
    values = set(lane.shortcuts)
    return "with" if values == {1} else "plain" if values == {0} else "mixed"


def _learning_rate(run: StoredRun, number: int) -> float:
    rate = run.settings.lanes[number].learning_rate
    for row in run.commands:
        if row.command.get("do") == "learning_rate" and row.command.get("lane") in (None, number):
            rate = float(row.command["value"])
    return rate


def _recipe(settings: RunSettings, lane: LaneSettings) -> RunSettings:
    return replace(settings, lanes=(replace(lane, name=""),), seed=0, device="auto", threads=0)


def _key(point: DepthPoint) -> tuple[object, ...]:
    return point.recipe, point.shortcuts, point.learning_rate


def _is_finite(point: DepthPoint) -> bool:
    return abs(point.loss) < float("inf")


def _band(members: Sequence[DepthPoint]) -> Band:
    finite = [point for point in members if _is_finite(point)]
    losses, errors = ([getattr(point, name) for point in finite] for name in ("loss", "error"))
    return Band(
        members[0].depth, members[0].shortcuts, *_spread(losses), *_spread(errors),
        len(members) - len(finite), tuple(members),
    )  # fmt: skip


def _spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Return median, lowest and highest; NaN where there is nothing."""
    if not values:
        return (float("nan"),) * 3
    return statistics.median(values), min(values), max(values)
