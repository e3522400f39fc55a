"""Networks that can be asked what they see: the lanes as they are now, or references beside the run."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core import checkpoint, imagenet
from core.checkpoint import Checkpoint
from core.foreign import title
from core.live_run import LiveRun, Start
from core.messages import OwnPicture
from core.notices import Notice, SkipscopeError
from core.paths import asset
from core.snapshot import Snapshot, refresh_snapshot, snapshot
from core.transform import Transform, fit, normalise

_versions = count(1)  # of weights that do not change any more

LANES = "lanes"
PRETRAINED = "Pretrained twins"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One network to ask, at rest."""

    name: str
    network: Snapshot
    transform: Transform
    class_names: tuple[str, ...]
    weights: Hashable  # equal for equal weights and statistics only


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Networks asked together, and the training step they are from."""

    name: str
    subjects: tuple[Subject, ...]
    step: int | None
    path: str | None = None  # of the file it was opened from


class LaneSnapshots:
    """Copies of the lanes, one set a purpose, brought up to date when asked for."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
        self._version = next(_versions)
        self._copies: dict[tuple[str, int], Snapshot] = {}

    def take(self, purpose: str) -> Source:
        """Return all lanes as they are now. A purpose's last copies must no longer be in use."""
        subjects = []
        transform = self._run.dataset.transform(self._run.settings.image_size)
        for number, lane in enumerate(self._run.lanes):
            copy = self._copies.get((purpose, number))
            if copy is None:
                copy = self._copies[purpose, number] = snapshot(lane.network)
            else:
                refresh_snapshot(copy, lane.network)
            weights = (self._version, number, self._run.step, self._run.abandoned)
            subjects.append(Subject(lane.name, copy, transform, self._run.dataset.class_names, weights))
        return Source(LANES, tuple(subjects), self._run.step)


def past(run: LiveRun, start: Start) -> Source:
    """Return the lanes of a run as they were at a recorded step."""
    transform = run.dataset.transform(run.settings.image_size)
    subjects = []
    for lane, was in zip(run.lanes, start.lanes, strict=True):
        copy = snapshot(lane.network)
        copy.load_state_dict(was.state)
        copy.set_strengths(was.shortcuts, was.branches)
        subjects.append(Subject(lane.name, copy, transform, run.dataset.class_names, next(_versions)))
    return Source(f"Step {start.step}", tuple(subjects), start.step)


def pretrained(device: torch.device) -> Source:
    """Open the embedded twins."""
    subjects = []
    for name in ("with", "without"):
        path = asset("pretrained", f"resnet18-w16-{name}.safetensors")
        subjects.append(_subject(f"{name} shortcuts", checkpoint.load(path), device))
    return Source(PRETRAINED, tuple(subjects), None)


def reference(opened: Checkpoint, device: torch.device, kept: Mapping[str, Source]) -> Source:
    """Make an opened checkpoint a network to ask, under a name that no other file in `kept` has."""
    published = imagenet.published_title(opened)
    if published is not None:
        return Source(published, (_subject(published, opened, device),), None)
    path = Path(opened.path).absolute()
    taken = {LANES, PRETRAINED} | {name for name, source in kept.items() if source.path != str(path)}
    names = (path.name, f"{path.parent.name}/{path.name}")
    name = next((name for name in names if name not in taken), str(path))
    return Source(name, (_subject(name, opened, device),), None, str(path))


def about(source: Source) -> Notice:
    """Say in one line what a source's networks are and how pictures are made ready for them."""
    titles = dict.fromkeys(title(subject.network.settings) for subject in source.subjects)
    first = source.subjects[0]
    named = first.class_names != _numbers(len(first.class_names))
    line = "{networks} · {size}×{size} · {transform}"
    return Notice(
        line if named else f"{line} · its classes have numbers for names",
        {"networks": " / ".join(titles), "size": first.transform.size, "transform": first.transform.words()},
    )


def as_seen(
    picture: int | OwnPicture, subject: Subject, run: LiveRun | None
) -> tuple[torch.Tensor, NDArray[np.uint8], int | None]:
    """Return what a network gets (3, S, S), how it looks (S, S, 3), and the label where known."""
    device = next(subject.network.parameters()).device
    if isinstance(picture, OwnPicture):
        looks, label = fit(picture.pixels, subject.transform), None
    else:
        if run is None or not 0 <= picture < len(run.batches.held_out):
            raise SkipscopeError("there is no held-out picture {number}", number=picture)
        pixels = run.batches.held_out[picture].cpu().numpy().transpose(1, 2, 0)
        label = int(run.batches.held_out_labels[picture])
        looks = fit(np.ascontiguousarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3))), subject.transform)
        names = run.dataset.class_names
        same = subject.transform == run.dataset.transform(run.settings.image_size)
        # who was trained on such pictures and has no names for their classes has these
        if subject.class_names != names and not (same and subject.class_names == _numbers(len(names))):
            label = None
        if same:  # exactly what the lanes are trained on, without rounding to bytes in between
            return run.batches.normalised(run.batches.held_out[picture][None])[0].to(device), looks, label
    return torch.from_numpy(normalise(looks, subject.transform)).to(device), looks, label


def _subject(name: str, opened: Checkpoint, device: torch.device) -> Subject:
    network = snapshot(opened.network().to(device))
    names = opened.class_names or _numbers(opened.settings.classes)
    return Subject(name, network, opened.transform, names, next(_versions))


def _numbers(classes: int) -> tuple[str, ...]:
    """What classes are called that nobody has named."""
    return tuple(str(number) for number in range(classes))
