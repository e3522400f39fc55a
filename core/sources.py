"""Networks that can be asked what they see: the lanes as they are now, or references beside the run."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core import checkpoint, imagenet
from core.attribution import Snapshot, refresh_snapshot, snapshot
from core.checkpoint import Checkpoint
from core.live_run import LiveRun, Start
from core.messages import OwnPicture
from core.notices import SkipscopeError
from core.paths import asset
from core.transform import Transform, fit, normalise

LANES = "lanes"
PRETRAINED = "Pretrained twins"


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One network to ask, at rest."""

    name: str
    network: Snapshot
    transform: Transform
    class_names: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """Networks asked together, and the training step they are from."""

    name: str
    subjects: tuple[Subject, ...]
    step: int | None


class LaneSnapshots:
    """Copies of the lanes, one set a purpose, brought up to date when asked for."""

    def __init__(self, run: LiveRun) -> None:
        self._run = run
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
            subjects.append(Subject(lane.name, copy, transform, self._run.dataset.class_names))
        return Source(LANES, tuple(subjects), self._run.step)


def past(run: LiveRun, start: Start) -> Source:
    """Return the lanes of a run as they were at a recorded step."""
    transform = run.dataset.transform(run.settings.image_size)
    subjects = []
    for lane, was in zip(run.lanes, start.lanes, strict=True):
        copy = snapshot(lane.network)
        copy.load_state_dict(was.state)
        copy.set_strengths(was.shortcuts, was.branches)
        subjects.append(Subject(lane.name, copy, transform, run.dataset.class_names))
    return Source(f"Step {start.step}", tuple(subjects), start.step)


def pretrained(device: torch.device) -> Source:
    """Open the embedded twins."""
    subjects = []
    for name in ("with", "without"):
        path = asset("pretrained", f"resnet18-w16-{name}.safetensors")
        subjects.append(_subject(f"{name} shortcuts", checkpoint.load(path), device))
    return Source(PRETRAINED, tuple(subjects), None)


def reference(opened: Checkpoint, device: torch.device) -> Source:
    """Keep an opened checkpoint to be asked."""
    name = "ImageNet ResNet-18" if opened.path == "imagenet" else Path(opened.path).name
    return Source(name, (_subject(name, opened, device),), None)


def open_checkpoint(path: str) -> Checkpoint:
    """Open a file, or what the word "imagenet" stands for (from the cache)."""
    return imagenet.imagenet() if path == "imagenet" else checkpoint.load(path)


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
        if subject.transform == run.dataset.transform(run.settings.image_size):
            # exactly what the lanes are trained on, without rounding to bytes in between
            return run.batches.normalised(run.batches.held_out[picture][None])[0].to(device), looks, label
        if subject.class_names != run.dataset.class_names:
            label = None
    return torch.from_numpy(normalise(looks, subject.transform)).to(device), looks, label


def _subject(name: str, opened: Checkpoint, device: torch.device) -> Subject:
    network = snapshot(opened.network().to(device))
    names = opened.class_names or tuple(str(number) for number in range(opened.settings.classes))
    return Subject(name, network, opened.transform, names)
