"""A set-up as a small text that can be kept, sent and pasted. No torch.

It is TOML and holds what differs from the defaults, and always each lane's name, depth and width. The
same words are used as in a lesson's file.
"""

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.notices import SkipscopeError
from core.settings import (
    LaneSettings,
    NetworkSettings,
    RunSettings,
    SettingsError,
    run_from_json,
)

MOST_CHARACTERS = 100_000
_KINDS = {
    "a word": ("dataset", "schedule", "precision", "device", "name", "checkpoint", "stem", "block", "norm",
               "activation", "projection", "init", "branch_init"),
    "a whole number": ("image_size", "batch_size", "seed", "steps", "epochs", "threads", "depth", "width",
                       "classes"),
    "a number": ("momentum", "weight_decay", "learning_rate"),
    "true or false": ("augment",),
}  # fmt: skip
_KIND_OF = {name: kind for kind, names in _KINDS.items() for name in names}
_TYPES: Mapping[str, tuple[type, ...]] = {
    "a word": (str,), "a whole number": (int,), "a number": (int, float), "true or false": (bool,),
}  # fmt: skip
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def setup_text(settings: RunSettings) -> str:
    """Return a set-up as text that `setup_from_text` turns into the same set-up."""
    lines = ["# A Skipscope set-up. What is not here has its default.", *_pairs(settings, skip=("lanes",))]
    for lane in settings.lanes:
        lines += ["", "[[lanes]]", f"name = {_value(lane.name)}"]
        lines += _pairs(lane, skip=("name", "network", "shortcuts", "branches"))
        for name in ("shortcuts", "branches"):
            strengths: Sequence[float] = getattr(lane, name)
            if any(strength != 1 for strength in strengths):
                lines.append(f"{name} = {_strengths(strengths)}")
        network = _pairs(lane.network, always=("depth", "width"))
        lines.append(f"network = {{ {', '.join(network)} }}")
    return "\n".join(lines) + "\n"


def setup_from_text(text: str) -> RunSettings:
    """Read a set-up from text; whatever is wrong with it is a SkipscopeError."""
    if len(text) > MOST_CHARACTERS:
        raise SettingsError("the text is too long for a set-up")
    try:
        values = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # a number of thousands of digits is a plain ValueError
        reason = str(error).partition("\n")[0] if isinstance(error, ValueError) else "it is nested too deeply"
        raise SettingsError("this is not a set-up: {reason}", reason=reason) from None
    lanes = values.get("lanes")
    if not isinstance(lanes, list) or not all(isinstance(row, dict) for row in lanes):
        raise SettingsError("this is not a set-up: it has no lanes, [[lanes]]")
    _check_kinds(values)
    for row in lanes:
        _check_kinds(row)
        network = row.setdefault("network", {})
        if not isinstance(network, dict):
            raise SettingsError("{name} must be a table, not {value}", name="network", value=network)
        _check_kinds(network)
        for name in ("shortcuts", "branches"):
            _check_strengths(name, row.get(name, 1.0))
    return run_from_json(values)


def read_setup(path: Path) -> RunSettings | None:
    """Read a set-up from a file; None when it is a lesson's, or no text at all. Raises SkipscopeError."""
    try:
        if not path.is_file() or path.stat().st_size > MOST_CHARACTERS:
            return None
        text = path.read_text("utf-8")
        values = tomllib.loads(text)
    except (OSError, ValueError, RecursionError):  # who reads it as a lesson says what is wrong
        return None
    return setup_from_text(text) if "lanes" in values else None


def _pairs(
    settings: RunSettings | LaneSettings | NetworkSettings,
    skip: Sequence[str] = (),
    always: Sequence[str] = (),
) -> list[str]:
    pairs = []
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.name not in skip and (field.name in always or value != field.default):
            pairs.append(f"{field.name} = {_value(value)}")
    return pairs


def _strengths(values: Sequence[float]) -> str:
    if len(set(values)) == 1:
        return _value(float(values[0]))
    return f"[{', '.join(_value(float(value)) for value in values)}]"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(_character(each) for each in value)}"'
    return repr(value)


def _character(character: str) -> str:
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        raise SkipscopeError("a name in this set-up cannot be written as text")
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{code:04X}" if code < 0x20 or code == 0x7F else character


def _check_kinds(values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        kind = _KIND_OF.get(name)  # others are names of no setting, or looked at elsewhere
        if kind is not None and type(value) not in _TYPES[kind]:
            raise SettingsError(
                "{name} must be {kind}, not {value}", name=name, kind=kind, value=_short(value)
            )


def _check_strengths(name: str, value: Any) -> None:
    each = value if isinstance(value, list) else [value]
    if not each or not all(type(strength) in (int, float) for strength in each):
        raise SettingsError("{name} must be numbers, not {value}", name=name, value=_short(value))


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
