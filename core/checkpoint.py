"""Opens checkpoints of any origin as one of our networks, and writes our own.

Ours are safetensors files: tensors named as in `ResidualNetwork.state_dict()`, momentum under
`momentum/NAME`, and everything else as JSON in the metadata. A file is never trusted, whether
it says that it is ours or not.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from core import transform as transforms
from core.foreign import adopt, converted, findings, shapes_of, title
from core.network import ResidualNetwork
from core.notices import Notice, SkipscopeError
from core.pickle_check import CheckpointError as CheckpointError
from core.pickle_check import spoken
from core.settings import NetworkSettings, check_strengths, network_from_json, to_json
from core.transform import CIFAR10, IMAGENET, Transform
from core.weights_file import METADATA_KEY, read

VERSION = 1
_MOMENTUM = "momentum/"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """A network with its weights, and what is known about how it came to be.

    `state` is complete: float32 on the CPU, contiguous, under our names.
    """

    path: str
    title: str
    settings: NetworkSettings
    state: dict[str, Tensor]
    transform: Transform
    class_names: tuple[str, ...] | None
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]
    momentum: dict[str, Tensor] | None
    step: int | None
    dataset: str | None
    report: tuple[Notice, ...]

    def network(self) -> ResidualNetwork:
        """Return a new network in evaluation mode with these weights and strengths."""
        with torch.random.fork_rng(devices=[]):  # what is drawn here is overwritten at once
            network = ResidualNetwork(self.settings)
        copies = {name: tensor.clone() for name, tensor in self.state.items()}
        network.load_state_dict(copies, strict=True, assign=True)
        network.set_strengths(self.shortcuts, self.branches)
        return network.eval()


def load(path: str | Path) -> Checkpoint:
    """Open a checkpoint, ours or foreign; nothing but CheckpointError is raised."""
    try:
        file = read(Path(path))
        if file.metadata is None:
            return _foreign(str(path), file.tensors, file.ignored)
        return _own(str(path), file.tensors, file.metadata)
    except SkipscopeError as error:
        raise CheckpointError("{file}: {reason}", file=_name(path), reason=error.notice) from None
    # The one place where anything is caught: what a damaged file makes the readers raise has no bounds.
    except Exception as error:
        raise CheckpointError(
            "{file}: it is damaged and cannot be read ({kind})", file=_name(path), kind=type(error).__name__
        ) from error


def _foreign(path: str, tensors: Mapping[str, Tensor], ignored: tuple[str, ...]) -> Checkpoint:
    """Make a checkpoint of a foreign state dict; raises CheckpointError."""
    adopted = adopt(tensors)
    settings = adopted.settings
    report = list(adopted.report)
    if ignored:
        names = ", ".join(spoken(name) for name in ignored[:4])
        report.insert(0, Notice("not used from the file: {names}", {"names": names}))
    return Checkpoint(
        path=path,
        title=title(settings),
        settings=settings,
        state=adopted.state,
        transform=IMAGENET if settings.stem == "7x7" else CIFAR10,
        class_names=None,
        shortcuts=(1.0,) * settings.block_count,
        branches=(1.0,) * settings.block_count,
        momentum=None,
        step=None,
        dataset=None,
        report=tuple(report),
    )


def to_bytes(
    network: ResidualNetwork,
    *,
    transform: Transform,
    class_names: tuple[str, ...] | None,
    step: int | None,
    dataset: str | None,
    momentum: Mapping[str, Tensor] | None = None,
) -> bytes:
    """Return a checkpoint file of this network; momentum is named by parameter."""
    facts = {
        "version": VERSION,
        "title": title(network.settings),
        "settings": to_json(network.settings),
        "transform": transforms.to_json(transform),
        "class_names": class_names,
        "shortcuts": network.shortcuts,
        "branches": network.branches,
        "step": step,
        "dataset": dataset,
    }
    tensors = dict(network.state_dict())
    tensors |= {f"{_MOMENTUM}{name}": buffer for name, buffer in (momentum or {}).items()}
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    return safetensors.torch.save(on_cpu, metadata={METADATA_KEY: json.dumps(facts)})


def _own(path: str, tensors: Mapping[str, Tensor], metadata: str) -> Checkpoint:
    facts = _facts(metadata)
    settings = network_from_json(_table(facts, "settings"))
    if type(settings.classes) is not int:
        raise CheckpointError("its metadata is damaged ({part})", part="classes")
    shapes = shapes_of(settings)
    state = converted(tensors, shapes, settings)
    momentum = _momentum(tensors, shapes, settings)
    known = {*shapes, *(f"{_MOMENTUM}{name}" for name in momentum)}
    report = findings(tensors, state)
    if extra := [spoken(name) for name in tensors if name not in known]:
        report.append(Notice("ignored, as no part of the network: {names}", {"names": ", ".join(extra[:4])}))
    return Checkpoint(
        path=path,
        title=title(settings),
        settings=settings,
        state=state,
        transform=transforms.from_json(_table(facts, "transform")),
        class_names=_class_names(facts.get("class_names"), settings),
        shortcuts=_strengths(facts, "shortcuts", settings),
        branches=_strengths(facts, "branches", settings),
        momentum=momentum or None,
        step=_step(facts.get("step")),
        dataset=_dataset(facts.get("dataset")),
        report=tuple(report),
    )


def _facts(metadata: str) -> dict[str, Any]:
    facts = json.loads(metadata)
    if not isinstance(facts, dict) or type(facts.get("version")) is not int:
        raise CheckpointError("its metadata is damaged ({part})", part="version")
    if facts["version"] > VERSION:
        raise CheckpointError(
            "it was written by a newer Skipscope (format {found}, this one reads up to {known})",
            found=facts["version"],
            known=VERSION,
        )
    return facts


def _table(facts: Mapping[str, Any], part: str) -> dict[str, Any]:
    values = facts.get(part)
    if not isinstance(values, dict):
        raise CheckpointError("its metadata is damaged ({part})", part=part)
    return values


def _momentum(
    tensors: Mapping[str, Tensor], shapes: Mapping[str, torch.Size], settings: NetworkSettings
) -> dict[str, Tensor]:
    """Return the momentum buffers there are; a parameter that never had one has none."""
    found = {
        name.removeprefix(_MOMENTUM): tensor for name, tensor in tensors.items() if name.startswith(_MOMENTUM)
    }
    parameters = {name: shape for name, shape in shapes.items() if name in found and _is_parameter(name)}
    return converted(found, parameters, settings)


def _is_parameter(name: str) -> bool:
    return name.endswith((".weight", ".bias"))


def _class_names(value: Any, settings: NetworkSettings) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise CheckpointError("its metadata is damaged ({part})", part="class_names")
    if len(value) != settings.classes:
        raise CheckpointError(
            "it names {names} classes, but has {classes}", names=len(value), classes=settings.classes
        )
    return tuple(value)


def _strengths(facts: Mapping[str, Any], part: str, settings: NetworkSettings) -> tuple[float, ...]:
    values = facts.get(part)
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise CheckpointError("its metadata is damaged ({part})", part=part)
    strengths = tuple(float(value) for value in values)
    check_strengths(strengths, settings)
    return strengths


def _step(value: Any) -> int | None:
    if value is not None and not (type(value) is int and 0 <= value < 2**63):
        raise CheckpointError("its metadata is damaged ({part})", part="step")
    return value


def _dataset(value: Any) -> str | None:
    if value is not None and not isinstance(value, str):
        raise CheckpointError("its metadata is damaged ({part})", part="dataset")
    return value


def _name(path: str | Path) -> str:
    return spoken(Path(path).name or path)
