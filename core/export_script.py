"""A set-up as a short program in plain PyTorch, to be read and changed. No torch.

The program is assets/plain_pytorch.py with the set-up in place of its example settings.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import PurePath

from core.notices import SkipscopeError
from core.paths import asset
from core.settings import LaneSettings, RunSettings

_PLACE = re.compile(r"# <settings>\n.*?# </settings>\n", re.DOTALL)


def script(settings: RunSettings) -> str:
    """Return a program that trains the lanes of this set-up and prints their losses."""
    try:
        template = asset("plain_pytorch.py").read_text("utf-8")
    except OSError as error:
        raise SkipscopeError(
            "the script's template cannot be read: {reason}", reason=error.strerror
        ) from None
    lines = [
        f"DATASET, IMAGE_SIZE, BATCH_SIZE, SEED = {settings.dataset!r}, {settings.image_size}, "
        f"{settings.batch_size}, {settings.seed}",
        f"STEPS, EPOCHS = {settings.steps}, {settings.epochs}  # the length in steps, or where that is None in "
        "epochs",
        f"MOMENTUM, WEIGHT_DECAY, SCHEDULE, AUGMENT = {settings.momentum!r}, {settings.weight_decay!r}, "
        f"{settings.schedule!r}, {settings.augment}",
        f"PRECISION = {settings.precision!r}",
        "LANES = [",
        *(line for lane in settings.lanes for line in _lane(lane)),
        "]",
    ]
    count = len(settings.lanes)
    title = f"# {count} residual network{'s' if count > 1 else ''} with a strength on every shortcut, in plain PyTorch."
    made = _PLACE.sub(lambda _: "\n".join(lines) + "\n", template, count=1)
    return made.replace("# TITLE", title, 1)


def _lane(lane: LaneSettings) -> list[str]:
    network = [f"{key}={value!r}" for key, value in dataclasses.asdict(lane.network).items()]
    lines = [] if lane.checkpoint is None else [
        f"    # Its weights began as those of the file {PurePath(lane.checkpoint).name!r}; here they are drawn."
    ]  # fmt: skip
    return [
        *lines,
        f"    dict(name={lane.name!r}, learning_rate={lane.learning_rate!r},",
        f"         shortcuts={_strengths(lane.shortcuts)}, branches={_strengths(lane.branches)},",
        f"         {', '.join(network[:5])},",
        f"         {', '.join(network[5:])}),",
    ]


def _strengths(values: Sequence[float]) -> str:
    if len(set(values)) == 1:
        return f"[{values[0]!r}] * {len(values)}"
    return repr(list(values))
