"""Reads a network off the names and shapes of a state dict, whoever wrote it.

Known are torchvision's names (`downsample.0`, `fc`), the article's (`shortcut.0`, `fc`) and
pytorch-cifar's (`shortcut.0`, `linear`). Anything that would compute something else than
`ResidualNetwork` does is refused, naming what was found.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from core.network import ResidualNetwork
from core.notices import Notice
from core.pickle_check import CheckpointError, spoken
from core.settings import DEPTHS, BlockOrder, NetworkSettings, Norm, Projection, Stem
from core.weights_file import renamed

_DEPTH_OF = {NetworkSettings(depth=depth).stages: depth for depth in DEPTHS}
_BLOCK = re.compile(r"layer(\d{1,3})\.(\d{1,3})\.")
_OWN_MODULES = re.compile(r"(conv1|bn1|layer\d+|bn_last|fc)\.")
_PROFILER_LEFTOVERS = re.compile(r"(^|\.)total_(ops|params)$")
_STEMS: Mapping[int, Stem] = {3: "3x3", 7: "7x7"}


@dataclass(frozen=True, slots=True, eq=False)
class Adopted:
    """A foreign state dict as one of ours."""

    settings: NetworkSettings
    state: dict[str, Tensor]
    report: tuple[Notice, ...]


def adopt(tensors: Mapping[str, Tensor]) -> Adopted:
    """Return settings and weights for a state dict; raises CheckpointError where there are none."""
    named = renamed(tensors, _own_name)
    settings = read_settings(named)
    shapes = shapes_of(settings)
    left_over = _left_over(named, shapes, settings)
    report = (
        [Notice("ignored, as no part of the network: {names}", {"names": left_over})] if left_over else []
    )
    filled, notices = _filled(named, shapes, settings)
    state = converted(filled, shapes, settings)
    if settings.projection == "pad" and "linear.weight" in tensors and len(settings.stages) == 3:
        _pad_at_end(state, settings)
        notices.append(Notice("zero-padding taken to be on both sides, as in the best known such networks"))
    return Adopted(settings, state, (*report, *notices, *findings(filled, state)))


def read_settings(named: Mapping[str, Tensor]) -> NetworkSettings:
    """Read depth, width, stem, classes, norm, block order and projection off names and shapes."""
    if any(".conv3." in name for name in named):
        raise CheckpointError(
            "its blocks are bottlenecks (conv3), as in ResNet-50; only basic blocks can be used"
        )
    depth = _depth(named)
    if "fc.weight" not in named:
        raise CheckpointError("its last layer (fc or linear) is missing, so there are no classes")
    width, channels, *kernel = _shape(named, "conv1.weight", 4)
    if channels != 3 or kernel[0] != kernel[1] or kernel[0] not in _STEMS:
        raise CheckpointError(
            "its first convolution is {size} on {channels} channels; only 3×3 and 7×7 on 3 can be used",
            size="×".join(map(str, kernel)),
            channels=channels,
        )
    norm: Norm = "batch" if any(".bn1." in name for name in named) else "none"
    projected = any(".shortcut." in name for name in named)
    projection: Projection = "conv" if projected else "pad"
    return NetworkSettings(
        depth=depth,
        width=width,
        stem=_STEMS[kernel[0]],
        block=_block_order(named, width, projected),
        norm=norm,
        projection=projection,
        classes=_shape(named, "fc.weight", 2)[0],
    )


def shapes_of(settings: NetworkSettings) -> dict[str, torch.Size]:
    """Return the shape of every tensor in a network's state dict, without making the network."""
    with torch.device("meta"):
        return {name: tensor.shape for name, tensor in ResidualNetwork(settings).state_dict().items()}


def converted(
    named: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], settings: NetworkSettings
) -> dict[str, Tensor]:
    """Return exactly the tensors of `shapes`, as contiguous float32 (counters: int64) copies."""
    missing = [name for name in shapes if name not in named]
    if missing:
        raise CheckpointError(
            "{count} of the {all} tensors of a {network} are missing: {names}",
            count=len(missing),
            all=len(shapes),
            network=title(settings),
            names=_listed(missing),
        )
    for name, shape in shapes.items():
        tensor = named[name]
        if tensor.shape != shape and not (_is_counter(name) and tensor.numel() == 1):
            raise CheckpointError(
                "{name} is {found}, but {expected} in a {network}",
                name=spoken(name),
                found=_sides(tensor.shape),
                expected=_sides(shape),
                network=title(settings),
            )
        if not tensor.dtype.is_floating_point and not _is_counter(name):
            raise CheckpointError("{name} holds whole numbers", name=name)
    return {name: _copy(name, named[name]) for name in shapes}


def findings(named: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[Notice]:
    """Say what is to be known about the numbers themselves: converted, or not finite."""
    kinds = {str(named[name].dtype).removeprefix("torch.") for name in state if not _is_counter(name)}
    notices = []
    if kinds - {"float32"}:
        found = ", ".join(sorted(kinds - {"float32"}))
        notices.append(Notice("weights of type {types} were converted to float32", {"types": found}))
    broken = [name for name, tensor in state.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        notices.append(Notice("numbers that are not finite in {names}", {"names": _listed(broken)}))
    return notices


def title(settings: NetworkSettings) -> str:
    """Return what a person calls such a network."""
    words = [f"ResNet-{settings.depth}"]
    if settings.block != "post":
        words.append("pre-activation")
    if settings.norm == "none":
        words.append("no normalisation")
    return ", ".join((*words, f"width {settings.width}", f"{settings.classes} classes"))


def _own_name(name: str) -> str:
    name = re.sub(r"^linear\.", "fc.", name)
    return re.sub(r"^(layer\d+\.\d+)\.downsample\.", r"\1.shortcut.", name)


def _depth(named: Mapping[str, Tensor]) -> int:
    blocks: dict[int, set[int]] = {}
    for name in named:
        if found := _BLOCK.match(name):
            blocks.setdefault(int(found[1]), set()).add(int(found[2]))
    if not blocks:
        raise CheckpointError(
            "it has no residual blocks (layer1.0, …), but {names}", names=_listed(list(named))
        )
    counts = tuple(len(blocks[stage]) for stage in sorted(blocks))
    in_order = all(blocks.get(stage) == set(range(count)) for stage, count in enumerate(counts, start=1))
    if not in_order or counts not in _DEPTH_OF:
        raise CheckpointError(
            "its blocks per stage ({found}) are those of no network known here: {known}",
            found=_listed(counts),
            known=", ".join(f"ResNet-{depth}" for depth in DEPTHS),
        )
    return _DEPTH_OF[counts]


def _block_order(named: Mapping[str, Tensor], width: int, projected: bool) -> BlockOrder:
    """Tell by the first norm of stage 2: before the convolution it has the channels of stage 1."""
    norm = named.get("layer2.0.bn1.weight")
    if norm is None or norm.shape != (width,):
        return "post"
    if "bn_last.weight" in named:
        return "pre"
    if "bn1.weight" not in named and projected:
        return "pre_shared"
    raise CheckpointError("its blocks are pre-activated in a way that is not known here")


def _shape(named: Mapping[str, Tensor], name: str, dimensions: int) -> tuple[int, ...]:
    if name not in named:
        raise CheckpointError("{name} is missing", name=name)
    shape = tuple(named[name].shape)
    if len(shape) != dimensions:
        raise CheckpointError("{name} is {found}, not a layer's weight", name=name, found=_sides(shape))
    return shape


def _left_over(
    named: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], settings: NetworkSettings
) -> str | None:
    """Name the tensors that can be ignored; refuse those that would take part in the computation."""
    extra = [name for name in named if name not in shapes]
    computing = [name for name in extra if _OWN_MODULES.match(name) and not _PROFILER_LEFTOVERS.search(name)]
    if computing:
        raise CheckpointError(
            "it has parts that a {network} does not have: {names}",
            network=title(settings),
            names=_listed(computing),
        )
    return _listed(extra) if extra else None


def _filled(
    named: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], settings: NetworkSettings
) -> tuple[dict[str, Tensor], list[Notice]]:
    """Add what may be absent: counters, statistics, biases that are zero."""
    filled = dict(named)
    statistics = biases = False
    for name in shapes.keys() - named.keys():
        if _is_counter(name):
            filled[name] = torch.zeros((), dtype=torch.int64)
        elif name.endswith((".running_mean", ".running_var")):
            filled[name] = torch.full(shapes[name], 1.0 if name.endswith("var") else 0.0)
            statistics = True
        elif name == "fc.bias" or (settings.norm == "none" and name.endswith(".bias")):
            filled[name] = torch.zeros(shapes[name])
            biases = True
    notices = []
    if statistics:
        notices.append(
            Notice(
                "no batch norm statistics in the file: its predictions mean nothing before it has trained on"
            )
        )
    if biases:
        notices.append(Notice("biases that are not in the file are zero"))
    return filled, notices


def _pad_at_end(state: dict[str, Tensor], settings: NetworkSettings) -> None:
    """Reorder channels so that zero-padding on both sides becomes zero-padding at the end.

    Whoever pads 2n channels' shortcut with n/2 zeros on either side puts old channel i at n/2 + i.
    """
    order = torch.arange(settings.width)  # ours[:, k] = theirs[:, order[k]]
    for shape in settings.blocks:
        block = f"layer{shape.stage}.{shape.position}"
        _reorder_input(state, f"{block}.conv1.weight", order)
        if shape.changes_shape:
            added = shape.out_channels - shape.in_channels
            shifted = order + added // 2
            kept = set(shifted.tolist())
            rest = [channel for channel in range(shape.out_channels) if channel not in kept]
            order = torch.cat((shifted, torch.tensor(rest)))
        for name in [name for name in state if name.startswith((f"{block}.conv2.", f"{block}.bn2."))]:
            if state[name].ndim:
                state[name] = state[name][order].contiguous()
    _reorder_input(state, "fc.weight", order)


def _reorder_input(state: dict[str, Tensor], name: str, order: Tensor) -> None:
    state[name] = state[name][:, order].contiguous()


def _is_counter(name: str) -> bool:
    return name.endswith(".num_batches_tracked")


def _copy(name: str, tensor: Tensor) -> Tensor:
    if _is_counter(name):
        return torch.nan_to_num(tensor.reshape(()), 0.0, 0.0, 0.0).to(torch.int64, copy=True)
    return tensor.to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _listed(names: list[str] | tuple[int, ...]) -> str:
    shown = ", ".join(spoken(name) for name in names[:4])
    return shown if len(names) <= 4 else f"{shown} and {len(names) - 4} more"


def _sides(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "a single number"
