"""Commands that go into the engine and events that come out: frozen data, no tensors.

Arrays in events are read-only copies. Every command carries an id; a slice names the ids it
is the first to carry (`applied`), and a request's reply names the request.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from core.acts import Act
from core.checks import Check
from core.findings import Finding, Instrument, Shock
from core.methods import Parameters
from core.notices import Notice
from core.settings import NetworkSettings, RunSettings

FloatArray: TypeAlias = NDArray[np.float64]
_ids = count(1)


def next_id() -> int:
    """Return a fresh id for a command or request."""
    return next(_ids)


# ---- commands -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Setup:
    """Begin a new run with these settings (also: Apply, a lesson, a new seed)."""

    settings: RunSettings
    play: bool = True
    lesson: str | None = None
    script: tuple[Act, ...] = ()  # what the lesson does by itself
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Play:
    """Train on; past the run's planned length this means going on for as long again."""

    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Pause:
    """Stop after the present step; commands are still handled."""

    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class StepOnce:
    """Train one step of every lane, then pause."""

    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Reset:
    """Begin the same settings again as a new run: same seed, same weights, bit for bit."""

    play: bool = False
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class SetStrengths:
    """Set shortcut and branch strengths of one lane from the next step on (None: leave as it is)."""

    lane: int
    shortcuts: tuple[float, ...] | None = None
    branches: tuple[float, ...] | None = None
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class SetLearningRate:
    """Set the learning rate of one lane, or of all (lane None), from the next step on."""

    learning_rate: float
    lane: int | None = None
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class OpenCheckpoint:
    """Open a weights file.

    "look": read it and answer with CheckpointOpened, change nothing. "lane", "twins": begin a run
    whose lanes start from it. "reference": keep it beside the run, for predictions and explanations.
    `path` may be a word: "imagenet" or "imagenet-resnet34" (torchvision's weights, IMAGENET1K_V1), or
    "pretrained" (the embedded twins).
    """

    path: str
    use: Literal["look", "lane", "twins", "reference"]
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class SaveCheckpoint:
    """Write one lane's weights to a file of the user's choice."""

    lane: int
    path: Path
    id: int = field(default_factory=next_id)


PictureFilter = Literal["all", "wrong", "correct", "confident", "disagree"]
PictureOrder = Literal["order", "loss", "sure"]  # as they lie there; highest loss first; least sure first
HELD_OUT = "held-out"  # the album of the run's held-out pictures
BROUGHT = "brought"  # the album of pictures the user opened


@dataclass(frozen=True, slots=True)
class BrowsePictures:
    """Ask for a page of an album's pictures with the source's predictions for them."""

    kind: PictureFilter = "all"
    labels: tuple[int, ...] = ()  # only pictures of these classes; empty: of any
    offset: int = 0
    count: int = 60
    source: str = "lanes"
    album: str = HELD_OUT
    predicted: int | None = None  # only pictures that a network takes for this class
    sure: tuple[float, float] = (0.0, 1.0)  # only pictures whose class gets a probability between these
    network: int | None = None  # that `predicted`, `sure` and the order are about; None: any of them
    order: PictureOrder = "order"
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class JudgeAll:
    """Let a source's networks predict every picture of an album, not only those that are at hand."""

    source: str = "lanes"
    album: str = HELD_OUT
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class OpenAlbum:
    """Open picture files, or folders of them, as the album BROUGHT; what is no picture is left out."""

    paths: tuple[str, ...]
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True, eq=False)
class OwnPicture:
    """A picture the user brought: 8-bit RGB as the one loader read it."""

    name: str
    pixels: NDArray[np.uint8]  # (height, width, 3)


# What stands side by side for every network: one map; the map with all shortcuts, with none, and the
# difference; a map of every place from the stem to the last block; of one class, of another, and the
# difference; maps of several methods.
Arrangement = Literal["single", "switch", "filmstrip", "targets", "methods"]
MOST_METHODS = 6


@dataclass(frozen=True, slots=True, eq=False)
class Explain:
    """Ask every network of a source what it sees in one picture.

    `picture` is the index of a held-out picture or an own one; `target` None means each network's
    own predicted class. `automatic` requests are refreshes: any request by hand goes first.
    """

    picture: int | OwnPicture
    method: str
    target: int | None = None
    source: str = "lanes"  # "lanes", or the name of a reference
    automatic: bool = False
    parameters: Parameters = ()  # of `method`, where they differ from the defaults
    arrangement: Arrangement = "single"
    against: int | None = None  # "targets": the other class; None: the most probable but `target`
    methods: tuple[str, ...] = ()  # "methods": these, with default parameters but for `method`'s
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True, eq=False)
class Assess:
    """Ask how far a map can be trusted: one check of one network's map, with the strengths of now."""

    check: Check
    picture: int | OwnPicture
    method: str
    target: int
    network: int = 0  # its place in the source
    source: str = "lanes"
    parameters: Parameters = ()
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Ask for held-out figures of every lane now."""

    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Analyse:
    """Ask an instrument to look at every network of a source, or at one lane."""

    instrument: Instrument
    lane: int | None = None
    source: str = "lanes"  # "lanes", or the name of a reference
    automatic: bool = False
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Resume:
    """Go on with a recorded run where it stopped: at its last checkpoint."""

    directory: Path
    play: bool = False
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Branch:
    """Begin a new run from a checkpoint of a recorded one (None: of the present run), strengths as given.

    `shortcuts` and `branches`: per lane; None leaves every lane as it was at that step.
    """

    step: int
    directory: Path | None = None
    shortcuts: tuple[tuple[float, ...], ...] | None = None
    branches: tuple[tuple[float, ...], ...] | None = None
    play: bool = True
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class LookBack:
    """Open the present run's checkpoint at or before a step, to be asked beside the run (None: no more)."""

    step: int | None
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Download:
    """Fetch a data set or weights (the user clicked): "cifar10", "cifar100", "imagenet" or "imagenet-resnet34"."""

    what: str
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up a request: an explanation, a download, loading a data set."""

    request: int
    id: int = field(default_factory=next_id)


@dataclass(frozen=True, slots=True)
class Shutdown:
    """Save and end."""

    id: int = field(default_factory=next_id)


Command: TypeAlias = (
    Setup | Play | Pause | StepOnce | Reset | SetStrengths | SetLearningRate | OpenCheckpoint | SaveCheckpoint
    | BrowsePictures | JudgeAll | OpenAlbum | Explain | Assess | Evaluate | Analyse | Resume | Branch | LookBack
    | Download | Cancel | Shutdown
)  # fmt: skip


# ---- events -------------------------------------------------------------------------------


class EngineState(StrEnum):
    """What the engine is doing."""

    LOADING = "loading"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"  # the planned length is reached; Play goes on
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class EngineReady:
    """torch is there; which device, and why that one."""

    device: str
    reason: Notice
    threads: int
    versions: tuple[tuple[str, str], ...]  # (package, version)
    devices: tuple[str, ...]  # what can be chosen
    datasets: tuple[str, ...] = ()  # what needs no download


@dataclass(frozen=True, slots=True)
class LibrariesLoaded:
    """A large library has been imported (its objects should be kept out of garbage collection)."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StateChanged:
    """The engine's state, with the reason where a person should know it."""

    state: EngineState
    notice: Notice | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Long work under way: what, and how much of it (None: not known)."""

    what: Notice
    fraction: float | None = None
    request: int | None = None  # what Cancel would name


@dataclass(frozen=True, slots=True)
class LaneInfo:
    """What a lane is, said once when a run begins."""

    name: str
    network: NetworkSettings
    parameters: int
    parameters_per_block: tuple[int, ...]
    block_outputs: tuple[tuple[int, int, int], ...]  # (channels, height, width) per block
    branch_parameters: tuple[int, ...] = ()  # of each block's residual branch


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A new run is on: forget the last one."""

    settings: RunSettings
    lanes: tuple[LaneInfo, ...]
    class_names: tuple[str, ...]
    steps: int  # planned length
    steps_per_epoch: int
    held_out: int  # pictures never trained on
    evaluated: int  # how many of them the window's held-out figures use
    directory: Path | None
    lesson: str | None = None
    notice: Notice | None = None  # e.g. how a folder was split
    begins_at: int = 0  # steps done when this run began: 0, or where it branched off
    done: int = 0  # steps done by now: more than begins_at when a run is gone on with
    parent: Path | None = None  # the run it branched off


@dataclass(frozen=True, slots=True, eq=False)
class BlockSamples:
    """Readings taken at one step only (they cost a pass over the activations)."""

    step: int
    branch_ratios: FloatArray  # (blocks,) ‖F(x)‖ / ‖x‖
    means: FloatArray  # (blocks,) of the block's output
    deviations: FloatArray  # (blocks,)
    dead: FloatArray  # (blocks,) share of channels that are zero on the whole batch
    saturated: FloatArray  # (blocks,) share of outputs where the activation is flat; 0 for ReLU
    branch_deviations: FloatArray  # (blocks,) of F(x), before the addition (He et al. 2015, fig. 7)
    weights: FloatArray  # (blocks,) ‖w‖ over the residual branch's parameters
    updates: FloatArray  # (blocks,) ‖Δw‖ / ‖w‖ of this step
    gammas: FloatArray  # (blocks,) mean |γ| of the branch's last batch norm; NaN without


@dataclass(frozen=True, slots=True, eq=False)
class LaneSlice:
    """One lane's readings of the steps of a slice; shorter than the slice once it has diverged."""

    losses: FloatArray  # (steps,)
    accuracies: FloatArray  # (steps,) on the training batch, with its statistics
    gradient_norms: FloatArray  # (steps, blocks) L2 norm over the residual branch's parameters
    output_gradients: FloatArray  # (steps, blocks) ‖∂L/∂y‖ at the block's output
    learning_rate: float
    shortcuts: tuple[float, ...]
    branches: tuple[float, ...]
    samples: BlockSamples | None = None
    diverged_at: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class TrainingSlice:
    """Consecutive training steps under one set of strengths, copied off the device together."""

    first_step: int  # steps count from 1
    steps: int
    lanes: tuple[LaneSlice, ...]
    applied: tuple[int, ...]  # ids of the commands first in force at first_step
    images_per_second: float
    memory_bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class LaneEvaluation:
    """Held-out figures of one lane."""

    loss: float
    accuracy: float  # in [0, 1]


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Held-out figures of all lanes at one step.

    `stale` is the step of a toggle so recent that the running batch statistics are from before it.
    """

    step: int
    pictures: int
    lanes: tuple[LaneEvaluation, ...]
    stale: int | None = None
    request: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class PicturePage:
    """A page of an album's pictures and what the source's networks say of them."""

    request: int
    matching: int  # how many pictures pass the filter
    offset: int
    indices: NDArray[np.int64]  # (n,) in the album
    pixels: NDArray[np.uint8]  # (n, height, width, 3)
    labels: NDArray[np.int64]  # (n,); -1 where the class is not known
    predicted: NDArray[np.int64]  # (networks, n); -1 where nothing is known yet
    confidence: FloatArray  # (networks, n) probability of the predicted class
    step: int | None  # when the predictions were made
    class_names: tuple[str, ...] = ()
    album: str = HELD_OUT
    paths: tuple[str, ...] = ()  # of an album of files; empty for the held-out pictures
    unreadable: tuple[bool, ...] = ()  # of an album of files: nothing could be made of this one
    judged: int = 0  # how many of the album's pictures the source has predicted …
    total: int = 0  # … of so many
    losses: FloatArray | None = None  # (networks, n); NaN where the class or the prediction is not known


@dataclass(frozen=True, slots=True)
class AlbumOpened:
    """Pictures the user opened can be browsed as the album BROUGHT; `notice` says what was left out."""

    request: int
    title: str
    pictures: int
    notice: Notice | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """How a source's predictions compare with the classes, over the pictures predicted so far."""

    source: str
    album: str
    step: int | None
    judged: int  # pictures that are labelled and predicted
    total: int  # in the album
    names: tuple[str, ...]  # of the networks
    class_names: tuple[str, ...]
    confusion: NDArray[np.int64]  # (networks, classes, classes): true class, predicted class
    bins: FloatArray  # (networks, 10, 3) of confidence: pictures, mean confidence, share right
    calibration_errors: FloatArray  # (networks,) expected calibration error (Guo et al. 2017)
    request: int | None = None


Role = Literal["", "on", "off", "target", "against", "difference"]  # a map's part in an arrangement


@dataclass(frozen=True, slots=True, eq=False)
class Attributed:
    """One network's answer for one picture: one map of an arrangement."""

    name: str  # of the lane or network
    attribution: NDArray[np.float32] | None  # (channels, height, width), signed; None: not right here
    reason: Notice | None  # why there is no attribution
    probabilities: FloatArray  # (classes,); empty for a difference
    target: int
    completeness_error: float | None
    shortcuts: tuple[float, ...]  # in force for this map
    method: str = ""
    parameters: Parameters = ()  # every one, with its value
    role: Role = ""
    block: int | None = None  # of a filmstrip; -1: the stem
    baseline: str = "none"
    seconds: float = 0.0  # 0 where it was known already


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """Reply to Explain: `frames` answers per network, network by network; `done` False: more will come."""

    request: int
    method: str
    baseline: str
    step: int | None  # training step of the weights; None for a reference
    picture: NDArray[np.uint8]  # (height, width, 3) as the networks saw it
    label: int | None  # the true class, where known
    class_names: tuple[str, ...]
    networks: tuple[Attributed, ...]
    seconds: float  # of computing; training between the pieces does not count
    transform: str
    done: bool = True
    frames: int = 1  # maps per network, once all are there; of the deepest where a filmstrip's differ
    arrangement: Arrangement = "single"
    unsuitable: tuple[tuple[str, Notice], ...] = ()  # methods right for none of the networks, with the reason


@dataclass(frozen=True, slots=True, eq=False)
class Assessed:
    """What a check found; `done` False: so far."""

    request: int
    check: Check
    name: str  # of the lane or network
    method: str
    target: int
    step: int | None
    value: float | None  # None: not known yet, or not to be had (see `reason`)
    shares: FloatArray  # (points,) what `curve` is over: share of the pixels; or layers drawn anew
    curve: FloatArray  # (points,) probability of the class; or rank correlation; may be empty
    control: FloatArray  # (points,) the same in an order drawn by lot; may be empty
    seconds: float
    reason: Notice | None = None
    done: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Analysed:
    """What an instrument found in one network; `fraction` below 1: so far."""

    request: int
    instrument: Instrument
    lane: int | None  # None: a reference's network
    name: str
    step: int | None
    finding: Finding
    fraction: float = 1.0
    last: bool = True  # no other network follows


@dataclass(frozen=True, slots=True)
class Shocked:
    """A reading of the shock card."""

    toggled: int  # step at which the toggle came into force
    lane: int
    reading: Shock


@dataclass(frozen=True, slots=True)
class LookedBack:
    """The checkpoint that is open beside the run: its step, and each lane's strengths at it."""

    step: int | None
    shortcuts: tuple[tuple[float, ...], ...] = ()
    branches: tuple[tuple[float, ...], ...] = ()
    request: int | None = None


@dataclass(frozen=True, slots=True)
class CheckpointOpened:
    """What a weights file holds, and what can be done with it."""

    request: int
    path: str
    title: str
    network: NetworkSettings
    transform: str
    trainable: bool  # its classes fit the present data set
    report: tuple[Notice, ...] = ()


@dataclass(frozen=True, slots=True)
class References:
    """Networks kept beside the run, by name, for predictions and explanations."""

    names: tuple[str, ...]
    selected: str | None = None
    about: tuple[Notice | None, ...] = ()  # of each name: what it is, and how it gets pictures; None: lanes
    notice: Notice | None = None  # what is no longer kept


@dataclass(frozen=True, slots=True)
class Downloaded:
    """What was asked for is on this machine now."""

    what: str
    datasets: tuple[str, ...]  # all that need no download
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Saved:
    """A file was written."""

    path: Path
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """Something asked for could not be done; the experiment is as it was."""

    notice: Notice
    request: int | None = None
    traceback: str | None = None  # for the log, when the fault is ours


Event: TypeAlias = (
    EngineReady | LibrariesLoaded | StateChanged | Progress | RunStarted | TrainingSlice | Evaluation | PicturePage
    | AlbumOpened | Judged | Explanation | Assessed | Analysed | Shocked | LookedBack | CheckpointOpened | References
    | Downloaded | Saved | Failed
)  # fmt: skip


def readonly(array: NDArray[Any]) -> NDArray[Any]:
    """Mark an array that the sender owns as not to be written."""
    array.setflags(write=False)
    return array
