"""Takes one training step apart: what it would do, number by number, without doing it."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from core.device import autocast
from core.findings import SlowMotion
from core.messages import readonly
from core.network import ResidualBlock, ResidualNetwork
from core.norms import norm, norm_of_all, numbers, rms, wide
from core.settings import Precision


class _Recorder:
    """A probe that keeps what the forward pass shows; all blocks share one."""

    def __init__(self) -> None:
        self.points: list[Tensor] = []  # the first block's input, then every block's output
        self.ratios: list[Tensor] = []

    def __call__(self, index: int, x: Tensor, branch: Tensor | None, y: Tensor) -> None:
        if index == 0:
            self.points.append(x)
        self.points.append(y)
        size = norm(x)
        self.ratios.append((torch.zeros_like(size) if branch is None else norm(branch)) / size)


@torch.enable_grad()
def slow_motion(
    network: ResidualNetwork,
    momentum: dict[str, Tensor],
    pictures: Tensor,
    labels: Tensor,
    *,
    step: int,
    learning_rate: float,
    momentum_factor: float,
    weight_decay: float,
    precision: Precision = "float32",
) -> SlowMotion:
    """Return the numbers of the step that one batch, (N, 3, H, W) and (N,), would make.

    The step is that of SGD with these momentum buffers (by parameter name; none: 0), which are only
    read. The network must be private: it is put in train mode, and its running statistics move.
    """
    network.train().requires_grad_()
    seen = _Recorder()
    for block in network.blocks:
        block.probe = seen
    with autocast(pictures.device, precision):
        loss = F.cross_entropy(network(pictures), labels)
    for block in network.blocks:
        block.probe = None
    unused = network.unused_parameters()
    used = {name: parameter for name, parameter in network.named_parameters() if name not in unused}
    # materialize_grads: a block with both paths cut cuts everything before it off
    gradients = torch.autograd.grad(
        loss, [*seen.points, *used.values()], allow_unused=True, materialize_grads=True
    )
    points = numbers([norm(gradient) for gradient in gradients[: len(seen.points)]])
    by_name = dict(zip(used, gradients[len(seen.points) :], strict=True))
    branches = _branches(network)
    weights = numbers([norm_of_all(list(branch.values())) for branch in branches])
    moved = learning_rate * numbers([
        norm_of_all([
            _direction(by_name[name], weight, momentum.get(name), momentum_factor, weight_decay)
            for name, weight in branch.items() if name in by_name
        ])
        for branch in branches
    ])  # fmt: skip
    norms = [norm_of_all([by_name[name] for name in branch if name in by_name]) for branch in branches]
    with np.errstate(divide="ignore", invalid="ignore"):
        gains, updates = points[:-1] / points[1:], moved / weights
    return SlowMotion(
        step=step, inputs=rms(pictures).item(), outputs=numbers([rms(y) for y in seen.points[1:]]),
        branch_ratios=numbers(seen.ratios), loss=loss.item(), output_gradients=readonly(points[1:]),
        gains=readonly(gains), gradient_norms=numbers(norms), updates=readonly(updates),
    )  # fmt: skip


def _direction(
    gradient: Tensor, weight: Tensor, buffer: Tensor | None, momentum_factor: float, weight_decay: float
) -> Tensor:
    """Return what SGD's momentum buffer holds after the step, in float64."""
    direction = wide(gradient) + weight_decay * wide(weight)
    return direction if buffer is None else momentum_factor * wide(buffer) + direction


def _branches(network: ResidualNetwork) -> list[dict[str, Tensor]]:
    """Return each block's residual-branch parameters under their names in the network."""
    return [
        {
            f"{name}.{own}": parameter
            for own, parameter in block.named_parameters()
            if not own.startswith("shortcut.")
        }
        for name, block in network.named_modules()
        if isinstance(block, ResidualBlock)
    ]
