"""A lane's weights under torchvision's names, for torchvision's own ResNet-18 and 34.

Theirs has `layer2.0.downsample.0` where ours has `layer2.0.shortcut.0`; all else is named alike. It
computes the same where ours has its defaults: width 64, 7×7 stem, post-activation, batch norm, ReLU,
a convolution where the shape changes, every strength 1.
"""

import io
import re
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from core.checkpoint import Checkpoint, load
from core.exports import ExportError, checkpoint_of, write_file
from core.foreign import title
from core.notices import Notice
from core.settings import FOUR_STAGES, NetworkSettings
from core.stored_run import CHECKPOINTS, StoredRun

SUFFIXES = (".pt", ".pth", ".safetensors")
_WIDTH = 64  # of torchvision's first stage


def torchvision_weights(
    run: StoredRun, lane: str, path: Path, step: int | None = None
) -> tuple[int, tuple[Notice, ...]]:
    """Write a lane's checkpoint (None: its last) as a state dict; return its step and what differs.

    A `.safetensors` file, or with `.pt` and `.pth` one of `torch.save` that loads with
    `weights_only=True`. Raises SkipscopeError.
    """
    check_suffix(path)
    chosen = checkpoint_of(run, lane, step)
    run.open_checkpoint(chosen.step, lane)  # raises unless it is what was written
    opened = load(run.directory / CHECKPOINTS / chosen.file)
    check_counterpart(opened.settings)
    state = torchvision_state(opened.state)
    if path.suffix.lower() == ".safetensors":
        data = safetensors.torch.save(state)
    else:
        data = torchvision_bytes(opened.state)
    write_file(path, data)
    return chosen.step, differences(opened)


def torchvision_bytes(state: Mapping[str, Tensor]) -> bytes:
    """Return a state dict of ours as torch.save writes it, under torchvision's names."""
    file = io.BytesIO()
    on_cpu = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}
    torch.save(torchvision_state(on_cpu), file)
    return file.getvalue()


def torchvision_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict of ours under torchvision's names."""
    return {
        re.sub(r"^(layer\d+\.\d+)\.shortcut\.", r"\1.downsample.", name): tensor
        for name, tensor in state.items()
    }


def check_counterpart(settings: NetworkSettings) -> None:
    """Raise ExportError unless torchvision has such a network, whatever its sizes."""
    reasons = {
        f"its depth is {settings.depth}": settings.depth not in FOUR_STAGES,
        "it has no norm": settings.norm != "batch",
        "its blocks are pre-activated": settings.block != "post",
    }
    found = [reason for reason, holds in reasons.items() if holds]
    if found:
        raise ExportError(
            "torchvision has no network like this {network}: {reasons}",
            network=title(settings), reasons=", ".join(found),
        )  # fmt: skip


def check_suffix(path: Path) -> None:
    """Raise ExportError unless the file's name says which format."""
    if path.suffix.lower() not in SUFFIXES:
        raise ExportError("{file} must end in {suffixes}", file=path, suffixes=", ".join(SUFFIXES))


def differences(opened: Checkpoint) -> tuple[Notice, ...]:
    """Say what keeps torchvision's network from loading the weights or from computing the same."""
    settings, width = opened.settings, opened.settings.width
    notices = []
    if width != _WIDTH:
        notices.append(Notice(
            "the first stage has {width} channels, torchvision's 64: the shapes of all tensors differ",
            {"width": width},
        ))  # fmt: skip
    if settings.stem == "3x3":
        notices.append(Notice(
            "conv1.weight is {width}×3×3×3, torchvision's is 64×3×7×7 with stride 2, and its pooling "
            "behind it is left out here",
            {"width": width},
        ))  # fmt: skip
    if settings.projection == "pad":
        notices.append(Notice("no downsample tensors: the shortcuts that change shape are zero-padded"))
    if settings.activation != "relu":
        notices.append(Notice(
            "the activation is {activation}, torchvision's is relu", {"activation": settings.activation}
        ))  # fmt: skip
    if {*opened.shortcuts, *opened.branches} != {1.0}:
        notices.append(Notice(
            "some shortcuts or branches are not at strength 1 in this lane; torchvision's network has all of "
            "them, so it computes something else"
        ))  # fmt: skip
    return tuple(notices)
