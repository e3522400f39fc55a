"""What is known of the trust in the maps on screen: asked, found, and how old that is. No Qt."""

from dataclasses import dataclass

from core.checks import CHECKS, Check
from core.messages import (
    Assess,
    Assessed,
    Attributed,
    Explain,
    Explanation,
    Failed,
    RunStarted,
    TrainingSlice,
)
from core.methods import Parameters, Size, passes
from core.notices import Notice
from gui.method_price import Pace
from gui.picture_state import LANES


@dataclass(frozen=True, slots=True)
class ShownMap:
    """One network's map on screen; findings belong to it."""

    network: int  # its place in the source
    name: str  # the network's
    method: str
    parameters: Parameters
    target: int
    blocks: int


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """What came of a check: something found, whole or so far, or nothing and why."""

    shortcuts: tuple[float, ...]  # of the map on screen when it was asked
    found: Assessed | None = None
    failure: Notice | None = None


@dataclass(frozen=True, slots=True)
class Price:
    """What a check costs."""

    passes: float
    seconds: float | None  # None: nothing was measured yet


class TrustRecord:
    """One picture's maps and the checks of them; another picture, source or run forgets both."""

    def __init__(self) -> None:
        self.question: Explain | None = None  # that the explanation on screen answers …
        self.explanation: Explanation | None = None  # … whole
        self._asked: Explain | None = None  # the newest of each, which may not belong together yet
        self._answered: Explanation | None = None
        self._step = 0  # the last one trained
        self._outcomes: dict[tuple[ShownMap, Check], Outcome] = {}
        self._running: dict[int, tuple[ShownMap, Check]] = {}  # by request; the first is under way
        self._shortcuts: dict[int, tuple[float, ...]] = {}  # by request
        self._pace = Pace()
        self._measured: dict[tuple[str, str, Check], float] = {}  # seconds a pass, of a check itself

    # ---- events ---------------------------------------------------------------------------

    def start_run(self, run: RunStarted) -> None:
        """Forget the last run; what is under way ends with it."""
        self.question = self.explanation = self._asked = self._answered = None
        self._step = run.done
        self._outcomes, self._running, self._shortcuts = {}, {}, {}
        self._pace.forget()
        self._measured = {}

    def take_slice(self, part: TrainingSlice) -> bool:
        """Keep the step; whether findings are of a past step by now that were not before."""
        before = self._past()
        self._step = part.first_step + part.steps - 1
        return self._past() != before

    def take_question(self, question: Explain) -> tuple[int, ...]:
        """Take in what the explanation on screen answers; return requests that nobody waits for any more."""
        self._asked = question
        return self._bring_together()

    def take_explanation(self, explanation: Explanation) -> tuple[int, ...]:
        """Take in a whole explanation; return requests that nobody waits for any more."""
        if explanation.done:
            self._answered = explanation
        return self._bring_together()

    def take_assessed(self, event: Assessed) -> bool:
        """Take in what a check found; False: it is not waited for."""
        if event.request not in self._running:
            return False
        shown, check = key = self._running[event.request]
        self._outcomes[key] = Outcome(self._shortcuts[event.request], event)
        if event.done:
            self._end(event.request)
            if event.seconds > 0 and event.reason is None:
                cost = self.price(shown, check).passes
                self._measured[shown.name, shown.method, check] = event.seconds / cost
        return True

    def take_failure(self, event: Failed) -> bool:
        """Take in that a request came to nothing; False: it is not waited for."""
        if event.request is None or event.request not in self._running:
            return False
        key = self._running[event.request]
        self._outcomes[key] = Outcome(self._shortcuts[event.request], failure=event.notice)
        self._end(event.request)
        return True

    def _bring_together(self) -> tuple[int, ...]:
        asked, answered = self._asked, self._answered
        if asked is None or answered is None or asked.id != answered.request or answered is self.explanation:
            return ()
        dropped: tuple[int, ...] = ()
        before = self.question
        if before is None or not _same_picture(before, asked):
            dropped = tuple(self._running)
            self._outcomes, self._running, self._shortcuts = {}, {}, {}
        self.question, self.explanation = asked, answered
        self._pace.take(asked.source, answered)
        self._step = max(self._step, answered.step or 0)
        return dropped

    # ---- asking ---------------------------------------------------------------------------

    def ask(self, shown: ShownMap, check: Check) -> Assess:
        """Make a request for a check and wait for it."""
        assert self.question is not None
        request = Assess(
            check, self.question.picture, shown.method, shown.target, shown.network, self.question.source,
            shown.parameters,
        )  # fmt: skip
        self._running[request.id] = (shown, check)
        answer = self.maps().get(shown)
        self._shortcuts[request.id] = () if answer is None else answer.shortcuts
        return request

    def give_up(self, request: int) -> None:
        """Wait no longer; half a finding is none."""
        key = self._running[request]
        outcome = self._outcomes.get(key)
        if outcome is not None and outcome.found is not None and not outcome.found.done:
            del self._outcomes[key]
        self._end(request)

    def request_of(self, shown: ShownMap, check: Check) -> int | None:
        """Return the request that is waited for, if any."""
        return next((request for request, key in self._running.items() if key == (shown, check)), None)

    def running(self) -> tuple[int, ...]:
        """Return every request that is waited for, the one under way first."""
        return tuple(self._running)

    def _end(self, request: int) -> None:
        del self._running[request], self._shortcuts[request]

    # ---- what is known --------------------------------------------------------------------

    def maps(self) -> dict[ShownMap, Attributed]:
        """Return the maps on screen that can be asked about, network by network; no differences."""
        shown: dict[ShownMap, Attributed] = {}
        if self.explanation is None or self.question is None:
            return shown
        names = list(dict.fromkeys(each.name for each in self.explanation.networks))  # of other depths, too
        for answer in self.explanation.networks:
            if answer.role == "difference":
                continue
            method = answer.method or self.explanation.method
            parameters = answer.parameters if answer.method else self.question.parameters
            key = ShownMap(
                names.index(answer.name),
                answer.name,
                method,
                parameters,
                answer.target,
                len(answer.shortcuts),
            )
            shown.setdefault(key, answer)  # with shortcuts on and off it is one question: that of now
        return shown

    def outcome(self, shown: ShownMap, check: Check) -> Outcome | None:
        """Return what came of a check of a map."""
        return self._outcomes.get((shown, check))

    def price(self, shown: ShownMap, check: Check) -> Price:
        """Return what a check costs, from what passes have taken so far."""
        assert self.explanation is not None
        assert self.question is not None
        side = min(self.explanation.picture.shape[:2])
        cost = CHECKS[check].passes(
            passes(shown.method, shown.parameters, Size(side, shown.blocks)), shown.blocks
        )
        known = self._measured.get((shown.name, shown.method, check))
        if known is not None:
            return Price(cost, known * cost)
        return Price(cost, self._pace.seconds(self.question.source, side, cost))

    def is_past(self, outcome: Outcome) -> bool:
        """Whether the lanes have trained on since."""
        step = None if outcome.found is None else outcome.found.step
        return self._is_of_lanes() and step is not None and self._step > step

    def is_of_other_strengths(self, shown: ShownMap, outcome: Outcome) -> bool:
        """Whether the map on screen is of other shortcut strengths than when the check was asked."""
        answer = self.maps().get(shown)
        by_role = answer is not None and answer.role in ("on", "off")
        return answer is not None and not by_role and answer.shortcuts != outcome.shortcuts

    def lane(self, shown: ShownMap) -> int | None:
        """Return which lane a map is of; None: a reference's."""
        return shown.network if self._is_of_lanes() else None

    def _is_of_lanes(self) -> bool:
        return self.question is not None and self.question.source == LANES

    def _past(self) -> list[bool]:
        return [self.is_past(outcome) for outcome in self._outcomes.values()]


def _same_picture(first: Explain, second: Explain) -> bool:
    return first.picture == second.picture and first.source == second.source
