"""Lesions against networks that are lesioned and run whole."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from core import lesions as lesions_module
from core.findings import Lesions
from core.lesions import lesions_in_pieces, random_counts
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
from core.snapshot import snapshot

COUNT, SIDE = 45, 8
VARIANTS = {
    "as in the article": NetworkSettings(width=4),
    "pre-activation": NetworkSettings(width=4, block="pre"),
    "shared activation": NetworkSettings(width=4, block="pre_shared"),
    "zero-padding, tanh": NetworkSettings(width=4, projection="pad", activation="tanh"),
    "three stages": NetworkSettings(depth=20, width=4),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop at every opportunity, with the fewest pictures in a piece."""
    monkeypatch.setattr(lesions_module, "PIECE_SECONDS", 0.0)


def make(settings: NetworkSettings, shortcuts: float | tuple[float, ...] = 1.0) -> ResidualNetwork:
    """Make a network whose answers differ from picture to picture, as those of a trained one do."""
    network = ResidualNetwork(settings)
    initialise(network, 0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2, generator=generator)
            module.running_var.uniform_(0.5, 1.5, generator=generator)
            nn.init.uniform_(module.weight, 0.3, 1.0, generator=generator)
    strengths = shortcuts if isinstance(shortcuts, tuple) else (shortcuts,) * len(network.blocks)
    network.set_strengths(strengths)
    return snapshot(network)


def task(network: ResidualNetwork) -> tuple[Callable[[int, int], Tensor], Tensor, Tensor]:
    """Return pictures, all at once and by the piece, and labels of which the network knows about four fifths."""
    generator = torch.Generator().manual_seed(2)
    pictures = torch.randn(COUNT, 3, SIDE, SIDE, generator=generator)
    with torch.no_grad():
        network.fc.bias.sub_(network(pictures).mean(0))  # else most pictures get one class
        labels = network(pictures).argmax(1)
    wrong = torch.rand(COUNT, generator=generator) < 0.2
    labels[wrong] = (labels[wrong] + 1) % 10
    return lambda first, stop: pictures[first:stop], pictures, labels


def accuracy(
    network: ResidualNetwork, pictures: Tensor, labels: Tensor, deleted: tuple[int, ...] = (), cut: int = -1
) -> float:
    """Set strengths and run the whole network on all pictures."""
    before = network.shortcuts, network.branches
    shortcuts, branches = (list(strengths) for strengths in before)
    for block in deleted:
        shortcuts[block], branches[block] = 1.0, 0.0
    if cut >= 0:
        shortcuts[cut] = 0.0
    network.set_strengths(tuple(shortcuts), tuple(branches))
    with torch.no_grad():
        right = (network(pictures).argmax(1) == labels).sum().item()
    network.set_strengths(*before)
    return right / COUNT


def whole(network: ResidualNetwork, *args: object, **options: object) -> Lesions:
    *_, (found, fraction) = lesions_in_pieces(network, *args, **options)  # type: ignore[arg-type]
    assert fraction == 1
    return found


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("memory", [0, 20_000, 10**9])
@pytest.mark.usefixtures("small_pieces")
def test_each_lesion_is_what_a_lesioned_network_does(
    variant: str, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lesions_module, "MOST_WAITING", memory)
    network = make(VARIANTS[variant])
    by_piece, pictures, labels = task(network)
    found = whole(network, by_piece, labels, draws=0)
    blocks = range(len(network.blocks))
    assert found.pictures == COUNT
    assert found.base == accuracy(network, pictures, labels)
    assert found.branch.tolist() == [accuracy(network, pictures, labels, (block,)) for block in blocks]
    assert found.shortcut.tolist() == [accuracy(network, pictures, labels, cut=block) for block in blocks]
    # these lesions can be told apart
    assert 0.6 < found.base < 1
    assert len({*found.branch.tolist()}) > 3
    assert len({*found.shortcut.tolist()}) > 2


def test_a_plain_network_has_blocks_replaced_by_their_shortcuts() -> None:
    network = make(NetworkSettings(width=4), 0.0)
    by_piece, pictures, labels = task(network)
    found = whole(network, by_piece, labels)
    assert np.isnan(found.shortcut).all()
    assert found.branch.tolist() == [accuracy(network, pictures, labels, (block,)) for block in range(8)]


def test_other_strengths_stay_as_they_are() -> None:
    strengths = (0.5, 1.0, 0.0, 0.25, 1.0, 0.75, 0.5, 1.0)
    network = make(NetworkSettings(width=4), strengths)
    network.set_strengths(branches=(1.0, 0.5, 1.0, 0.0, 1.0, 1.0, 0.75, 1.0))
    by_piece, pictures, labels = task(network)
    found = whole(network, by_piece, labels)
    assert found.base == accuracy(network, pictures, labels)
    for block in range(8):
        assert found.branch[block] == accuracy(network, pictures, labels, (block,))
        expected = accuracy(network, pictures, labels, cut=block) if strengths[block] else math.nan
        assert found.shortcut[block] == pytest.approx(expected, abs=0, nan_ok=True)


def test_random_lesions_delete_the_blocks_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    network = make(NetworkSettings(width=4))
    by_piece, pictures, labels = task(network)
    found = whole(network, by_piece, labels, draws=4, seed=3)
    assert found.random_counts.tolist() == list(range(1, 9))
    assert found.random.shape == (8, 4)
    choices = lesions_module._random_choices(8, list(range(1, 9)), 4, 3)
    for (point, draw), choice in choices.items():
        assert len(set(choice)) == point + 1
        assert found.random[point, draw] == accuracy(network, pictures, labels, choice)
    assert len({choice for choice in choices.values() if len(choice) == 4}) > 1
    assert set(found.random[-1]) == {accuracy(network, pictures, labels, tuple(range(8)))}


def test_random_lesions_follow_the_seed() -> None:
    network = make(NetworkSettings(width=4))
    by_piece, _, labels = task(network)
    first, again, other = (whole(network, by_piece, labels, seed=seed).random for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("blocks", [8, 9, 16, 27, 54])
def test_numbers_deleted_at_random_are_few_and_spread(blocks: int) -> None:
    counts = random_counts(blocks)
    assert counts == sorted(set(counts))
    assert (counts[0], counts[-1], len(counts)) == (1, blocks, 8)
    assert max(np.diff(counts)) - min(np.diff(counts)) <= 1


@pytest.mark.usefixtures("small_pieces")
def test_what_is_said_meanwhile_stays_true() -> None:
    network = make(NetworkSettings(width=4))
    by_piece, _, labels = task(network)
    said = list(lesions_in_pieces(network, by_piece, labels, draws=2))
    fractions = [fraction for _, fraction in said]
    assert len(said) > 100
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert fractions[0] >= 0
    assert max(fractions[:-1]) < 1  # only the last is the whole
    end = said[-1][0]
    measured = 0
    for found, _ in said:
        so_far = np.concatenate([[found.base], found.branch, found.shortcut, found.random.ravel()])
        whole_of_it = np.concatenate([[end.base], end.branch, end.shortcut, end.random.ravel()])
        known = ~np.isnan(so_far)
        assert np.array_equal(so_far[known], whole_of_it[known])
        assert known[: known.sum()].all()  # in the order promised
        assert known.sum() >= measured
        measured = known.sum()
        assert not found.branch.flags.writeable
        assert not found.random.flags.writeable
    assert measured == 1 + 8 + 8 + 8 * 2
    assert not np.isnan(np.concatenate([end.branch, end.shortcut, end.random.ravel()])).any()


def test_blocks_before_a_lesion_are_not_run_again() -> None:
    network = make(NetworkSettings(width=4))
    by_piece, _, labels = task(network)
    run = 0

    def seen(module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        nonlocal run
        run += len(output)

    for block in network.blocks:
        block.register_forward_hook(seen)
    whole(network, by_piece, labels, draws=0)
    # base, and for each kind the way to each block once and 8 + 7 + … + 1 blocks from there on
    assert run == COUNT * (8 + 2 * (7 + 36))


@pytest.mark.usefixtures("small_pieces")
@pytest.mark.parametrize("pieces", [1, 40, 90, 150])
def test_a_lesion_given_up_is_healed(pieces: int) -> None:
    strengths = (0.5,) * 8
    network = make(NetworkSettings(width=4), strengths)
    by_piece, _, labels = task(network)
    work = lesions_in_pieces(network, by_piece, labels)
    for _ in range(pieces):
        next(work)
    work.close()  # type: ignore[attr-defined]
    assert network.shortcuts == strengths
    assert network.branches == (1.0,) * 8


def test_a_lesion_that_fails_is_healed() -> None:
    strengths = (0.5,) * 8
    network = make(NetworkSettings(width=4), strengths)
    by_piece, _, labels = task(network)

    class FaultError(Exception):
        pass

    def fail(module: nn.Module, inputs: tuple[Tensor]) -> None:
        if network.blocks[3].branch_strength == 0:
            raise FaultError

    network.fc.register_forward_pre_hook(fail)
    with pytest.raises(FaultError):
        whole(network, by_piece, labels)
    assert network.shortcuts == strengths
    assert network.branches == (1.0,) * 8


def test_stem_and_head_are_what_forward_does() -> None:
    for settings in (*VARIANTS.values(), NetworkSettings(width=4, block="pre", stem="7x7")):
        network = make(settings)
        pictures = torch.randn(5, 3, 32, 32)
        with torch.no_grad():
            x = network.stem(pictures)
            for block in network.blocks:
                x = block(x)
            assert torch.equal(network.head(x), network(pictures))
