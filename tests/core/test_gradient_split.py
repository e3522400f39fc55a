"""The split against the whole network under plain autograd, with every shortcut written out by hand."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.gradient_split import split
from core.network import ResidualBlock, ResidualNetwork, initialise
from core.private_copy import training_copy
from core.settings import NetworkSettings
from core.snapshot import snapshot

ORDERS = [
    {}, {"projection": "pad"}, {"norm": "none"}, {"activation": "tanh", "norm": "none", "init": "torch"},
    {"block": "pre"}, {"block": "pre", "projection": "pad", "activation": "tanh"}, {"block": "pre_shared"},
    {"block": "pre_shared", "activation": "sigmoid", "norm": "none"}, {"stem": "7x7"},
]  # fmt: skip
MIXED = ((1.0, 0.5, 0.0, 1.0, 0.5, 0.0, 1.0, 0.5), (1.0, 1.0, 1.0, 0.5, 0.5, 1.0, 0.0, 0.3))
STRENGTHS = [((1.0,) * 8, (1.0,) * 8), ((0.5,) * 8, (1.0,) * 8), ((0.0,) * 8, (1.0,) * 8),
             ((1.0,) * 8, (0.0,) * 8), ((1.0,) * 8, (0.5,) * 8), MIXED]  # fmt: skip
SLOPES = {"relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}


def make(seed: int = 0, **values: object) -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    return network.train()


def batch(network: ResidualNetwork, size: int = 12) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    pictures = torch.randn(6, 3, size, size, generator=generator).to(network.fc.weight.dtype)
    return pictures, torch.randint(0, 10, (6,), generator=generator)


class Seen:
    """What hooks on the modules see of one block: its input, the sum, and αF(x)."""

    x: torch.Tensor
    total: torch.Tensor
    branch: torch.Tensor | None = None


@contextmanager
def watched(network: ResidualNetwork) -> Iterator[list[Seen]]:
    seen = [Seen() for _ in network.blocks]
    handles = []
    for block, row in zip(network.blocks, seen, strict=True):
        last = block.conv2 if block.pre_activated else block.bn2

        def enter(_: object, given: tuple[torch.Tensor], row: Seen = row) -> None:
            row.x = given[0]

        def leave(_: object, _given: object, y: torch.Tensor, row: Seen = row) -> None:
            row.total = y

        def sum_up(_: object, given: tuple[torch.Tensor], row: Seen = row) -> None:
            row.total = given[0]

        def branch(_: object, _given: object, y: torch.Tensor, row: Seen = row) -> None:
            row.branch = y

        handles.append(block.register_forward_pre_hook(enter))
        handles.append(last.register_forward_hook(branch))
        if block.pre_activated:
            handles.append(block.register_forward_hook(leave))
        else:
            handles.append(block.act2.register_forward_pre_hook(sum_up))
    yield seen
    for handle in handles:
        handle.remove()


def shortcut_by_hand(network: ResidualNetwork, block: ResidualBlock, x: torch.Tensor) -> torch.Tensor:
    settings = network.settings
    state = {name: p.detach() for name, p in block.named_parameters()}

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        if settings.norm == "none":
            return x
        mean = x.mean((0, 2, 3), keepdim=True)
        var = x.var((0, 2, 3), unbiased=False, keepdim=True)
        scale, shift = (state[f"{name}.{part}"].view(1, -1, 1, 1) for part in ("weight", "bias"))
        return (x - mean) / (var + 1e-5).sqrt() * scale + shift

    if block.stride == 1 and x.shape[1] == block.out_channels:
        return x
    if settings.block == "pre_shared":
        x = SLOPES[settings.activation](normed(x, "bn1"))
    if settings.projection == "pad":
        small = x[:, :, ::2, ::2]
        return torch.cat(
            [small, small.new_zeros(small.shape[0], block.out_channels - x.shape[1], *small.shape[2:])], 1
        )
    y = F.conv2d(x, state["shortcut.0.weight"], state.get("shortcut.0.bias"), stride=block.stride)
    return normed(y, "shortcut.1") if settings.block == "post" else y


def by_hand(network: ResidualNetwork, pictures: torch.Tensor, labels: torch.Tensor) -> np.ndarray:
    """Rows of shortcut part, branch part, cosine, total, forward ratio."""
    with watched(network) as seen:
        loss = F.cross_entropy(network(pictures), labels)
    for row in seen:
        row.x.retain_grad()
        row.total.retain_grad()
    loss.backward()
    found = []
    for block, row in zip(network.blocks, seen, strict=True):
        whole, g = row.x.grad, row.total.grad
        assert whole is not None
        assert g is not None
        x = row.x.detach().requires_grad_()
        lam, alpha = block.shortcut_strength, block.branch_strength
        (way,) = torch.autograd.grad(shortcut_by_hand(network, block, x), x, g)
        a = (lam * way).double()
        b = whole.double() - a if alpha else torch.zeros_like(a)  # what is left came through the branch
        ratio = 0.0 if row.branch is None else alpha * (row.branch.norm() / row.x.norm()).item()
        cosine = (a * b).sum() / (a.norm() * b.norm())
        found.append([float(value) for value in (a.norm(), b.norm(), cosine, whole.double().norm(), ratio)])
    return np.array(found).T


@pytest.mark.parametrize("values", ORDERS)
@pytest.mark.parametrize("strengths", STRENGTHS)
def test_the_parts_are_those_of_plain_autograd(
    values: dict[str, object], strengths: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    network = make(**values).double()
    network.set_strengths(*strengths)
    pictures, labels = batch(network, 24 if values.get("stem") else 12)
    expected = by_hand(training_copy(network), pictures, labels)
    found = split(network, pictures, labels)
    rows = np.array([found.shortcut, found.branch, found.cosine, found.total, found.forward_ratio])
    # where a part is all there is, the other one by hand is rounding
    left_over = expected[1] < 1e-12 * expected[3]
    expected[1, left_over] = 0
    expected[2, left_over] = np.nan
    np.testing.assert_allclose(rows, expected, rtol=1e-6, atol=1e-18)


def test_cut_paths_bring_nothing_and_have_no_angle() -> None:
    network = make()
    network.set_strengths((1.0, 0.0) * 4, (0.0, 1.0) * 4)
    found = split(network, *batch(network))
    assert (found.branch[::2] == 0).all()
    assert (found.shortcut[1::2] == 0).all()
    assert np.isnan(found.cosine).all()
    np.testing.assert_allclose(found.total, found.shortcut + found.branch, rtol=1e-12)
    assert (found.forward_ratio[::2] == 0).all()
    assert (found.forward_ratio[1::2] > 0).all()


def test_an_identity_shortcut_hands_the_gradient_back_as_it_is() -> None:
    """The "+1": the shortcut's part at one block's input is all that came to the next one's (pre-activation)."""
    network = make(block="pre")
    found = split(network, *batch(network))
    for block in range(7):
        if block not in (2, 4, 6):  # those have a projection
            assert found.shortcut[block] == pytest.approx(found.total[block + 1], rel=1e-6)


def test_half_a_shortcut_brings_half() -> None:
    network = make(block="pre").double()
    network.set_strengths((1.0,) * 7 + (0.5,))
    pictures, labels = batch(network)
    found = split(network, pictures, labels)
    with watched(network) as seen:
        loss = F.cross_entropy(network(pictures), labels)
    (g,) = torch.autograd.grad(loss, seen[7].total)
    assert found.shortcut[7] == pytest.approx(0.5 * float(g.norm()), rel=1e-12)


def test_both_paths_cut_leaves_zeros_before() -> None:
    network = make(activation="tanh")
    network.set_strengths((1.0,) * 3 + (0.0,) + (1.0,) * 4, (1.0,) * 3 + (0.0,) + (1.0,) * 4)
    found = split(network, *batch(network))
    for row in (found.shortcut, found.branch, found.total):
        assert (row[:4] == 0).all()
        assert (row[5:] > 0).all()
    assert np.isnan(found.cosine[:4]).all()


@pytest.mark.parametrize("lam", [0.0, 1.0])
def test_deep_sigmoid_gradients_do_not_underflow(lam: float) -> None:
    values = {"depth": 34, "norm": "none", "activation": "sigmoid", "init": "torch"}
    network = make(**values)
    network.set_strengths((lam,) * 16)
    pictures, labels = batch(network)
    exact = by_hand(training_copy(network).double(), pictures.double(), labels)
    found = split(network, pictures, labels)
    if lam == 0:
        assert 0 < exact[3, 0] < 1e-20
    np.testing.assert_allclose(found.total, exact[3], rtol=1e-3)
    np.testing.assert_allclose(found.shortcut, exact[0], rtol=1e-3)
    if lam:
        np.testing.assert_allclose(found.branch, exact[1], rtol=1e-2)
        np.testing.assert_allclose(found.cosine, exact[2], atol=1e-2)


def test_numbers_that_are_not_finite_stay() -> None:
    network = make()
    with torch.no_grad():
        network.blocks[3].bn2.weight.fill_(torch.inf)
    found = split(network, *batch(network))
    assert not np.isfinite(found.total[:3]).any()
    assert not np.isfinite(found.forward_ratio[3])
    assert np.isfinite(found.forward_ratio[:3]).all()


def test_snapshots_and_modes_give_the_same() -> None:
    network = make()
    pictures, labels = batch(network)
    expected = split(training_copy(network), pictures, labels)
    asleep = snapshot(network)
    with torch.no_grad():
        found = split(asleep, pictures, labels)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-5)
    np.testing.assert_allclose(found.cosine, expected.cosine, atol=1e-4)
    for row in (found.shortcut, found.branch, found.cosine, found.total, found.forward_ratio):
        assert row.shape == (8,)
        assert row.dtype == np.float64
        assert not row.flags.writeable
    assert all(parameter.grad is None for parameter in asleep.parameters())
