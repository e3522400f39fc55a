"""A lane whose steps are captured, on a tape in place of a CUDA graph; on a CUDA device, by a real one."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from core import training
from core.captured import can_capture
from core.live_run import LiveRun
from core.settings import NetworkSettings, Precision, RunSettings, lane, twins
from core.training import Lane, Readings
from tests.core.by_hand import tiny_dataset
from tests.core.tape import Tape
from tests.core.test_training import batch

CPU = torch.device("cpu")
SMALL = NetworkSettings(width=4)
STEPS = 45
TOGGLES: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    5: ((0.0,) * 8, (1.0,) * 8),
    6: ((0.5,) * 8, (1.0,) * 8),  # the lane has had no step to warm up with the strengths before
    30: ((1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0)),
}


@pytest.fixture
def taped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let lanes on a CPU capture their steps, on tapes."""
    monkeypatch.setattr(training, "can_capture", lambda _device: True)
    monkeypatch.setattr(training, "Captured", Tape)
    monkeypatch.setattr(Tape, "made", [])
    monkeypatch.setattr(Tape, "replayed", 0)


def run_of(network: NetworkSettings, precision: Precision = "float32") -> RunSettings:
    return RunSettings((lane("A", network),), batch_size=8, precision=precision)


def trained(
    device: torch.device, network: NetworkSettings = SMALL, precision: Precision = "float32"
) -> tuple[Lane, list[Readings]]:
    """Train a lane, with toggles and falling rates; its readings as often as they have to be taken."""
    run = run_of(network, precision)
    ours = Lane(run.lanes[0], run, device)
    read = []
    for step in range(1, STEPS + 1):
        if step in TOGGLES or ours.is_full:
            read.append(ours.take_readings())
        if step in TOGGLES:
            ours.set_strengths(*TOGGLES[step])
        ours.step(step, *(each.to(device) for each in batch(step)), 0.02 / step)
    return ours, [*read, ours.take_readings()]


def same(
    ours: tuple[Lane, list[Readings]], plain: tuple[Lane, list[Readings]], tolerance: float = 0.0
) -> None:
    for (name, a), b in zip(
        ours[0].network.state_dict().items(), plain[0].network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=name)
    for mine, theirs in zip(ours[1], plain[1], strict=True):
        for column in ("losses", "gradient_norms", "output_gradients"):
            expected = getattr(theirs, column)
            np.testing.assert_allclose(getattr(mine, column), expected, rtol=tolerance, err_msg=column)
        np.testing.assert_allclose(mine.accuracies, theirs.accuracies, atol=0.3 if tolerance else 0)
    mine_seen, seen = ours[0].samples, plain[0].samples
    assert mine_seen is not None
    assert seen is not None
    assert mine_seen.step == seen.step
    np.testing.assert_allclose(mine_seen.branch_ratios, seen.branch_ratios, rtol=tolerance)


@pytest.mark.parametrize(("network", "precision"), [
    (SMALL, "float32"), (SMALL, "bfloat16"), (NetworkSettings(width=4, block="pre", projection="pad"), "bfloat16"),
    (NetworkSettings(width=4, norm="none", activation="tanh"), "float32"),
])  # fmt: skip
def test_a_captured_lane_trains_and_reads_as_any_other(
    network: NetworkSettings, precision: Precision, monkeypatch: pytest.MonkeyPatch, taped: None
) -> None:
    ours = trained(CPU, network, precision)
    # captured in step 2, 7 and 31; not captured are the first step with any strengths, and samples
    assert len(Tape.made) == 3
    assert Tape.replayed == STEPS - len({1, 5, 6, 30} | {21, 41})
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    same(ours, trained(CPU, network, precision))
    assert len(Tape.made) == 3


def test_a_captured_step_reads_nothing_back(monkeypatch: pytest.MonkeyPatch, taped: None) -> None:
    """On a CPU it looks at the loss and at small norms; on a device that would wait."""
    run = run_of(SMALL)
    ours = Lane(run.lanes[0], run, CPU)
    reading = "aten._local_scalar_dense.default"
    for device, reads in ((CPU, True), (SimpleNamespace(type="cuda"), False)):
        ours.take_readings()
        ours.set_strengths()
        ours.device = device  # type: ignore[assignment]
        for step in (2, 3):
            ours.prepare(step, *batch(step))
        assert (reading in Tape.made[-1].operations) == reads
        ours.device = CPU
    assert len(Tape.made) == 2
    assert not any("nonzero" in each or "masked" in each for each in Tape.made[-1].operations)


def test_twins_take_their_captured_steps_together(monkeypatch: pytest.MonkeyPatch, taped: None) -> None:
    def weights() -> list[Tensor]:
        settings = RunSettings(twins(SMALL), image_size=8, batch_size=8, steps=30, threads=1)
        run = LiveRun(settings, tiny_dataset(), CPU)
        while not run.is_finished:
            run.train_lane()
        return [each for own in run.lanes for each in own.network.state_dict().values()]

    ours = weights()
    assert len(Tape.made) == 2
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    assert all(torch.equal(a, b) for a, b in zip(ours, weights(), strict=True))


def test_other_weights_are_trained_on_from_there(taped: None) -> None:
    run = run_of(SMALL)
    ours, plain = (Lane(run.lanes[0], run, CPU) for _ in range(2))
    plain._captures = False
    for step in range(1, 5):
        ours.step(step, *batch(step), 0.02)
    state = {name: 0.5 * each.clone() for name, each in plain.network.state_dict().items()}
    for each in (ours, plain):
        each.take_readings()
        each.load(state)
        for step in range(5, 9):
            each.step(step, *batch(step), 0.02)
    for (name, a), b in zip(
        ours.network.state_dict().items(), plain.network.state_dict().values(), strict=True
    ):
        assert torch.equal(a, b), name


def test_a_step_given_up_is_taken_again(taped: None) -> None:
    run = run_of(SMALL)
    ours, plain = (Lane(run.lanes[0], run, CPU) for _ in range(2))
    for step in range(1, 6):
        if step == 4:
            ours.prepare(step, *batch(99))
            ours.keep_readings(step - 1)
            ours.give_up(step)
        for each in (ours, plain):
            each.step(step, *batch(step), 0.02)
    same((ours, [ours.take_readings()]), (plain, [plain.take_readings()]))


def test_where_capturing_fails_the_lane_does_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, taped: None
) -> None:
    def failing(*_arguments: object) -> object:
        try:
            raise torch.OutOfMemoryError("CUDA out of memory")
        except RuntimeError:
            raise RuntimeError("the capture was invalidated")  # noqa: B904 - as torch's own end of a capture does

    monkeypatch.setattr(training, "Captured", failing)
    ours = trained(CPU)
    assert [each.getMessage() for each in caplog.records] == [
        "lane A trains without a CUDA graph: CUDA out of memory"
    ]
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    same(ours, trained(CPU))


def test_when_memory_is_short_the_graph_goes_first(monkeypatch: pytest.MonkeyPatch, taped: None) -> None:
    """It keeps a step's memory to itself: a sample beside it may not fit, and fits without it."""
    run = run_of(SMALL)
    ours = Lane(run.lanes[0], run, CPU)
    whole = ours._on_block

    def short(*arguments: object) -> None:
        if ours.is_captured:
            raise torch.OutOfMemoryError("CUDA out of memory")
        whole(*arguments)  # type: ignore[arg-type]

    for step in range(1, 21):
        ours.step(step, *batch(step), 0.02)
    assert ours.is_captured
    for block in ours.network.blocks:
        block.probe = short
    with pytest.raises(torch.OutOfMemoryError):
        ours.step(21, *batch(21), 0.02)
    ours.keep_readings(20)
    ours.give_up(21)
    for step in range(21, 26):
        ours.step(step, *batch(step), 0.02)
    assert not ours.is_captured
    assert np.isfinite(ours.take_readings().losses).all()


def test_a_cpu_captures_nothing() -> None:
    assert not can_capture(CPU)
    assert can_capture(torch.device("cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_real_graph_computes_what_the_steps_do(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", True)
    device = torch.device("cuda")
    ours = trained(device, precision=precision)
    assert ours[0].is_captured
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    same(ours, trained(device, precision=precision), 1e-3 if precision == "float32" else 0.1)
