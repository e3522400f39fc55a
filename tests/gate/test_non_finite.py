"""NaN, infinities and extreme numbers where a run can get them: the lane stops, and nothing else is harmed."""

import csv
import functools
import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from core import training
from core.checkpoint import load
from core.export_csv import run_csv
from core.headless.output import plain
from core.messages import Evaluation, Event, Failed, Setup, TrainingSlice
from core.records import read_run
from core.settings import RunSettings, lane
from core.training import Lane
from gui.main_window import MainWindow
from tests.core.by_hand import NETWORK, Bench, run_settings, trained, use_tiny_dataset
from tests.gate.cases import sampled
from tests.gui.fake_window import FakeBridge, make_window

__all__ = ["make_window"]
pytestmark = pytest.mark.timeout(60)
STEPS, AT, BLOCK = 8, 3, 4
VALUES = {"nan": math.nan, "inf": math.inf, "minus-inf": -math.inf, "huge": 3e38, "subnormal": 1e-42}
SITES = ("picture", "activation", "weight", "scale", "statistic", "momentum", "gradient", "loss")
CASES = [(site, value) for site in SITES for value in VALUES]
# the step at which the lane must be said to have diverged; absent: finite, or whatever follows from it
MUST_END = {
    **{(site, value): AT for site in ("picture", "activation", "weight", "scale", "loss") for value in ("nan", "inf")},
    **{(site, "minus-inf"): AT for site in ("picture", "weight", "loss")},
    **{(site, value): AT + 1 for site in ("momentum", "gradient") for value in ("nan", "inf", "minus-inf")},
}  # fmt: skip
STAYS = {(site, "subnormal") for site in SITES} | {("statistic", value) for value in VALUES}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def settings() -> RunSettings:
    return run_settings(lanes=(lane("A", NETWORK), lane("B", NETWORK, 0.5)), steps=STEPS)


@functools.cache
def undisturbed() -> tuple[list[float], list[Tensor]]:
    """Lane A's losses and tensors of a run in which nothing was injected (the data set must be the tiny one)."""
    bench = trained(settings())
    assert bench.engine.run is not None
    return bench.losses(), [t.clone() for t in bench.engine.run.lanes[0].network.state_dict().values()]


def put(tensor: Tensor, value: float) -> Tensor:
    with torch.no_grad():
        tensor.view(-1)[tensor.numel() // 2] = value
    return tensor


def inject(site: str, value: float, victim: Lane) -> None:
    """Put a number into the lane just before its step AT, or have it arise within that step."""
    prepare = victim.prepare
    block = victim.network.blocks[BLOCK]

    def poisoned(number: int, pictures: Tensor, labels: Tensor) -> None:
        if number != AT:
            prepare(number, pictures, labels)
            return
        match site:
            case "picture":
                pictures = put(pictures.clone(memory_format=torch.contiguous_format), value)
            case "weight":
                put(block.conv1.weight, value)
            case "scale":
                put(block.bn1.weight, value)
            case "statistic":
                put(block.bn1.running_var, value)
            case "momentum":
                name = next(n for n, p in victim.network.named_parameters() if p is block.conv1.weight)
                put(victim.momentum[name], value)
        with within(site, value, block):
            prepare(number, pictures, labels)

    victim.prepare = poisoned  # type: ignore[method-assign]


@contextmanager
def within(site: str, value: float, block: torch.nn.Module) -> Iterator[None]:
    """Let a number arise in the forward pass, the loss or the gradients."""
    if site == "activation":
        handle = block.conv1.register_forward_hook(
            lambda _module, _inputs, output: put(output.clone(), value)
        )
        yield
        handle.remove()
        return
    owner, name, whole = {
        "loss": (training.F, "cross_entropy", training.F.cross_entropy),
        "gradient": (torch.autograd, "grad", torch.autograd.grad),
    }.get(site, (None, "", None))

    def changed(*arguments: Any, **options: Any) -> Any:
        assert whole is not None
        made = whole(*arguments, **options)
        if site == "loss":
            return made + value
        place = next(i for i, wanted in enumerate(arguments[1]) if wanted is block.conv1.weight)
        return tuple(put(each.clone(), value) if i == place else each for i, each in enumerate(made))

    if owner is not None:
        setattr(owner, name, changed)
    try:
        yield
    finally:
        if owner is not None:
            setattr(owner, name, whole)


def poisoned_run(site: str, value: float, folder: Path | None = None) -> Bench:
    bench = Bench(record=folder is not None, evaluate=True)
    if folder is not None:
        bench.engine.record_to(folder)
    bench.engine.submit(Setup(settings()))
    bench.engine.tick(0)
    assert bench.engine.run is not None
    inject(site, value, bench.engine.run.lanes[1])
    bench.ticks(lambda: bench.finished() and bool(bench.of(Evaluation)))
    return bench


def readings(bench: Bench, name: str) -> np.ndarray:
    return np.concatenate([getattr(event.lanes[1], name) for event in bench.of(TrainingSlice)])  # type: ignore[attr-defined]


@pytest.mark.parametrize(("site", "value"), sampled(CASES, 6))
def test_a_number_that_is_none_stops_its_lane_at_its_step_and_harms_nothing_else(
    site: str, value: str, tmp_path: Path
) -> None:
    try:
        bench = poisoned_run(site, VALUES[value], tmp_path / "run")
        run = bench.engine.run
        assert run is not None
        assert bench.of(Failed) == []
    finally:
        bench.engine.close()

    losses, diverged_at = bench.losses(1), run.lanes[1].diverged_at
    bad = [number for number, loss in enumerate(losses, 1) if not math.isfinite(loss)]
    assert bad == ([] if diverged_at is None else [diverged_at])
    assert len(losses) == (diverged_at or STEPS)
    if (site, value) in MUST_END:
        assert diverged_at == MUST_END[site, value]
    if (site, value) in STAYS:
        assert diverged_at is None
    if site == "gradient":
        norms = readings(bench, "gradient_norms")[AT - 1]
        finite = np.isfinite(norms)
        assert finite.tolist() == [block != BLOCK or math.isfinite(VALUES[value]) for block in range(8)]

    if diverged_at == AT and site in ("picture", "activation", "loss"):
        parameters = list(run.lanes[1].network.parameters())
        assert all(torch.isfinite(each).all() for each in parameters), "the step that failed was taken"

    # the other lane is as if nothing had been
    alone, tensors = undisturbed()
    assert bench.losses(0) == alone
    for mine, theirs in zip(run.lanes[0].network.state_dict().values(), tensors, strict=True):
        assert torch.equal(mine, theirs)
    figures = bench.of(Evaluation)[-1].lanes  # type: ignore[attr-defined]
    assert math.isfinite(figures[0].loss)
    if (site, value) == ("statistic", "nan"):
        assert math.isnan(figures[1].accuracy), "a network whose numbers are none predicts nothing"

    assert_readable(bench, tmp_path)


def assert_readable(bench: Bench, tmp_path: Path) -> None:
    """The record, the table and JSON hold what was published."""
    stored = read_run(tmp_path / "run")
    for number in range(2):
        published = np.array(bench.losses(number))
        np.testing.assert_array_equal(stored.lanes[number].losses, published)
    assert stored.state == "finished"
    assert run_csv(stored, tmp_path / "run.csv") >= STEPS
    with (tmp_path / "run.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["A loss"] for row in rows if row["A loss"]] == [repr(loss) for loss in bench.losses(0)]
    json.dumps(plain([stored.lanes[1].losses, stored.lanes[1].gradient_norms]), allow_nan=False)
    for checkpoint in stored.checkpoints:
        opened = load(stored.directory / "checkpoints" / checkpoint.file)
        finite = all(torch.isfinite(tensor).all() for tensor in opened.state.values())
        assert finite or any("not finite" in str(notice) for notice in opened.report)
        if checkpoint.step == 0 or checkpoint.lane == "A":
            assert finite


@pytest.mark.parametrize("shortcuts", [0.0, 1.0])
def test_a_learning_rate_that_is_far_too_high_is_caught_in_its_step(shortcuts: float) -> None:
    wild = lane("B", replace(NETWORK, norm="none"), shortcuts, learning_rate=1e6)
    bench = trained(run_settings(lanes=(lane("A", NETWORK), wild), steps=20))
    assert bench.engine.run is not None
    diverged_at = bench.engine.run.lanes[1].diverged_at
    assert diverged_at is not None
    losses = bench.losses(1)
    assert len(losses) == diverged_at
    assert np.isfinite(losses[:-1]).all()
    assert not math.isfinite(losses[-1])
    assert len(bench.losses(0)) == 20


def test_gradients_that_are_zero_are_no_divergence() -> None:
    bench = Bench()
    bench.engine.submit(Setup(settings()))
    bench.engine.tick(0)
    assert bench.engine.run is not None
    with torch.no_grad():
        for parameter in bench.engine.run.lanes[1].network.parameters():
            parameter.zero_()
    bench.ticks(bench.finished)
    assert bench.engine.run.lanes[1].diverged_at is None
    assert len(bench.losses(1)) == STEPS
    assert (readings(bench, "gradient_norms") == 0).all()


@pytest.mark.timeout(120)
def test_the_window_draws_every_one_of_these_runs(
    make_window: Callable[..., tuple[MainWindow, FakeBridge]], scale: Callable[[int, int], int]
) -> None:
    """A warning of NumPy's or Qt's fails the test, and so does an exception in a panel."""
    window, _ = make_window()
    for site, value in CASES[:: scale(9, 1)]:
        events: list[Event] = poisoned_run(site, VALUES[value]).events
        for event in events:
            window.on_event(event)
        window.paint_everything()
        assert not window.grab().isNull()
