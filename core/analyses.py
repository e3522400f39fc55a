"""Puts an instrument to each network of a source, piece by piece, and publishes what it finds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from core.findings import ANALYSED_PICTURES, Finding, Instrument
from core.gradient_split import split
from core.lesions import lesions_in_pieces
from core.live_run import LiveRun
from core.messages import Analyse, Analysed, Event
from core.network import ResidualNetwork
from core.notices import SkipscopeError
from core.path_shares import path_shares_in_pieces
from core.private_copy import training_copy
from core.slow_motion import slow_motion
from core.snapshot import snapshot
from core.sources import LANES, Source
from core.surplus import surplus_in_pieces
from core.training import scheduled

PATH_PICTURES = 32  # of the next batches
ON_TRAINING_COPY: tuple[Instrument, ...] = ("split", "slow_motion")

Findings = Iterator[tuple[Finding | None, float]]  # what is found so far, and the share of the work done


@dataclass(frozen=True, slots=True, eq=False)
class Patient:
    """A private copy of one network, as it was when the instrument was asked."""

    name: str
    lane: int | None
    network: ResidualNetwork
    momentum: dict[str, Tensor]
    learning_rate: float
    next_step: int  # the step that comes after the copy; training goes on before the copy is looked at


def patients(run: LiveRun, source: Source | None, request: Analyse) -> list[Patient]:
    """Copy what is to be looked at; raises SkipscopeError where an instrument cannot be used."""
    if source is None or source.name == LANES:
        return _lanes(run, request)
    if request.instrument == "slow_motion":
        raise SkipscopeError("only a lane of the run can take a step")
    wanted = run.dataset.transform(run.settings.image_size)
    for subject in source.subjects:
        if subject.transform != wanted or subject.class_names != run.dataset.class_names:
            raise SkipscopeError(
                "{name} does not take the pictures of this run; choose its data set and picture size first",
                name=subject.name,
            )  # fmt: skip
    following = run.step + 1
    return [Patient(each.name, None, snapshot(each.network), {}, 0.0, following) for each in source.subjects]


def analysis(
    run: LiveRun,
    looked_at: list[Patient],
    step: int | None,
    request: Analyse,
    publish: Callable[[Event], None],
) -> Iterator[None]:
    """Look at each copy; publishes Analysed, whole or in part, for each."""
    for patient in looked_at:
        last = patient is looked_at[-1]
        for finding, fraction in _findings(run, patient, request.instrument):
            if finding is not None:
                publish(Analysed(
                    request.id, request.instrument, patient.lane, patient.name, step, finding, fraction,
                    last and fraction >= 1,
                ))  # fmt: skip
            yield


def _lanes(run: LiveRun, request: Analyse) -> list[Patient]:
    found = []
    for number, lane in enumerate(run.lanes):
        if request.lane not in (None, number) or lane.diverged_at is not None:
            continue
        training = request.instrument in ON_TRAINING_COPY
        network = training_copy(lane.network) if training else snapshot(lane.network)
        momentum = {name: buffer.clone() for name, buffer in lane.momentum.items()} if training else {}
        rate = scheduled(lane.learning_rate, run.settings.schedule, run.step + 1, run.planned)
        found.append(Patient(lane.name, number, network, momentum, rate, run.step + 1))
    if not found:
        raise SkipscopeError("there is no lane to look at that has not diverged")
    return found


def _findings(run: LiveRun, patient: Patient, instrument: Instrument) -> Findings:
    network, batches = patient.network, run.batches
    count = min(ANALYSED_PICTURES, len(batches.held_out))
    labels = batches.held_out_labels[:count]

    def held_out(first: int, stop: int) -> Tensor:
        return batches.normalised(batches.held_out[first : min(stop, count)])

    match instrument:
        case "split":
            yield split(network, *batches.batch(patient.next_step)), 1.0
        case "slow_motion":
            pictures, truth = batches.batch(patient.next_step)
            yield slow_motion(
                network, patient.momentum, pictures, truth, step=patient.next_step,
                learning_rate=patient.learning_rate, momentum_factor=run.settings.momentum,
                weight_decay=run.settings.weight_decay, precision=run.settings.precision,
            ), 1.0  # fmt: skip
        case "lesions":
            yield from lesions_in_pieces(network, held_out, labels, seed=run.settings.seed)
        case "surplus":
            yield from surplus_in_pieces(network, held_out, labels, seed=run.settings.seed)
        case "paths":
            yield from path_shares_in_pieces(
                network, *_next_pictures(run, patient.next_step, PATH_PICTURES), seed=run.settings.seed
            )


def _next_pictures(run: LiveRun, step: int, count: int) -> tuple[Tensor, Tensor]:
    """Return the pictures that training comes to from a step on."""
    parts: list[tuple[Tensor, Tensor]] = []
    while sum(len(labels) for _, labels in parts) < count:
        parts.append(run.batches.batch(step))
        step += 1
    pictures, labels = (torch.cat(column)[:count] for column in zip(*parts, strict=True))
    return pictures, labels
