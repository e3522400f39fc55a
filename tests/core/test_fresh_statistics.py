"""Re-estimated statistics against means and variances taken by hand from each norm's input."""

import copy

import pytest
import torch
from torch import nn

from core.fresh_statistics import refreshed, refreshed_in_pieces
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, RunSettings, twins
from core.snapshot import snapshot
from core.training import Lane


def make(seed: int = 0, **values: object) -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    network.train()
    with torch.no_grad():
        network(3 * torch.randn(4, 3, 12, 12) - 1)  # statistics of other pictures
    return network


def pictures(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(2)
    return [torch.randn(6, 3, 12, 12, generator=generator) + number for number in range(count)]


def norms(network: ResidualNetwork) -> dict[str, nn.BatchNorm2d]:
    return {name: module for name, module in network.named_modules() if isinstance(module, nn.BatchNorm2d)}


def by_hand(network: ResidualNetwork, batch: torch.Tensor) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Mean and variance of what comes to every norm, in train mode."""
    network = copy.deepcopy(network).train()
    seen: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    for name, module in norms(network).items():

        def look(_: object, given: tuple[torch.Tensor], name: str = name) -> None:
            rows = given[0].detach().double().transpose(0, 1).flatten(1)  # (channels, values)
            seen[name] = rows.mean(1), ((rows - rows.mean(1, keepdim=True)) ** 2).sum(1) / (rows.shape[1] - 1)

        module.register_forward_pre_hook(look)
    network(batch)
    return seen


def close(network: ResidualNetwork, expected: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> None:
    assert expected
    for name, module in norms(network).items():
        if name in expected:
            mean, variance = expected[name]
            torch.testing.assert_close(module.running_mean.double(), mean, rtol=1e-4, atol=1e-5)
            torch.testing.assert_close(module.running_var.double(), variance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("values", [{}, {"block": "pre"}, {"block": "pre_shared"}, {"activation": "tanh"}])
def test_after_one_batch_they_are_the_batchs(values: dict[str, object]) -> None:
    network = make(**values)
    network.set_strengths((0.5,) * 8)
    (batch,) = pictures(1)
    found = refreshed(network, [batch])
    expected = by_hand(network, batch)
    assert set(expected) == set(norms(network))
    close(found, expected)


def test_after_three_batches_they_are_the_average() -> None:
    network = make()
    batches = pictures(3)
    each = [by_hand(network, batch) for batch in batches]
    average = {
        name: (sum(row[name][0] for row in each) / 3, sum(row[name][1] for row in each) / 3)
        for name in each[0]
    }
    close(refreshed(network, iter(batches)), average)  # type: ignore[arg-type]


def test_a_cut_path_does_not_disturb() -> None:
    network = make()
    network.set_strengths((0.0,) * 8, (1.0,) * 8)
    (batch,) = pictures(1)
    found = refreshed(network, [batch])
    assert found.shortcuts == (0.0,) * 8
    expected = by_hand(network, batch)
    assert "layer2.0.shortcut.1" not in expected
    close(found, expected)
    cut = norms(found)["layer2.0.shortcut.1"]
    assert (cut.running_mean == 0).all()
    assert (cut.running_var == 1).all()


def test_it_is_a_copy_at_rest() -> None:
    settings = NetworkSettings(width=4)
    run = RunSettings(lanes=twins(settings))
    lane = Lane(run.lanes[0], run, torch.device("cpu"))
    network = lane.network
    network.set_strengths((0.5,) * 8, (1.0,) * 7 + (0.25,))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    generator = torch.random.get_rng_state()
    found = refreshed(network, pictures(2))
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert network.training
    assert all(module.momentum == 0.1 for module in norms(network).values())
    assert not any(module.training for module in found.modules())
    assert all(module.momentum == 0.1 for module in norms(found).values())
    assert (found.shortcuts, found.branches) == (network.shortcuts, network.branches)
    for name, parameter in found.named_parameters():
        assert torch.equal(parameter, before[name])
        assert not parameter.requires_grad
        assert parameter.grad_fn is None
    lane.release()


def test_in_pieces_it_yields_after_each_batch_and_returns_the_copy() -> None:
    network = snapshot(make())
    pieces = refreshed_in_pieces(network, iter(pictures(3)))
    yields = 0
    while True:
        try:
            next(pieces)
        except StopIteration as end:
            found = end.value
            break
        yields += 1
    assert yields == 3
    whole = refreshed(network, pictures(3))
    assert all(
        torch.equal(a, b)
        for a, b in zip(found.state_dict().values(), whole.state_dict().values(), strict=True)
    )


def test_without_batch_norm_it_is_a_copy_and_takes_no_batch() -> None:
    network = make(norm="none")
    batches = iter(pictures(1))
    found = refreshed(network, batches)
    assert len(list(batches)) == 1
    assert not found.training
    x = torch.randn(2, 3, 12, 12)
    assert torch.equal(found(x), network(x))


def test_no_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="batch"):
        refreshed(make(), [])


def test_stale_statistics_were_the_fault() -> None:
    """Of pictures far from those the running statistics are of, eval mode now says what train mode says."""
    network = make()
    generator = torch.Generator().manual_seed(9)
    batch = 5 + 2 * torch.randn(64, 3, 12, 12, generator=generator)
    with torch.no_grad():
        in_training = copy.deepcopy(network).train()(batch)
        stale = copy.deepcopy(network).eval()(batch)
        fresh = refreshed(network, [batch])(batch)
    assert (fresh - in_training).norm() < 0.1 * (stale - in_training).norm()
