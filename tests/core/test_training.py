"""A training step against plain autograd and torch's own SGD, written independently."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings, RunSettings, lane, twins
from core.training import Lane, scheduled

CPU = torch.device("cpu")


def run_of(network: NetworkSettings) -> RunSettings:
    return RunSettings(lanes=twins(network))


def batch(seed: int = 0, count: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.randn(count, 3, 12, 12, generator=generator)
    return pictures, torch.randint(0, 10, (count,), generator=generator)


def by_hand(
    network: ResidualNetwork, pictures: torch.Tensor, labels: torch.Tensor
) -> tuple[float, list[float], list[float]]:
    """Loss, norm of each block's branch gradient, norm of the gradient at each block's output."""
    outputs: list[torch.Tensor] = []
    handles = [block.register_forward_hook(lambda _m, _x, y: outputs.append(y)) for block in network.blocks]
    loss = F.cross_entropy(network(pictures), labels)
    for output in outputs:
        output.retain_grad()
    network.zero_grad()
    loss.backward()
    for handle in handles:
        handle.remove()
    branch = []
    for block in network.blocks:
        parts = [block.conv1, block.bn1, block.conv2, block.bn2]
        total = sum(
            p.grad.double().pow(2).sum().item()
            for part in parts
            for p in part.parameters()
            if p.grad is not None
        )
        branch.append(total**0.5)
    return loss.item(), branch, [output.grad.double().norm().item() for output in outputs]  # type: ignore[union-attr]


@pytest.mark.parametrize("settings", [
    NetworkSettings(width=4), NetworkSettings(width=4, norm="none", init="torch", depth=20),
    NetworkSettings(width=4, block="pre", activation="tanh"), NetworkSettings(width=4, depth=20, projection="pad"),
])  # fmt: skip
@pytest.mark.parametrize("with_shortcuts", [True, False])
def test_a_step_reads_what_plain_autograd_gives(settings: NetworkSettings, with_shortcuts: bool) -> None:
    run = run_of(settings)
    ours = Lane(run.lanes[0 if with_shortcuts else 1], run, CPU)
    reference = ResidualNetwork(settings)
    initialise(reference, run.seed)
    reference.train()
    reference.set_strengths((float(with_shortcuts),) * settings.block_count)
    pictures, labels = batch()
    loss, branch, outputs = by_hand(reference, pictures, labels)
    ours.step(1, pictures, labels, 0.05)
    read = ours.take_readings()
    np.testing.assert_allclose(read.losses, [loss], rtol=1e-5)
    np.testing.assert_allclose(read.gradient_norms[0], branch, rtol=2e-4, atol=1e-30)
    np.testing.assert_allclose(read.output_gradients[0], outputs, rtol=2e-4, atol=1e-30)


def test_tiny_gradients_do_not_underflow() -> None:
    settings = NetworkSettings(width=4, depth=56, norm="none", init="torch")
    run = run_of(settings)
    ours = Lane(run.lanes[1], run, CPU)
    pictures, labels = batch()
    ours.step(1, pictures, labels, 0.0)
    norms = ours.take_readings().output_gradients[0]
    assert 0 < norms[norms > 0].min() < 1e-22


def test_updates_equal_torchs_sgd_bit_for_bit() -> None:
    settings = NetworkSettings(width=4)
    run = run_of(settings)
    ours = Lane(run.lanes[0], run, CPU)
    reference = ResidualNetwork(settings)
    initialise(reference, run.seed)
    reference.train()
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
    for step in range(1, 6):
        pictures, labels = batch(step)
        ours.step(step, pictures, labels, 0.05)
        optimiser.zero_grad()
        F.cross_entropy(reference(pictures), labels).backward()
        optimiser.step()
    for (name, a), b in zip(ours.network.state_dict().items(), reference.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


@pytest.mark.parametrize("width", [4, 16])
def test_a_step_in_bfloat16_is_that_of_torchs_autocast(width: int) -> None:
    """Update, statistics and readings; weights and readings themselves are float32."""
    settings = NetworkSettings(width=width)
    run = RunSettings(lanes=twins(settings), precision="bfloat16")
    ours = Lane(run.lanes[0], run, CPU)
    reference = ResidualNetwork(settings)
    initialise(reference, run.seed)
    reference.to(memory_format=reference.memory_format).train()  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(reference.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4, fused=True)
    expected = []
    for step in range(1, 4):
        pictures, labels = batch(step)
        ours.step(step, pictures, labels, 0.05)
        with torch.autocast("cpu", torch.bfloat16):
            optimiser.zero_grad()
            expected.append(by_hand(reference, pictures, labels))
        optimiser.step()
    for (name, a), b in zip(ours.network.state_dict().items(), reference.state_dict().values(), strict=True):
        assert a.dtype in (torch.float32, torch.int64)
        assert torch.equal(a, b), name
    read = ours.take_readings()
    losses, branches, outputs = (np.array(column) for column in zip(*expected, strict=True))
    np.testing.assert_allclose(read.losses, losses, rtol=1e-6)
    np.testing.assert_allclose(read.gradient_norms, branches, rtol=2e-4)
    np.testing.assert_allclose(read.output_gradients, outputs, rtol=2e-4)
    plain = Lane(twins(settings)[0], run_of(settings), CPU)
    plain.step(1, *batch(1), 0.05)
    (loss,) = plain.take_readings().losses
    assert 0 < abs(loss - losses[0]) < 0.02


@pytest.mark.parametrize("block", ["post", "pre", "pre_shared"])
def test_statistics_and_their_counts_are_those_of_plain_norms(block: str) -> None:
    """With a branch and a shortcut cut: a norm that saw no batch has counted none."""
    settings = NetworkSettings(width=4, block=block)  # type: ignore[arg-type]
    run = run_of(settings)
    ours, reference = Lane(run.lanes[0], run, CPU), ResidualNetwork(settings)
    initialise(reference, run.seed)
    shortcuts, branches = (1.0,) * 4 + (0.0,) + (1.0,) * 3, (1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0, 1.0)
    ours.set_strengths(shortcuts, branches)
    reference.train().set_strengths(shortcuts, branches)
    for step in (1, 2, 3):
        ours.step(step, *batch(step), 0.0)
        reference(batch(step)[0])
    theirs = dict(reference.named_buffers())
    assert {int(n) for name, n in theirs.items() if name.endswith("tracked")} == {0, 3}
    for name, buffer in ours.network.named_buffers():
        assert torch.equal(buffer, theirs[name]), name


def test_cut_and_restored_lane_trains_as_one_built_so() -> None:
    """A cut from step 1 equals a lane that starts cut; the cut projection keeps its weights."""
    settings = NetworkSettings(width=4)
    run = run_of(settings)
    cut, plain = Lane(run.lanes[0], run, CPU), Lane(run.lanes[1], run, CPU)
    cut.set_strengths((0.0,) * 8)
    before = {name: p.clone() for name, p in cut.network.named_parameters() if ".shortcut." in name}
    for step in range(1, 4):
        for each in (cut, plain):
            each.step(step, *batch(step), 0.05)
    for (name, a), b in zip(
        cut.network.state_dict().items(), plain.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name
    assert all(torch.equal(dict(cut.network.named_parameters())[name], p) for name, p in before.items())


def test_momentum_of_a_cut_projection_is_zeroed() -> None:
    settings = NetworkSettings(width=4)
    run = run_of(settings)
    ours = Lane(run.lanes[0], run, CPU)
    ours.step(1, *batch(), 0.05)
    assert ours.momentum["layer2.0.shortcut.0.weight"].any()
    with pytest.raises(RuntimeError, match="not been taken"):
        ours.set_strengths((0.0,) * 8)
    ours.take_readings()
    ours.set_strengths((0.0,) * 8)
    assert not ours.momentum["layer2.0.shortcut.0.weight"].any()
    assert ours.momentum["layer2.0.conv1.weight"].any()


def test_divergence_is_noticed_in_its_step() -> None:
    settings = NetworkSettings(width=4, norm="none")
    run = RunSettings(lanes=(lane("A", settings, learning_rate=1e6),))
    ours = Lane(run.lanes[0], run, CPU)
    for step in range(1, 21):
        ours.step(step, *batch(step), 1e6)
        if ours.diverged_at:
            break
    assert ours.diverged_at is not None
    losses = ours.take_readings().losses
    assert len(losses) == ours.diverged_at
    assert not np.isfinite(losses[-1])
    assert np.isfinite(losses[:-1]).all()


@pytest.mark.parametrize("branch", [1.0, 0.0])
def test_a_diverged_step_has_no_readings_of_an_earlier_one(branch: float) -> None:
    """Without branches the shared norms of pre-activation blocks are all that is left to read."""
    run = run_of(NetworkSettings(width=4, block="pre_shared"))
    ours = Lane(run.lanes[0], run, CPU)
    ours.set_strengths((1.0,) * 8, (branch,) * 8)
    ours.step(1, *batch(), 0.05)
    assert ours.take_readings().gradient_norms[0].any()
    pictures, labels = batch()
    ours.step(2, pictures * math.inf, labels, 0.05)
    assert ours.diverged_at == 2
    norms = ours.take_readings().gradient_norms[0]
    read = norms != 0
    assert read.any()
    assert np.isnan(norms[read]).all()


def test_both_paths_cut_leaves_the_rest_training() -> None:
    settings = NetworkSettings(width=4)
    run = run_of(settings)
    ours = Lane(run.lanes[0], run, CPU)
    strengths = (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0)
    ours.set_strengths(strengths, strengths)
    ours.step(1, *batch(), 0.05)
    norms = ours.take_readings().gradient_norms[0]
    assert (norms[:4] == 0).all()
    assert np.isfinite(norms).all()
    assert ours.network.fc.bias.ne(Lane(run.lanes[0], run, CPU).network.fc.bias).any()


def test_samples_are_what_the_blocks_computed() -> None:
    settings = NetworkSettings(width=4)
    run = run_of(settings)
    ours = Lane(run.lanes[0], run, CPU)
    reference = ResidualNetwork(settings)
    initialise(reference, run.seed)
    reference.train()
    seen: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
    for block in reference.blocks:
        block.probe = lambda _i, x, branch, y: seen.append((x, branch, y))  # type: ignore[arg-type]
    pictures, labels = batch()
    reference(pictures)
    ours.step(1, pictures, labels, 0.05)
    assert ours.samples is not None
    for number, (x, branch, y) in enumerate(seen):
        assert ours.samples.branch_ratios[number] == pytest.approx(
            (branch.norm() / x.norm()).item(), rel=1e-4
        )
        assert ours.samples.deviations[number] == pytest.approx(y.std().item(), rel=1e-4)


def test_channels_that_are_zero_on_the_whole_batch_are_dead() -> None:
    run = run_of(NetworkSettings(width=4))
    ours = Lane(run.lanes[0], run, CPU)
    norm = ours.network.blocks[0].bn2
    assert isinstance(norm, torch.nn.BatchNorm2d)
    with torch.no_grad():
        norm.bias[1:] = -1000.0  # below zero whatever the shortcut brings
        norm.bias[0] = 1.0
    ours.step(1, *batch(), 0.0)
    assert ours.samples is not None
    assert ours.samples.dead[0] == 0.75
    assert ours.samples.dead[2:].max() < 0.75


def test_cosine_goes_from_the_base_to_zero() -> None:
    assert scheduled(0.1, "cosine", 1, 100) == 0.1
    assert scheduled(0.1, "cosine", 51, 100) == pytest.approx(0.05)
    assert scheduled(0.1, "cosine", 101, 100) == pytest.approx(0.0)
    assert scheduled(0.1, "constant", 77, 100) == 0.1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_step_does_not_synchronise() -> None:
    settings = NetworkSettings(width=8)
    run = run_of(settings)
    ours = Lane(run.lanes[0], run, torch.device("cuda"))
    pictures, labels = (each.cuda() for each in batch())
    for step in (2, 3):  # the second is captured
        ours.step(step, pictures, labels, 0.05)
    torch.cuda.set_sync_debug_mode("error")
    try:
        ours.step(4, pictures, labels, 0.05)
        ours.step(21, pictures, labels, 0.05)  # samples, so it is no replay
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("width", [4, 12, 16])
@pytest.mark.parametrize("channels_last", [True, False])
def test_narrow_networks_do_not_corrupt_memory(width: int, channels_last: bool) -> None:
    """Channels-last convolutions of fewer channels than a vector holds write past their buffers."""
    code = f"""
import torch
from core.network import ResidualNetwork, initialise
from core.settings import NetworkSettings
torch.set_num_threads(1)
network = ResidualNetwork(NetworkSettings(width={width}))
initialise(network, 0)
for _ in range(30):
    x = torch.randn(8, 3, 12, 12)
    x = x.contiguous(memory_format=torch.channels_last) if {channels_last} else x
    torch.autograd.grad(network(x).sum(), list(network.parameters()))
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
