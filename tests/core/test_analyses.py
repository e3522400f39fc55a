"""Instruments look at what they were asked about, though training has gone on since."""

import pytest

from core import analyses
from core.findings import SlowMotion
from core.messages import Analyse, Analysed, Event, Setup, StepOnce
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset


@pytest.fixture(autouse=True)
def _tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def stepped(bench: Bench, steps: int) -> None:
    for _ in range(steps):
        bench.engine.submit(StepOnce())
        bench.ticks(most=1)


def test_one_step_slowly_is_the_step_after_it_was_asked_not_after_it_is_shown() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=20), play=False))
    stepped(bench, 4)
    run = bench.engine.run
    assert run is not None
    request = Analyse("slow_motion", lane=1)
    asked_at = run.step
    copies = analyses.patients(run, None, request)
    stepped(bench, 5)
    assert run.step > asked_at + 1
    found: list[Event] = []
    list(analyses.analysis(run, copies, asked_at, request, found.append))
    (answer,) = found
    assert isinstance(answer, Analysed)
    assert isinstance(answer.finding, SlowMotion)
    assert answer.finding.step == asked_at + 1
    assert answer.finding.loss == pytest.approx(
        bench.losses(1)[asked_at], rel=1e-5
    )  # what that step then had
