"""The gradient of every block before the first step: how it grows or fades on its way to the stem.

Labels are drawn like the noise: what is compared is the network, not what it could learn.
"""

from dataclasses import dataclass

import torch
from torch.nn import functional as F

from core.findings import FloatArray
from core.network import ResidualBlock, ResidualNetwork, derived_seed, initialise
from core.norms import norm_of_all, numbers
from core.settings import NetworkSettings


@dataclass(frozen=True, slots=True, eq=False)
class StartGradient:
    """What one batch of noise does to a network that has not trained."""

    loss: float  # mean cross-entropy
    norms: FloatArray  # (blocks,) ‖∂L/∂W‖ over the residual branch's parameters, norms included

    @property
    def first_over_last(self) -> float:
        """First block's norm over the last one's; NaN where the last one has none."""
        first, last = float(self.norms[0]), float(self.norms[-1])
        return first / last if last else float("nan")


def gradient_at_start(
    settings: NetworkSettings,
    seed: int,
    *,
    shortcut: float = 1.0,
    branch: float = 1.0,
    image_size: int = 32,
    batch_size: int = 32,
) -> StartGradient:
    """Measure at initialisation, in train mode, on Gaussian noise (N(0, 1), mean cross-entropy).

    `shortcut` and `branch` are the strengths of all blocks; the seed draws weights, noise and labels.
    """
    network = ResidualNetwork(settings)
    initialise(network, seed)
    network.to(memory_format=network.memory_format)
    network.set_strengths((shortcut,) * settings.block_count, (branch,) * settings.block_count)
    generator = torch.Generator().manual_seed(derived_seed(seed, "noise"))
    pictures = torch.randn(batch_size, 3, image_size, image_size, generator=generator)
    labels = torch.randint(settings.classes, (batch_size,), generator=generator)
    loss = F.cross_entropy(network.train()(pictures), labels)
    loss.backward()
    norms = numbers([_branch_norm(block) for block in network.blocks])
    return StartGradient(loss.item(), norms)


def _branch_norm(block: ResidualBlock) -> torch.Tensor:
    found = [
        parameter.grad
        for name, parameter in block.named_parameters()
        if not name.startswith("shortcut.") and parameter.grad is not None
    ]
    return norm_of_all(found)
