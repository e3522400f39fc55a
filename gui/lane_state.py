"""What the window knows of each lane: strengths in force, strengths asked for, latest readings."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from core.messages import BlockSamples, FloatArray, LaneInfo, LaneSlice, RunStarted, TrainingSlice
from core.settings import BlockShape, LaneSettings

Strengths = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """Strengths on their way to the engine."""

    command_id: int
    shortcuts: Strengths
    branches: Strengths


@dataclass(slots=True)
class LaneState:
    """One lane as last heard of."""

    info: LaneInfo
    blocks: tuple[BlockShape, ...]
    shortcuts: Strengths  # in force
    branches: Strengths
    requests: list[Request] = field(default_factory=list)
    applied_at: int | None = None  # step at which the latest request came into force
    diverged_at: int | None = None
    step: int = 0  # of the readings; 0: none yet
    loss: float | None = None
    norms: FloatArray | None = None  # (blocks,) of the residual branch's parameters
    output_gradients: FloatArray | None = None  # (blocks,)
    samples: BlockSamples | None = None
    is_past: bool = False  # as the lane was at `step`, while the run goes on

    @property
    def shown_shortcuts(self) -> Strengths:
        """The strengths that will hold once every request is applied."""
        return self.requests[-1].shortcuts if self.requests else self.shortcuts

    @property
    def shown_branches(self) -> Strengths:
        """The branch strengths that will hold once every request is applied."""
        return self.requests[-1].branches if self.requests else self.branches

    def gain(self, block: int) -> float | None:
        """Output gradient over the next block's: what the next block does to it on the way back."""
        if self.output_gradients is None or block + 1 >= len(self.blocks):
            return None
        here, later = float(self.output_gradients[block]), float(self.output_gradients[block + 1])
        return here / later if later else None

    def take(self, readings: LaneSlice, first_step: int, applied: Iterable[int]) -> None:
        """Keep the last row of a slice, and what it says of the requests."""
        ids = set(applied)
        waiting = [request for request in self.requests if request.command_id not in ids]
        if len(waiting) < len(self.requests):
            self.requests, self.applied_at = waiting, first_step
        self.shortcuts, self.branches = readings.shortcuts, readings.branches
        self.diverged_at = readings.diverged_at
        if readings.samples is not None:
            self.samples = readings.samples
        steps = len(readings.losses)
        if steps:
            self.step, self.loss = first_step + steps - 1, float(readings.losses[-1])
            self.norms = readings.gradient_norms[-1].copy()  # a view would keep the slice alive
            self.output_gradients = readings.output_gradients[-1].copy()


class RunState:
    """The lanes of the present run."""

    def __init__(self) -> None:
        self.lanes: tuple[LaneState, ...] = ()

    def start(self, event: RunStarted) -> None:
        """Forget the last run."""
        pairs = zip(event.lanes, event.settings.lanes, strict=True)
        self.lanes = tuple(_fresh(info, settings) for info, settings in pairs)

    def clear(self) -> None:
        """Know of no run."""
        self.lanes = ()

    def take(self, event: TrainingSlice) -> None:
        """Keep what a slice says last."""
        for lane, readings in zip(self.lanes, event.lanes, strict=False):
            lane.take(readings, event.first_step, event.applied)

    def request(
        self, lane: int, shortcuts: Strengths | None, branches: Strengths | None, command_id: int
    ) -> None:
        """Note strengths that were sent to the engine (None: left as they are)."""
        if not 0 <= lane < len(self.lanes):
            return
        state = self.lanes[lane]
        state.applied_at = None
        state.requests.append(
            Request(
                command_id,
                state.shown_shortcuts if shortcuts is None else shortcuts,
                state.shown_branches if branches is None else branches,
            )
        )

    def drop(self, command_id: int) -> None:
        """Forget a request that the engine could not carry out."""
        for lane in self.lanes:
            lane.requests = [request for request in lane.requests if request.command_id != command_id]

    def has(self, lane: int, block: int) -> bool:
        """Whether there is such a block."""
        return 0 <= lane < len(self.lanes) and 0 <= block < len(self.lanes[lane].blocks)


def with_strength(strengths: Strengths, blocks: Iterable[int], value: float) -> Strengths:
    """Return the strengths with some of them set to one value."""
    chosen = set(blocks)
    return tuple(value if index in chosen else old for index, old in enumerate(strengths))


def switched(strength: float) -> float:
    """Cut what carries anything, restore what carries nothing."""
    return 0.0 if strength > 0 else 1.0


def switched_together(strengths: Strengths, blocks: Iterable[int]) -> Strengths:
    """Cut a group that is whole; restore one of which anything is missing."""
    chosen = tuple(blocks)
    whole = all(strengths[block] == 1 for block in chosen)
    return with_strength(strengths, chosen, 0.0 if whole else 1.0)


def _fresh(info: LaneInfo, settings: LaneSettings) -> LaneState:
    return LaneState(info, info.network.blocks, settings.shortcuts, settings.branches)
