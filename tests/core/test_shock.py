"""Every toggle is followed: held-out figures of the moments they say, with both kinds of statistics."""

from copy import deepcopy

import pytest
import torch
from torch.nn import functional as F

from core.acts import Act
from core.messages import Analyse, Analysed, Failed, SetStrengths, Setup, Shocked, StepOnce
from core.network import ResidualNetwork
from core.shock_watch import FRESH_BATCHES
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset

CUT, WHOLE = (0.0,) * 8, (1.0,) * 8


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def figures(bench: Bench, network: ResidualNetwork, *, fresh_from: int | None = None) -> tuple[float, float]:
    """Loss and accuracy on all held-out pictures, plainly; statistics of batches from a step on, if asked."""
    run = bench.engine.run
    assert run is not None
    copy = deepcopy(network)
    for block in copy.blocks:
        block.probe = None
    if fresh_from is not None:
        norms = [module for module in copy.modules() if isinstance(module, torch.nn.BatchNorm2d)]
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain average over the batches
        copy.train()
        with torch.no_grad():
            for step in range(fresh_from, fresh_from + FRESH_BATCHES):
                copy(run.batches.batch(step)[0])
    copy.eval()
    with torch.no_grad():
        logits = copy(run.batches.normalised(run.batches.held_out))
    labels = run.batches.held_out_labels
    return F.cross_entropy(logits, labels).item(), (logits.argmax(1) == labels).float().mean().item()


def test_the_figures_are_those_of_their_moments() -> None:
    bench = Bench(evaluate=False, watch=True)
    bench.engine.submit(Setup(run_settings(steps=80), play=False))
    for _ in range(4):
        bench.engine.submit(StepOnce())
    bench.engine.tick(0)
    run = bench.engine.run
    assert run is not None
    network = run.lanes[0].network
    expected = {-1: (figures(bench, network), figures(bench, network, fresh_from=5))}
    bench.engine.submit(SetStrengths(0, CUT))
    bench.engine.tick(0)
    expected[0] = (figures(bench, network), figures(bench, network, fresh_from=5))
    for steps in (10, 50):
        while run.step < 4 + steps:
            bench.engine.submit(StepOnce())
            bench.engine.tick(0)
        expected[steps] = (figures(bench, network), figures(bench, network, fresh_from=5 + steps))
    bench.ticks(lambda: len(bench.of(Shocked)) == 4)
    for event in bench.of(Shocked):
        assert (event.toggled, event.lane) == (5, 0)  # type: ignore[attr-defined]
        reading = event.reading  # type: ignore[attr-defined]
        stale, fresh = expected[reading.steps]
        assert (reading.loss, reading.accuracy) == pytest.approx(stale, rel=1e-4)
        assert (reading.fresh_loss, reading.fresh_accuracy) == pytest.approx(fresh, rel=1e-4)
    assert expected[0][0] != pytest.approx(expected[-1][0], rel=1e-3)


def test_a_second_toggle_lets_the_first_ones_later_moments_go() -> None:
    bench = Bench(watch=True)
    bench.engine.submit(Setup(run_settings(steps=80), play=False))
    bench.engine.submit(StepOnce())
    bench.engine.submit(SetStrengths(0, CUT))
    bench.engine.submit(StepOnce())
    bench.engine.submit(SetStrengths(0, WHOLE))
    for _ in range(60):
        bench.engine.submit(StepOnce())
    bench.ticks(lambda: len(bench.of(Shocked)) == 6)
    moments = [(event.toggled, event.reading.steps) for event in bench.of(Shocked)]  # type: ignore[attr-defined]
    assert moments == [(2, -1), (2, 0), (3, -1), (3, 0), (3, 10), (3, 50)]


def test_a_toggle_that_fails_leaves_no_moment() -> None:
    bench = Bench(watch=True)
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(SetStrengths(0, (0.5,) * 3))
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert not bench.engine.is_busy


def test_a_lesson_acts_at_its_steps_by_itself() -> None:
    bench = Bench(watch=True)
    script = (
        Act(2, "shortcuts", 0, 0.0),
        Act(4, "branches", None, 0.5),
        Act(4, "analyse", 1, instrument="surplus"),
    )
    bench.engine.submit(Setup(run_settings(steps=6), script=script))
    bench.ticks(lambda: bool(bench.of(Analysed)) and bench.finished())
    run = bench.engine.run
    assert run is not None
    assert run.lanes[0].network.shortcuts == CUT
    assert [each.network.branches for each in run.lanes] == [(0.5,) * 8] * 2
    assert bench.of(Analysed)[-1].lane == 1  # type: ignore[attr-defined]
    assert bench.of(Analysed)[-1].step == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("instrument", ["split", "lesions", "paths", "surplus", "slow_motion"])
def test_an_instrument_leaves_training_bit_equal(instrument: str) -> None:
    alone, asked = Bench(), Bench()
    for bench in (alone, asked):
        bench.engine.submit(Setup(run_settings(steps=12, lanes=run_settings().lanes)))
    while not asked.finished():
        if asked.engine.run is not None and asked.engine.run.step in (2, 7):
            asked.engine.submit(Analyse(instrument))  # type: ignore[arg-type]
        asked.engine.tick(0)
    alone.ticks(alone.finished)
    asked.ticks(lambda: any(event.last for event in asked.of(Analysed)))  # type: ignore[attr-defined]
    assert asked.losses() == alone.losses()
    assert asked.losses(1) == alone.losses(1)
