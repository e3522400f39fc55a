"""The engine's work on one check of trust: the map's picture is fetched, the check runs in pieces."""

from collections.abc import Callable, Iterator

from core.live_run import LiveRun
from core.messages import Assess, Assessed, Event
from core.sources import Source, as_seen
from core.stopwatch import Stopwatch
from core.trust import assess_in_pieces


def assessment(
    run: LiveRun | None, source: Source, request: Assess, publish: Callable[[Event], None]
) -> Iterator[None]:
    """Check one network's map; publishes what is found so far, and the whole. Raises MethodError."""
    watch = Stopwatch()
    subject = source.subjects[request.network]
    picture, _, _ = as_seen(request.picture, subject, run)
    findings = assess_in_pieces(
        subject.network, picture, request.check, request.method, request.target, request.parameters
    )
    for found in findings:
        publish(Assessed(
            request=request.id, check=request.check, name=subject.name, method=request.method,
            target=request.target, step=source.step, value=found.value, shares=found.shares,
            curve=found.curve, control=found.control, seconds=watch.seconds, reason=found.reason, done=found.done,
        ))  # fmt: skip
        yield from watch.pause()
