"""A lane whose steps are captured, with a stand-in for the CUDA graph; on a CUDA device, with a real one."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from core import training
from core.captured import can_capture
from core.settings import NetworkSettings, Precision, RunSettings, lane
from core.training import Lane, Readings
from tests.core.test_training import batch

CPU = torch.device("cpu")
STEPS = 45
TOGGLES: dict[int, tuple[tuple[float, ...], tuple[float, ...]]] = {
    5: ((0.0,) * 8, (1.0,) * 8),
    6: ((0.5,) * 8, (1.0,) * 8),  # the lane has had no step to warm up with the strengths before
    30: ((1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0), (1.0, 1.0, 0.0, 1.0, 0.5, 1.0, 1.0, 1.0)),
}


class StandIn:
    """Computes at every replay, on tensors of its own and into the same results, as a graph does."""

    made = 0
    replayed = 0

    def __init__(
        self,
        compute: Callable[..., list[Tensor] | None],
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor] = (),
    ) -> None:
        type(self).made += 1
        self._compute = compute
        self._inputs, self._outputs = (
            [torch.full_like(each, -1) for each in part] for part in (inputs, outputs)
        )
        self._result: list[Tensor] | None = None

    def replay(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor] = ()) -> list[Tensor]:
        type(self).replayed += 1
        for own, given in zip(self._inputs, inputs, strict=True):
            own.copy_(given)
        result = self._compute(*self._inputs, *self._outputs) or []
        if self._result is None:
            self._result = [torch.empty_like(each) for each in result]
        for kept, each in zip(self._result, result, strict=True):
            kept.copy_(each)
        for given, own in zip(outputs, self._outputs, strict=True):
            given.copy_(own)
        return self._result


def run_of(precision: Precision = "float32") -> RunSettings:
    return RunSettings((lane("A", NetworkSettings(width=4)),), batch_size=8, precision=precision)


def trained(device: torch.device, precision: Precision = "float32") -> tuple[Lane, list[Readings]]:
    """Train a lane, with toggles; its readings as often as a toggle or a full store wants them taken."""
    run = run_of(precision)
    ours = Lane(run.lanes[0], run, device)
    read = []
    for step in range(1, STEPS + 1):
        if step in TOGGLES or ours.is_full:
            read.append(ours.take_readings())
        if step in TOGGLES:
            ours.set_strengths(*TOGGLES[step])
        ours.step(step, *(each.to(device) for each in batch(step)), 0.02)
    return ours, [*read, ours.take_readings()]


def same(ours: tuple[Lane, list[Readings]], plain: tuple[Lane, list[Readings]], tolerance: float) -> None:
    for (name, a), b in zip(
        ours[0].network.state_dict().items(), plain[0].network.state_dict().values(), strict=True
    ):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance, msg=name)
    for mine, theirs in zip(ours[1], plain[1], strict=True):
        for column in ("losses", "accuracies", "gradient_norms", "output_gradients"):
            expected = getattr(theirs, column)
            np.testing.assert_allclose(getattr(mine, column), expected, rtol=tolerance, err_msg=column)


def test_a_captured_lane_trains_and_reads_as_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = trained(CPU)
    monkeypatch.setattr(training, "can_capture", lambda _device: True)
    monkeypatch.setattr(training, "Captured", StandIn)
    monkeypatch.setattr(StandIn, "made", 0)
    monkeypatch.setattr(StandIn, "replayed", 0)
    same(trained(CPU), plain, 0.0)
    # captured in step 2, 7 and 31; not captured are the first step with any strengths, and samples
    assert StandIn.made == 3
    assert StandIn.replayed == STEPS - len({1, 5, 6, 30} | {21, 41})


def test_a_step_given_up_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "can_capture", lambda _device: True)
    monkeypatch.setattr(training, "Captured", StandIn)
    run = run_of()
    ours, plain = (Lane(run.lanes[0], run, CPU) for _ in range(2))
    for step in range(1, 6):
        if step == 4:
            ours.prepare(step, *batch(99))
            ours.keep_readings(step - 1)
            ours.give_up(step)
        for each in (ours, plain):
            each.step(step, *batch(step), 0.02)
    same((ours, [ours.take_readings()]), (plain, [plain.take_readings()]), 0.0)


def test_where_capturing_fails_the_lane_does_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_arguments: object) -> object:
        raise torch.OutOfMemoryError("CUDA out of memory")

    plain = trained(CPU)
    monkeypatch.setattr(training, "can_capture", lambda _device: True)
    monkeypatch.setattr(training, "Captured", failing)
    same(trained(CPU), plain, 0.0)
    assert [each.getMessage() for each in caplog.records] == [
        "lane A trains without a CUDA graph: CUDA out of memory"
    ]


def test_a_cpu_captures_nothing() -> None:
    assert not can_capture(CPU)
    assert can_capture(torch.device("cuda"))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_real_graph_computes_what_the_steps_do(
    precision: Precision, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = torch.device("cuda")
    ours = trained(device, precision)
    assert ours[0]._captured is not None
    monkeypatch.setattr(training, "can_capture", lambda _device: False)
    same(ours, trained(device, precision), 1e-3 if precision == "float32" else 0.1)
