"""Every value a person can set: networks, lanes and runs, as frozen data and one table."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.notices import SkipscopeError

Stem = Literal["3x3", "7x7"]
# "pre_shared" is what some published pre-activation networks do: the projection reads the
# activated input, and no norm stands before the head. It comes only out of their checkpoints.
BlockOrder = Literal["post", "pre", "pre_shared"]
Norm = Literal["batch", "none"]
Activation = Literal["relu", "tanh", "sigmoid"]
Projection = Literal["conv", "pad"]
Init = Literal["he", "torch"]
BranchInit = Literal["normal", "small", "zero"]
Precision = Literal["float32", "bfloat16"]
Schedule = Literal["constant", "cosine"]

FOUR_STAGES: Mapping[int, tuple[int, ...]] = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
THREE_STAGE_DEPTHS = (20, 32, 44, 56, 110)
DEPTHS = tuple(sorted((*FOUR_STAGES, *THREE_STAGE_DEPTHS)))
DATASETS = ("fashion-mnist", "cifar10", "cifar100")
MAX_LANES = 4


class SettingsError(SkipscopeError):
    """A setting that cannot be used."""


@dataclass(frozen=True, slots=True)
class BlockShape:
    """Where a block stands and what it does to the shape of its input."""

    index: int  # 0-based, stem to head
    stage: int  # 1-based
    position: int  # 0-based within the stage
    in_channels: int
    out_channels: int
    stride: int

    @property
    def name(self) -> str:
        """*stage.block*, as in the parameter names: layer2.1 is block 2.1."""
        return f"{self.stage}.{self.position}"

    @property
    def changes_shape(self) -> bool:
        """Whether the shortcut needs a projection (or zero-padding)."""
        return self.stride != 1 or self.in_channels != self.out_channels


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """One residual network. Source: He et al. 2015 (§3.3, §4.2), He et al. 2016."""

    depth: int = 18
    width: int = 16  # channels of the first stage
    stem: Stem = "3x3"
    block: BlockOrder = "post"
    norm: Norm = "batch"
    activation: Activation = "relu"
    projection: Projection = "conv"
    init: Init = "he"
    branch_init: BranchInit = "normal"
    classes: int = 10

    def __post_init__(self) -> None:
        if self.depth not in DEPTHS:
            raise SettingsError(
                "depth must be one of {choices}, not {value}", choices=_join(DEPTHS), value=self.depth
            )
        for setting in SETTINGS:
            if setting.scope == "network" and setting.name != "depth":
                value = getattr(self, setting.name)
                if not (setting.name == "block" and value == "pre_shared"):
                    setting.check(value)
        if not 2 <= self.classes <= 100_000:
            raise SettingsError("a network needs 2 to 100000 classes, not {value}", value=self.classes)

    @property
    def stages(self) -> tuple[int, ...]:
        """Blocks per stage."""
        if self.depth in FOUR_STAGES:
            return FOUR_STAGES[self.depth]
        return ((self.depth - 2) // 6,) * 3

    @property
    def blocks(self) -> tuple[BlockShape, ...]:
        """All blocks, stem to head."""
        shapes: list[BlockShape] = []
        channels = self.width
        for stage, count in enumerate(self.stages, start=1):
            out_channels = self.width * 2 ** (stage - 1)
            for position in range(count):
                stride = 2 if stage > 1 and position == 0 else 1
                shapes.append(BlockShape(len(shapes), stage, position, channels, out_channels, stride))
                channels = out_channels
        return tuple(shapes)

    @property
    def block_count(self) -> int:
        """How many blocks, hence how many shortcuts."""
        return sum(self.stages)


@dataclass(frozen=True, slots=True)
class LaneSettings:
    """One network of a run: what it is, its strengths at step 1, its learning rate.

    `checkpoint` is a file the weights start from; without one they are initialised from the seed.
    """

    name: str
    network: NetworkSettings
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]
    learning_rate: float = 0.05
    checkpoint: str | None = None

    def __post_init__(self) -> None:
        check_strengths(self.shortcuts, self.network)
        check_strengths(self.branches, self.network)
        SETTING["learning_rate"].check(self.learning_rate)


@dataclass(frozen=True, slots=True)
class RunSettings:
    """What the lanes of a run share, and the lanes."""

    lanes: tuple[LaneSettings, ...]
    dataset: str = "fashion-mnist"  # a name, or a folder of class folders
    image_size: int = 28
    batch_size: int = 32
    seed: int = 0
    steps: int | None = None  # the run's length; either in steps …
    epochs: int = 10  # … or, when steps is None, in epochs
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: Schedule = "constant"
    augment: bool = False
    precision: Precision = "float32"
    device: str = "auto"
    threads: int = 0  # 0: all physical cores; a running run carries the number

    def __post_init__(self) -> None:
        if not 1 <= len(self.lanes) <= MAX_LANES:
            raise SettingsError(
                "a run has 1 to {most} lanes, not {value}", most=MAX_LANES, value=len(self.lanes)
            )
        if len({lane.name for lane in self.lanes}) != len(self.lanes):
            raise SettingsError("two lanes have the same name")
        for setting in SETTINGS:
            if setting.scope == "run":
                setting.check(getattr(self, setting.name))
        if self.steps is not None and self.steps < 1:
            raise SettingsError("steps must be at least 1, not {value}", value=self.steps)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table that makes the form, the command line and the checks.

    `kind` says what it holds; `low` and `high` bound numbers; a setting that `needs_reset`
    is marked and applied together with the others, any other takes effect at the next step.
    """

    name: str
    label: str
    explain: str
    scope: Literal["network", "lane", "run"]
    kind: Literal["choice", "int", "float", "bool", "dataset", "device"]
    choices: tuple[str | int, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    needs_reset: bool = True

    def check(self, value: Any) -> None:
        """Raise SettingsError unless `value` can be used."""
        if self.kind == "choice" and value not in self.choices:
            raise SettingsError(
                "{name} must be one of {choices}, not {value}",
                name=self._spoken, choices=_join(self.choices), value=value,
            )  # fmt: skip
        if self.kind in ("int", "float"):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            whole = self.kind == "float" or isinstance(value, int)
            if not (number and whole and math.isfinite(value) and self.low <= value <= self.high):
                raise SettingsError(
                    "{name} must be {kind} from {low} to {high}, not {value}",
                    name=self._spoken, kind="a whole number" if self.kind == "int" else "a number",
                    low=_plain(self.low), high=_plain(self.high), value=value,
                )  # fmt: skip

    @property
    def _spoken(self) -> str:
        return self.name.replace("_", " ")


SETTINGS: tuple[Setting, ...] = (
    Setting("dataset", "Data set", "The pictures to learn from: embedded, downloaded on request, or a folder "
            "of class folders.", "run", "dataset"),
    Setting("depth", "Depth", "Layers with weights on the main path. 18 and 34 have four stages, the others "
            "three.", "network", "choice", choices=DEPTHS),
    Setting("width", "Width", "Channels of the first stage; each later stage doubles them.", "network", "int",
            low=1, high=256),
    Setting("stem", "Stem", "3×3 for small pictures, as in the article; 7×7 with max-pooling for ImageNet's.",
            "network", "choice", choices=("3x3", "7x7")),
    Setting("block", "Block order", "Where the activation stands: after the addition (post) or before the "
            "convolutions (pre).", "network", "choice", choices=("post", "pre")),
    Setting("norm", "Normalisation", "Batch norm after each convolution, or none (convolutions then carry a "
            "bias).", "network", "choice", choices=("batch", "none")),
    Setting("activation", "Activation", "ReLU, or one that saturates.", "network", "choice",
            choices=("relu", "tanh", "sigmoid")),
    Setting("projection", "Shape change", "The shortcut where the shape changes: a 1×1 convolution, or "
            "zero-padding without parameters.", "network", "choice", choices=("conv", "pad")),
    Setting("init", "Initialisation", "He: normal, fan-out. torch: the layers' own default, as in the article.",
            "network", "choice", choices=("he", "torch")),
    Setting("branch_init", "Branch at start", "How large the residual branch starts: as initialised, a tenth of "
            "it, or zero.", "network", "choice", choices=("normal", "small", "zero")),
    Setting("batch_size", "Batch", "Pictures per step.", "run", "int", low=2, high=4096),
    Setting("image_size", "Picture size", "Side of the picture the network sees, in pixels.", "run", "int",
            low=8, high=512),
    Setting("learning_rate", "Learning rate", "Step size of SGD; takes effect at the next step.", "lane", "float",
            low=0, high=1e6, needs_reset=False),
    Setting("momentum", "Momentum", "Momentum of SGD.", "run", "float", low=0, high=0.9999),
    Setting("weight_decay", "Weight decay", "L2 penalty of SGD.", "run", "float", low=0, high=1),
    Setting("schedule", "Schedule", "Constant, or a half cosine down to zero over the run.", "run", "choice",
            choices=("constant", "cosine")),
    Setting("augment", "Augmentation", "Random crop with a margin of an eighth, and random flip.", "run", "bool"),
    Setting("epochs", "Epochs", "Length of the run; it pauses there and offers to go on.", "run", "int", low=1,
            high=100_000),
    Setting("seed", "Seed", "The same seed gives the same weights and the same batches.", "run", "int", low=0,
            high=2**31 - 1),
    Setting("precision", "Precision", "What a training step computes in: float32, or bfloat16 where torch holds it "
            "harmless, which is faster on an accelerator or a CPU with instructions for it. Weights, figures and "
            "explanations are float32 either way.", "run", "choice", choices=("float32", "bfloat16")),
    Setting("device", "Device", "Where the tensors live.", "run", "device"),
)  # fmt: skip
SETTING: Mapping[str, Setting] = {setting.name: setting for setting in SETTINGS}


def check_strengths(strengths: tuple[float, ...], network: NetworkSettings) -> None:
    """Raise SettingsError unless there is one number in [0, 1] per block."""
    if len(strengths) != network.block_count:
        raise SettingsError(
            "depth {depth} has {blocks} blocks, but {count} strengths were given",
            depth=network.depth, blocks=network.block_count, count=len(strengths),
        )  # fmt: skip
    for value in strengths:
        if not (math.isfinite(value) and 0 <= value <= 1):
            raise SettingsError("a strength must be a number from 0 to 1, not {value}", value=value)


def lane(
    name: str,
    network: NetworkSettings,
    shortcuts: float | tuple[float, ...] = 1.0,
    learning_rate: float = 0.05,
    checkpoint: str | None = None,
) -> LaneSettings:
    """Make a lane with all its branches and the given shortcut strengths (one for all, or one per block)."""
    blocks = network.block_count
    strengths = shortcuts if isinstance(shortcuts, tuple) else (float(shortcuts),) * blocks
    return LaneSettings(name, network, strengths, (1.0,) * blocks, learning_rate, checkpoint)


def twins(network: NetworkSettings, learning_rate: float = 0.05) -> tuple[LaneSettings, LaneSettings]:
    """Two lanes that differ in their shortcuts only: A has all of them, B none."""
    return lane("A", network, 1.0, learning_rate), lane("B", network, 0.0, learning_rate)


def default_run(accelerator: bool) -> RunSettings:
    """Twins of the article's network: width 64 on an accelerator; 16, in small batches, without one."""
    if accelerator:
        return RunSettings(lanes=twins(NetworkSettings(width=64)), batch_size=128)
    return RunSettings(lanes=twins(NetworkSettings(width=16)), batch_size=32)


def to_json(settings: RunSettings | NetworkSettings) -> dict[str, Any]:
    """Turn settings into plain JSON values."""
    return dataclasses.asdict(settings)


def network_from_json(values: Mapping[str, Any]) -> NetworkSettings:
    """Read network settings back; unknown keys are an error, absent ones take the default."""
    return NetworkSettings(**_known(NetworkSettings, values))


def run_from_json(values: Mapping[str, Any]) -> RunSettings:
    """Read run settings back; unknown keys are an error, absent ones take the default."""
    lanes = []
    for number, row in enumerate(values.get("lanes", ())):
        known = _known(LaneSettings, row)
        network = network_from_json(known.get("network", {}))
        made = lane(known.get("name", "ABCD"[number % 4]), network)
        plain = {key: value for key, value in known.items() if key not in ("network", "name")}
        for key in ("shortcuts", "branches"):
            if key in plain:
                plain[key] = _strengths(plain[key], network)
        lanes.append(dataclasses.replace(made, **plain))
    return RunSettings(**{**_known(RunSettings, values), "lanes": tuple(lanes)})


def _strengths(value: Any, network: NetworkSettings) -> tuple[float, ...]:
    try:
        if isinstance(value, int | float):
            return (float(value),) * network.block_count
        return tuple(float(strength) for strength in value)
    except (TypeError, ValueError):
        raise SettingsError("strengths must be numbers, not {value}", value=value) from None


def _known(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    for key in values:
        if key not in names:
            raise SettingsError("unknown setting {key}", key=key)
    return dict(values)


def _join(choices: tuple[str | int, ...]) -> str:
    return ", ".join(str(choice) for choice in choices)


def _plain(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{number:.0f}"
