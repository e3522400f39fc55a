"""A network to be explained: a copy that stays as it is while the live one is trained.

Captum works through hooks and modes, which a network in training must never feel. So every map
is computed on a `Snapshot`.
"""

import torch
from torch import Tensor, nn

from core.network import ResidualBlock, ResidualNetwork
from core.settings import NetworkSettings


class Snapshot(ResidualNetwork):
    """A network to be explained: in eval mode, without gradients of its own, apart from the live one."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__(settings)
        # the order of published networks, so that convolutions round as theirs do: near the kink of
        # a ReLU a last bit decides about a whole gradient
        self.memory_format = torch.contiguous_format
        _separate(self)
        self._blocks = tuple(super().blocks)  # asked for several times a map
        self.eval().requires_grad_(False)

    @property
    def blocks(self) -> list[ResidualBlock]:
        """All blocks, stem to head."""
        return list(self._blocks)


class _Apart(nn.Module):
    """Identity whose output is a tensor of its own.

    Captum rewrites gradients by hooks on a module's input tensor. Where an activation shares that
    tensor with another path or activation, it would rewrite theirs as well.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x.view_as(x)


def snapshot(network: ResidualNetwork) -> Snapshot:
    """Copy a network's weights, statistics and strengths into a new snapshot on its device, in float32."""
    # Not on the meta device: its first use imports 500 modules, sympy among them, for half a second.
    with torch.random.fork_rng(devices=[]):
        copy = Snapshot(network.settings).to(network.fc.weight.device)
    refresh_snapshot(copy, network)
    return copy


def refresh_snapshot(copy: Snapshot, live: ResidualNetwork) -> None:
    """Bring a snapshot up to date, which must not be in use; far cheaper than a new one."""
    if copy.settings != live.settings:
        raise ValueError("a snapshot follows one network; take a new one for other settings")
    with torch.no_grad():
        for mine, theirs in zip(_tensors(copy), _tensors(live), strict=True):
            mine.copy_(theirs)
    copy.set_strengths(live.shortcuts, live.branches)


def as_snapshot(network: ResidualNetwork) -> Snapshot:
    """Return the network itself if it is a snapshot, else a new one of it."""
    return network if isinstance(network, Snapshot) else snapshot(network)


def _tensors(network: ResidualNetwork) -> list[Tensor]:
    return [*network.parameters(), *network.buffers()]


def _separate(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.Identity):
            setattr(module, name, _Apart())
        else:
            _separate(child)
