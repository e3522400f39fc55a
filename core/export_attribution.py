"""A map as an array: NAME.npy, and beside it NAME.json, which says what the numbers are. No torch."""

import hashlib
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.exports import ExportError, write_file
from core.methods import ALL_CHANNELS, METHODS, STEM, Parameter, Parameters, Value
from core.notices import Notice

CLASSLESS = ("activation",)  # methods whose maps are of no class
_LISTED = 16  # strengths up to this many are said one by one


@dataclass(frozen=True, slots=True)
class MapFacts:
    """What is known of a map, whichever network and picture it is of."""

    method: str
    parameters: Parameters  # every one, with its value
    target: int
    class_name: str
    baseline: str
    completeness_error: float | None
    network: str  # in words
    shortcuts: tuple[float, ...]  # in force for this map
    transform: str  # in words
    picture: str  # its name
    checkpoint: str | None = None
    step: int | None = None
    against: int | None = None  # the map is of `target` minus that of this class
    difference: bool = False  # the map is one with all shortcuts minus one with none


def write_arrays(path: Path, attribution: NDArray[np.float32], facts: MapFacts) -> None:
    """Write a signed map (channels, height, width) as float32, and its JSON beside it; raises ExportError.

    The JSON holds the array's sha256, so that a pair that does not belong together is found out.
    """
    check_array_name(path)
    array = np.ascontiguousarray(attribution, np.float32)
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    data = file.getvalue()
    write_file(path, data)
    record = {**as_json(facts), "shape": list(array.shape), "sha256": hashlib.sha256(data).hexdigest()}
    text = json.dumps(record, allow_nan=False, ensure_ascii=False, indent=2) + "\n"
    write_file(json_path(path), text.encode("utf-8", "replace"))


def check_array_name(path: Path) -> None:
    """Raise ExportError where an array cannot go by this name.

    A JSON that has no array beside it is somebody else's file and must not be written over.
    """
    if path.suffix.lower() != ".npy":
        raise ExportError("the name of an array must end in .npy, not {name}", name=path.name)
    beside = json_path(path)
    if beside.exists() and not path.exists():
        raise ExportError("{path} is there already; choose another name", path=beside)


def json_path(path: Path) -> Path:
    """Return where the JSON of an array lies."""
    return path.with_suffix(".json")


def as_json(facts: MapFacts) -> dict[str, Any]:
    """Turn facts into what JSON holds; a completeness error that is not finite becomes null."""
    error = facts.completeness_error
    return {
        "method": facts.method,
        "parameters": dict(facts.parameters),
        "target": facts.target,
        "class": facts.class_name,
        "against": facts.against,
        "difference": facts.difference,
        "baseline": facts.baseline,
        "completeness_error": error if error is not None and math.isfinite(error) else None,
        "network": facts.network,
        "checkpoint": facts.checkpoint,
        "step": facts.step,
        "shortcuts": list(facts.shortcuts),
        "transform": facts.transform,
        "picture": facts.picture,
    }


def strengths_words(shortcuts: tuple[float, ...]) -> Notice:
    """Say which shortcuts are in force: all, none, or a list; many are grouped, as in 20 × 1, 34 × 0."""
    if all(strength == 1 for strength in shortcuts):
        return Notice("all shortcuts")
    if not any(shortcuts):
        return Notice("no shortcuts")
    if len(shortcuts) <= _LISTED:
        said = ", ".join(f"{strength:g}" for strength in shortcuts)
    else:
        runs = [(strength, len(list(group))) for strength, group in groupby(shortcuts)]
        said = ", ".join(f"{count} × {strength:g}" for strength, count in runs)
    return Notice("shortcuts {strengths}", {"strengths": said})


def method_words(
    method: str, parameters: Parameters, blocks: Sequence[str] = (), said: Callable[[str], str] = str
) -> str:
    """Name a method with its parameters, as in Occlusion (stride 2, window 4).

    `blocks` are the blocks' names; `said` puts a word into another language.
    """
    label = said(METHODS[method].label)
    values = parameter_words(method, parameters, blocks, said)
    return f"{label} ({values})" if values else label


def parameter_words(
    method: str, parameters: Parameters, blocks: Sequence[str] = (), said: Callable[[str], str] = str
) -> str:
    """Return the parameters of a method with their values, as in stride 2, window 4."""
    known = {each.name: each for each in METHODS[method].parameters}
    return ", ".join(
        f"{said(known[name].label).lower()} {_value(known[name], value, blocks, said)}"
        for name, value in parameters
    )


def _value(parameter: Parameter, value: Value, blocks: Sequence[str], said: Callable[[str], str]) -> str:
    if isinstance(value, str):
        return said(METHODS[value].label) if value in METHODS else value
    if parameter.kind == "block":
        place = int(value)
        if place == STEM:
            return said("stem")
        return blocks[place] if place < len(blocks) else str(place)
    if parameter.name == "channel" and value == ALL_CHANNELS:
        return said("all")
    return f"{value:g}"
