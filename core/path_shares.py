"""How much of the gradient comes back along paths of each length.

A residual network of n blocks is a sum over 2^n paths: at each block through the branch or through
the shortcut. Forward everything is as usual; backward the gradient takes one of the two at each block,
α · Fᵀ or λ · Sᵀ. What a path brings to the first block's input x₀ is its gradient; over all paths they
add up to ∂L/∂x₀. A path's length is the number of branches on it.
Source: Veit et al. 2016 (arXiv:1605.06431) §5.

Paths are whole numbers: bit i is set where the path goes through the branch of block i. Sorted, paths
that agree near the head are neighbours, so that what they share of the way back is gone but once.
"""

import math
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.evaluation import PIECE_SECONDS
from core.findings import FloatArray, PathShares
from core.network import ResidualBlock, ResidualNetwork, derived_seed

_Back: TypeAlias = Callable[[Tensor], Tensor]  # the gradient behind something to the gradient before it


def path_shares_in_pieces(
    network: ResidualNetwork, pictures: Tensor, labels: Tensor, *, most_paths: int = 1024, seed: int = 0
) -> Iterator[tuple[PathShares, float]]:
    """Follow paths back through a private copy in eval mode; yields what is found so far and the share done.

    `pictures` (N, 3, S, S) are normalised, the loss is the mean cross-entropy. All paths are followed if
    they are not more than `most_paths` (1024: of ten blocks with both ways open), else equally many of
    each length drawn at random, but one of each at least. A path through something cut has no gradient
    and is not followed, but counts in the means.
    """
    chosen = choose_paths(network.shortcuts, network.branches, most_paths, seed)
    tally = _Tally(chosen, len(labels))
    # in gradients at a sum, and one a block for the forward pass
    work = 1 + _stops(chosen.paths, len(network.blocks)) + len(network.blocks)
    began = time.perf_counter()
    steps = _followed(network, pictures, labels, chosen.paths) if chosen.paths else ()
    for done, found in enumerate(steps, start=1):
        if found is not None:
            tally.add(*found)
        if done < work and time.perf_counter() - began > PIECE_SECONDS:
            yield tally.finding(), done / work
            began = time.perf_counter()
    yield tally.finding(), 1.0


# ---- which paths ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ChosenPaths:
    """The paths to be followed, ascending, and how many there are of each length."""

    paths: tuple[int, ...]
    sampled: bool
    all: tuple[int, ...]  # paths of each length 0 … n
    open: tuple[int, ...]  # of those, that nothing cut is on


def choose_paths(
    shortcuts: tuple[float, ...], branches: tuple[float, ...], most_paths: int, seed: int
) -> ChosenPaths:
    """Choose all open paths, or as many of each length as fit into `most_paths`."""
    blocks = range(len(shortcuts))
    forced = [block for block in blocks if branches[block] and not shortcuts[block]]  # through the branch
    free = [block for block in blocks if branches[block] and shortcuts[block]]
    blocked = any(not branches[block] and not shortcuts[block] for block in blocks)
    every = tuple(math.comb(len(blocks), length) for length in range(len(blocks) + 1))
    if blocked:
        return ChosenPaths((), False, every, (0,) * len(every))
    passable = tuple(
        math.comb(len(free), length - len(forced)) if length >= len(forced) else 0
        for length in range(len(every))
    )
    sampled = 2 ** len(free) > most_paths
    if sampled:
        ways = _drawn_ways(len(free), max(1, most_paths // (len(free) + 1)), seed)
    else:
        ways = list(range(2 ** len(free)))
    base = sum(1 << block for block in forced)
    paths = (base + sum(1 << free[bit] for bit in range(len(free)) if way >> bit & 1) for way in ways)
    return ChosenPaths(tuple(sorted(paths)), sampled, every, passable)


def _drawn_ways(blocks: int, of_each: int, seed: int) -> list[int]:
    """Draw ways through free blocks, at most so many of each length, none of them twice."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "paths"))
    ways: list[int] = []
    for length in range(blocks + 1):
        drawn: set[int] = set()
        while len(drawn) < min(of_each, math.comb(blocks, length)):
            through = torch.randperm(blocks, generator=generator)[:length].tolist()
            drawn.add(sum(1 << block for block in through))
        ways += drawn
    return ways


def _stops(paths: Sequence[int], blocks: int) -> int:
    """Count the gradients on the way that are not shared: those at each block's output."""
    return sum(len({path >> block for path in paths}) for block in range(blocks + 1))


# ---- following them -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Junction:
    """One block's way back in three parts; None: cut."""

    activation: _Back  # from the block's output to its sum; pre-activation: nothing to do
    branch: _Back | None  # from the sum to the block's input, α · Fᵀ …
    shortcut: _Back | None  # … and λ · Sᵀ


def _followed(
    network: ResidualNetwork, pictures: Tensor, labels: Tensor, paths: Sequence[int]
) -> Iterator[tuple[int, Tensor] | None]:
    """Go forward once and back along each path; yields as `path_gradients` does, and None for each block."""
    junctions: list[Junction] = []
    with torch.no_grad():
        x = network.stem(pictures)
    for block in network.blocks:
        junction, x = taken_apart(block, x)
        junctions.append(junction)
        yield None
    gradient = output_gradient(network, x, labels)
    yield None
    yield from path_gradients(junctions, gradient, paths)


@torch.enable_grad()
def taken_apart(block: ResidualBlock, x: Tensor) -> tuple[Junction, Tensor]:
    """Run a block on its input; returns its way back and its output, the same as in the network."""
    x = x.detach().requires_grad_()
    alpha, lam = block.branch_strength, block.shortcut_strength
    branch = block.through_branch(x) if alpha else None
    shortcut = block.through_shortcut(x) if lam else None
    total = block.joined(branch, shortcut, x).detach()
    activation: _Back = _unchanged
    y = total
    if not block.pre_activated:
        total.requires_grad_()
        y = block.act2(total)
        activation = _back(y, total, 1.0)
    junction = Junction(
        activation,
        None if branch is None else _back(branch, x, alpha),
        None if shortcut is None else _back(shortcut, x, lam),
    )
    return junction, y.detach()


@torch.enable_grad()
def output_gradient(network: ResidualNetwork, y: Tensor, labels: Tensor) -> Tensor:
    """Return ∂L/∂y of the mean cross-entropy L at the last block's output y."""
    y = y.detach().requires_grad_()
    loss = F.cross_entropy(network.head(y), labels)
    return torch.autograd.grad(loss, y)[0]


def path_gradients(
    junctions: Sequence[Junction], gradient: Tensor, paths: Sequence[int]
) -> Iterator[tuple[int, Tensor] | None]:
    """Yield each path (ascending) with its gradient at the first block's input; None at stops before.

    `gradient` is that at the last block's output. One gradient a block is kept at most, for the paths
    through the branch while those through the shortcut are followed.
    """
    waiting = [(len(junctions), gradient, 0, len(paths))]  # blocks before it, gradient there, its paths
    while waiting:
        block, gradient, first, stop = waiting.pop()
        if block == 0:
            yield paths[first], gradient
            continue
        block -= 1
        # these paths agree in the higher bits; sorted, those through this shortcut come first
        middle = bisect_left(paths, (paths[first] >> block | 1) << block, first, stop)
        junction = junctions[block]
        gradient = junction.activation(gradient)
        if middle < stop:
            assert junction.branch is not None
            waiting.append((block, junction.branch(gradient), middle, stop))
        if first < middle:
            assert junction.shortcut is not None
            waiting.append((block, junction.shortcut(gradient), first, middle))
        yield None


def _back(output: Tensor, x: Tensor, strength: float) -> _Back:
    """Return gᵀ · ∂(strength · output)/∂x as a function of g."""

    def back(gradient: Tensor) -> Tensor:
        if output is not x:
            (gradient,) = torch.autograd.grad(output, x, gradient, retain_graph=True)
        return gradient if strength == 1 else gradient * strength

    return back


def _unchanged(gradient: Tensor) -> Tensor:
    return gradient


# ---- adding up ------------------------------------------------------------------------------


class _Tally:
    """The norms taken so far, by length of path."""

    def __init__(self, chosen: ChosenPaths, pictures: int) -> None:
        self._pictures = pictures
        self._sampled = chosen.sampled
        self._all = np.array(chosen.all, dtype=np.float64)
        self._open = np.array(chosen.open, dtype=np.float64)
        self._taken = np.zeros(len(chosen.all), dtype=np.int64)
        self._sums = np.zeros(len(chosen.all))

    def add(self, path: int, gradient: Tensor) -> None:
        """Take the L2 norm of a path's gradient, over the whole batch."""
        length = path.bit_count()
        self._taken[length] += 1
        # float64 on the CPU: the squares of a long path's gradient may be below what float32 holds
        self._sums[length] += torch.linalg.vector_norm(gradient.cpu(), dtype=torch.float64).item()

    def finding(self) -> PathShares:
        with np.errstate(invalid="ignore"):  # nothing taken, or numbers that are no longer finite
            norms = np.where(self._open > 0, self._sums / self._taken * (self._open / self._all), 0.0)
            shares = _shares(self._all * norms)
        counts = self._all.copy()
        for array in (counts, norms, shares):
            array.flags.writeable = False
        return PathShares(self._pictures, int(self._taken.sum()), self._sampled, counts, norms, shares)


def _shares(weights: FloatArray) -> FloatArray:
    """Return shares of the sum of what is known; 0 of nothing."""
    total = np.nansum(weights)
    return weights / total if total else weights
