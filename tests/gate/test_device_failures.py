"""A device that runs out of memory or is lost: the engine lives, the run goes on as if nothing had been."""

import gc
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core import batches, live_run, network, sources, training
from core.engine import Engine
from core.messages import (
    Analyse,
    EngineState,
    Evaluate,
    Event,
    Explain,
    Explanation,
    Failed,
    Pause,
    Play,
    Resume,
    RunStarted,
    SaveCheckpoint,
    SetStrengths,
    Setup,
    Shutdown,
    StepOnce,
)
from core.records import read_run
from core.settings import lane, twins
from tests.core.by_hand import NETWORK, Bench, run_settings, trained, use_tiny_dataset
from tests.gate.cases import sampled

pytestmark = pytest.mark.timeout(60)
STEPS = 8
LANES = (*twins(NETWORK), lane("C", NETWORK, 0.5))

Fault = Callable[[], Exception]
FAULTS: dict[str, Fault] = {
    "memory": lambda: torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    "lost": lambda: torch.AcceleratorError("CUDA error: an illegal memory access was encountered", 700),
}
# where in a step a fault may come: what holds the function, its name, how often it is called before
# the fault in the second lane's third step (a block's forward: the fifth block's)
IN_A_STEP: dict[str, tuple[Any, str, int]] = {
    "batch": (batches.Batches, "batch", 2),
    "stem": (network.ResidualNetwork, "forward", 7),
    "block": (network.ResidualBlock, "forward", 7 * 8 + 4),
    "loss": (training.F, "cross_entropy", 7),
    "backward": (torch.autograd, "grad", 7),
    "norms": (torch, "_foreach_norm", 7 * 2),
}
# in place, so that what fails in it cannot be taken back: the second lane's third update
UPDATE = (torch, "_fused_sgd_", 7)


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Bench]:
    """An engine that records to `run`; it is closed in the end."""
    bench = Bench(record=True)
    bench.engine.record_to(tmp_path / "run")
    yield bench
    bench.engine.close()


@contextmanager
def failing(owner: Any, name: str, after: int, make: Fault, times: int = 1) -> Iterator[Callable[[], int]]:
    """Let a function fail `times` times from call `after` + 1 on; yields how often it did."""
    whole = getattr(owner, name)
    calls = 0

    def function(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if after < calls <= after + times:
            raise make()
        return whole(*arguments, **options)

    setattr(owner, name, function)
    try:
        yield lambda: min(max(calls - after, 0), times)
    finally:
        setattr(owner, name, whole)


@contextmanager
def on_a_thread(
    **options: bool,
) -> Iterator[tuple[Engine, Callable[[Callable[[], bool]], None], list[Event]]]:
    """Run an engine's own loop; yields it, a way to wait, and its events."""
    events: list[Event] = []
    changed = threading.Condition()

    def take(event: Event) -> None:
        with changed:
            events.append(event)
            changed.notify_all()

    def wait(condition: Callable[[], bool]) -> None:
        with changed:
            assert changed.wait_for(condition, 6), "it did not come"

    engine = Engine(take, **{"record": False, "evaluate": False, "watch": False, **options})
    thread = threading.Thread(target=engine.loop, name="engine")
    thread.start()
    try:
        yield engine, wait, events
    finally:
        engine.submit(Shutdown())
        thread.join(20)
        assert not thread.is_alive(), "the engine does not end"


def failures(events: Sequence[Event]) -> list[Failed]:
    return [event for event in events if isinstance(event, Failed)]


def tensors(engine: Engine) -> list[torch.Tensor]:
    assert engine.run is not None
    return [
        tensor.clone()
        for each in engine.run.lanes
        for tensor in (*each.network.state_dict().values(), *each.momentum.values())
    ]


def same(one: list[torch.Tensor], other: list[torch.Tensor]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


STEP_CASES = [(site, fault, times) for times in (1, 3) for site in IN_A_STEP for fault in FAULTS]


@pytest.mark.parametrize(("site", "fault", "times"), sampled(STEP_CASES, 5))
def test_a_step_that_fails_is_said_and_playing_on_is_as_if_it_had_not(
    site: str, fault: str, times: int, tmp_path: Path, recorded: Bench
) -> None:
    """The third step fails in the second of three lanes, once or over and over; each time Play is pressed."""
    settings = run_settings(lanes=LANES, steps=STEPS)
    whole = trained(settings)
    bench = recorded
    bench.engine.submit(Setup(settings))
    owner, name, after = IN_A_STEP[site]
    with failing(owner, name, after, FAULTS[fault], times) as failed:
        tick_to_the_end(bench)
        assert failed() == times
    said = failures(bench.events)
    assert len(said) == times
    for failure in said:
        assert "\n" not in str(failure.notice)
        assert ("memory" in str(failure.notice)) == (fault == "memory") or fault == "lost"
        assert failure.traceback
    assert bench.losses() == whole.losses()
    assert same(tensors(bench.engine), tensors(whole.engine))
    bench.engine.close()
    stored = read_run(tmp_path / "run")
    for number, lane_read in enumerate(stored.lanes):
        assert lane_read.steps.tolist() == list(range(1, STEPS + 1))
        assert lane_read.losses.tolist() == whole.losses(number)


def tick_to_the_end(bench: Bench) -> None:
    """As the engine's loop does: a fault is handled there; then somebody presses Play."""
    for _ in range(400):
        if bench.finished():
            return
        try:
            bench.engine.tick(0)
        except Exception as error:  # noqa: BLE001 - as in Engine.loop
            bench.engine._on_fault(error)
            assert bench.engine.state is EngineState.PAUSED
            bench.engine.submit(Play())
    raise AssertionError("it did not end")


@pytest.mark.parametrize("fault", FAULTS)
def test_an_update_that_is_broken_off_is_neither_trained_on_nor_kept(
    fault: str, tmp_path: Path, recorded: Bench
) -> None:
    """One lane has moved, one perhaps, one not: no checkpoint is made of that; the last whole one resumes."""
    settings = run_settings(lanes=LANES, steps=STEPS)
    whole = trained(settings)
    engine = recorded.engine
    engine.submit(Setup(settings, play=False))
    recorded.ticks(lambda: engine.state is EngineState.PAUSED)
    engine.submit(StepOnce())
    engine.submit(Play())
    engine.submit(Pause())  # with its checkpoint, at 1
    engine.tick(0)
    engine.submit(Play())
    owner, name, after = UPDATE
    with failing(owner, name, after - 3, FAULTS[fault]) as failed, pytest.raises(RuntimeError) as caught:
        recorded.ticks(recorded.finished)
    assert failed() == 1
    engine._on_fault(caught.value)
    before = tensors(engine)
    for command in (Play(), StepOnce(), SaveCheckpoint(0, tmp_path / "weights.safetensors")):
        engine.submit(command)
        engine.tick(0)
        refused = failures(recorded.events)[-1]
        assert refused.request == command.id
        assert "broke off the update of step 3: Reset, or branch" in str(refused.notice)
        assert engine.state is EngineState.PAUSED
    assert same(tensors(engine), before)
    assert not (tmp_path / "weights.safetensors").exists()
    engine.close()
    stored = read_run(tmp_path / "run")
    assert stored.state == "failed"
    assert {row.step for row in stored.checkpoints} == {0, 1}
    assert [lane_read.steps.tolist() for lane_read in stored.lanes] == [[1, 2]] * 3

    again = Bench(record=True)
    again.engine.submit(Resume(tmp_path / "run", play=True))
    again.ticks(again.finished)
    assert same(tensors(again.engine), tensors(whole.engine))
    again.engine.close()
    stored = read_run(tmp_path / "run")
    for number, lane_read in enumerate(stored.lanes):
        assert lane_read.losses.tolist() == whole.losses(number)


MESSAGES = [
    ("cuda", "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 8 GiB", True),
    ("mps", "MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1 GB, max allowed: 9 GB).", True),
    ("cpu", "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to"
            " allocate 4398046511104 bytes. Error code 12 (Cannot allocate memory)", True),
    ("xpu", "XPU out of memory. Tried to allocate 2.00 GiB (GPU 0; 15.00 GiB total capacity)", True),
    ("cudnn", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a non-contiguous input.",
     False),
    ("shape", "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)", False),
]  # fmt: skip


@pytest.mark.parametrize(("name", "text", "is_memory"), MESSAGES, ids=[name for name, *_ in MESSAGES])
def test_every_backends_words_for_no_memory_are_understood(name: str, text: str, is_memory: bool) -> None:
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=STEPS)))
    fault = torch.OutOfMemoryError if name == "cuda" else RuntimeError
    with failing(torch.autograd, "grad", 3, lambda: fault(text)):
        tick_to_the_end(bench)
    (failure,) = failures(bench.events)
    assert ("take a smaller batch" in str(failure.notice)) is is_memory


# what is asked beside training: the command, what holds the function that fails, its name
BESIDE: dict[str, tuple[Callable[[], Any], Any, str]] = {
    "explanation": (lambda: Explain(3, "saliency"), network.ResidualNetwork, "forward"),
    "copy": (lambda: Explain(3, "saliency"), sources, "snapshot"),
    "instrument": (lambda: Analyse("lesions"), network.ResidualBlock, "forward"),
    "gradients": (lambda: Analyse("slow_motion"), torch.autograd, "grad"),
    "figures": (Evaluate, network.ResidualNetwork, "forward"),
    "toggle": (lambda: SetStrengths(0, (1.0,) * 8), network.ResidualNetwork, "set_strengths"),
    "branch": (lambda: Setup(run_settings(steps=STEPS), play=False), live_run.Lane, "__init__"),
}
BESIDE_CASES = [(site, fault) for site in BESIDE for fault in FAULTS]


@pytest.mark.parametrize(("site", "fault"), sampled(BESIDE_CASES, 4))
def test_what_fails_beside_training_leaves_the_lanes_as_they_were(site: str, fault: str) -> None:
    make, owner, name = BESIDE[site]
    whole = trained(run_settings(steps=STEPS))
    with on_a_thread() as (engine, wait, events):
        engine.submit(Setup(run_settings(steps=STEPS), play=False))
        wait(lambda: engine.state is EngineState.PAUSED)
        before = tensors(engine)
        command = make()
        with failing(owner, name, 0, FAULTS[fault], times=1):
            engine.submit(command)
            wait(lambda: bool(failures(events)))
            # what else was asked is answered
            asked = Explain(1, "saliency")
            engine.submit(asked)
            wait(lambda: any(isinstance(e, Explanation) and e.request == asked.id and e.done for e in events))
        (failure,) = failures(events)
        assert failure.request in (None, command.id)
        assert "\n" not in str(failure.notice)
        assert engine.state is EngineState.PAUSED
        assert same(before, tensors(engine))
        engine.submit(Play())
        wait(lambda: engine.state is EngineState.FINISHED)
        assert same(tensors(engine), tensors(whole.engine))


def tensors_there() -> int:
    gc.collect()
    return sum(issubclass(type(each), torch.Tensor) for each in gc.get_objects())


def test_a_failed_step_holds_no_tensors() -> None:
    """The exception's traceback would keep the step's activations, and memory would stay full."""
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=STEPS), play=False))
    bench.engine.tick(0)
    before = tensors_there()
    for _ in range(5):
        bench.engine.submit(Play())
        with failing(torch.autograd, "grad", 0, FAULTS["memory"]):
            try:
                bench.engine.tick(0)
            except torch.OutOfMemoryError as error:
                bench.engine._on_fault(error)
    assert tensors_there() - before < 20


@contextmanager
def lost_for_good() -> Iterator[None]:
    """Nothing on the device answers any more."""
    make, always = FAULTS["lost"], 10**9
    with (
        failing(network.ResidualNetwork, "forward", 0, make, always),
        failing(training.Lane, "prepare", 0, make, always),
        failing(training.Lane, "take_readings", 0, make, always),
        failing(network.ResidualNetwork, "state_dict", 0, make, always),
        failing(live_run.LiveRun, "checkpoint_bytes", 0, make, always),
        failing(batches.Batches, "batch", 0, make, always),
        failing(sources, "snapshot", 0, make, always),
    ):
        yield


@pytest.mark.parametrize("playing", [True, False])
def test_a_device_lost_for_good_leaves_a_run_that_is_resumed_bit_for_bit(
    playing: bool, tmp_path: Path, recorded: Bench
) -> None:
    settings = run_settings(steps=40)
    whole = trained(settings)
    with on_a_thread(record=True) as (engine, wait, events):
        engine.record_to(tmp_path / "run")
        engine.submit(Setup(settings, play=False))
        wait(lambda: engine.state is EngineState.PAUSED)
        assert engine.run is not None
        engine.run.planned = 10
        engine.submit(Play())
        wait(lambda: engine.state is EngineState.FINISHED)  # with its checkpoint at 10
        with lost_for_good():
            for number in range(1, 4 if playing else 1):
                engine.submit(Play())
                wait(lambda number=number: len(failures(events)) == number)  # type: ignore[misc]
            engine.submit(Shutdown())
            wait(lambda: engine.state is EngineState.STOPPED)
    stored = read_run(tmp_path / "run")
    assert stored.state in ("stopped", "failed", "finished", "interrupted")
    assert stored.lanes[0].steps.tolist() == list(range(1, 11))

    again = recorded
    again.engine.submit(Resume(tmp_path / "run"))
    again.engine.tick(0)
    (started,) = again.of(RunStarted)
    assert started.done == 10  # type: ignore[attr-defined]
    assert again.engine.run is not None
    again.engine.run.planned = 40
    again.engine.submit(Play())
    again.ticks(again.finished)
    assert same(tensors(again.engine), tensors(whole.engine))


@pytest.mark.parametrize("fault", [RuntimeError, AssertionError, OSError, torch.AcceleratorError])
def test_a_driver_that_answers_with_an_exception_means_no_accelerator(
    fault: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    from core import device

    def broken() -> bool:
        raise (
            fault("the driver is too old", 35)
            if fault is torch.AcceleratorError
            else fault("the driver is too old")
        )

    monkeypatch.setattr(torch.cuda, "is_available", broken)
    chosen, reason = device.choose()
    assert chosen.type in ("cpu", "mps")
    assert str(reason)


def test_only_one_thread_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads on one Apple device crash: every computation must come from the engine's."""
    seen: set[int] = set()
    forward, gradients = network.ResidualNetwork.forward, torch.autograd.grad

    def watched(whole: Callable[..., Any]) -> Callable[..., Any]:
        def function(*arguments: Any, **options: Any) -> Any:
            seen.add(threading.get_ident())
            return whole(*arguments, **options)

        return function

    monkeypatch.setattr(network.ResidualNetwork, "forward", watched(forward))
    monkeypatch.setattr(torch.autograd, "grad", watched(gradients))
    with on_a_thread(evaluate=True, watch=True, record=True) as (engine, wait, events):
        engine.submit(Setup(run_settings(steps=STEPS)))
        generator = np.random.default_rng(0)
        for _ in range(20):
            strengths = tuple(float(value) for value in generator.integers(0, 2, 8))
            engine.submit(SetStrengths(int(generator.integers(2)), strengths))
            engine.submit(Explain(int(generator.integers(30)), "saliency"))
        engine.submit(Evaluate())
        wait(
            lambda: (
                engine.state is EngineState.FINISHED
                and any(isinstance(e, Explanation) and e.done for e in events)
            )
        )
    assert len(seen) == 1
    assert threading.get_ident() not in seen
