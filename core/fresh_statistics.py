"""Batch statistics estimated afresh: what a network can do with its weights and strengths as they are.

Running statistics follow training with a delay. Right after a toggle they are from before it, and
held-out figures taken with them blame the shortcut for what the batch norms have not seen yet.
"""

from collections.abc import Generator, Iterable

import torch
from torch import Tensor, nn

from core.network import ResidualNetwork
from core.private_copy import training_copy


def refreshed(network: ResidualNetwork, batches: Iterable[Tensor]) -> ResidualNetwork:
    """Return a copy in eval mode whose running statistics come from these training batches only."""
    pieces = refreshed_in_pieces(network, batches)
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            return end.value


def refreshed_in_pieces(
    network: ResidualNetwork, batches: Iterable[Tensor]
) -> Generator[None, None, ResidualNetwork]:
    """Do as `refreshed`, yielding after each batch (N, 3, H, W); the copy is taken at the first piece.

    Each batch counts the same, whatever its size. A norm on a path that is cut sees nothing and
    stays at mean 0, variance 1. A network without batch norm is copied, and no batch is taken.
    """
    copy = training_copy(network)
    norms = [module for module in copy.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = [module.momentum for module in norms]
    for module in norms:
        module.reset_running_stats()
        module.momentum = None  # a cumulative average
    taken = 0
    for pictures in batches if norms else ():
        with torch.no_grad():
            copy(pictures)
        taken += 1
        yield
    if norms and not taken:
        raise ValueError("statistics need a batch to come from")
    for module, momentum in zip(norms, usual, strict=True):
        module.momentum = momentum
    return copy.eval().requires_grad_(False)
