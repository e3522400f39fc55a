"""Long work beside training, as generators that yield between pieces of about 50 ms."""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.attribution import AttributionError, attribute_in_pieces, probabilities
from core.evaluation import HeldOut, evaluate_in_pieces
from core.live_run import LiveRun
from core.messages import (
    Attributed,
    BrowsePictures,
    Evaluation,
    Event,
    Explain,
    Explanation,
    LaneEvaluation,
    PicturePage,
    readonly,
)
from core.methods import METHODS
from core.sources import Source, Subject, as_seen

Publish = Callable[[Event], None]
MOST_EVALUATED = 1000  # held-out pictures behind the window's figures and gallery


def evaluated_count(run: LiveRun) -> int:
    """How many held-out pictures the window's figures use."""
    return min(MOST_EVALUATED, len(run.batches.held_out))


def evaluation(
    run: LiveRun, source: Source, publish: Publish, keep: Callable[[list[HeldOut]], None], request: int | None
) -> Iterator[None]:
    """Evaluate every network of the lanes' source; publishes one Evaluation."""
    stale = run.last_toggle if run.is_stale else None
    results = []
    for subject in source.subjects:
        results.append((yield from evaluate_in_pieces(subject.network, run.batches, evaluated_count(run))))
    keep(results)
    figures = tuple(
        # a network whose numbers are not finite predicts nothing, though argmax would say class 0
        LaneEvaluation(result.loss, result.accuracy if math.isfinite(result.loss) else math.nan)
        for result in results
    )
    assert source.step is not None
    if run.record is not None:
        run.record.append_evaluation(source.step, [(f.loss, f.accuracy) for f in figures], stale)
    publish(Evaluation(source.step, evaluated_count(run), figures, stale, request))


def predictions(
    run: LiveRun, source: Source, keep: Callable[[list[NDArray[np.float32]]], None]
) -> Iterator[None]:
    """Let a reference look at the evaluated held-out pictures, through its own transform."""
    results = []
    for subject in source.subjects:
        rows = []
        for number in range(evaluated_count(run)):
            picture, _, _ = as_seen(number, subject, run)
            rows.append(np.log(np.maximum(probabilities(subject.network, picture), 1e-30)))
            if number % 4 == 3:
                yield
        results.append(np.array(rows, np.float32))
        yield
    keep(results)


class _Stopwatch:
    """Counts the time of the pieces, not of the training between them."""

    def __init__(self) -> None:
        self._before = 0.0
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return self._before + time.perf_counter() - self._began

    def pause(self) -> Iterator[None]:
        """Yield once; the time until the generator goes on does not count."""
        self._before = self.seconds
        yield
        self._began = time.perf_counter()


def explanation(run: LiveRun | None, source: Source, request: Explain, publish: Publish) -> Iterator[None]:
    """Explain one picture with every network of a source; publishes coarse and whole maps."""
    watch = _Stopwatch()
    answers: list[Attributed] = []
    looks: NDArray[np.uint8] | None = None
    label: int | None = None

    def reply(done: bool, partial: Attributed | None = None) -> None:
        assert looks is not None
        publish(Explanation(
            request=request.id, method=request.method, baseline=METHODS[request.method].baseline,
            step=source.step, picture=readonly(looks), label=label,
            class_names=source.subjects[0].class_names, networks=(*answers, *([partial] if partial else [])),
            seconds=watch.seconds, transform=source.subjects[0].transform.words(), done=done,
        ))  # fmt: skip

    for subject in source.subjects:
        picture, seen, label = as_seen(request.picture, subject, run)
        looks = seen if looks is None else looks
        chances = probabilities(subject.network, picture)
        known = bool(np.isfinite(chances).all())
        target = request.target if request.target is not None else int(np.argmax(chances)) if known else 0
        answer = Attributed(
            subject.name, None, None, readonly(np.array(chances)), target, None, subject.network.shortcuts
        )
        yield from watch.pause()
        try:
            for result in attribute_in_pieces(subject.network, picture, request.method, target):
                answer = Attributed(
                    subject.name, result.attribution, None, answer.probabilities, target,
                    result.completeness_error, subject.network.shortcuts,
                )  # fmt: skip
                if not result.done:
                    reply(False, answer)
                yield from watch.pause()
        except AttributionError as error:  # this network cannot be explained; the others can
            answer = replace(answer, attribution=None, reason=error.notice, completeness_error=None)
        answers.append(answer)
    reply(True)


def page(
    run: LiveRun, request: BrowsePictures, known: Mapping[str, tuple[int | None, list[NDArray[np.float32]]]]
) -> PicturePage:
    """Choose a page of the evaluated held-out pictures by what a source predicted for them."""
    count = evaluated_count(run)
    labels = run.batches.held_out_labels[:count].cpu().numpy()
    step, logits = known.get(request.source, (None, []))
    predicted = np.full((max(len(logits), 1), count), -1, np.int64)
    confidence = np.full(predicted.shape, np.nan)
    for network, table in enumerate(logits):
        shifted = np.exp(table - table.max(1, keepdims=True), dtype=np.float64)
        predicted[network] = np.where(np.isfinite(table).all(1), table.argmax(1), -1)
        confidence[network] = shifted.max(1) / shifted.sum(1)
    chosen = np.flatnonzero(_passes(request, labels, predicted, confidence))
    indices = chosen[request.offset : request.offset + request.count]
    pixels = run.batches.held_out[indices.tolist()].cpu().numpy().transpose(0, 2, 3, 1)
    return PicturePage(
        request=request.id, matching=len(chosen), offset=request.offset, indices=readonly(indices),
        pixels=readonly(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:3], 3)))),
        labels=readonly(labels[indices]), predicted=readonly(predicted[:, indices]),
        confidence=readonly(confidence[:, indices]), step=step, class_names=run.dataset.class_names,
    )  # fmt: skip


def _passes(
    request: BrowsePictures,
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    sure: NDArray[np.float64],
) -> NDArray[np.bool_]:
    keep = np.isin(labels, request.labels) if request.labels else np.ones(len(labels), bool)
    known = predicted.min(1) >= 0  # networks that predict at all
    if not known.any():
        return keep if request.kind == "all" else np.zeros_like(keep)
    predicted, sure = predicted[known], sure[known]
    right = predicted == labels
    match request.kind:
        case "wrong":
            return keep & ~right.all(0)
        case "correct":
            return keep & right.all(0)
        case "confident":
            return keep & (sure >= 0.9).any(0)
        case "disagree":
            return keep & (predicted != predicted[0]).any(0)
        case _:
            return keep


def same_classes(subject: Subject, run: LiveRun) -> bool:
    """Whether a network speaks of the run's classes."""
    return subject.network.settings.classes == len(run.dataset.class_names)
