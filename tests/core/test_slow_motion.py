"""A step taken apart against torch.optim.SGD stepping a copy, and plain autograd with hooks."""

import copy

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.network import ResidualNetwork, initialise
from core.private_copy import training_copy
from core.settings import NetworkSettings, Precision, RunSettings, twins
from core.slow_motion import slow_motion
from core.training import Lane

RECIPE = {"learning_rate": 0.05, "momentum_factor": 0.9, "weight_decay": 5e-4}
STRENGTHS = [
    ((1.0,) * 8, (1.0,) * 8), ((0.0,) * 8, (1.0,) * 8), ((0.5,) * 8, (0.5,) * 8),
    ((1.0, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0, 1.0), (1.0, 1.0, 0.0, 0.5, 1.0, 0.3, 0.0, 1.0)),
]  # fmt: skip


def make(seed: int = 0, **values: object) -> ResidualNetwork:
    network = ResidualNetwork(NetworkSettings(**{"width": 4, **values}))  # type: ignore[arg-type]
    initialise(network, seed)
    return network.train()


def batch(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(6, 3, 12, 12, generator=generator), torch.randint(0, 10, (6,), generator=generator)


def momentum_of(network: ResidualNetwork) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        name: 0.01 * torch.randn(p.shape, generator=generator).to(p) for name, p in network.named_parameters()
    }


def branch_norm(network: ResidualNetwork, values: dict[str, torch.Tensor]) -> list[float]:
    """Norm over conv1, bn1, conv2, bn2 of each block."""
    found = []
    for name, module in network.named_modules():
        if hasattr(module, "shortcut_strength"):
            mine = [f"{name}.{part}." for part in ("conv1", "bn1", "conv2", "bn2")]
            rows = [value.detach().double() for key, value in values.items() if key.startswith(tuple(mine))]
            found.append(float(sum(row.pow(2).sum() for row in rows)) ** 0.5)
    return found


def norm(tensor: torch.Tensor | None) -> float:
    return 0.0 if tensor is None else float(tensor.detach().double().norm())


def rms(tensor: torch.Tensor) -> float:
    return float(tensor.detach().double().pow(2).mean().sqrt())


@pytest.mark.parametrize("values", [
    {}, {"norm": "none", "init": "torch", "activation": "tanh"}, {"block": "pre", "projection": "pad"},
    {"block": "pre_shared"},
])  # fmt: skip
@pytest.mark.parametrize("strengths", STRENGTHS)
def test_every_number_is_that_of_a_real_step(
    values: dict[str, object], strengths: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    network = make(**values).double()
    network.set_strengths(*strengths)
    pictures, labels = batch()
    pictures = pictures.double()
    momentum = momentum_of(network)

    real = copy.deepcopy(network)
    unused = real.unused_parameters()
    named = {name: p for name, p in real.named_parameters() if name not in unused}
    optimiser = torch.optim.SGD(named.values(), lr=0.05, momentum=0.9, weight_decay=5e-4)
    for name, parameter in named.items():
        optimiser.state[parameter]["momentum_buffer"] = momentum[name].clone()
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []
    branches: dict[int, torch.Tensor] = {}
    for block in real.blocks:
        block.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
        block.register_forward_hook(lambda _, _given, y: outputs.append(y))
        last = block.conv2 if block.pre_activated else block.bn2
        last.register_forward_hook(lambda _, _given, y, at=block.index: branches.update({at: y}))
    loss = F.cross_entropy(real(pictures), labels)
    for tensor in (*inputs, *outputs):
        tensor.retain_grad()
    loss.backward()
    before = {name: p.detach().clone() for name, p in real.named_parameters()}
    gradients = {name: p.grad for name, p in named.items() if p.grad is not None}
    optimiser.step()
    moved = {name: p.detach() - before[name] for name, p in named.items()}
    weights = np.array(branch_norm(real, before))

    kept = {name: buffer.clone() for name, buffer in momentum.items()}
    found = slow_motion(network, momentum, pictures, labels, step=7, **RECIPE)
    assert found.step == 7
    assert found.loss == pytest.approx(loss.item(), rel=1e-12)
    assert found.inputs == pytest.approx(rms(pictures), rel=1e-12)
    expected = {
        "outputs": [rms(y) for y in outputs],
        "branch_ratios": [
            norm(branches[at]) / norm(x) if at in branches else 0.0 for at, x in enumerate(inputs)
        ],
        "output_gradients": [norm(y.grad) for y in outputs],
        "gains": [norm(x.grad) / norm(y.grad) for x, y in zip(inputs, outputs, strict=True)],
        "gradient_norms": branch_norm(real, gradients),
        "updates": np.array(branch_norm(real, moved)) / weights,
    }
    for name, row in expected.items():
        got = getattr(found, name)
        # the update is a difference of weights before and after here
        np.testing.assert_allclose(got, row, rtol=1e-6, atol=1e-14, err_msg=name)
        assert got.dtype == np.float64
        assert not got.flags.writeable
    assert all(torch.equal(momentum[name], buffer) for name, buffer in kept.items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_it_foretells_what_the_lane_then_does(precision: Precision) -> None:
    settings = NetworkSettings(width=4)
    run = RunSettings(lanes=twins(settings), precision=precision)
    lane = Lane(run.lanes[0], run, torch.device("cpu"))
    for step in range(1, 21):
        lane.step(step, *batch(step), 0.05)
    lane.take_readings()
    before = {name: tensor.clone() for name, tensor in lane.network.state_dict().items()}
    private = training_copy(lane.network)
    told = slow_motion(private, lane.momentum, *batch(21), step=21, precision=precision, **RECIPE)
    assert all(torch.equal(before[name], tensor) for name, tensor in lane.network.state_dict().items())
    lane.step(21, *batch(21), 0.05)  # the lane samples its updates in this step
    read, samples = lane.take_readings(), lane.samples
    assert samples is not None
    assert told.loss == pytest.approx(read.losses[0], rel=1e-6)
    np.testing.assert_allclose(told.output_gradients, read.output_gradients[0], rtol=1e-4)
    np.testing.assert_allclose(told.gradient_norms, read.gradient_norms[0], rtol=1e-4)
    np.testing.assert_allclose(told.branch_ratios, samples.branch_ratios, rtol=1e-4)
    # the lane divides by the weights after its step
    moved = told.updates * np.array(branch_norm(private, dict(private.named_parameters())))
    np.testing.assert_allclose(moved, samples.updates * samples.weights, rtol=1e-4)
    lane.release()


def test_the_gains_multiply_to_the_chain_rule() -> None:
    network = make()
    found = slow_motion(network, {}, *batch(), step=1, **RECIPE)
    whole = found.gains[1:].prod() * found.output_gradients[-1]
    assert whole == pytest.approx(found.output_gradients[0], rel=1e-12)


@pytest.mark.parametrize("factor", [0.0, 0.9])
def test_a_first_step_has_no_momentum(factor: float) -> None:
    network = make().double()
    pictures, labels = batch()
    pictures = pictures.double()
    real = copy.deepcopy(network)
    before = {name: p.detach().clone() for name, p in real.named_parameters()}
    optimiser = torch.optim.SGD(real.parameters(), lr=0.1, momentum=factor, weight_decay=0.01)
    F.cross_entropy(real(pictures), labels).backward()
    optimiser.step()
    moved = {name: p.detach() - before[name] for name, p in real.named_parameters()}
    found = slow_motion(
        network, {}, pictures, labels, step=1, learning_rate=0.1, momentum_factor=factor, weight_decay=0.01
    )
    expected = np.array(branch_norm(real, moved)) / np.array(branch_norm(real, before))
    np.testing.assert_allclose(found.updates, expected, rtol=1e-6)


def test_deep_sigmoid_gradients_do_not_underflow() -> None:
    network = make(depth=34, norm="none", activation="sigmoid", init="torch")
    network.set_strengths((0.0,) * 16)
    pictures, labels = batch()
    exact = slow_motion(training_copy(network).double(), {}, pictures.double(), labels, step=1, **RECIPE)
    found = slow_motion(network, {}, pictures, labels, step=1, **RECIPE)
    assert 0 < found.output_gradients[0] < 1e-19
    assert 0 < found.gradient_norms[0] < 1e-19
    np.testing.assert_allclose(found.output_gradients, exact.output_gradients, rtol=1e-3)
    np.testing.assert_allclose(found.gradient_norms, exact.gradient_norms, rtol=1e-3)


def test_a_block_with_both_paths_cut_leaves_zeros_before() -> None:
    network = make(activation="tanh")
    strengths = (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    network.set_strengths(strengths, strengths)
    found = slow_motion(network, {}, *batch(), step=1, **RECIPE)
    assert (found.gradient_norms[:4] == 0).all()
    assert (found.output_gradients[:3] == 0).all()
    assert found.output_gradients[3] > 0
    assert found.gains[3] == 0
    assert found.updates[3] == 0
    # only weight decay moves what the gradient does not reach
    assert found.updates[0] == pytest.approx(0.05 * 5e-4, rel=1e-6)


def test_numbers_that_are_not_finite_stay() -> None:
    network = make()
    with torch.no_grad():
        network.blocks[3].bn2.weight.fill_(torch.inf)
    found = slow_motion(network, {}, *batch(), step=1, **RECIPE)
    assert not np.isfinite(found.loss)
    assert np.isfinite(found.outputs[:3]).all()
    assert not np.isfinite(found.outputs[3])
    assert not np.isfinite(found.updates).any()


def test_no_probe_is_left() -> None:
    network = make()
    with torch.no_grad():
        slow_motion(network, {}, *batch(), step=1, **RECIPE)
    assert all(block.probe is None for block in network.blocks)
    assert all(parameter.grad is None for parameter in network.parameters())
