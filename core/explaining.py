"""The engine's work on one explanation: every frame of its arrangement, for every network, in pieces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core import comparison
from core.attribution import AttributionError, Result, attribute_in_pieces, probabilities, unsuitable
from core.comparison import Frame
from core.live_run import LiveRun
from core.map_cache import MapCache, MapKey, picture_key
from core.messages import Attributed, Event, Explain, Explanation, readonly
from core.methods import METHODS, MethodError, Parameters, Size, values
from core.notices import Notice
from core.snapshot import Snapshot, snapshot
from core.sources import Source, Subject, as_seen
from core.stopwatch import Stopwatch

Publish = Callable[[Event], None]


@dataclass(frozen=True, slots=True)
class _Planned:
    """A frame with every parameter's value, or why this network has no such map."""

    frame: Frame
    chosen: Parameters
    error: MethodError | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Asked:
    """One network's part of the question."""

    subject: Subject
    picture: Tensor  # (3, S, S) as the network gets it
    target: int
    against: int
    chances: NDArray[np.float64]


def explanation(
    run: LiveRun | None, source: Source, request: Explain, publish: Publish, known: MapCache
) -> Iterator[None]:
    """Explain one picture with every network of a source; publishes coarse and whole maps.

    Asked for by hand, every map is published as it comes; a refresh comes whole. Raises MethodError
    where the arrangement is none, or a parameter is none for every network; what only some of them
    lack (a block of a deeper one) comes as a reason.
    """
    watch = Stopwatch()
    answers: list[Attributed] = []
    looks: NDArray[np.uint8] | None = None
    label: int | None = None
    plans = _plans(request, source)
    total = sum(map(len, plans))
    frames_each = max(map(len, plans))
    wrong = _unsuitable_everywhere(source)
    key = picture_key(request.picture)

    def reply(done: bool, partial: Attributed | None = None) -> None:
        assert looks is not None
        publish(Explanation(
            request=request.id, method=request.method, baseline=METHODS[request.method].baseline,
            step=source.step, picture=readonly(looks), label=label,
            class_names=source.subjects[0].class_names, networks=(*answers, *([partial] if partial else [])),
            seconds=watch.seconds, transform=source.subjects[0].transform.words(), done=done,
            frames=frames_each, arrangement=request.arrangement, unsuitable=wrong,
        ))  # fmt: skip

    for subject, plan in zip(source.subjects, plans, strict=True):
        picture, seen, label = as_seen(request.picture, subject, run)
        looks = seen if looks is None else looks
        asked = _asked(request, subject, picture)
        networks = _Networks(subject)
        yield from watch.pause()
        for planned in plan:
            pieces = _frame(asked, planned, networks, answers, known, key)
            for answer, done in pieces:
                if not done and not request.automatic:
                    reply(False, answer)
                yield from watch.pause()
                if done:
                    answers.append(answer)
            if not request.automatic and len(answers) < total:
                reply(False)
    reply(True)


def _asked(request: Explain, subject: Subject, picture: Tensor) -> _Asked:
    chances = probabilities(subject.network, picture)
    ranked = [int(each) for each in np.argsort(-np.nan_to_num(chances), kind="stable")]
    target = request.target if request.target is not None else ranked[0]
    runner_up = next((each for each in ranked if each != target), target)
    against = request.against if request.against is not None else runner_up
    return _Asked(subject, picture, target, against, chances)


def _plans(request: Explain, source: Source) -> list[list[_Planned]]:
    """Lay out every network's frames; raises MethodError where a frame is none for every network."""
    plans = []
    for subject in source.subjects:
        size = Size(subject.transform.size, len(subject.network.blocks))
        plans.append([_planned(frame, size) for frame in comparison.frames(request, size.blocks)])
    for same in zip(*plans, strict=False):  # a filmstrip of a deeper network is longer
        errors = [each.error for each in same if each.error is not None]
        if len(errors) == len(plans):
            raise errors[0]
    return plans


def _planned(frame: Frame, size: Size) -> _Planned:
    try:
        return _Planned(frame, _every(values(frame.method, frame.parameters, size)))
    except MethodError as error:
        return _Planned(frame, frame.parameters, error)


class _Networks:
    """A network with its present strengths, with all shortcuts, and with none; copies are made when needed."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._switched: dict[float, Snapshot] = {}

    def of(self, frame: Frame) -> Snapshot:
        """Return the network a frame is about."""
        if frame.role not in ("on", "off"):
            return self._subject.network
        strength = float(frame.role == "on")
        shortcuts = (strength,) * len(self._subject.network.blocks)
        if self._subject.network.shortcuts == shortcuts:
            return self._subject.network
        if strength not in self._switched:
            self._switched[strength] = snapshot(self._subject.network)
            self._switched[strength].set_strengths(shortcuts, self._subject.network.branches)
        return self._switched[strength]


def _frame(
    asked: _Asked,
    planned: _Planned,
    networks: _Networks,
    before: list[Attributed],
    known: MapCache,
    key: object,
) -> Iterator[tuple[Attributed, bool]]:
    """Yield a frame's answer, coarse and then whole; a map that is not right here comes as a reason."""
    frame, chosen = planned.frame, planned.chosen
    if frame.role == "difference":
        yield _difference(before[-2], before[-1]), True
        return
    network = networks.of(frame)
    chances = asked.chances if network is asked.subject.network else probabilities(network, asked.picture)
    target = asked.against if frame.role == "against" else asked.target
    answer = Attributed(
        asked.subject.name, None, None, readonly(np.array(chances)), target, None, network.shortcuts,
        method=frame.method, parameters=chosen, role=frame.role, block=frame.block,
        baseline=METHODS[frame.method].baseline,
    )  # fmt: skip
    if planned.error is not None:
        yield replace(answer, reason=planned.error.notice), True
        return
    place = MapKey(
        asked.subject.weights, network.shortcuts, network.branches, key, frame.method, chosen, target
    )
    if asked.subject.weights is not None and (kept := known.get(place)) is not None:
        yield _with(answer, kept, 0.0), True
        return
    try:
        for result in attribute_in_pieces(network, asked.picture, frame.method, target, chosen):
            if result.done and asked.subject.weights is not None:
                known.keep(place, result)
            yield _with(answer, result, result.seconds), result.done
    except AttributionError as error:  # this network cannot be explained so; the others can
        yield replace(answer, reason=error.notice), True


def _with(answer: Attributed, result: Result, seconds: float) -> Attributed:
    return replace(
        answer, attribution=result.attribution, completeness_error=result.completeness_error, seconds=seconds
    )


def _difference(first: Attributed, second: Attributed) -> Attributed:
    """Return the first map minus the second, where both are there."""
    missing = first.reason or second.reason
    attribution = None
    if missing is None:
        assert first.attribution is not None
        assert second.attribution is not None
        attribution = readonly(first.attribution - second.attribution)
    return replace(
        first, attribution=attribution, reason=missing, probabilities=readonly(np.zeros(0)),
        completeness_error=None, role="difference", seconds=0.0,
    )  # fmt: skip


def _every(chosen: dict[str, int | float | str]) -> Parameters:
    return tuple(sorted(chosen.items()))


def _unsuitable_everywhere(source: Source) -> tuple[tuple[str, Notice], ...]:
    """Return the methods that are right for none of a source's networks, each with a reason."""
    found = []
    for method in METHODS:
        reasons = [unsuitable(subject.network, method) for subject in source.subjects]
        if all(reason is not None for reason in reasons) and reasons[0] is not None:
            found.append((method, reasons[0]))
    return tuple(found)
