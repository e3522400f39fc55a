"""The network against torchvision, the papers' counts and a network built without the paths."""

import itertools

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, SettingsError


def make(seed: int = 0, **values: object) -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    return network


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"width": 64}, 11_173_962),
        ({"width": 64, "stem": "7x7", "classes": 1000}, 11_689_512),
        ({"depth": 20, "width": 16, "projection": "pad"}, 269_722),
        ({"depth": 32, "width": 16, "projection": "pad"}, 464_154),
        ({"depth": 56, "width": 16, "projection": "pad"}, 853_018),
        ({"depth": 110, "width": 16, "projection": "pad"}, 1_727_962),
    ],
)
def test_parameter_counts_are_the_papers(values: dict[str, object], expected: int) -> None:
    assert count(ResidualNetwork(NetworkSettings(**values))) == expected  # type: ignore[arg-type]


def test_cut_projections_are_what_twins_differ_by() -> None:
    network = ResidualNetwork(NetworkSettings(width=64))
    network.set_strengths((0.0,) * 8)
    named = dict(network.named_parameters())
    assert sum(named[name].numel() for name in network.unused_parameters()) == 173_824


class PlainBlock(nn.Module):
    """Written apart from ours: two convolutions, no shortcut anywhere."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class PlainNetwork(nn.Module):
    def __init__(self, width: int, blocks: tuple[int, ...]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        ins = width
        for stage, number in enumerate(blocks):
            outs = width * 2**stage
            members = [
                PlainBlock(ins if n == 0 else outs, outs, 2 if stage and n == 0 else 1) for n in range(number)
            ]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*members))
            ins = outs
        self.stages = len(blocks)
        self.fc = nn.Linear(ins, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.bn1(self.conv1(x)))
        for stage in range(self.stages):
            x = getattr(self, f"layer{stage + 1}")(x)
        return self.fc(x.mean((2, 3)))


def test_cut_equals_built_without_bit_for_bit() -> None:
    ours = make(depth=20)
    ours.set_strengths((0.0,) * 9)
    plain = PlainNetwork(4, (3, 3, 3))
    shared = {name: value for name, value in ours.state_dict().items() if ".shortcut." not in name}
    plain.load_state_dict(shared)
    x = torch.randn(8, 3, 16, 16)
    labels = torch.arange(8)
    wanted = [p for name, p in ours.named_parameters() if name not in ours.unused_parameters()]
    a = torch.autograd.grad(F.cross_entropy(ours(x), labels), wanted)
    b = torch.autograd.grad(F.cross_entropy(plain(x), labels), list(plain.parameters()))
    assert torch.equal(ours(x), plain(x))
    assert all(torch.equal(left, right) for left, right in zip(a, b, strict=True))


def test_strength_is_a_factor_on_each_path() -> None:
    network = make().double().eval()
    x = torch.randn(2, 3, 16, 16, dtype=torch.float64)
    block = network.blocks[2]  # with a projection
    entered: list[torch.Tensor] = []
    block.register_forward_pre_hook(lambda _, given: entered.append(given[0]))
    network(x)
    given = entered[0]
    branch, shortcut = block.through_branch(given), block.through_shortcut(given)
    for alpha, lam in itertools.product((0.0, 0.3, 1.0), repeat=2):
        block.branch_strength, block.shortcut_strength = alpha, lam
        torch.testing.assert_close(block(given), F.relu(alpha * branch + lam * shortcut))


def test_deleting_a_branch_leaves_its_shortcut() -> None:
    network = make().eval()
    block = network.blocks[1]
    block.branch_strength = 0.0
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(x), x)  # relu(relu(x)) = relu(x)


def test_zero_branch_makes_each_block_its_shortcut() -> None:
    network = make(branch_init="zero").eval()
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(network.blocks[0](x), x)


@pytest.mark.parametrize("values", [
    {"block": "pre"}, {"block": "pre", "norm": "none", "activation": "sigmoid"}, {"stem": "7x7", "block": "pre"},
    {"depth": 110, "projection": "pad"}, {"norm": "none", "init": "torch"}, {"activation": "tanh", "depth": 34},
])  # fmt: skip
def test_every_setting_trains(values: dict[str, object]) -> None:
    network = make(**values)
    loss = F.cross_entropy(network(torch.randn(4, 3, 16, 16)), torch.arange(4))
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_networks_share_exactly_the_weights_they_have_in_common() -> None:
    short, long = make(depth=20), make(depth=56)
    other = make(depth=20, projection="pad")
    for name, weights in other.named_parameters():
        assert torch.equal(weights, dict(short.named_parameters())[name]), name
    assert torch.equal(short.conv1.weight, long.conv1.weight)
    assert not torch.equal(short.conv1.weight, make(seed=1, depth=20).conv1.weight)


def test_torch_init_is_the_layers_own_distribution() -> None:
    network = make(init="torch", width=16, norm="none")
    weight = network.blocks[3].conv2.weight
    bound = 1 / (weight[0].numel() ** 0.5)
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
    assert network.blocks[3].conv2.bias is not None


@pytest.mark.parametrize("strengths", [(1.0,) * 7, (1.0,) * 9, (float("nan"),) * 8, (2.0,) * 8])
def test_wrong_strengths_change_nothing(strengths: tuple[float, ...]) -> None:
    network = make()
    network.set_strengths((0.5,) * 8)
    with pytest.raises(SettingsError):
        network.set_strengths((0.25,) * 8, strengths)
    assert network.shortcuts == (0.5,) * 8


def test_torchvision_logits() -> None:
    from torchvision.models import resnet18

    source = resnet18(num_classes=7)
    source.train()
    source(torch.randn(8, 3, 64, 64))  # moves the running statistics
    source.eval()
    ours = ResidualNetwork(NetworkSettings(width=64, stem="7x7", classes=7)).eval()
    ours.load_state_dict(
        {name.replace("downsample", "shortcut"): v for name, v in source.state_dict().items()}
    )
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        a, b = ours(x), source(x)
    assert ((a - b).abs().max() / (1 + b.abs().max())).item() <= 1e-5
