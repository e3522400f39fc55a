"""The `init` rows of `bench`: gradients at initialisation against the figures on record.

The peer is a table of first over last block's ‖∂L/∂W‖, measured once with other code on noise of
32 × 32 (medians of two or three seeds). Four of its figures are not met, for these reasons:
- Pre-activation with batch norm at 56 layers: the flat 1.42 is what this network gives with its last
  batch norm taken out (1.3). That norm's backward pass takes the mean off the gradient, most of
  what the last block's second convolution would get; with it the ratio is about the √27 by which the
  sum on the clean path grows (De & Smith 2020).
- The two zeros: norms taken in float32 are 0 here too, in float64 they are 1e-23 and 1e-29.
- torch's init, batch norm, plain, 56 layers: single seeds range over a decade.
"""

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core.headless.output import ProgressLine
from core.settings import NetworkSettings

SEEDS = (0, 1, 2, 3, 4)
BATCH_NORM_FACTOR, OTHER_FACTOR = 3.0, 10.0  # how far from the peer a median may lie
UNDERFLOW = 1e-30  # the peer's 0 is a float32 that underflowed: ours has to be below this
COLUMNS = (("batch", 0.0), ("batch", 1.0), ("none", 0.0), ("none", 1.0))  # norm, shortcut strength

# He init, post-activation (last two: torch's own init); a figure a column
TABLE = (
    (18, "relu", "he", (4.3, 2.0, 0.18, 0.26)),
    (56, "relu", "he", (3.0e3, 24, 0.094, 0.13)),
    (110, "relu", "he", (8.3e6, 99, 0.041, 0.16)),
    (18, "tanh", "he", (1.3, 1.4, 0.53, 0.77)),
    (56, "tanh", "he", (50, 60, 3.0, 12)),
    (18, "sigmoid", "he", (0.27, 0.35, 5.6e-9, 1.4e-5)),
    (56, "sigmoid", "he", (0.14, 0.10, 0.0, 5e-18)),
    (18, "relu", "torch", (4.4, 2.7, 4.6e-6, 0.14)),
    (56, "relu", "torch", (1.1e3, 23, 0.0, 0.061)),
)
# pre-activation with shortcuts, He init: activation, norm, branch strength, figure at 18 and at 56
PRE_ACTIVATION = (
    ("sigmoid", "none", 1.0, 0.47, 0.48),
    ("tanh", "none", 1.0, 1.1, 9.6),
    ("relu", "none", 1.0, 0.28, 0.29),
    ("relu", "none", 0.1, 0.54, 0.50),  # SkipInit with a fixed α
    ("relu", "batch", 1.0, 1.02, 1.42),
)
LOSSES = {  # where the forward pass explodes, or is kept from it: the loss on record
    "56 relu, no norm, shortcuts": 1.9e3,
    "110 relu, no norm, shortcuts": 5e7,
    "56 relu, no norm, shortcuts, pre-activation": 657.0,
    "56 relu, no norm, shortcuts, pre-activation, branch 0.1": 2.35,
}


@dataclass(frozen=True, slots=True)
class Case:
    """One network at initialisation and its figure on record."""

    network: NetworkSettings
    shortcut: float
    branch: float
    peer: float

    @property
    def name(self) -> str:
        """What differs between the networks, in words."""
        network = self.network
        parts = [
            f"{network.depth} {network.activation}",
            "batch norm" if network.norm == "batch" else "no norm",
            "shortcuts" if self.shortcut else "plain",
        ]
        parts += ["torch init"] if network.init == "torch" else []
        parts += ["pre-activation"] if network.block == "pre" else []
        parts += [f"branch {self.branch:g}"] if self.branch != 1 else []
        return ", ".join(parts)


def cases() -> Iterator[Case]:
    """Go through the table, row by row, then the pre-activation figures."""
    for depth, activation, init, peers in TABLE:
        for (norm, shortcut), peer in zip(COLUMNS, peers, strict=True):
            values = {"activation": activation, "init": init, "norm": norm}
            yield Case(_network(depth, **values), shortcut, 1.0, peer)
    for activation, norm, branch, shallow, deep in PRE_ACTIVATION:
        for depth, peer in ((18, shallow), (56, deep)):
            yield Case(_network(depth, activation=activation, norm=norm, block="pre"), 1.0, branch, peer)


def rows(
    chosen: list[Case] | None = None,
    seeds: tuple[int, ...] = SEEDS,
    image_size: int = 32,
) -> list[dict[str, Any]]:
    """Measure every case: the median over the seeds, and the smallest and largest."""
    import torch

    from core.device import threads
    from core.gradient_at_start import gradient_at_start

    torch.set_num_threads(threads())
    wanted = list(cases()) if chosen is None else chosen
    progress, began = ProgressLine(), time.perf_counter()
    found: list[dict[str, Any]] = []
    for number, case in enumerate(wanted, start=1):
        progress.show(f"{number} of {len(wanted)}: {case.name} ({time.perf_counter() - began:.0f} s)")
        measured = [
            gradient_at_start(
                case.network, seed, shortcut=case.shortcut, branch=case.branch, image_size=image_size
            )
            for seed in seeds
        ]
        factor = BATCH_NORM_FACTOR if case.network.norm == "batch" else OTHER_FACTOR
        name = f"init {case.name}"
        found.append(_row(f"{name} (first/last)", [m.first_over_last for m in measured], case.peer, factor))
        if case.name in LOSSES:
            found.append(_row(f"{name} (loss)", [m.loss for m in measured], LOSSES[case.name], OTHER_FACTOR))
    progress.end()
    return found


def _row(name: str, figures: list[float], peer: float, factor: float) -> dict[str, Any]:
    """Compare the median with the peer; the goal is the factor it may be off, or what counts as 0."""
    ours = statistics.median(figures)
    ratio = ours / peer if peer else None
    met = ours < UNDERFLOW if ratio is None else 1 / factor <= ratio <= factor
    return {
        "row": name, "ours": ours, "peer": peer, "ratio": ratio,
        "goal": UNDERFLOW if ratio is None else factor, "met": met, "spread": [min(figures), max(figures)],
    }  # fmt: skip


def _network(depth: int, **values: Any) -> NetworkSettings:
    return NetworkSettings(depth=depth, width=16 if depth == 18 else 8, **values)
