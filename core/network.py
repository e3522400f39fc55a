"""The residual network with a strength on every shortcut and every branch.

    y = act(α · F(x) + λ · S(x))

F is the residual branch, S the shortcut (identity, 1×1 projection, or zero-padding), λ the
shortcut strength and α the branch strength (pre-activation: no act after the sum). Parameter
names are those of the usual listing: conv1, bn1, layer1.0.conv1, layer2.0.shortcut.0, fc.
Sources: He et al. 2015 (arXiv:1512.03385) §3.3 and §4.2, He et al. 2016 (arXiv:1603.05027).
"""

import hashlib
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core.settings import BlockShape, NetworkSettings, check_strengths

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
SMALL_BRANCH = 0.1  # De & Smith 2020: a branch of about 1/sqrt(depth) needs no normalisation

BlockProbe = Callable[[int, Tensor, Tensor | None, Tensor], None]


class ZeroPadding(nn.Module):
    """Shortcut without parameters: every second pixel, new channels zero (He's option A)."""

    def __init__(self, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:  # (N, C, H, W) -> (N, out_channels, H/stride, W/stride)
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.out_channels - x.shape[1]))


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation whose batches may be counted elsewhere, for all norms at once.

    One by one, adding 1 to each counter takes a hundredth of a step; so do the checks in
    `F.batch_norm` that the norms of a network cannot fail.
    """

    counts = True

    def forward(self, x: Tensor) -> Tensor:
        if self.counts or self.momentum is None or not self.training:  # a plain average goes by its own count
            return super().forward(x)
        return torch.batch_norm(
            x, self.weight, self.bias, self.running_mean, self.running_var, True, self.momentum, self.eps,
            torch.backends.cudnn.enabled,
        )  # fmt: skip


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions and the shortcut around them.

    `probe`, where set, is called in forward with (index, x, F(x) or None, y).
    """

    def __init__(self, shape: BlockShape, settings: NetworkSettings) -> None:
        super().__init__()
        self.index = shape.index
        self.stride = shape.stride
        self.out_channels = shape.out_channels
        self.pre_activated = settings.block != "post"
        self.shared_activation = settings.block == "pre_shared" and shape.changes_shape
        self.shortcut_strength = 1.0
        self.branch_strength = 1.0
        self.probe: BlockProbe | None = None

        self.conv1 = _conv(shape.in_channels, shape.out_channels, 3, shape.stride, settings)
        self.bn1 = _norm(shape.in_channels if self.pre_activated else shape.out_channels, settings)
        self.act1 = _ACTIVATIONS[settings.activation]()
        self.conv2 = _conv(shape.out_channels, shape.out_channels, 3, 1, settings)
        self.bn2 = _norm(shape.out_channels, settings)
        self.act2 = _ACTIVATIONS[settings.activation]()
        self.shortcut = _shortcut(shape, settings)

    def forward(self, x: Tensor) -> Tensor:
        branch = self.through_branch(x) if self.branch_strength else None
        y = self.joined(branch, self.through_shortcut(x) if self.shortcut_strength else None, x)
        if not self.pre_activated:
            y = self.act2(y)
        if self.probe is not None:
            self.probe(self.index, x, branch, y)
        return y

    def through_branch(self, x: Tensor) -> Tensor:
        """Return F(x), without its strength."""
        if self.pre_activated:
            return self.conv2(self.act2(self.bn2(self.conv1(self.act1(self.bn1(x))))))
        return self.bn2(self.conv2(self.act1(self.bn1(self.conv1(x)))))

    def through_shortcut(self, x: Tensor) -> Tensor:
        """Return S(x), without its strength."""
        return self.shortcut(self.act1(self.bn1(x)) if self.shared_activation else x)

    def joined(self, branch: Tensor | None, shortcut: Tensor | None, x: Tensor) -> Tensor:
        """α · branch + λ · shortcut, without a pass over memory for a strength of 0 or 1."""
        alpha, lam = self.branch_strength, self.shortcut_strength
        if branch is None and shortcut is None:
            height, width = (-(-side // self.stride) for side in x.shape[2:])
            # a leaf that gradients reach, so that probes can ask for the gradient here as elsewhere
            return x.new_zeros(
                (x.shape[0], self.out_channels, height, width), requires_grad=torch.is_grad_enabled()
            )
        if shortcut is None:
            assert branch is not None
            return branch if alpha == 1 else branch * alpha
        if branch is None:
            return shortcut if lam == 1 else shortcut * lam
        if alpha == 1:
            return torch.add(branch, shortcut, alpha=lam)
        if lam == 1:
            return torch.add(shortcut, branch, alpha=alpha)
        return torch.add(branch * alpha, shortcut, alpha=lam)


class ResidualNetwork(nn.Module):
    """A residual network made from its settings; weights are drawn by `initialise`.

    Input (N, 3, H, W), normalised; output (N, classes) logits.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        # WORKAROUND: on a CPU, the backward pass of a channels-last convolution with fewer channels
        # than a vector holds writes past its buffer (torch 2.14.1, oneDNN, width 4, one thread:
        # "corrupted double-linked list"). 16 fills AVX-512; below it plain order is as fast.
        wide = settings.width % 16 == 0
        self.memory_format = torch.channels_last if wide else torch.contiguous_format
        shapes = settings.blocks
        imagenet_stem = settings.stem == "7x7"
        self.conv1 = _conv(3, settings.width, 7 if imagenet_stem else 3, 2 if imagenet_stem else 1, settings)
        # Pre-activation networks have their norm at the end of the main path instead of here,
        # save behind the 7×7 stem, whose pooling wants activated values.
        activated_stem = settings.block == "post" or imagenet_stem
        self.bn1 = _norm(settings.width, settings) if activated_stem else nn.Identity()
        self.act1 = _ACTIVATIONS[settings.activation]() if activated_stem else nn.Identity()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1) if imagenet_stem else nn.Identity()
        blocks = [ResidualBlock(shape, settings) for shape in shapes]
        for stage in range(1, len(settings.stages) + 1):
            members = [block for block, shape in zip(blocks, shapes, strict=True) if shape.stage == stage]
            self.add_module(f"layer{stage}", nn.Sequential(*members))
        channels = shapes[-1].out_channels
        final = settings.block == "pre"
        self.bn_last = _norm(channels, settings) if final else nn.Identity()
        self.act_last = _ACTIVATIONS[settings.activation]() if final else nn.Identity()
        self.fc = nn.Linear(channels, settings.classes)

    @property
    def blocks(self) -> list[ResidualBlock]:
        """All blocks, stem to head."""
        # Not by `modules()`, which walks through every layer: every slice asks for the strengths.
        stages = (getattr(self, f"layer{stage}") for stage in range(1, len(self.settings.stages) + 1))
        return [block for stage in stages for block in stage]

    @property
    def shortcuts(self) -> tuple[float, ...]:
        """Shortcut strength of every block."""
        return tuple(block.shortcut_strength for block in self.blocks)

    @property
    def branches(self) -> tuple[float, ...]:
        """Branch strength of every block."""
        return tuple(block.branch_strength for block in self.blocks)

    def set_strengths(
        self, shortcuts: tuple[float, ...] | None = None, branches: tuple[float, ...] | None = None
    ) -> None:
        """Set strengths from the next forward pass on; raises SettingsError and changes nothing if wrong."""
        for strengths in (shortcuts, branches):
            if strengths is not None:
                check_strengths(strengths, self.settings)
        for block, strength in zip(self.blocks, shortcuts or self.shortcuts, strict=True):
            block.shortcut_strength = float(strength)
        for block, strength in zip(self.blocks, branches or self.branches, strict=True):
            block.branch_strength = float(strength)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in range(1, len(self.settings.stages) + 1):
            x = getattr(self, f"layer{stage}")(x)
        return self.head(x)

    def stem(self, x: Tensor) -> Tensor:
        """Everything before the first block: pictures (N, 3, S, S) to its input (N, width, H, W)."""
        x = x.contiguous(memory_format=self.memory_format)
        return self.maxpool(self.act1(self.bn1(self.conv1(x))))

    def head(self, x: Tensor) -> Tensor:
        """Everything behind the last block: its output (N, C, H, W) to logits (N, classes)."""
        x = self.act_last(self.bn_last(x))
        return self.fc(x.mean((2, 3)))

    def unused_parameters(self) -> set[str]:
        """Names of the parameters that the present strengths leave out of the computation."""
        unused = set()
        for name, module in self.named_modules():
            if isinstance(module, ResidualBlock):
                for own, _ in module.named_parameters():
                    on_shortcut = own.startswith("shortcut.")
                    strength = module.shortcut_strength if on_shortcut else module.branch_strength
                    shared = own.startswith("bn1.") and module.shared_activation and module.shortcut_strength
                    if strength == 0 and not shared:
                        unused.add(f"{name}.{own}")
        return unused


def initialise(network: ResidualNetwork, seed: int) -> None:
    """Draw every parameter from a generator seeded by (seed, its name).

    Networks of different settings thus share exactly the weights they have in common.
    """
    settings = network.settings
    modules = dict(network.named_modules())
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            generator = torch.Generator().manual_seed(derived_seed(seed, name))
            module = modules[name.rpartition(".")[0]]
            drawn = torch.empty(parameter.shape)  # on the CPU, so that devices agree
            if isinstance(module, nn.BatchNorm2d):
                drawn.fill_(1.0 if name.endswith("weight") else 0.0)
            elif isinstance(module, nn.Conv2d) and settings.init == "he":
                fan_out = module.out_channels * module.kernel_size[0] * module.kernel_size[1]
                if name.endswith("weight"):
                    drawn.normal_(0.0, math.sqrt(2.0 / fan_out), generator=generator)
                else:
                    drawn.zero_()
            else:  # the layers' own default, U(-1/sqrt(fan_in), 1/sqrt(fan_in)), weights and biases alike
                weight = module.weight
                assert isinstance(weight, Tensor)
                bound = 1 / math.sqrt(weight[0].numel())
                drawn.uniform_(-bound, bound, generator=generator)
            parameter.copy_(drawn)
        if settings.branch_init != "normal":
            for block in network.blocks:
                _scale_branch(block, 0.0 if settings.branch_init == "zero" else SMALL_BRANCH)


def derived_seed(seed: int, name: str) -> int:
    """Return a 63-bit seed that depends on the run's seed and a name only."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def _scale_branch(block: ResidualBlock, factor: float) -> None:
    last = block.bn2 if isinstance(block.bn2, nn.BatchNorm2d) and not block.pre_activated else block.conv2
    for parameter in last.parameters():
        parameter.mul_(factor)


def _conv(
    in_channels: int, out_channels: int, size: int, stride: int, settings: NetworkSettings
) -> nn.Conv2d:
    bias = settings.norm == "none"
    return nn.Conv2d(in_channels, out_channels, size, stride, padding=size // 2, bias=bias)


def _norm(channels: int, settings: NetworkSettings) -> nn.Module:
    return BatchNorm(channels) if settings.norm == "batch" else nn.Identity()


def _shortcut(shape: BlockShape, settings: NetworkSettings) -> nn.Module:
    if not shape.changes_shape:
        return nn.Identity()
    if settings.projection == "pad":
        return ZeroPadding(shape.out_channels, shape.stride)
    conv = _conv(shape.in_channels, shape.out_channels, 1, shape.stride, settings)
    if settings.block == "post":
        return nn.Sequential(conv, _norm(shape.out_channels, settings))
    return nn.Sequential(conv)  # pre-activation: nothing but a convolution on the clean path
