"""Inserted blocks against networks with the same blocks written out and appended by hand."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from core.findings import Surplus
from core.network import ResidualNetwork, derived_seed, initialise
from core.notices import SkipscopeError
from core.private_copy import training_copy
from core.settings import NetworkSettings
from core.snapshot import snapshot
from core.surplus import surplus_in_pieces


def make(seed: int = 0, **values: object) -> ResidualNetwork:
    """A network whose running statistics are of its pictures."""
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    network.to(memory_format=network.memory_format)  # type: ignore[call-overload]
    network.train()
    with torch.no_grad():
        for _ in range(30):
            network(pictures(16))
    return network.eval()


def pictures(count: int, size: int = 8, seed: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def looked_at(network: ResidualNetwork, x: torch.Tensor, labels: torch.Tensor, **values: int) -> Surplus:
    rows = list(surplus_in_pieces(network, lambda first, stop: x[first:stop], labels, **values))
    assert all(finding is None for finding, _ in rows[:-1])
    fractions = [fraction for _, fraction in rows]
    assert fractions == sorted(fractions)
    assert fractions[-2] < fractions[-1] == 1
    finding = rows[-1][0]
    assert finding is not None
    return finding


class PlainBlock(nn.Module):
    """Two convolutions, no shortcut; weights drawn under the names the network's next blocks would have."""

    def __init__(self, name: str, channels: int, seed: int, norm: bool) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.BatchNorm2d(channels) if norm else nn.Identity() for _ in range(2)])
        self.weights = []
        for part in ("conv1", "conv2"):
            generator = torch.Generator().manual_seed(derived_seed(seed, f"{name}.{part}.weight"))
            drawn = torch.empty(channels, channels, 3, 3)
            self.weights.append(drawn.normal_(0, (2 / (9 * channels)) ** 0.5, generator=generator))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for weight, norm in zip(self.weights, self.norms, strict=True):
            x = torch.relu(norm(F.conv2d(x, weight, padding=1)))
        return x


def deeper(network: ResidualNetwork, x: torch.Tensor, inserted: int, seed: int) -> nn.Module:
    """The network with plain blocks appended, their statistics from the first 64 pictures, eight at a time."""
    made = copy.deepcopy(network)
    fresh: list[nn.BatchNorm2d] = []
    for stage, count in enumerate(network.settings.stages, start=1):
        layer = getattr(made, f"layer{stage}")
        for extra in range(inserted):
            block = PlainBlock(
                f"layer{stage}.{count + extra}", 4 * 2 ** (stage - 1), seed, network.settings.norm == "batch"
            )
            layer.append(block)
            fresh += [module for module in block.norms if isinstance(module, nn.BatchNorm2d)]
    made.eval()
    if fresh:
        for module in fresh:
            module.momentum = None
            module.train()
        with torch.no_grad():
            for batch in x[:64].split(8):
                made(batch)
    return made.eval()


def said(network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network(x).argmax(1)


@pytest.mark.parametrize("values", [
    {}, {"width": 16}, {"depth": 20, "projection": "pad"}, {"norm": "none"}, {"stem": "7x7"}, {"block": "pre"},
    {"block": "pre", "activation": "sigmoid", "norm": "none"}, {"block": "pre_shared"}, {"branch_init": "small"},
])  # fmt: skip
@pytest.mark.parametrize("copied", [snapshot, training_copy])
def test_identity_blocks_change_no_logit_by_one_bit(values: dict[str, object], copied: object) -> None:
    network = copied(make(**values))  # type: ignore[operator]
    x = pictures(20, 32 if "stem" in values else 8)
    found = looked_at(network, x, said(network.eval(), x))
    assert found.logit_change == 0
    assert found.base == found.identity == 1
    assert (found.inserted, found.pictures) == (2, 20)


def test_a_second_sigmoid_does_change_them() -> None:
    network = snapshot(make(activation="sigmoid"))
    x = pictures(20)
    found = looked_at(network, x, torch.zeros(20, dtype=torch.int64), inserted=1)
    by_hand = copy.deepcopy(network)
    for stage in range(1, 5):
        getattr(by_hand, f"layer{stage}").append(nn.Sigmoid())  # what is left of a block with a zero branch
    with torch.no_grad():
        expected = (by_hand(x) - network(x)).abs().max().item()
    assert expected > 0
    assert found.logit_change == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(("inserted", "seed"), [(1, 0), (2, 5)])
def test_plain_blocks_are_those_the_seed_draws(norm: str, inserted: int, seed: int) -> None:
    network = make(norm=norm)
    x = pictures(70)
    with torch.no_grad():  # so that the deeper network says more than one class
        network.fc.bias -= deeper(network, x, inserted, seed)(x).mean(0)
    expected = said(deeper(network, x, inserted, seed), x)
    assert len(expected.unique()) > 1
    found = looked_at(snapshot(network), x, expected, inserted=inserted, seed=seed)
    assert found.plain == 1
    assert found.base == pytest.approx((said(network, x) == expected).float().mean().item())
    assert found.base < 1
    other = looked_at(snapshot(network), x, expected, inserted=inserted, seed=seed + 1)
    assert other.plain < 1


@pytest.mark.parametrize("branch_init", ["zero", "normal"])
def test_plain_blocks_are_not_zeroed_as_residual_ones_are(branch_init: str) -> None:
    network = make(branch_init=branch_init)
    x = pictures(24)
    found = looked_at(snapshot(network), x, said(deeper(network, x, 2, 0), x))
    assert found.plain == 1


def test_a_trained_network_is_destroyed_by_plain_blocks_only() -> None:
    generator = torch.Generator().manual_seed(0)
    prototypes = torch.randn(10, 3, 8, 8, generator=generator)
    labels = torch.randint(0, 10, (320,), generator=generator)
    x = prototypes[labels] + 0.5 * torch.randn(320, 3, 8, 8, generator=generator)
    network = ResidualNetwork(NetworkSettings(width=8, depth=20))
    initialise(network, 0)
    network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for step in range(40):
        chosen = slice(step % 8 * 32, step % 8 * 32 + 32)  # the last 64 are held out
        optimiser.zero_grad()
        F.cross_entropy(network(x[chosen]), labels[chosen]).backward()
        optimiser.step()
    found = looked_at(snapshot(network), x[256:], labels[256:])
    assert found.base > 0.9
    assert found.identity == found.base
    assert found.logit_change == 0
    assert found.plain <= 0.5


def test_the_network_is_left_as_it_was() -> None:
    network = training_copy(make())
    network.set_strengths((0.5,) * 8)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.random.get_rng_state()
    looked_at(network, pictures(12), torch.zeros(12, dtype=torch.int64))
    assert torch.equal(torch.random.get_rng_state(), generator)
    after = network.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert not any(module._forward_hooks for module in network.modules())
    assert network.shortcuts == (0.5,) * 8


def test_numbers_that_are_not_finite_stay() -> None:
    network = make()
    with torch.no_grad():
        network.fc.bias.fill_(torch.nan)
    found = looked_at(snapshot(network), pictures(10), torch.zeros(10, dtype=torch.int64))
    assert found.logit_change != found.logit_change


def test_one_picture_is_refused() -> None:
    with pytest.raises(SkipscopeError, match="two"):
        list(surplus_in_pieces(snapshot(make()), lambda a, b: pictures(1), torch.zeros(1, dtype=torch.int64)))
