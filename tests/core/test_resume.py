"""Runs gone on with, branched, looked back at and repeated: bit for bit what they would have been."""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.headless import replay
from core.messages import (
    Branch,
    Explain,
    Explanation,
    Failed,
    LookBack,
    LookedBack,
    Play,
    References,
    Reset,
    Resume,
    RunStarted,
    SetLearningRate,
    SetStrengths,
    Setup,
    StepOnce,
    TrainingSlice,
)
from core.notices import SkipscopeError
from core.records import read_run
from core.settings import Precision, lane
from tests.core.by_hand import NETWORK, Bench, run_settings, use_tiny_dataset

CUT, WHOLE = (0.0,) * 8, (1.0,) * 8


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def tensors(bench: Bench) -> list[torch.Tensor]:
    assert bench.engine.run is not None
    return [
        tensor.clone()
        for each in bench.engine.run.lanes
        for tensor in (*each.network.state_dict().values(), *each.momentum.values())
    ]


def recorded(folder: Path) -> Bench:
    bench = Bench(record=True)
    bench.engine.record_to(folder)
    return bench


def step_to(bench: Bench, step: int) -> None:
    while bench.engine.run is None or bench.engine.run.step < step:
        bench.engine.submit(StepOnce())
        bench.engine.tick(0)


def closed(bench: Bench) -> None:
    bench.engine.close()


@pytest.mark.parametrize("shortcuts", [1.0, 0.0])
@pytest.mark.parametrize(
    ("augment", "precision"), [(False, "float32"), (True, "float32"), (False, "bfloat16")]
)
def test_sixty_steps_are_thirty_and_thirty_resumed(
    shortcuts: float, augment: bool, precision: Precision, tmp_path: Path
) -> None:
    settings = run_settings(
        lanes=(lane("A", NETWORK, shortcuts),), augment=augment, precision=precision, steps=60
    )
    whole = Bench()
    whole.engine.submit(Setup(settings, play=False))
    first = recorded(tmp_path / "run")
    first.engine.submit(Setup(settings, play=False))
    for bench in (whole, first):
        step_to(bench, 20)
        bench.engine.submit(SetStrengths(0, (0.5, *WHOLE[1:])))
        bench.engine.submit(SetLearningRate(0.02))
        step_to(bench, 30)
        bench.engine.submit(SetStrengths(0, None, (1.0, 0.0, *WHOLE[2:])))  # in force after the resume
        bench.engine.tick(0)
    closed(first)

    resumed = Bench(record=True)
    resumed.engine.submit(Resume(tmp_path / "run"))
    resumed.engine.tick(0)
    (started,) = resumed.of(RunStarted)
    assert (started.done, started.begins_at) == (30, 0)  # type: ignore[attr-defined]
    step_to(whole, 60)
    step_to(resumed, 60)
    for a, b in zip(tensors(whole), tensors(resumed), strict=True):
        assert torch.equal(a, b)
    assert resumed.losses() == whole.losses()[30:]
    closed(resumed)
    stored = read_run(tmp_path / "run")
    assert stored.lanes[0].steps.tolist() == list(range(1, 61))
    assert stored.lanes[0].losses.tolist() == whole.losses()


def test_a_resumed_run_begins_at_its_last_checkpoint_after_a_crash(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=40), play=False))
    step_to(bench, 5)
    assert bench.engine.run is not None
    bench.engine.run.save("regular")
    step_to(bench, 9)
    bench.engine.submit(SetStrengths(1, WHOLE))
    step_to(bench, 11)
    losses = bench.losses(1)
    record = bench.engine.run.record
    assert record is not None
    record.close()  # as after a kill: no last checkpoint; the journal holds what was committed

    again = Bench(record=True)
    again.engine.submit(Resume(tmp_path / "run"))
    again.engine.tick(0)
    (started,) = again.of(RunStarted)
    assert started.done == 9  # type: ignore[attr-defined]  # the toggle's
    step_to(again, 11)
    assert losses[9:] == again.losses(1)
    closed(again)


def test_the_present_run_cannot_be_resumed_and_goes_on(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(), play=False))
    step_to(bench, 2)
    bench.engine.submit(Resume(tmp_path / "run"))
    bench.engine.tick(0)
    assert bench.of(Failed)
    step_to(bench, 4)
    closed(bench)
    assert len(read_run(tmp_path / "run").lanes[0].steps) == 4


@pytest.mark.parametrize("what", ["missing", "empty", "text"])
def test_what_is_no_run_changes_nothing(what: str, tmp_path: Path) -> None:
    folder = tmp_path / "no run"
    if what != "missing":
        folder.mkdir()
    if what == "text":
        (folder / "settings.json").write_text("hello")
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    step_to(bench, 2)
    run = bench.engine.run
    for command in (Resume(folder), Branch(1, folder)):
        bench.engine.submit(command)
        bench.engine.tick(0)
    assert len(bench.of(Failed)) == 2
    assert bench.engine.run is run
    step_to(bench, 4)
    assert len(bench.losses()) == 4


def test_a_branch_without_changes_is_the_run_itself_and_rewinding_to_0_its_weights(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=20), play=False))
    bench.engine.tick(0)
    begin = tensors(bench)
    step_to(bench, 4)
    bench.engine.submit(SetStrengths(1, WHOLE))
    step_to(bench, 10)
    closed(bench)

    for step, since in ((0, 0), (4, 4)):
        other = Bench(record=True)
        other.engine.record_to(tmp_path / f"branch {step}")
        other.engine.submit(Branch(step, tmp_path / "run", play=False))
        other.engine.tick(0)
        (started,) = other.of(RunStarted)
        assert (started.begins_at, started.done, started.parent) == (since, since, tmp_path / "run")  # type: ignore[attr-defined]
        if step == 0:
            assert all(torch.equal(a, b) for a, b in zip(begin, tensors(other), strict=True))
        step_to(other, 10)
        # lane A is never toggled; lane B is as it was before the toggle
        assert other.losses() == bench.losses()[since:]
        closed(other)
        stored = read_run(tmp_path / f"branch {step}")
        assert (stored.parent, stored.begins_at) == (tmp_path / "run", since)


def test_a_branch_takes_other_shortcuts_from_its_step_on(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=20), play=False))
    step_to(bench, 3)
    bench.engine.submit(SetStrengths(0, WHOLE))  # makes a checkpoint at 3
    step_to(bench, 6)
    bench.ticks(most=3)
    bench.engine.submit(Branch(5, shortcuts=(CUT, WHOLE), play=False))  # of the present run
    record = bench.engine.run.record if bench.engine.run else None
    assert record is not None
    record._thread.close(5)  # everything is on the disk
    bench.engine.tick(0)
    run = bench.engine.run
    assert run is not None
    assert run.step == 3
    assert [each.network.shortcuts for each in run.lanes] == [CUT, WHOLE]
    before = tensors(bench)
    step_to(bench, 5)
    bench.engine.submit(Reset())
    bench.engine.tick(0)
    assert bench.engine.run is not run
    assert all(torch.equal(a, b) for a, b in zip(before, tensors(bench), strict=True))
    closed(bench)


def test_looking_back_shows_the_weights_of_that_step_beside_the_run(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=20), play=False))
    step_to(bench, 3)
    bench.engine.submit(SetStrengths(0, CUT))
    bench.engine.submit(Explain(0, "saliency"))
    bench.ticks(lambda: any(event.done for event in bench.of(Explanation)))  # type: ignore[attr-defined]
    step_to(bench, 6)
    after = tensors(bench)
    deadline = time.monotonic() + 10
    while len(read_run(tmp_path / "run").checkpoints) < 4 and time.monotonic() < deadline:
        time.sleep(0.05)
    bench.engine.submit(LookBack(5))
    bench.engine.tick(0)
    (looked,) = bench.of(LookedBack)
    assert looked.step == 3  # type: ignore[attr-defined]
    assert looked.shortcuts == (WHOLE, CUT)  # type: ignore[attr-defined]
    name = bench.of(References)[-1].names[-1]  # type: ignore[attr-defined]
    bench.engine.submit(Explain(0, "saliency", source=name))
    bench.ticks(lambda: bench.of(Explanation)[-1].step == 3 and bench.of(Explanation)[-1].done)  # type: ignore[attr-defined]
    assert all(torch.equal(a, b) for a, b in zip(after, tensors(bench), strict=True))
    bench.engine.submit(LookBack(None))
    bench.engine.tick(0)
    assert bench.of(References)[-1].names == ("lanes",)  # type: ignore[attr-defined]
    closed(bench)


@pytest.mark.parametrize("branched", [False, True])
def test_a_replay_is_identical_commands_included(
    branched: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=20, augment=True), play=False))
    step_to(bench, 4)
    bench.engine.submit(SetStrengths(0, CUT))
    step_to(bench, 6)
    bench.engine.submit(SetLearningRate(0.01, 1))
    bench.engine.submit(SetStrengths(1, (0.25,) * 8))
    step_to(bench, 9)
    closed(bench)
    folder = tmp_path / "run"
    if branched:
        other = Bench(record=True)
        other.engine.record_to(tmp_path / "branch")
        other.engine.submit(Branch(4, folder, shortcuts=(WHOLE, WHOLE), play=False))
        step_to(other, 7)
        other.engine.submit(SetStrengths(0, CUT))
        step_to(other, 9)
        closed(other)
        folder = tmp_path / "branch"
    capsys.readouterr()
    assert replay.command(argparse.Namespace(run=str(folder), out=str(tmp_path / "again"), json=True)) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["identical"] is True
    assert report["steps"] == (5 if branched else 9)
    a, b = read_run(folder), read_run(tmp_path / "again")
    for one, two in zip(a.lanes, b.lanes, strict=True):
        assert np.array_equal(one.gradient_norms, two.gradient_norms)


def test_a_replay_says_where_it_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=20), play=False))
    step_to(bench, 4)
    bench.engine.submit(SetLearningRate(0.01))
    step_to(bench, 6)
    closed(bench)
    stored = read_run(tmp_path / "run")
    assert stored.commands
    import sqlite3

    connection = sqlite3.connect(tmp_path / "run" / "journal.sqlite")
    connection.execute("DELETE FROM commands")
    connection.commit()
    connection.close()
    assert replay.command(argparse.Namespace(run=str(tmp_path / "run"), out=None, json=True)) == 1
    report = json.loads(capsys.readouterr().out)
    assert (report["identical"], report["first_difference"]) == (False, 6)


def test_a_run_without_steps_is_not_replayed(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.tick(0)
    closed(bench)
    with pytest.raises(SkipscopeError, match="no steps"):
        replay.command(argparse.Namespace(run=str(tmp_path / "run"), out=None, json=True))


def test_going_on_past_the_end_is_remembered(tmp_path: Path) -> None:
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(steps=4)))
    bench.ticks(bench.finished)
    bench.engine.submit(Play())
    bench.engine.tick(0)
    bench.ticks(bench.finished)
    closed(bench)
    again = Bench(record=True)
    again.engine.submit(Resume(tmp_path / "run"))
    again.engine.tick(0)
    (started,) = again.of(RunStarted)
    assert (started.steps, started.done) == (8, 8)  # type: ignore[attr-defined]
    closed(again)


def test_a_diverged_lane_stays_diverged(tmp_path: Path) -> None:
    lanes = (lane("A", NETWORK), lane("B", replace(NETWORK, norm="none"), learning_rate=1e6))
    bench = recorded(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(lanes=lanes, steps=12)))
    bench.ticks(bench.finished)
    ended = bench.of(TrainingSlice)[-1].lanes[1].diverged_at  # type: ignore[attr-defined]
    assert ended is not None
    closed(bench)
    again = Bench(record=True)
    again.engine.submit(Resume(tmp_path / "run"))
    again.engine.tick(0)
    assert again.engine.run is not None
    assert again.engine.run.lanes[1].diverged_at == ended
    again.engine.submit(Play())
    again.engine.tick(0)
    again.ticks(again.finished)
    assert len(again.losses()) == 12
    assert again.losses(1) == []
    closed(again)
