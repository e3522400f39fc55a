"""Follows each toggle: held-out figures before it, right after it, and 10 and 50 steps later.

The weights of each moment are copied when it comes and judged later, piece by piece, so that
training is not held up and the figures are of the step they say.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from core.evaluation import evaluate_in_pieces
from core.findings import Shock
from core.fresh_statistics import refreshed_in_pieces
from core.live_run import LiveRun
from core.messages import Event, Shocked
from core.snapshot import Snapshot, snapshot

MOMENTS = (10, 50)  # steps after the toggle
PICTURES = 500  # held-out, behind each figure
FRESH_BATCHES = 8  # training batches behind re-estimated statistics
MOST_WAITING = 12  # copies of weights; a drag makes many, of which the oldest are let go


@dataclass(frozen=True, slots=True, eq=False)
class _Moment:
    toggled: int
    lane: int
    steps: int  # after the toggle; -1: before it
    state: dict[str, Tensor]
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]


class ShockWatch:
    """The toggles of one run that are still followed, and the moments still to be judged."""

    def __init__(self, run: LiveRun, publish: Callable[[Event], None]) -> None:
        self._run = run
        self._publish = publish
        self._due: dict[int, list[tuple[int, int]]] = {}  # lane: (toggled, steps after), in order
        self._waiting: list[_Moment] = []
        self._networks: dict[int, Snapshot] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether a moment has come that nobody has judged yet."""
        return bool(self._waiting)

    @property
    def is_watching(self) -> bool:
        """Whether moments are still to come, were training to go on."""
        return any(self._due.values())

    def before(self, lane: int) -> None:
        """Copy a lane that is about to be toggled."""
        self._copy(lane, self._run.step + 1, -1)

    def drop_last(self) -> None:
        """Forget the copy of `before`: the toggle came to nothing."""
        del self._waiting[-1:]

    def after(self, lane: int) -> None:
        """Copy the lane with its new strengths, and watch it; an older toggle of the lane is let go."""
        toggled = self._run.step + 1
        self._copy(lane, toggled, 0)
        self._due[lane] = [(toggled, steps) for steps in MOMENTS]

    def step_done(self) -> None:
        """Copy the lanes for which a moment has come."""
        for lane, due in self._due.items():
            if due and self._run.step == due[0][0] - 1 + due[0][1]:
                self._copy(lane, *due.pop(0))

    def judge(self) -> Iterator[None]:
        """Judge the oldest moment in pieces; publishes one Shocked."""
        moment = self._waiting.pop(0)
        batches = self._run.batches
        count = min(PICTURES, len(batches.held_out))
        network = self._network(moment)
        stale = yield from evaluate_in_pieces(network, batches, count)
        fresh = stale
        if network.settings.norm == "batch":
            pictures = self._next_pictures(moment)
            fresh = yield from evaluate_in_pieces(
                (yield from refreshed_in_pieces(network, pictures)), batches, count
            )
        reading = Shock(moment.steps, stale.loss, stale.accuracy, fresh.loss, fresh.accuracy)
        self._publish(Shocked(moment.toggled, moment.lane, reading))

    def _next_pictures(self, moment: _Moment) -> Iterator[Tensor]:
        """Yield the batches that come after the moment."""
        first = moment.toggled + max(moment.steps, 0)
        for step in range(first, first + FRESH_BATCHES):
            yield self._run.batches.batch(step)[0]

    def _network(self, moment: _Moment) -> Snapshot:
        network = self._networks.get(moment.lane)
        if network is None:
            network = self._networks[moment.lane] = snapshot(self._run.lanes[moment.lane].network)
        network.load_state_dict(moment.state)
        network.set_strengths(moment.shortcuts, moment.branches)
        return network

    def _copy(self, number: int, toggled: int, steps: int) -> None:
        lane = self._run.lanes[number]
        if lane.diverged_at is not None:
            return
        state = {name: tensor.detach().clone() for name, tensor in lane.network.state_dict().items()}
        network = lane.network
        self._waiting.append(_Moment(toggled, number, steps, state, network.shortcuts, network.branches))
        del self._waiting[:-MOST_WAITING]
