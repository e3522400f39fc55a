"""What a trained network loses with each part: lesions, and the held-out accuracy after them.

Deleting a block leaves its shortcut, y = act(S(x)); taking its shortcut out leaves y = act(α · F(x)).
Source: Veit et al. 2016 (arXiv:1605.06431) §4.

Blocks before a lesion do what they always did, so the pictures wait, as activations, at the block
that is lesioned next, and each lesion runs from there to the head: half the work on average.
"""

import time
from collections.abc import Callable, Generator, Iterator
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from core.evaluation import LARGEST_PIECE, PIECE_SECONDS
from core.findings import FloatArray, Lesions
from core.network import ResidualNetwork, derived_seed

RANDOM_POINTS = 8  # numbers of blocks deleted at random
SMALLEST_PIECE = 8  # pictures
MOST_WAITING = 512 * 2**20  # bytes of activations; pictures beyond that are run from the stem each time

Pictures: TypeAlias = Callable[[int, int], Tensor]  # (first, stop) -> normalised (N, 3, S, S)
Progress: TypeAlias = tuple[Lesions, float]


def lesions_in_pieces(
    network: ResidualNetwork, pictures: Pictures, labels: Tensor, *, draws: int = 5, seed: int = 0
) -> Iterator[Progress]:
    """Lesion a private copy in eval mode; yields what is found so far and the share of the work done.

    One block is deleted at a time, then one shortcut taken out at a time, then 1 to all blocks deleted
    at random, `draws` choices of each number. The copy has its own strengths again in the end.
    """
    strengths = network.shortcuts, network.branches
    try:
        yield from _Examination(network, pictures, labels, draws, seed).pieces()
    finally:
        network.set_strengths(*strengths)


def random_counts(blocks: int) -> list[int]:
    """Return how many blocks are deleted at random: all numbers of a few, else spaced ones with both ends."""
    spaced = np.linspace(1, blocks, min(RANDOM_POINTS, blocks))
    return [int(number) for number in spaced.round()]


class _Examination:
    """One network under examination: the results so far, and the pictures where they wait."""

    def __init__(
        self, network: ResidualNetwork, pictures: Pictures, labels: Tensor, draws: int, seed: int
    ) -> None:
        self._network = network
        self._blocks = network.blocks
        self._pictures = pictures
        self._labels = labels
        self._shortcuts, self._branches = network.shortcuts, network.branches
        self._piece = SMALLEST_PIECE  # pictures that a forward pass of the whole network takes at once
        self._waiting: list[Tensor | None] = []  # inputs of one block, a piece each; None: no memory left
        self._began = 0.0

        count = len(self._blocks)
        self._base = float("nan")
        self._without_branch = np.full(count, np.nan)
        self._without_shortcut = np.full(count, np.nan)
        self._counts = random_counts(count)
        self._without_many = np.full((len(self._counts), draws), np.nan)
        self._choices = _random_choices(count, self._counts, draws, seed)
        self._done = 0  # in pictures through a block
        self._work = self._all_work()

    def pieces(self) -> Iterator[Progress]:
        self._began = time.perf_counter()
        self._base = yield from self._measure_base()
        yield from self._one_at_a_time(self._without_branch, self._delete)
        yield from self._one_at_a_time(self._without_shortcut, self._cut)
        self._waiting.clear()
        yield from self._many_at_a_time()
        yield self._found()

    # ---- lesions ----------------------------------------------------------------------------

    def _delete(self, *blocks: int) -> bool:
        """Leave nothing of some blocks but their shortcuts, at full strength; the others are as they were."""
        shortcuts, branches = list(self._shortcuts), list(self._branches)
        for block in blocks:
            shortcuts[block], branches[block] = 1.0, 0.0
        self._network.set_strengths(tuple(shortcuts), tuple(branches))
        return True

    def _cut(self, block: int) -> bool:
        """Take the shortcut of a block out; False where it is out already."""
        shortcuts = list(self._shortcuts)
        shortcuts[block] = 0.0
        self._network.set_strengths(tuple(shortcuts), self._branches)
        return self._shortcuts[block] != 0

    def _heal(self) -> None:
        self._network.set_strengths(self._shortcuts, self._branches)

    # ---- the parts of the examination ---------------------------------------------------------

    def _measure_base(self) -> Generator[Progress, None, float]:
        """Measure the whole network, and find out on the way how many pictures fill a piece."""
        right = first = 0
        while first < len(self._labels):
            yield from self._breathe()
            began = time.perf_counter()
            stop = min(first + self._piece, len(self._labels))
            right += self._right(first, stop, self._entered(first, stop, 0), 0)
            if stop - first == self._piece:  # what is left over at the end says little about speed
                taken = max(time.perf_counter() - began, 1e-4)
                fits = int(self._piece * PIECE_SECONDS / taken)
                self._piece = min(max(SMALLEST_PIECE, fits), LARGEST_PIECE)
            first = stop
        return right / len(self._labels)

    def _one_at_a_time(
        self, accuracies: FloatArray, lesion: Callable[[int], bool]
    ) -> Generator[Progress, None, None]:
        self._waiting = []
        for block in range(len(self._blocks)):
            yield from self._come_to(block)
            if lesion(block):
                accuracies[block] = yield from self._accuracy_from(block)
            self._heal()

    def _many_at_a_time(self) -> Generator[Progress, None, None]:
        # one block deleted was measured before, and the same choice need not be measured twice
        known: dict[tuple[int, ...], float] = {
            (block,): float(accuracy) for block, accuracy in enumerate(self._without_branch)
        }
        for place, choice in self._choices.items():
            if choice not in known:
                self._delete(*choice)
                known[choice] = yield from self._accuracy_from(0)
                self._heal()
            self._without_many[place] = known[choice]

    def _come_to(self, block: int) -> Generator[Progress, None, None]:
        """Take the waiting pictures through the block before; to the first one through the stem."""
        if block == 0:
            waiting_bytes = 0
            for first, stop in self._slices():
                yield from self._breathe()
                entered = self._entered(first, stop, 0)
                waiting_bytes += entered.nbytes
                self._waiting.append(entered if waiting_bytes <= MOST_WAITING else None)
            return
        for index, (first, stop) in enumerate(self._slices()):
            yield from self._breathe()
            before = self._waiting[index]
            if before is not None:
                with torch.inference_mode():
                    self._waiting[index] = self._blocks[block - 1](before)
            self._done += stop - first

    def _accuracy_from(self, block: int) -> Generator[Progress, None, float]:
        """Measure the lesioned network, whose blocks before this one are as they were."""
        right = 0
        for index, (first, stop) in enumerate(self._slices()):
            yield from self._breathe()
            waiting = self._waiting[index] if self._waiting else None
            x = self._entered(first, stop, block) if waiting is None else waiting
            right += self._right(first, stop, x, block)
        return right / len(self._labels)

    # ---- one forward pass ---------------------------------------------------------------------

    @torch.inference_mode()
    def _entered(self, first: int, stop: int, block: int) -> Tensor:
        """Take pictures as far as the input of a block."""
        x = self._network.stem(self._pictures(first, stop))
        for each in self._blocks[:block]:
            x = each(x)
        return x

    @torch.inference_mode()
    def _right(self, first: int, stop: int, x: Tensor, block: int) -> int:
        """Count the pictures that are told right, from the input of a block on."""
        for each in self._blocks[block:]:
            x = each(x)
        self._done += (stop - first) * (len(self._blocks) - block)
        return int((self._network.head(x).argmax(1) == self._labels[first:stop]).sum())

    def _slices(self) -> list[tuple[int, int]]:
        count = len(self._labels)
        return [(first, min(first + self._piece, count)) for first in range(0, count, self._piece)]

    # ---- what is said meanwhile ---------------------------------------------------------------

    def _breathe(self) -> Iterator[Progress]:
        """Yield before more work if a piece is over: one more slice could make it too long."""
        if time.perf_counter() - self._began > PIECE_SECONDS / 2:
            yield self._found()
            self._began = time.perf_counter()

    def _all_work(self) -> int:
        """In pictures through a block, as `_done` counts it."""
        count = len(self._blocks)
        from_each = count * (count + 1) // 2
        through = count + 2 * (count - 1)  # base, and the way of the waiting pictures
        through += from_each
        through += sum(count - block for block in range(count) if self._shortcuts[block])
        through += count * len({choice for choice in self._choices.values() if len(choice) > 1})
        return through * len(self._labels)

    def _found(self) -> Progress:
        arrays = (
            self._without_branch.copy(),
            self._without_shortcut.copy(),
            np.array(self._counts, dtype=np.int64),
            self._without_many.copy(),
        )
        for array in arrays:
            array.flags.writeable = False
        return Lesions(len(self._labels), self._base, *arrays), self._done / self._work


def _random_choices(
    blocks: int, counts: list[int], draws: int, seed: int
) -> dict[tuple[int, int], tuple[int, ...]]:
    """Draw for each (point, draw) the blocks to be deleted, in ascending order."""
    generator = torch.Generator().manual_seed(derived_seed(seed, "lesions"))
    choices = {}
    for point, count in enumerate(counts):
        for draw in range(draws):
            chosen = torch.randperm(blocks, generator=generator)[:count]
            choices[point, draw] = tuple(sorted(chosen.tolist()))
    return choices
