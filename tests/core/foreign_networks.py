"""Residual networks under other people's names, written from their descriptions and apart from core."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def conv(inputs: int, outputs: int, size: int = 3, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)


def stage(
    make: type[nn.Module], count: int, inputs: int, outputs: int, stride: int, **options: object
) -> nn.Module:
    first = make(inputs, outputs, stride, **options)
    return nn.Sequential(first, *(make(outputs, outputs, 1, **options) for _ in range(count - 1)))


class ProjectedBlock(nn.Module):
    """The article's block; `added=False` leaves its addition out and keeps the parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int, added: bool = True) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.added = added
        self.shortcut = nn.Sequential()
        if stride > 1:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.shortcut(x) if self.added else y)


class PreBlock(nn.Module):
    """Pre-activation whose projection reads the activated input."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(inputs), conv(inputs, outputs, 3, stride)
        self.bn2, self.conv2 = nn.BatchNorm2d(outputs), conv(outputs, outputs)
        if stride > 1:
            self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        active = F.relu(self.bn1(x))
        path = self.shortcut(active) if "shortcut" in self._modules else x
        return path + self.conv2(F.relu(self.bn2(self.conv1(active))))


class PaddedBlock(nn.Module):
    """A shortcut without parameters: new channels are zero, before and behind, or behind only."""

    def __init__(self, inputs: int, outputs: int, stride: int, both_sides: bool = True) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = conv(outputs, outputs), nn.BatchNorm2d(outputs)
        self.stride = stride
        self.before = (outputs - inputs) // 2 if both_sides else 0
        self.behind = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        padded = x.new_zeros(
            x.shape[0],
            self.before + x.shape[1] + self.behind,
            *x[:, :, :: self.stride, :: self.stride].shape[2:],
        )
        padded[:, self.before : self.before + x.shape[1]] = x[:, :, :: self.stride, :: self.stride]
        return F.relu(padded + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class Network(nn.Module):
    """Stem, stages layer1, layer2, … of doubling width, mean over space, and a head of the given name."""

    def __init__(
        self,
        block: type[nn.Module],
        counts: tuple[int, ...],
        width: int,
        *,
        head: str,
        classes: int = 10,
        **options: object,
    ) -> None:
        super().__init__()
        self.conv1 = conv(3, width)
        self.bn1 = nn.Identity() if block is PreBlock else nn.BatchNorm2d(width)
        self.activated = block is not PreBlock
        self.counts, self.head = counts, head
        widths = [width, *(width * 2**index for index in range(len(counts)))]
        for index, (inputs, outputs) in enumerate(pairwise(widths)):
            self.add_module(
                f"layer{index + 1}", stage(block, counts[index], inputs, outputs, 1 + (index > 0), **options)
            )
        self.add_module(head, nn.Linear(widths[-1], classes))

    def forward(self, x: Tensor) -> Tensor:
        x = self.bn1(self.conv1(x))
        x = F.relu(x) if self.activated else x
        for index in range(len(self.counts)):
            x = self._modules[f"layer{index + 1}"](x)
        return self._modules[self.head](x.mean((2, 3)))


def article(width: int = 4, added: bool = True) -> Network:
    """The article's network, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        network = Network(ProjectedBlock, (2, 2, 2, 2), width, head="fc", added=added)
    lived_in(network)
    return network


def lived_in(network: nn.Module) -> nn.Module:
    """Move every norm away from where it starts, so that a mix-up shows."""
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            with torch.no_grad():
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.uniform_(-0.3, 0.3, generator=generator)
                module.running_mean.uniform_(-0.3, 0.3, generator=generator)
                module.running_var.uniform_(0.5, 1.5, generator=generator)
                module.num_batches_tracked.fill_(7)
    return network.eval()
