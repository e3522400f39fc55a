"""A copy of a network whose weights are drawn anew layer by layer, from the head down to the stem."""

from dataclasses import replace

import torch
from torch import Tensor

from core.network import ResidualBlock, ResidualNetwork, derived_seed, initialise
from core.snapshot import Snapshot, snapshot

_HEAD = ("fc.", "bn_last.")
_STEM = ("conv1.", "bn1.")


class Redrawing:
    """Draws the weights of one layer after another; a layer is the head, a block or the stem.

    Statistics of batch norm go back to mean 0 and variance 1 with their layer, as in a network that has
    learnt nothing. A branch that begins at zero is drawn like any other: it would show no weights.
    """

    def __init__(self, network: ResidualNetwork) -> None:
        self.network: Snapshot = snapshot(network)
        self._fresh = _fresh(network)
        blocks = [name for name, each in network.named_modules() if isinstance(each, ResidualBlock)]
        self._layers = (_HEAD, *((f"{name}.",) for name in reversed(blocks)), _STEM)
        self._drawn = 0

    @property
    def layers(self) -> int:
        """How many there are: the blocks, the head and the stem."""
        return len(self._layers)

    def draw_next(self) -> None:
        """Draw the next layer anew; the network must not be in use."""
        names = self._layers[self._drawn]
        self._drawn += 1
        with torch.no_grad():
            for name, mine in _tensors(self.network).items():
                if name.startswith(names):
                    mine.copy_(self._fresh[name])


def _fresh(network: ResidualNetwork) -> dict[str, Tensor]:
    """Return weights and statistics of a network of this shape that has learnt nothing.

    Runs start from seeds that people choose; this one is none of those, or a run's own first weights
    might come back.
    """
    with torch.random.fork_rng(devices=[]):
        fresh = ResidualNetwork(replace(network.settings, branch_init="normal"))
    initialise(fresh, derived_seed(0, "drawn anew"))
    return _tensors(fresh)


def _tensors(network: ResidualNetwork) -> dict[str, Tensor]:
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}
