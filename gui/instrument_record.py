"""What is known of one instrument: its findings, what is asked for, and whether they are out of date. No Qt."""

from dataclasses import dataclass, field

from core.findings import Instrument
from core.messages import Analysed, RunStarted, TrainingSlice

Strengths = tuple[tuple[float, ...], tuple[float, ...]]  # of shortcuts, of branches


@dataclass(slots=True)
class InstrumentRecord:
    """Findings of the lanes of one run, of one request at a time."""

    instrument: Instrument
    run: RunStarted | None = None
    findings: dict[int, Analysed] = field(default_factory=dict)
    request: int | None = None  # that is being answered
    step: int = 0  # the last one trained
    diverged: dict[int, int] = field(default_factory=dict)  # lane: step
    _shown: int = 0  # request that the findings are of
    _given_up: int = 0  # no request up to this one is listened to
    _strengths: list[list[tuple[int, Strengths]]] = field(default_factory=list)  # since which step, per lane

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run, also what is still to come of it."""
        self.give_up()
        self.run = run
        self.findings = {}
        self.diverged = {}
        self.step = run.done
        self._strengths = [[(0, (lane.shortcuts, lane.branches))] for lane in run.settings.lanes]

    def ask(self, request: int) -> None:
        """Wait for the answer to a request; an older one is no longer listened to."""
        self._given_up = request - 1
        self.request = request

    def give_up(self) -> None:
        """Wait no longer; what is there stays."""
        self._given_up = max(self._given_up, self.request or 0, self._shown)
        self.request = None

    def add_slice(self, part: TrainingSlice) -> bool:
        """Take in training steps; whether a finding is out of date by now that was not before."""
        before = self.changed_since()
        self.step = part.first_step + part.steps - 1
        for lane, (log, now) in enumerate(zip(self._strengths, part.lanes, strict=False)):
            if now.diverged_at is not None:
                self.diverged.setdefault(lane, now.diverged_at)
            if log[-1][1] != (now.shortcuts, now.branches):
                log.append((part.first_step, (now.shortcuts, now.branches)))
        return self.changed_since() != before

    def add_finding(self, event: Analysed) -> bool:
        """Take in what was found; False: not of this instrument, of no lane, or no longer wanted."""
        known = self.run is not None and event.lane is not None and event.lane < len(self.run.lanes)
        if not known or event.instrument != self.instrument or event.request <= self._given_up:
            return False
        assert event.lane is not None
        if event.request != self._shown:
            self.findings = {}
            self._shown = event.request
        self.findings[event.lane] = event
        self.request = None if event.last and event.fraction >= 1 else event.request
        return True

    def changed_since(self) -> tuple[int, ...]:
        """Lanes whose strengths are no longer those that were measured."""
        return tuple(
            lane
            for lane, event in sorted(self.findings.items())
            if event.step is not None and self._at(lane, event.step) != self._strengths[lane][-1][1]
        )

    def step_measured(self) -> int | None:
        """The step of the findings."""
        return next((event.step for event in self.findings.values()), None)

    def fraction(self) -> float:
        """How much of the request is done, all lanes together."""
        if self.run is None or self._shown != self.request:
            return 0.0
        alive = max(sum(lane not in self.diverged for lane in range(len(self.run.lanes))), 1)
        return min(sum(event.fraction for event in self.findings.values()) / alive, 1.0)

    def is_whole(self, lane: int) -> bool:
        """Whether a lane has been measured to the end."""
        return lane in self.findings and self.findings[lane].fraction >= 1

    def _at(self, lane: int, step: int) -> Strengths:
        """A lane's strengths while the weights of a step were in place."""
        return [strengths for since, strengths in self._strengths[lane] if since <= max(step, 0)][-1]
