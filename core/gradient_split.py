"""Splits the gradient at every block's input into what came through the shortcut and the branch.

For a sum s = α · F(x) + λ · S(x) the chain rule gives ∂L/∂x = α · Fᵀ g + λ · Sᵀ g with g = ∂L/∂s:
with an identity shortcut at full strength, g itself comes back whatever F does (He et al. 2016,
eq. 5). Both paths get a view of x of their own, and one backward pass returns the gradient of each.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.findings import GradientSplit
from core.messages import readonly
from core.network import ResidualBlock, ResidualNetwork
from core.norms import norm, numbers, wide


@dataclass(frozen=True, slots=True, eq=False)
class _Fork:
    """A block's input, once for each path."""

    shortcut: Tensor
    branch: Tensor
    ratio: Tensor  # ‖αF(x)‖ / ‖x‖


@torch.enable_grad()
def split(network: ResidualNetwork, pictures: Tensor, labels: Tensor) -> GradientSplit:
    """Split ∂L/∂x of the mean cross-entropy on one batch, (N, 3, H, W) and (N,).

    The network must be private: it is put in train mode, and its running statistics move.
    """
    network.train()
    x = _stem(network, pictures).requires_grad_()
    forks: list[_Fork] = []
    for block in network.blocks:
        x = _forked(block, x, forks)
    logits = network.fc(network.act_last(network.bn_last(x)).mean((2, 3)))
    loss = F.cross_entropy(logits, labels)
    views = [view for fork in forks for view in (fork.shortcut, fork.branch)]
    # a path that is cut has no gradient, nor has anything before a block with both paths cut
    gradients = torch.autograd.grad(loss, views, allow_unused=True, materialize_grads=True)
    rows = [_parts(*pair) for pair in zip(gradients[::2], gradients[1::2], strict=True)]
    shortcut, branch, product, total = (numbers(list(column)) for column in zip(*rows, strict=True))
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.clip(product / shortcut / branch, -1, 1)
    return GradientSplit(shortcut, branch, readonly(cosine), total, numbers([fork.ratio for fork in forks]))


@torch.no_grad()
def _stem(network: ResidualNetwork, pictures: Tensor) -> Tensor:
    x = pictures.contiguous(memory_format=network.memory_format)
    return network.maxpool(network.act1(network.bn1(network.conv1(x))))


def _forked(block: ResidualBlock, x: Tensor, forks: list[_Fork]) -> Tensor:
    """Go through a block as its forward does, with a view of x for either path."""
    on_branch, on_shortcut = x.view_as(x), x.view_as(x)
    branch = block.through_branch(on_branch) if block.branch_strength else None
    shortcut = block.through_shortcut(on_shortcut) if block.shortcut_strength else None
    y = block.joined(branch, shortcut, x)
    size = norm(x)
    strength = torch.zeros_like(size) if branch is None else norm(branch) * block.branch_strength
    forks.append(_Fork(on_shortcut, on_branch, strength / size))
    return y if block.pre_activated else block.act2(y)


def _parts(shortcut: Tensor, branch: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return both norms, the scalar product, and the norm of the sum."""
    product = (wide(shortcut) * wide(branch)).sum()
    return norm(shortcut), norm(branch), product, norm(wide(shortcut) + wide(branch))
