"""The engine by hand: `tick` without a thread, events in a list."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from core.checkpoint import load
from core.messages import (
    BrowsePictures,
    Cancel,
    CheckpointOpened,
    EngineState,
    Evaluation,
    Explain,
    Explanation,
    Failed,
    OpenCheckpoint,
    OwnPicture,
    Pause,
    PicturePage,
    Play,
    Reset,
    RunStarted,
    SaveCheckpoint,
    SetLearningRate,
    SetStrengths,
    Setup,
    Shutdown,
    StateChanged,
    StepOnce,
    TrainingSlice,
)
from core.records import read_run
from core.settings import lane, twins
from tests.core.by_hand import NETWORK, Bench, run_settings, trained, use_tiny_dataset


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


def test_a_run_reaches_its_length_and_go_on_doubles_it() -> None:
    bench = trained(run_settings())
    assert len(bench.losses()) == len(bench.losses(1)) == 6
    bench.engine.submit(Play())
    bench.engine.tick(0)
    bench.ticks(bench.finished)
    assert len(bench.losses()) == 12


def test_the_same_seed_gives_the_same_run_bit_for_bit() -> None:
    a, b = trained(run_settings(augment=True)), trained(run_settings(augment=True))
    other = trained(run_settings(augment=True, seed=1))
    assert a.losses() == b.losses()
    assert a.losses(1) == b.losses(1)
    assert a.losses() != other.losses()


def test_reset_repeats_the_run_bit_for_bit() -> None:
    bench = trained(run_settings())
    first = bench.losses()
    bench.events.clear()
    bench.engine.submit(Reset(play=True))
    bench.engine.tick(0)
    bench.ticks(bench.finished)
    assert bench.losses() == first


def test_probes_and_neighbours_do_not_change_a_lane() -> None:
    """A lane trains the same alone as beside another."""
    both = trained(run_settings())
    alone = trained(run_settings(lanes=(twins(NETWORK)[1],)))
    assert both.losses(1) == alone.losses(0)


def test_a_toggle_is_applied_at_the_next_step_and_named_in_its_slice() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=20)))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step >= 3)
    assert bench.engine.run is not None
    command = SetStrengths(0, shortcuts=(0.0,) * 8)
    bench.engine.submit(command)
    bench.ticks(bench.finished)
    naming = [event for event in bench.of(TrainingSlice) if command.id in event.applied]  # type: ignore[attr-defined]
    assert len(naming) == 1
    assert naming[0].lanes[0].shortcuts == (0.0,) * 8  # type: ignore[attr-defined]
    for event in bench.of(TrainingSlice):
        expected = 0.0 if event.first_step >= naming[0].first_step else 1.0  # type: ignore[attr-defined]
        assert event.lanes[0].shortcuts[0] == expected  # type: ignore[attr-defined]


def test_a_cut_lane_equals_its_plain_twin_bit_for_bit() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(SetStrengths(0, shortcuts=(0.0,) * 8))
    bench.engine.submit(Play())
    bench.ticks(bench.finished)
    assert bench.losses(0) == bench.losses(1)


def test_commands_are_handled_while_paused_and_step_trains_one() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.submit(StepOnce())
    bench.engine.submit(SetLearningRate(0.0))
    bench.engine.submit(StepOnce())
    bench.ticks(lambda: len(bench.losses()) == 2)
    assert bench.engine.state is EngineState.PAUSED
    assert bench.of(TrainingSlice)[-1].lanes[0].learning_rate == 0.0  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", [
    SetStrengths(0, shortcuts=(1.0,) * 3), SetStrengths(7, shortcuts=(1.0,) * 8), SetLearningRate(float("nan")),
    SetLearningRate(-1.0), OpenCheckpoint("no-such-file.pt", "look"), OpenCheckpoint("imagenet", "reference"),
    Setup(run_settings(dataset="no-such-folder")), Setup(run_settings(device="tpu")),
    Setup(run_settings(batch_size=100)),
])  # fmt: skip
def test_bad_commands_are_one_line_and_change_nothing(
    command: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    good = trained(run_settings(steps=10)).losses()
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=10)))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step >= 3)
    bench.engine.submit(command)  # type: ignore[arg-type]
    bench.ticks(bench.finished)
    failed = bench.of(Failed)
    assert len(failed) == 1
    assert failed[0].request == command.id  # type: ignore[attr-defined]
    assert "\n" not in str(failed[0].notice)  # type: ignore[attr-defined]
    assert bench.losses() == good
    assert len(bench.of(RunStarted)) == 1


def test_training_while_explaining_is_bit_equal_to_training_alone() -> None:
    alone = trained(run_settings(steps=30))
    bench = Bench(evaluate=True)
    bench.engine.submit(Setup(run_settings(steps=30)))
    while not bench.finished():
        bench.engine.submit(Explain(3, "saliency"))
        bench.engine.submit(Explain(OwnPicture("own", np.zeros((5, 9, 3), np.uint8)), "integrated_gradients"))
        bench.engine.submit(BrowsePictures())
        for _ in range(3):
            bench.engine.tick(0)
    assert bench.losses() == alone.losses()
    assert bench.losses(1) == alone.losses(1)
    assert bench.engine.run is not None
    for each, other in zip(bench.engine.run.lanes, alone.engine.run.lanes, strict=True):  # type: ignore[union-attr]
        assert each.network.training
        assert all(
            not module._forward_hooks and not module._backward_hooks for module in each.network.modules()
        )
        for (name, a), b in zip(
            each.network.state_dict().items(), other.network.state_dict().values(), strict=True
        ):
            assert torch.equal(a, b), name


def test_the_newest_explanation_gets_exactly_one_whole_reply() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    old, new = Explain(1, "saliency"), Explain(2, "occlusion")
    bench.engine.submit(old)
    bench.engine.submit(new)
    bench.ticks(lambda: any(event.done for event in bench.of(Explanation)))  # type: ignore[attr-defined]
    bench.ticks(most=20)
    answers = bench.of(Explanation)
    assert {event.request for event in answers} == {new.id}  # type: ignore[attr-defined]
    assert sum(event.done for event in answers) == 1  # type: ignore[attr-defined]
    last = answers[-1]
    assert [each.name for each in last.networks] == ["A", "B"]  # type: ignore[attr-defined]
    assert not last.networks[0].attribution.flags.writeable  # type: ignore[attr-defined]


def test_a_cancelled_explanation_gives_nothing_more() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    asked = Explain(1, "occlusion")
    bench.engine.submit(asked)
    bench.ticks(lambda: bool(bench.of(Explanation)))
    before = len(bench.of(Explanation))
    bench.engine.submit(Cancel(asked.id))
    bench.ticks(most=30)
    assert len(bench.of(Explanation)) == before


def test_an_unknown_picture_or_method_fails_with_its_request() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(), play=False))
    asked = Explain(10_000, "saliency")
    bench.engine.submit(asked)
    bench.ticks(lambda: bool(bench.of(Failed)))
    assert bench.of(Failed)[0].request == asked.id  # type: ignore[attr-defined]


def test_figures_after_a_toggle_say_that_statistics_are_stale() -> None:
    bench = Bench(evaluate=True)
    bench.engine.submit(Setup(run_settings(steps=200)))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step >= 2)
    bench.engine.submit(SetStrengths(0, shortcuts=(0.0,) * 8))
    bench.ticks(lambda: bool(bench.of(Evaluation)))
    first = bench.of(Evaluation)[0]
    assert first.stale is not None  # type: ignore[attr-defined]
    assert first.pictures == 32  # type: ignore[attr-defined]


def test_the_last_figures_are_of_the_last_step_even_if_older_ones_were_being_taken() -> None:
    bench = Bench(evaluate=True)
    bench.engine.submit(Setup(run_settings()))
    bench.ticks(lambda: bench.engine.run is not None and bench.engine.run.step == 5)
    bench.engine._answers.evaluate(None)
    bench.engine._answers._next_evaluation = float("inf")
    while not bench.finished():
        bench.engine._train()
    bench.ticks(lambda: bool(bench.of(Evaluation)))
    assert [event.step for event in bench.of(Evaluation)] == [6]  # type: ignore[attr-defined]


def test_pages_filter_by_what_was_predicted() -> None:
    bench = trained(run_settings(), evaluate=True)
    bench.ticks(lambda: bool(bench.of(Evaluation)))
    ask = [BrowsePictures(kind=kind, count=100) for kind in ("all", "wrong", "correct", "disagree")]
    for command in ask:
        bench.engine.submit(command)
    bench.ticks(lambda: len(bench.of(PicturePage)) == 4)
    pages = {event.request: event for event in bench.of(PicturePage)}  # type: ignore[attr-defined]
    all_, wrong, correct, disagree = (pages[command.id] for command in ask)
    assert all_.matching == 32  # type: ignore[attr-defined]
    assert wrong.matching + correct.matching <= 32  # type: ignore[attr-defined]
    assert (correct.predicted == correct.labels).all()  # type: ignore[attr-defined]
    assert (wrong.predicted != wrong.labels).any(0).all()  # type: ignore[attr-defined]
    assert (disagree.predicted[0] != disagree.predicted[1]).all()  # type: ignore[attr-defined]


def test_a_diverging_lane_stops_and_the_other_goes_on() -> None:
    lanes = (lane("A", NETWORK), lane("B", replace(NETWORK, norm="none"), learning_rate=1e6))
    bench = trained(run_settings(lanes=lanes, steps=20))
    ends = [event.lanes[1].diverged_at for event in bench.of(TrainingSlice)]  # type: ignore[attr-defined]
    assert ends[-1] is not None
    assert len(bench.losses(1)) == ends[-1]
    assert len(bench.losses(0)) == 20


def test_the_record_holds_every_step_command_and_checkpoint(tmp_path: Path) -> None:
    bench = Bench(record=True)
    bench.engine.record_to(tmp_path / "run")
    bench.engine.submit(Setup(run_settings(), play=False))
    for _ in range(2):
        bench.engine.submit(StepOnce())
    bench.engine.submit(SetStrengths(1, shortcuts=(1.0,) * 8))
    bench.engine.submit(StepOnce())
    bench.ticks(most=10)
    bench.engine.submit(Shutdown())
    bench.ticks(lambda: bench.engine.state is EngineState.STOPPED)
    stored = read_run(tmp_path / "run")
    assert stored.lanes[0].losses.tolist() == bench.losses()
    assert [(row.step, row.command["lane"]) for row in stored.commands] == [(3, 1)]
    assert {(row.step, row.kind) for row in stored.checkpoints} == {(0, "start"), (2, "toggle"), (3, "last")}
    assert stored.state == "stopped"


def test_a_saved_checkpoint_opens_and_trains_on(tmp_path: Path) -> None:
    bench = trained(run_settings())
    path = tmp_path / "weights.safetensors"
    bench.engine.submit(SaveCheckpoint(0, path))
    bench.engine.submit(OpenCheckpoint(str(path), "look"))
    bench.ticks(lambda: bool(bench.of(CheckpointOpened)))
    assert bench.of(CheckpointOpened)[0].trainable  # type: ignore[attr-defined]
    assert load(path).step == 6
    bench.engine.submit(OpenCheckpoint(str(path), "twins"))
    bench.ticks(lambda: len(bench.of(RunStarted)) == 2)
    run = bench.engine.run
    assert run is not None
    assert [each.network.shortcuts[0] for each in run.lanes] == [1.0, 0.0]
    for name, value in load(path).state.items():
        assert torch.equal(run.lanes[1].network.state_dict()[name], value), name


def test_an_engine_fault_pauses_the_run_and_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    thread = threading.Thread(target=bench.engine.loop, name="engine")
    thread.start()
    bench.engine.submit(Setup(run_settings(), play=False))

    def broken(*_: object) -> None:
        raise ValueError("injected")

    deadline = time.monotonic() + 20
    while bench.engine.run is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert bench.engine.run is not None
    monkeypatch.setattr(bench.engine.run.lanes[1], "prepare", broken)  # after the first lane has
    bench.engine.submit(Play())
    while not bench.of(Failed) and time.monotonic() < deadline:
        time.sleep(0.01)
    bench.engine.submit(Pause())
    bench.engine.submit(Shutdown())
    thread.join(10)
    assert not thread.is_alive()
    assert "injected" in str(bench.of(Failed)[0].notice)  # type: ignore[attr-defined]
    states = [event.state for event in bench.of(StateChanged)]  # type: ignore[attr-defined]
    assert states[-1] is EngineState.STOPPED


def test_what_was_commanded_is_in_force_before_other_work_is_done() -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=500)))
    bench.ticks(lambda: len(bench.losses()) > 3)
    explain, toggle = Explain(0, "saliency"), SetStrengths(0, (0.0,) * 8)
    before = len(bench.events)
    bench.engine.submit(toggle)
    bench.engine.submit(explain)
    bench.ticks(lambda: any(explain.id == event.request for event in bench.of(Explanation)))  # type: ignore[attr-defined]
    seen = [event for event in bench.events[before:] if isinstance(event, TrainingSlice | Explanation)]
    told = [isinstance(event, TrainingSlice) and toggle.id in event.applied for event in seen]
    assert told.index(True) < next(at for at, event in enumerate(seen) if isinstance(event, Explanation))


def test_other_work_is_done_though_something_is_commanded_all_the_time() -> None:
    """As when a strength is dragged."""
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=500)))
    bench.ticks(lambda: len(bench.losses()) > 3)
    explain = Explain(0, "saliency")
    bench.engine.submit(explain)
    done = len(bench.losses())
    for number in range(60):
        bench.engine.submit(SetStrengths(0, (number / 60,) * 8))
        bench.engine.tick(0)
    assert any(event.request == explain.id for event in bench.of(Explanation))  # type: ignore[attr-defined]
    assert len(bench.losses()) > done + 10
