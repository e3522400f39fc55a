"""Paths against autograd: their sum is the gradient, and each alone is that of a network cut by detach."""

import math
import random
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from core import path_shares
from core.findings import PathShares
from core.network import ResidualBlock, ResidualNetwork, initialise
from core.path_shares import choose_paths, path_shares_in_pieces
from core.settings import NetworkSettings
from core.snapshot import snapshot

SMALL = NetworkSettings(width=4)  # 8 blocks, 3 of them with projections
DEEP = NetworkSettings(depth=32, width=4)  # 15 blocks
VARIANTS = {
    "post": SMALL,
    "pre": NetworkSettings(width=4, block="pre"),
    "shared activation": NetworkSettings(width=4, block="pre_shared"),
    "zero-padding": NetworkSettings(width=4, projection="pad"),
    "no norm, tanh": NetworkSettings(width=4, norm="none", activation="tanh"),
}
STRENGTHS = {
    "whole": ((1.0,) * 8, (1.0,) * 8),
    "fractional": ((0.5, 1.0, 0.25, 0.75, 1.0, 0.5, 0.9, 1.0), (1.0, 0.5, 1.0, 0.3, 0.6, 1.0, 1.0, 0.75)),
    "some cut": ((1.0, 0.0, 1.0, 1.0, 0.5, 1.0, 1.0, 0.0), (1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.5, 1.0)),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def make(settings: NetworkSettings, strengths: str = "whole") -> ResidualNetwork:
    network = ResidualNetwork(settings)
    initialise(network, 0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.3, 1.0, generator=generator)
    if len(network.blocks) == 8:
        network.set_strengths(*STRENGTHS[strengths])
    return snapshot(network)


def batch(count: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2)
    pictures = torch.randn(count, 3, 8, 8, generator=generator)
    return pictures, torch.randint(10, (count,), generator=generator)


def whole(network: ResidualNetwork, *args: Tensor, **options: int) -> PathShares:
    *_, (found, fraction) = path_shares_in_pieces(network, *args, **options)  # type: ignore[arg-type]
    assert fraction == 1
    return found


def followed(network: ResidualNetwork, most_paths: int = 1024) -> dict[int, Tensor]:
    """Return every path's gradient as the instrument takes it."""
    chosen = choose_paths(network.shortcuts, network.branches, most_paths, 0)
    steps = path_shares._followed(network, *batch(), chosen.paths)
    return dict(step for step in steps if step is not None)


# ---- the oracle: a forward pass written apart, differentiated along one path or along all ---------


def terms(block: ResidualBlock, x: Tensor) -> tuple[Tensor, Tensor]:
    """F(x) and S(x), of modules; written apart from the block's own forward."""
    if block.pre_activated:
        activated = block.act1(block.bn1(x))
        branch = block.conv2(block.act2(block.bn2(block.conv1(activated))))
        return branch, block.shortcut(activated if block.shared_activation else x)
    return block.bn2(block.conv2(block.act1(block.bn1(block.conv1(x))))), block.shortcut(x)


def true_gradient(network: ResidualNetwork, pictures: Tensor, labels: Tensor, path: int | None) -> Tensor:
    """∂L/∂x₀ along one path only: the other term is a constant at each addition; None: along all."""
    with torch.no_grad():
        x0 = network.maxpool(network.act1(network.bn1(network.conv1(pictures))))
    x = x0.requires_grad_()
    for block in network.blocks:
        branch, shortcut = terms(block, x)
        if path is not None and path >> block.index & 1:
            shortcut = shortcut.detach()
        elif path is not None:
            branch = branch.detach()
        x = block.branch_strength * branch + block.shortcut_strength * shortcut
        if not block.pre_activated:
            x = block.act2(x)
    logits = network.fc(network.act_last(network.bn_last(x)).mean((2, 3)))
    assert torch.allclose(logits, network(pictures), rtol=1e-4, atol=1e-5)
    loss = F.cross_entropy(logits, labels)
    return torch.autograd.grad(loss, x0, allow_unused=True)[0]


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_all_paths_add_up_to_the_gradient(variant: str, strengths: str) -> None:
    network = make(VARIANTS[variant], strengths)
    gradients = followed(network)
    expected = true_gradient(network, *batch(), None)
    assert len(gradients) == 2 ** (4 if strengths == "some cut" else 8)
    summed = torch.stack(list(gradients.values())).double().sum(0)
    assert (summed - expected).norm() < 1e-5 * expected.norm()


@pytest.mark.parametrize("strengths", STRENGTHS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_path_is_a_network_with_the_other_term_detached(variant: str, strengths: str) -> None:
    network = make(VARIANTS[variant], strengths)
    gradients = followed(network)
    drawn = random.Random(3).sample(sorted(gradients), 12)
    silent = 0  # behind zero-padding a path may end in channels that its ReLUs shut
    for path in {*drawn, min(gradients), max(gradients)}:
        expected = true_gradient(network, *batch(), path)
        assert (gradients[path] - expected).norm() <= 1e-5 * expected.norm()
        silent += int(not expected.any())
    assert silent <= 2


def test_paths_left_out_have_no_gradient() -> None:
    network = make(SMALL, "some cut")
    left_out = set(range(256)) - set(followed(network))
    assert len(left_out) == 240
    for path in random.Random(3).sample(sorted(left_out), 12):
        gradient = true_gradient(network, *batch(), path)
        assert gradient is None or not gradient.any()


# ---- what is made of them -------------------------------------------------------------------------


@pytest.mark.parametrize("strengths", STRENGTHS)
def test_norms_and_shares_are_those_of_all_paths(strengths: str) -> None:
    network = make(SMALL, strengths)
    found = whole(network, *batch())
    norms = [[] for _ in range(9)]  # type: list[list[float]]
    for path in range(256):
        gradient = true_gradient(network, *batch(), path)
        norms[bin(path).count("1")].append(0.0 if gradient is None else gradient.norm().item())
    sums = np.array([sum(row) for row in norms])
    assert found.counts.tolist() == [1, 8, 28, 56, 70, 56, 28, 8, 1] == [len(row) for row in norms]
    np.testing.assert_allclose(found.norms, sums / found.counts, rtol=1e-5)
    np.testing.assert_allclose(found.shares, sums / sums.sum(), rtol=1e-5)
    assert found.pictures == 3
    assert not found.sampled
    assert found.paths == (16 if strengths == "some cut" else 256)


def test_a_plain_network_has_one_path() -> None:
    network = make(DEEP)
    network.set_strengths((0.0,) * 15)
    found = whole(network, *batch())
    assert (found.paths, found.sampled) == (1, False)
    assert found.norms[:-1].tolist() == [0.0] * 15
    expected = true_gradient(network, *batch(), None).norm().item()
    assert found.norms[-1] == pytest.approx(expected, rel=1e-5)
    assert found.shares[-1] == 1


def test_a_network_cut_through_has_none() -> None:
    network = make(SMALL)
    network.set_strengths((1.0,) * 3 + (0.0,) + (1.0,) * 4, (1.0,) * 3 + (0.0,) + (1.0,) * 4)
    found = whole(network, *batch())
    assert found.paths == 0
    assert found.norms.tolist() == found.shares.tolist() == [0.0] * 9


# ---- sampling -------------------------------------------------------------------------------------


def test_paths_are_drawn_equally_of_each_length() -> None:
    chosen = choose_paths((1.0,) * 27, (1.0,) * 27, 1024, 0)
    lengths = np.bincount([path.bit_count() for path in chosen.paths], minlength=28)
    assert chosen.sampled
    assert len(set(chosen.paths)) == len(chosen.paths) <= 1024
    assert lengths.tolist() == [min(math.comb(27, length), 1024 // 28) for length in range(28)]
    assert chosen.all == tuple(math.comb(27, length) for length in range(28))
    assert chosen == choose_paths((1.0,) * 27, (1.0,) * 27, 1024, 0)
    assert chosen.paths != choose_paths((1.0,) * 27, (1.0,) * 27, 1024, 1).paths


def test_each_path_of_a_length_is_drawn_as_often() -> None:
    """Blocks by blocks: over many seeds each is on half of the paths that are half as long as they get."""
    on = np.zeros(12)
    drawn = 0
    for seed in range(300):
        for path in choose_paths((1.0,) * 12, (1.0,) * 12, 26, seed).paths:
            if path.bit_count() == 6:
                on += [path >> block & 1 for block in range(12)]
                drawn += 1
    assert drawn == 600
    assert abs(on / drawn - 0.5).max() < 4 * 0.5 / math.sqrt(drawn)


def test_drawn_paths_keep_clear_of_what_is_cut() -> None:
    shortcuts = (1.0,) * 6 + (0.0,) * 2 + (1.0,) * 8
    branches = (0.0,) + (1.0,) * 15
    chosen = choose_paths(shortcuts, branches, 100, 0)
    assert chosen.sampled
    for path in chosen.paths:
        assert path >> 6 & 1
        assert path >> 7 & 1
        assert not path & 1
    assert {path.bit_count() for path in chosen.paths} == set(range(2, 16))
    assert chosen.open == (0, 0, *(math.comb(13, length) for length in range(14)), 0)


def exact_norms(network: ResidualNetwork) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the norms of all paths, by length, each taken alone."""
    norms: list[list[float]] = [[] for _ in range(9)]
    for path in range(256):
        norms[path.bit_count()].append(true_gradient(network, *batch(), path).norm().item())
    return np.array([np.mean(row) for row in norms]), np.array([np.std(row) for row in norms])


def test_drawn_paths_agree_with_all_of_them() -> None:
    network = make(SMALL)
    mean, deviation = exact_norms(network)
    counts = np.array([math.comb(8, length) for length in range(9)])
    seeds, of_each = 12, 12
    found = [whole(network, *batch(), most_paths=9 * of_each, seed=seed) for seed in range(seeds)]
    assert all(each.sampled for each in found)
    assert len({each.norms[4] for each in found}) == seeds
    drawn = np.minimum(counts, of_each)
    assert {each.paths for each in found} == {drawn.sum()}
    # of a mean of so many, drawn without repeats
    error = deviation * np.sqrt((counts - drawn) / np.maximum(counts - 1, 1) / drawn)
    norms = np.array([each.norms for each in found])
    assert (abs(norms - mean) <= 4 * error + 1e-5 * mean).all()
    assert (abs(norms.mean(0) - mean) <= 4 * error / math.sqrt(seeds) + 1e-5 * mean).all()
    expected = counts * mean / (counts * mean).sum()
    assert abs(np.mean([each.shares for each in found], 0) - expected).max() < 0.03


def test_drawn_paths_count_those_that_are_cut() -> None:
    """A mean over a length is over all its paths, also those that nothing comes through."""
    network = make(SMALL)
    network.set_strengths((1.0,) * 3 + (0.0,) + (1.0,) * 4)
    every = whole(network, *batch())
    found = [whole(network, *batch(), most_paths=80, seed=seed) for seed in range(10)]
    assert not every.sampled
    assert all(each.sampled for each in found)
    assert np.mean([each.norms for each in found], 0) == pytest.approx(every.norms, rel=0.15)


def test_a_deep_network_is_sampled() -> None:
    network = make(DEEP)
    found = whole(network, *batch(), most_paths=160)
    assert found.sampled
    assert found.paths == 1 + 1 + 14 * 10
    assert found.counts.sum() == 2**15
    assert found.shares.sum() == pytest.approx(1)
    # lengths of which there is one path are exact
    for length, path in ((0, 0), (15, 2**15 - 1)):
        expected = true_gradient(network, *batch(), path).norm().item()
        assert found.norms[length] == pytest.approx(expected, rel=1e-5)
    again, other = (whole(network, *batch(), most_paths=160, seed=seed) for seed in (0, 1))
    assert np.array_equal(again.norms, found.norms)
    assert not np.array_equal(other.norms, found.norms)


# ---- meanwhile ------------------------------------------------------------------------------------


def test_what_is_said_meanwhile_is_part_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(path_shares, "PIECE_SECONDS", 0.0)
    network = make(SMALL)
    said = list(path_shares_in_pieces(network, *batch()))
    fractions = [fraction for _, fraction in said]
    assert len(said) > 500
    assert fractions == sorted(fractions)
    assert fractions[0] > 0
    assert max(fractions[:-1]) < 1 == fractions[-1]
    gradients = followed(network)  # in the order in which they are taken
    assert list(gradients) == sorted(gradients)
    taken = list(gradients.items())
    for found, _ in said[:: len(said) // 20]:
        for length in range(9):
            norms = [g.norm().item() for path, g in taken[: found.paths] if path.bit_count() == length]
            expected = np.mean(norms) if norms else math.nan
            assert found.norms[length] == pytest.approx(expected, rel=1e-5, nan_ok=True)
        known = ~np.isnan(found.norms)
        assert np.array_equal(np.isnan(found.shares), ~known)
        assert found.shares[known].sum() == pytest.approx(1 if found.paths else 0)
        assert not found.norms.flags.writeable
        assert not found.shares.flags.writeable


def test_fractions_come_to_one_by_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last step but one leaves one step to go: the work was counted right."""
    monkeypatch.setattr(path_shares, "PIECE_SECONDS", 0.0)
    for most_paths in (1024, 60):
        fractions = [
            fraction for _, fraction in path_shares_in_pieces(make(SMALL), *batch(), most_paths=most_paths)
        ]
        assert fractions[-2] == pytest.approx(1 - fractions[0])
        assert len(fractions) == pytest.approx(1 / fractions[0])


def test_the_network_is_left_as_it_was() -> None:
    network = make(SMALL, "fractional")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    work = path_shares_in_pieces(network, *batch())
    next(work)
    work.close()  # type: ignore[attr-defined]
    whole(network, *batch())
    assert (network.shortcuts, network.branches) == STRENGTHS["fractional"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not network.training


def test_a_network_that_still_wants_gradients_gets_none() -> None:
    """Not a snapshot: identity shortcuts hand their input on itself, and parameters ask for gradients."""
    network = ResidualNetwork(SMALL).eval()
    network.load_state_dict(make(SMALL).state_dict())
    found, expected = (whole(each, *batch()) for each in (network, make(SMALL)))
    assert found.norms == pytest.approx(expected.norms, rel=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())
