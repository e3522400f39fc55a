"""What `attribute` is asked: the methods, their parameters, the picture as the network sees it."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.headless.arguments import UsageError
from core.methods import DEFAULT_METHOD, METHODS, STEM, Parameter, Parameters, Size, Value, values
from core.notices import Notice
from core.overlay import Pixels
from core.pictures import load_array, load_picture
from core.settings import NetworkSettings
from core.transform import Transform, fit, normalise


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A picture as a network sees it."""

    pixels: Pixels  # (H, W, 3), to be shown
    array: NDArray[np.float32]  # (3, H, W), what goes in
    notes: tuple[Notice, ...]  # what was done to make it that


def asked_methods(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the methods that are named, each once; raises UsageError."""
    words = [options.method or DEFAULT_METHOD]
    if options.methods is not None:
        words = [word.strip() for word in options.methods.split(",") if word.strip()]
        if not words:
            raise UsageError("--methods names no method; there are {choices}", choices=", ".join(METHODS))
    for word in words:
        if word not in METHODS:
            raise UsageError(
                "method must be one of {choices}, not {value}", choices=", ".join(METHODS), value=word
            )
    return tuple(dict.fromkeys(words))


def asked_parameters(
    options: argparse.Namespace, methods: Sequence[str], network: NetworkSettings, side: int
) -> dict[str, Parameters]:
    """Return every parameter's value for each method; raises SkipscopeError.

    One that is given goes to each method that has it; it is an error if none has. `--steps` is the
    exception: methods without steps do not mind it.
    """
    given = [(*_pair(text), True) for text in options.parameter]
    if options.steps is not None:
        given.insert(0, ("steps", str(options.steps), False))
    chosen: dict[str, list[tuple[str, Value]]] = {method: [] for method in methods}
    for name, text, must in given:
        owners = [(method, found) for method in methods if (found := _parameter(method, name)) is not None]
        if must and not owners:
            raise UsageError(
                "{methods}: no parameter {name}; there are {known}",
                methods=", ".join(METHODS[method].label for method in methods),
                name=name, known=_known(methods),
            )  # fmt: skip
        for method, parameter in owners:
            chosen[method].append((name, _value(parameter, text, network)))
    size = Size(side, network.block_count)
    return {
        method: tuple(sorted(values(method, tuple(pairs), size).items())) for method, pairs in chosen.items()
    }


def seen_picture(path: str, transform: Transform) -> Seen:
    """Read a picture as the network sees it; raises SkipscopeError.

    A `.npy` array goes in as it is, and is shown with its lowest value black and its highest white.
    """
    if path.lower().endswith(".npy"):
        array = load_array(path)
        spread = max(float(array.max() - array.min()), 1e-12)
        shown = ((array - array.min()) / spread * 255).astype(np.uint8).transpose(1, 2, 0)
        return Seen(shown, array, ())
    picture = load_picture(path)
    pixels = fit(picture.pixels, transform)
    return Seen(pixels, normalise(pixels, transform), picture.notes)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise UsageError("--parameter wants KEY=VALUE, not {value}", value=text)
    return name.strip(), value.strip()


def _parameter(method: str, name: str) -> Parameter | None:
    return next((each for each in METHODS[method].parameters if each.name == name), None)


def _known(methods: Sequence[str]) -> str:
    names = dict.fromkeys(each.name for method in methods for each in METHODS[method].parameters)
    return ", ".join(names) or "none"


def _value(parameter: Parameter, text: str, network: NetworkSettings) -> Value:
    """Read a value; what is no number stays text, and is refused where the parameter is checked."""
    if parameter.kind == "block":
        places: Mapping[str, int] = {"stem": STEM, **{block.name: block.index for block in network.blocks}}
        if text in places:
            return places[text]
    try:
        if parameter.kind in ("int", "block"):
            return int(text)
        return float(text) if parameter.kind == "float" else text
    except ValueError:
        return text
