"""kill -9 at random moments: nothing acknowledged is lost, every checkpoint opens, a run goes on bit for bit."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.messages import Resume, RunStarted, SetStrengths, Setup, StepOnce
from core.records import RunRecord, read_run
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset
from tests.core.test_records import kill_writers
from tests.core.test_reopening import kill_and_reopen

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.gate,
    pytest.mark.timeout(170),
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children"),
]


@pytest.fixture
def records() -> Iterator[list[RunRecord]]:
    opened: list[RunRecord] = []
    yield opened
    for record in opened:
        record.close()


@pytest.mark.parametrize("seed", range(4))
def test_100_kills_of_the_writer_lose_no_acknowledged_row(seed: int, own_data_folder: Path) -> None:
    kill_writers(25, seed=100 + seed)


@pytest.mark.parametrize("seed", range(3))
def test_60_kills_of_a_run_gone_on_with_lose_and_double_no_step(
    seed: int, tmp_path: Path, records: list[RunRecord]
) -> None:
    kill_and_reopen(20, tmp_path / "run", records, seed=200 + seed)


# ---- the engine itself --------------------------------------------------------------------

EVERY = 5  # steps between two toggles


def toggle(step: int) -> SetStrengths | None:
    """What is commanded after a step: a function of the step, so that a run can be told it again."""
    if step == 0 or step % EVERY:
        return None
    chance = random.Random(step)
    return SetStrengths(step // EVERY % 2, tuple(chance.choice((0.0, 0.5, 1.0)) for _ in range(8)))


def train(bench: Bench, until: int) -> None:
    """Step by step, with the toggles, up to a step."""
    while bench.engine.run is None or bench.engine.run.step < until:
        bench.engine.submit(StepOnce())
        bench.engine.tick(0)
        assert bench.engine.run is not None
        if (command := toggle(bench.engine.run.step)) is not None:
            bench.engine.submit(command)


VICTIM = """
import os, sys
from pathlib import Path
import pytest
from core import engine, journal_thread
from core.messages import Setup
from tests.core.by_hand import Bench, use_tiny_dataset
from tests.gate.test_kills import SETTINGS, train

use_tiny_dataset(pytest.MonkeyPatch())
journal_thread.COMMIT_SECONDS = 0.02
for line in sys.stdin:
    child = os.fork()
    if child == 0:
        bench = Bench(record=True, evaluate=True, watch=True)
        bench.engine.record_to(Path(line.strip()))
        bench.engine.submit(Setup(SETTINGS, play=False))
        bench.engine.tick(0)
        print("begun", flush=True)
        train(bench, 10**9)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""
SETTINGS = run_settings(steps=10**6, threads=1)


def test_40_kills_of_the_engine_leave_a_run_that_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_dataset(monkeypatch)
    whole = Bench()
    whole.engine.submit(Setup(SETTINGS, play=False))
    train(whole, 60)
    chance = random.Random(3)
    with subprocess.Popen(
        [sys.executable, "-c", VICTIM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdin
        assert process.stdout
        for number in range(40):
            folder = tmp_path / f"run{number}"
            process.stdin.write(f"{folder}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "begun\n"
            time.sleep(chance.uniform(0.05, 0.6))
            os.kill(int(read_pid(process.pid)), signal.SIGKILL)
            assert process.stdout.readline() == "dead\n"
            go_on(folder, whole)
        process.stdin.close()
    assert process.returncode == 0


def read_pid(parent: int) -> int:
    """Return the forked child's number."""
    import psutil

    (child,) = psutil.Process(parent).children()
    return child.pid


def go_on(folder: Path, whole: Bench) -> None:
    """Resume the run and train a little; every loss must be the undisturbed run's."""
    stored = read_run(folder)
    assert stored.state in ("interrupted", "created")
    losses = stored.lanes[0].losses.tolist()
    bench = Bench(record=True)
    try:
        bench.engine.submit(Resume(folder))
        bench.engine.tick(0)
        (started,) = bench.of(RunStarted)
        done = started.done  # type: ignore[attr-defined]
        assert len(losses) - done <= 2 * EVERY + 5, (
            "more than the steps since the last checkpoint are done again"
        )
        if (command := toggle(done)) is not None:
            bench.engine.submit(command)
        train(bench, done + 4)
        train(whole, done + 4)
        for lane in range(2):
            expected = whole.losses(lane)
            assert stored.lanes[lane].losses.tolist() == expected[: len(stored.lanes[lane].losses)]
            assert bench.losses(lane) == expected[done : done + 4]
    finally:
        bench.engine.close()
