"""Inserts further blocks into a trained network: what surplus depth does, with and without shortcuts.

A deeper network could do at least as well as a shallower one, were its surplus layers identities
(He et al. 2015, §1: the construction). A residual block is one as soon as its branch is zero; a
plain block would have to learn it, and with random weights it destroys what the network knows.
"""

import dataclasses
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from core.evaluation import LARGEST_PIECE, PIECE_SECONDS
from core.findings import Surplus
from core.network import ResidualBlock, ResidualNetwork, initialise
from core.notices import SkipscopeError
from core.settings import BlockShape, BranchInit, NetworkSettings

SMALLEST_PIECE = 8
SETTLING = 8, 8  # batches of so many pictures, from which the plain blocks' batch norms get their statistics

Pictures = Callable[[int, int], Tensor]  # (first, stop) -> (stop - first, 3, H, W)


def surplus_in_pieces(
    network: ResidualNetwork, pictures: Pictures, labels: Tensor, *, inserted: int = 2, seed: int = 0
) -> Iterator[tuple[Surplus | None, float]]:
    """Judge a network before and after `inserted` blocks more at the end of every stage.

    Yields the share of the work done after pieces of about 50 ms; the last yield has the finding.
    Identity blocks (zero branch) change no logit of a post-activation network with ReLU, nor of a
    pre-activation one. The batch norms of the plain blocks take their statistics from the first held-out
    pictures (without the labels), so that untrained statistics are not to blame; their weights are
    drawn from the seed. The network must be private: it is put in eval mode.
    """
    count = len(labels)
    if count < 2:
        raise SkipscopeError("this takes two held-out pictures at least")
    network.eval()
    identity = _blocks(network, inserted, "zero", seed)
    yield None, 0.0
    plain = _blocks(network, inserted, "normal", seed)
    for block in plain.blocks:
        block.shortcut_strength = 0.0
    yield None, 0.0
    for _ in _settled(network, plain, pictures, count):
        yield None, 0.0
    yield from _compared(network, (None, identity, plain), pictures, labels, inserted)


def _compared(
    network: ResidualNetwork,
    insertions: tuple[ResidualNetwork | None, ...],
    pictures: Pictures,
    labels: Tensor,
    inserted: int,
) -> Iterator[tuple[Surplus | None, float]]:
    """Let the network see all pictures with nothing, identity blocks and plain blocks inserted."""
    count = len(labels)
    right = torch.zeros(3, dtype=torch.int64, device=labels.device)
    change = torch.zeros((), device=labels.device)
    done, size = 0, SMALLEST_PIECE
    while done < count:
        stop = min(done + size, count)
        x = pictures(done, stop)
        # the same pictures together each time: a convolution's rounding depends on their number
        logits: list[Tensor] = []
        for more in insertions:
            if logits or done:
                yield None, (done + (stop - done) * len(logits) / 3) / count
            began = time.perf_counter()
            logits.append(_logits(network, x, more))
            taken = max(time.perf_counter() - began, 1e-4)
        right += (torch.stack(logits).argmax(2) == labels[done:stop]).sum(1)
        change = torch.maximum(change, (logits[1] - logits[0]).abs().amax())
        done = stop
        size = int(min(max(SMALLEST_PIECE, len(x) * PIECE_SECONDS / taken), LARGEST_PIECE))
    base, same, random = (number / count for number in right.tolist())
    yield Surplus(inserted, count, base, change.item(), same, random), 1.0


def _blocks(network: ResidualNetwork, inserted: int, branch_init: BranchInit, seed: int) -> ResidualNetwork:
    """Return a shell whose stages are the inserted blocks alone.

    It draws their weights as any network does, and their names go on where the stages end:
    layer1.2 is the first block inserted after layer1.1.
    """
    settings = dataclasses.replace(network.settings, branch_init=branch_init)
    with torch.random.fork_rng(devices=[]):
        shell = ResidualNetwork(dataclasses.replace(settings, width=1))
        for stage in range(1, len(settings.stages) + 1):
            setattr(shell, f"layer{stage}", _stage(settings, stage, inserted))
    initialise(shell, seed)
    shell.to(network.fc.weight).to(memory_format=network.memory_format)
    return shell.eval().requires_grad_(False)


def _stage(settings: NetworkSettings, stage: int, inserted: int) -> nn.Sequential:
    *_, last = (shape for shape in settings.blocks if shape.stage == stage)
    members = nn.Sequential()
    for position in range(last.position + 1, last.position + 1 + inserted):
        shape = BlockShape(last.index, stage, position, last.out_channels, last.out_channels, 1)
        members.add_module(str(position), ResidualBlock(shape, settings))
    return members


def _settled(
    network: ResidualNetwork, plain: ResidualNetwork, pictures: Pictures, count: int
) -> Iterator[None]:
    """Estimate the statistics of the plain blocks' batch norms, batch by batch."""
    norms = [module for module in plain.modules() if isinstance(module, nn.BatchNorm2d)]
    for module in norms:
        module.momentum = None  # a cumulative average
    batches, size = SETTLING
    size = min(size, count)
    for first in range(0, min(batches, count // size) * size, size) if norms else ():
        plain.train()
        _logits(network, pictures(first, first + size), plain)
        plain.eval()
        yield


@torch.no_grad()
def _logits(network: ResidualNetwork, pictures: Tensor, more: ResidualNetwork | None) -> Tensor:
    """Run the network, every stage followed by the same stage of `more`."""
    if more is None:
        return network(pictures)
    hooks = []
    for stage in range(1, len(network.settings.stages) + 1):
        following: nn.Module = getattr(more, f"layer{stage}")
        hook = lambda _module, _given, y, following=following: following(y)  # noqa: E731
        hooks.append(getattr(network, f"layer{stage}").register_forward_hook(hook))
    try:
        return network(pictures)
    finally:
        for handle in hooks:
            handle.remove()
