"""Held-out figures of the lanes beside training, as a generator that yields between pieces of about 50 ms."""

import math
from collections.abc import Callable, Iterator

from core.evaluation import HeldOut, evaluate_in_pieces, evaluated_count
from core.live_run import LiveRun
from core.messages import Evaluation, Event, LaneEvaluation
from core.sources import Source

Publish = Callable[[Event], None]


def evaluation(
    run: LiveRun, source: Source, publish: Publish, keep: Callable[[list[HeldOut]], None], request: int | None
) -> Iterator[None]:
    """Evaluate every network of the lanes' source; publishes one Evaluation, then `keep` gets the rest."""
    count = evaluated_count(run.batches)
    stale = run.last_toggle if run.is_stale else None
    results = []
    for subject in source.subjects:
        results.append((yield from evaluate_in_pieces(subject.network, run.batches, count)))
    figures = tuple(
        # a network whose numbers are not finite predicts nothing, though argmax would say class 0
        LaneEvaluation(result.loss, result.accuracy if math.isfinite(result.loss) else math.nan)
        for result in results
    )
    assert source.step is not None
    if run.record is not None:
        run.record.append_evaluation(source.step, [(f.loss, f.accuracy) for f in figures], stale)
    publish(Evaluation(source.step, count, figures, stale, request))
    keep(results)
