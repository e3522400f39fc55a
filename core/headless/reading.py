"""What `predict` and `attribute` share: a checkpoint, its overrides, and pictures made ready."""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.checkpoint import Checkpoint
from core.headless.arguments import UsageError, strengths
from core.imagenet import open_weights
from core.pictures import load_array, load_picture
from core.transform import Transform, prepare


def open_checkpoint(options: argparse.Namespace) -> Checkpoint:
    """Open the checkpoint (or what a word stands for: torchvision's) with the overrides that were given."""
    opened = open_weights(options.checkpoint)
    if options.shortcuts is not None:
        opened = replace(opened, shortcuts=strengths(options.shortcuts, opened.settings))
    if options.labels is not None:
        opened = replace(opened, class_names=_labels(options.labels, opened.settings.classes))
    return replace(opened, transform=_transform(opened.transform, options))


def read_image(path: str, transform: Transform) -> NDArray[np.float32]:
    """Return (3, H, W): a picture made ready, or a `.npy` array taken as it is."""
    if path.lower().endswith(".npy"):
        return load_array(path)
    return prepare(load_picture(path).pixels, transform)


def label_of(opened: Checkpoint, index: int) -> str:
    """Name a class, or number it where the checkpoint has no names."""
    return opened.class_names[index] if opened.class_names else str(index)


def _transform(transform: Transform, options: argparse.Namespace) -> Transform:
    if options.image_size is not None:
        size = options.image_size
        ratio = None if transform.resize is None else round(size * transform.resize / transform.size)
        transform = replace(transform, size=size, resize=ratio)
    if options.mean is not None:
        transform = replace(transform, mean=tuple(options.mean))
    if options.std is not None:
        transform = replace(transform, std=tuple(options.std))
    return transform


def _labels(path: str, classes: int) -> tuple[str, ...]:
    try:
        with Path(path).open(encoding="utf-8") as file:
            names = tuple(line.strip() for line in file.read(4_000_000).splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("{path} cannot be read as class names: {reason}", path=path, reason=error) from None
    if len(names) != classes:
        raise UsageError(
            "{path} names {names} classes, but the network has {classes}",
            path=path, names=len(names), classes=classes,
        )  # fmt: skip
    return names
