"""One question about one picture, and how the work on it is cut into pieces that fit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import psutil
import torch
from torch import Tensor

from core.allocator import give_back_memory
from core.methods import Value
from core.notices import SkipscopeError
from core.settings import NetworkSettings
from core.snapshot import Snapshot

# A forward and backward pass takes 70 to 90 ms for so many multiply-adds a thread; smaller pieces waste
# what a pass costs whatever its size (4 ms) …
_CPU_BUDGET, _MOST_ON_CPU = 1_700_000_000, 64
# … and 60 ms of an accelerator that does 5 · 10¹² operations a second.
_ACCELERATOR_BUDGET, _MOST_ON_ACCELERATOR = 50_000_000_000, 256
# Bytes of one picture's pass forward and back for every number that a block puts out; measured: 20 to 24.
_BYTES_PER_NUMBER = 28
_PATIENCE = 8
_SHARE_OF_FREE = 0.5
_ALWAYS_THERE = 50_000_000  # bytes; for less nobody is asked how much is free


class AttributionError(SkipscopeError):
    """An explanation that cannot be given."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What is asked of a network: one class of one picture, by a method with these values."""

    network: Snapshot
    picture: Tensor  # (1, 3, H, W)
    target: int
    values: Mapping[str, Value]  # every parameter of the method
    patient: bool = False  # nothing waits for the pieces: they may be as large as is quickest

    @property
    def ends(self) -> Tensor:
        """The picture and the zero picture, (2, 3, H, W)."""
        return torch.cat([self.picture, torch.zeros_like(self.picture)])

    def whole(self, name: str) -> int:
        """Return a parameter that is a whole number."""
        return int(self.values[name])

    def number(self, name: str) -> float:
        """Return a parameter that is a number."""
        return float(self.values[name])

    def scores(self, pictures: Tensor) -> Tensor:
        """Return the target's score of every picture, without gradients: (N, 3, H, W) to (N,)."""
        with torch.no_grad():
            return self.network(pictures)[:, self.target]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A map so far."""

    map: Tensor  # (C, H, W)
    done: bool
    completeness_error: float | None = None  # of a whole map


Pieces: TypeAlias = Iterator[Piece]
# how much a picture takes of memory and time, against a gradient; measured for DeepLift: 3 to 4
WEIGHTS: Mapping[str, int] = {"guided_grad_cam": 2, "deep_lift": 4}


# ---- what a map should sum to ---------------------------------------------------------------


def completeness(question: Question, total: float) -> float | None:
    """Return |Σa − Δf| / |Δf| for a sum of attributions; Δf is the change from the zero picture."""
    return completeness_of(question.scores(question.ends), total)


def completeness_of(scores: Tensor, total: float) -> float | None:
    """Return the same where the scores of the picture and of the zero picture, (2,), are known."""
    score, zero = scores.cpu().double().tolist()
    return relative_gap(total, score - zero)


def relative_gap(total: float, change: float) -> float | None:
    """Return |total − change| / |change|; None where there is no change."""
    return abs(total - change) / abs(change) if change else None


def sum_of(attribution: Tensor) -> float:
    """Return the sum of a map, without the rounding of float32."""
    return float(attribution.detach().cpu().double().sum())


# ---- pieces ---------------------------------------------------------------------------------


def spread(count: int, size: int) -> Iterator[tuple[slice, bool]]:
    """Cut `count` things into pieces of at most `size`, each spread over all of them; the last is marked.

    The middle comes first, then what lies farthest from all that came.
    """
    pieces = -(-count // size)
    bits = (pieces - 1).bit_length()
    order = sorted(range(pieces), key=lambda first: f"{first ^ (1 << bits >> 1):0{bits}b}"[::-1])
    for number, first in enumerate(order):
        yield slice(first, None, pieces), number == pieces - 1


def runs(count: int, size: int) -> Iterator[tuple[range, bool]]:
    """Cut `count` things into pieces of about equal size, one after the other; the last is marked."""
    pieces = -(-count // size)
    for number in range(pieces):
        yield range(count * number // pieces, count * (number + 1) // pieces), number == pieces - 1


def piece_size(question: Question, weight: int = 1) -> int:
    """Return how many pictures go forward and back at once, where each takes the memory of `weight`.

    Fixed by sizes and the thread count, so that maps repeat bit for bit; only where memory is short on an
    accelerator is it less, and the last bits of a map may then differ. On a CPU pieces are so small that memory
    bounds nothing before a single picture does not fit.
    """
    height, width = question.picture.shape[2:]
    settings, device = question.network.settings, question.picture.device
    work = weight * _multiply_adds(settings, height, width)
    if device.type == "cpu":
        budget = _CPU_BUDGET * torch.get_num_threads() * (_PATIENCE if question.patient else 1)
        return max(1, min(budget // work, _MOST_ON_CPU))
    fits = int(_free_bytes(device) * _SHARE_OF_FREE) // (weight * bytes_of_a_pass(settings, height, width))
    return max(1, min(_ACCELERATOR_BUDGET // work, _MOST_ON_ACCELERATOR, fits))


def refuse_if_too_large(question: Question, weight: int = 1) -> None:
    """Raise AttributionError where the pass of a single picture does not fit into memory."""
    height, width = question.picture.shape[2:]
    need = weight * bytes_of_a_pass(question.network.settings, height, width)
    if need <= _ALWAYS_THERE:
        return
    device = question.picture.device
    free = _free_bytes(device)
    if need > free and device.type == "cpu":
        give_back_memory()  # what this program keeps for its next step counts as taken
        free = _free_bytes(device)
    if need > free:
        raise AttributionError(
            "explaining a picture of {width} × {height} takes about {need:.1f} GB, and {free:.1f} GB are free",
            width=width, height=height, need=need / 1e9, free=free / 1e9,
        )  # fmt: skip


def bytes_of_a_pass(settings: NetworkSettings, height: int, width: int) -> int:
    """Return roughly what one picture's pass forward and back keeps in memory at its height."""
    pixels = height * width // (4 if settings.stem == "7x7" else 1)
    numbers = pixels * settings.width
    if settings.stem == "7x7":
        pixels //= 4
    for shape in settings.blocks:
        pixels = max(1, pixels // shape.stride**2)
        numbers += pixels * shape.out_channels
    return _BYTES_PER_NUMBER * numbers


def _free_bytes(device: torch.device) -> int:
    if device.type == "cpu":
        return psutil.virtual_memory().available
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()


def _multiply_adds(settings: NetworkSettings, height: int, width: int) -> int:
    """Roughly, those of one forward pass."""
    pixels = height * width
    kernel = 9
    if settings.stem == "7x7":
        pixels, kernel = pixels // 4, 49
    total = pixels * settings.width * 3 * kernel
    if settings.stem == "7x7":
        pixels //= 4
    for shape in settings.blocks:
        pixels = max(1, pixels // shape.stride**2)
        total += 9 * pixels * shape.out_channels * (shape.in_channels + shape.out_channels)
    return max(1, total)
