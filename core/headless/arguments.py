"""The command line as data; torch is not imported here, so that --help answers at once."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from core.methods import METHODS
from core.notices import SkipscopeError
from core.settings import (
    DEPTHS,
    SETTINGS,
    LaneSettings,
    NetworkSettings,
    RunSettings,
    SettingsError,
    lane,
)

COMMANDS = ("demo", "lessons", "train", "predict", "attribute", "replay", "export", "bench")
NETWORK_FLAGS = ("depth", "width", "stem", "norm", "activation", "block", "projection", "init", "branch_init")


class UsageError(SkipscopeError):
    """Arguments that cannot be used."""


class Parser(argparse.ArgumentParser):
    """argparse, but an error is one line and exit 2, without the usage text."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong."""
        raise UsageError("{message}", message=message)


def number(text: str) -> float:
    """Read a number; words like nan are refused where the setting is checked."""
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def whole(text: str) -> int:
    """Read a whole number."""
    try:
        return int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None


def positive(text: str) -> int:
    """Read a whole number of at least 1."""
    value = whole(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return value


def parse_command(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse a headless command; raises UsageError."""
    parser = Parser(prog="skipscope", allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, parser_class=Parser)
    _demo(commands.add_parser("demo", help="drive the window off-screen; save screenshots and a run"))
    _lessons(commands.add_parser("lessons", help="list the lessons, or check what they claim"))
    _train(commands.add_parser("train", help="train without a window", allow_abbrev=False))
    _predict(commands.add_parser("predict", help="what a checkpoint says of pictures"))
    _attribute(
        commands.add_parser("attribute", help="what a checkpoint looks at in a picture", allow_abbrev=False)
    )
    _bench(commands.add_parser("bench", help="measure speed on this machine"))
    _export(commands.add_parser("export", help="write a recorded run as other files", allow_abbrev=False))
    _replay(commands.add_parser("replay", help="a recorded run again; says whether it is the same"))
    return parser.parse_args(arguments)


def parse_window(arguments: Sequence[str]) -> argparse.Namespace:
    """Parse what opens the window; raises UsageError."""
    parser = Parser(
        prog="skipscope",
        description="An oscilloscope for skip connections. Without arguments the window opens and two "
        "ResNet-18s begin to train, with and without shortcuts.",
        epilog="Commands: " + ", ".join(COMMANDS) + ". Each has --help.",
        allow_abbrev=False,
    )
    parser.add_argument("files", nargs="*", metavar="FILE", help="pictures or checkpoints to open")
    parser.add_argument("--lesson", metavar="NAME", help="open a lesson")
    parser.add_argument("--run", metavar="DIR", help="where to record the run")
    return parser.parse_args(arguments)


def _demo(parser: Parser) -> None:
    parser.add_argument("--seconds", type=number, default=20.0, help="how long to train (20)")
    parser.add_argument("--out", metavar="DIR", default="skipscope-demo", help="folder for what is saved")
    parser.add_argument("--json", action="store_true")


def _lessons(parser: Parser) -> None:
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--check", action="store_true", help="run them and compare with what they claim")
    parser.add_argument("--seed", type=whole, default=0)
    parser.add_argument("--json", action="store_true")


def _train(parser: Parser) -> None:
    parser.add_argument("--lesson", metavar="NAME")
    parser.add_argument("--resume", metavar="RUN", help="go on with a recorded run, --steps more")
    parser.add_argument("--shortcuts", default="on", metavar="on|off|twin|STRENGTHS")
    parser.add_argument("--lane", action="append", default=[], metavar="KEY=VALUE,…")
    parser.add_argument("--dataset", default=None, metavar="NAME|DIR")
    parser.add_argument("--lr", type=number, dest="learning_rate")
    for setting in SETTINGS:
        if setting.name in ("dataset", "learning_rate", "epochs"):
            continue
        flag = "--" + setting.name.replace("_", "-")
        if setting.kind == "bool":
            parser.add_argument(flag, action="store_true", default=None, help=setting.explain)
        else:
            kind: Any = {"int": whole, "float": number}.get(setting.kind, str)
            if setting.name == "depth":
                kind = whole
            parser.add_argument(flag, type=kind, default=None, help=setting.explain.replace("%", "%%"))
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--steps", type=positive)
    length.add_argument("--epochs", type=positive)
    parser.add_argument("--threads", type=positive, help="CPU threads (all physical cores)")
    parser.add_argument("--out", metavar="DIR")
    parser.add_argument("--json", action="store_true")


def _replay(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--out", metavar="DIR", help="record the repeated run here")
    parser.add_argument("--json", action="store_true")


def _reading(parser: Parser) -> None:
    parser.add_argument("checkpoint", help="a file of weights; or imagenet, imagenet-resnet34: torchvision's, "
                        "from torch's cache")  # fmt: skip
    parser.add_argument("--shortcuts", default=None, metavar="on|off|STRENGTHS")
    parser.add_argument("--image-size", type=positive)
    parser.add_argument("--mean", type=number, nargs=3)
    parser.add_argument("--std", type=number, nargs=3)
    parser.add_argument("--labels", metavar="FILE", help="one class name a line")
    parser.add_argument("--json", action="store_true")


def _predict(parser: Parser) -> None:
    _reading(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE")


def _attribute(parser: Parser) -> None:
    _reading(parser)
    parser.add_argument("images", nargs="+", metavar="IMAGE|FOLDER")
    methods = parser.add_mutually_exclusive_group()
    methods.add_argument("--method", help=", ".join(METHODS))
    methods.add_argument("--methods", metavar="A,B,…", help="several, for --report")
    parser.add_argument("--parameter", action="append", default=[], metavar="KEY=VALUE",
                        help="of the method, such as samples=64; can be given several times")  # fmt: skip
    parser.add_argument(
        "--steps", type=positive, metavar="N", help="--parameter steps=N, where there are steps"
    )
    parser.add_argument("--target", type=whole, metavar="K", help="the class explained (the one predicted)")
    parser.add_argument("--against", type=whole, metavar="K", help="the map minus that of this class")
    out = parser.add_mutually_exclusive_group(required=True)
    out.add_argument(
        "--out", metavar="FILE.npy|FILE.png", help="the map of one picture; .npy has a .json beside it"
    )
    out.add_argument("--report", metavar="FILE.html", help="a page with the maps of all pictures")


def _export(parser: Parser) -> None:
    parser.add_argument("run", metavar="RUN", help="the folder of a run")
    parser.add_argument("--csv", metavar="FILE", help="a table, one row per step")
    parser.add_argument("--tensorboard", metavar="DIR", help="event files, one sub-folder per lane")
    parser.add_argument("--safetensors", metavar="FILE", help="weights; of several lanes FILE-A, FILE-B, …")
    parser.add_argument("--torchvision", metavar="FILE", help="weights under torchvision's names, "
                        ".pt or .safetensors")  # fmt: skip
    parser.add_argument("--script", metavar="FILE", help="the set-up as a program in plain PyTorch")
    parser.add_argument("--setup", metavar="FILE", help="the set-up as text")
    parser.add_argument("--lane", metavar="NAME", help="whose weights (all lanes')")
    parser.add_argument("--step", type=whole, metavar="N", help="which checkpoint's weights (the last)")
    parser.add_argument("--json", action="store_true")


def _bench(parser: Parser) -> None:
    parser.add_argument("rows", nargs="*", metavar="train|window|start|explain|length|accelerator|init",
                        help="what to measure (all but init). init, gradients at initialisation "
                        "against figures on record, takes minutes and runs only when named")  # fmt: skip
    parser.add_argument("--seconds", type=number, default=60.0, help="length of the window row (60)")
    parser.add_argument("--json", action="store_true")


# ---- from arguments to settings -------------------------------------------------------------


def run_settings(options: argparse.Namespace, accelerator: bool) -> RunSettings:
    """Make a run's settings from `train`'s arguments; raises SkipscopeError."""
    network = {name: getattr(options, name) for name in NETWORK_FLAGS if getattr(options, name) is not None}
    shared = _network(network, accelerator)
    rate = 0.05 if options.learning_rate is None else options.learning_rate
    lanes = [_with_overrides(text, network, accelerator, rate, options) for text in options.lane]
    if not lanes:
        lanes = _lanes(options.shortcuts, shared, rate)
    run: dict[str, Any] = {
        name: getattr(options, name)
        for name in ("dataset", "image_size", "batch_size", "seed", "steps", "epochs", "momentum",
                     "weight_decay", "schedule", "augment", "precision", "device", "threads")
        if getattr(options, name) is not None
    }  # fmt: skip
    if options.dataset in ("cifar10", "cifar100"):
        run.setdefault("image_size", 32)
    return RunSettings(lanes=_named(lanes), **run)


def strengths(text: str, network: NetworkSettings) -> tuple[float, ...]:
    """Read on, off, or one number a block, comma-separated."""
    if text in ("on", "off"):
        return (float(text == "on"),) * network.block_count
    try:
        values = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(
            "shortcuts must be on, off, or numbers with commas between, not {value}", value=text
        ) from None
    return lane("check", network, values).shortcuts


def _lanes(shortcuts: str, network: NetworkSettings, rate: float) -> list[LaneSettings]:
    if shortcuts == "twin":
        return [lane("A", network, 1.0, rate), lane("B", network, 0.0, rate)]
    return [lane("A", network, strengths(shortcuts, network), rate)]


def _network(values: dict[str, Any], accelerator: bool) -> NetworkSettings:
    depth = values.get("depth", 18)
    if depth not in DEPTHS:
        return NetworkSettings(depth=depth)  # raises
    width = 64 if accelerator and depth in (18, 34) else 16
    return NetworkSettings(**{"width": width, **values})


def _with_overrides(
    text: str, shared: dict[str, Any], accelerator: bool, rate: float, options: argparse.Namespace
) -> LaneSettings:
    values = dict(shared)
    shortcuts = options.shortcuts if options.shortcuts != "twin" else "on"
    name = ""
    for part in _pairs(text):
        key, value = part
        if key == "lr":
            rate = _number(key, value)
        elif key == "shortcuts":
            shortcuts = value.replace(";", ",").replace("/", ",")
        elif key == "name":
            name = value
        elif key in NETWORK_FLAGS:
            values[key] = _whole(key, value) if key in ("depth", "width") else value
        else:
            raise UsageError("--lane knows no {key}", key=key)
    network = _network(values, accelerator)
    return lane(name, network, strengths(shortcuts, network), rate)


def _pairs(text: str) -> list[tuple[str, str]]:
    """Split KEY=VALUE,KEY=VALUE; a part without = belongs to the value before it (strengths)."""
    pairs: list[tuple[str, str]] = []
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if equals:
            pairs.append((key.strip().replace("-", "_"), value.strip()))
        elif pairs:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{part.strip()}")
        else:
            raise UsageError("--lane wants KEY=VALUE, not {value}", value=text)
    return pairs


def _number(key: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise UsageError("--lane: {key} must be a number, not {value}", key=key, value=value) from None


def _whole(key: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise UsageError("--lane: {key} must be a whole number, not {value}", key=key, value=value) from None


def _named(lanes: list[LaneSettings]) -> tuple[LaneSettings, ...]:
    return tuple(replace(each, name=each.name or "ABCDEFGH"[place % 8]) for place, each in enumerate(lanes))
