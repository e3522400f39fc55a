"""A training copy: the same logits, and an original that notices nothing."""

import copy

import pytest
import torch

from core.network import ResidualNetwork, initialise
from core.private_copy import training_copy
from core.settings import NetworkSettings, RunSettings, twins
from core.snapshot import snapshot
from core.training import Lane


def worn(seed: int = 1, **values: object) -> ResidualNetwork:
    """A network whose statistics have seen something, with strengths of its own."""
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    network.to(memory_format=network.memory_format)  # type: ignore[call-overload]
    network.train()
    with torch.no_grad():
        network(torch.randn(4, 3, 12, 12) + 0.5)
    blocks = network.settings.block_count
    network.set_strengths((0.5,) + (1.0,) * (blocks - 1), (1.0,) * (blocks - 1) + (0.0,))
    return network


def tensors(network: ResidualNetwork) -> dict[str, torch.Tensor]:
    return dict(network.state_dict())


@pytest.mark.parametrize("values", [
    {}, {"width": 16}, {"block": "pre", "norm": "none"}, {"block": "pre_shared"}, {"depth": 20, "projection": "pad"},
])  # fmt: skip
def test_logits_in_train_mode_are_bit_equal(values: dict[str, object]) -> None:
    network = worn(**values)
    made = training_copy(network)
    assert made.training
    assert (made.shortcuts, made.branches) == (network.shortcuts, network.branches)
    x = torch.randn(4, 3, 12, 12).contiguous(memory_format=torch.channels_last)
    assert torch.equal(made(x), network(x))
    after = tensors(made)
    assert all(torch.equal(tensor, after[name]) for name, tensor in tensors(network).items())


def test_weights_lie_in_the_same_memory_order() -> None:
    for network in (worn(width=16), snapshot(worn(width=16))):
        made = training_copy(network)
        assert made.memory_format == network.memory_format
        strides = {name: tensor.stride() for name, tensor in tensors(network).items()}
        assert {name: tensor.stride() for name, tensor in tensors(made).items()} == strides


def test_nothing_of_the_original_changes() -> None:
    settings = NetworkSettings(width=4)
    run = RunSettings(lanes=twins(settings))
    lane = Lane(run.lanes[0], run, torch.device("cpu"))
    network = lane.network
    network.fc.bias.requires_grad_(False)
    probes = [block.probe for block in network.blocks]
    before = copy.deepcopy(tensors(network))
    modes = [module.training for module in network.modules()]
    generator = torch.random.get_rng_state()

    made = training_copy(network)
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(block.probe is None for block in made.blocks)
    made.set_strengths((0.0,) * 8)
    logits = made(torch.randn(4, 3, 12, 12))
    logits.sum().backward()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(1.0)

    assert all(torch.equal(tensor, before[name]) for name, tensor in tensors(network).items())
    assert [block.probe for block in network.blocks] == probes
    assert [module.training for module in network.modules()] == modes
    assert network.shortcuts == (1.0,) * 8
    assert all(parameter.grad is None for parameter in network.parameters())
    flags = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
    assert flags == ["fc.bias"]
    lane.release()


def test_a_snapshot_can_be_trained_on_as_a_copy() -> None:
    network = snapshot(worn())
    made = training_copy(network)
    assert not network.training
    assert all(parameter.requires_grad for parameter in made.parameters())
