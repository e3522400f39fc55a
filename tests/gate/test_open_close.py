"""The real window in a process of its own, closed, stuck, terminated, started twice, or without its display."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from core.stored_run import read_run
from tests.gate.cases import batches
from tests.gate.programs import Program, bad_lines, check_runs, window

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="signals and sessions of POSIX")]
TIMES, BATCH = 50, 10


def two_at_a_time(work: Callable[..., None], cases: Sequence[tuple[Any, ...]]) -> None:
    """Processes that mostly wait for one core each."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda case: work(*case), cases))


@pytest.mark.timeout(170)
@pytest.mark.parametrize(("first", "count"), batches(2, TIMES, BATCH))
def test_it_opens_and_closes_at_any_moment_with_exit_code_0(first: int, count: int, tmp_path: Path) -> None:
    """Most are closed while torch is being imported, some in training; two at a time."""
    chance = random.Random(first)

    def one(number: int, delay: float) -> None:
        data = tmp_path / str(number)
        with window(f"QTimer.singleShot({int(delay * 1000)}, window.close)", data) as program:
            program.wait_for("there")
            ended = program.end(delay + 15)
        assert ended.code == 0, ended.errors
        assert bad_lines(ended.errors) == [], ended.errors
        check_runs(data, ("stopped", "created", "interrupted"))

    numbers = range(first, first + count)
    two_at_a_time(one, [(n, chance.uniform(0, 0.5) if n % 3 else chance.uniform(0.5, 4)) for n in numbers])


HANG = """
from core import engine
from PySide6.QtCore import Qt
train = engine.Engine._train
def hang(self):
    if self.run.step >= 5:
        time.sleep(60)
    train(self)
engine.Engine._train = hang
gaps, last = [], []
def beat():
    now = time.perf_counter()
    if last:
        gaps.append(now - last[0])
    last[:] = [now]
def go():
    timer = QTimer(window)
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(beat)
    timer.start(16)
    QTimer.singleShot(1500, finish)
def finish():
    window.play_or_pause()
    window.grab()
    print(f"longest {max(gaps)}", flush=True)
    print("closing", flush=True)
    window.close()
window.event_seen.connect(lambda event: type(event).__name__ == "TrainingSlice" and not gaps and (gaps.append(0), go()))
"""


@pytest.mark.timeout(60)
def test_an_engine_that_hangs_neither_stops_the_window_nor_its_end(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    for turn in range(scale(1, 3)):
        hang_once(tmp_path / str(turn))


def hang_once(data: Path) -> None:
    with window(HANG, data) as program:
        longest = program.wait_for("closing")
        ended = program.end(10)
    assert longest < 0.3, "the window stood still while the engine hung"
    assert ended.code == 0
    assert ended.seconds < 6
    lines = [line for line in ended.errors.splitlines() if line.startswith("skipscope: ")]
    assert lines == ["skipscope: the engine is stuck; what was committed is in the run's folder"]
    assert bad_lines(ended.errors) == [], ended.errors
    assert check_runs(data, ("interrupted",)) >= 4


@pytest.mark.timeout(150)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_ends(number: int, scale: Callable[[int, int], int], tmp_path: Path) -> None:
    chance = random.Random(number)

    def one(data: Path, delay: float) -> None:
        with window("", data) as program:
            program.wait_for("training")
            time.sleep(delay)
            program.process.send_signal(number)
            ended = program.end(12)
        assert ended.code in (0, 130), ended.errors
        assert ended.seconds < 6
        assert bad_lines(ended.errors) == [], ended.errors
        assert check_runs(data, ("stopped",)) > 0

    two_at_a_time(one, [(tmp_path / str(turn), chance.uniform(0, 1)) for turn in range(scale(1, 10))])


# ---- the display --------------------------------------------------------------------------


@contextmanager
def display() -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """An X server of its own; yields its name and its process."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x800x24", "-nolisten", "tcp"],
        pass_fds=(write,), stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield f":{answer.readline().strip()}", server
    finally:
        server.kill()
        server.wait()


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
@pytest.mark.timeout(170)
def test_a_lost_display_ends_the_program_and_loses_nothing(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    def one(data: Path) -> None:
        with display() as (name, server):
            environment = {"DISPLAY": name, "QT_QPA_PLATFORM": None, "WAYLAND_DISPLAY": None}
            with window("", data, **environment) as program:
                program.wait_for("training")
                server.kill()
                server.wait()
                ended = program.end(12)
        assert ended.code == 1, ended.errors
        assert ended.seconds < 6
        assert ended.errors.splitlines() == ["skipscope: the display is gone; the run is saved"]
        assert check_runs(data, ("stopped",)) > 0

    two_at_a_time(one, [(tmp_path / str(turn),) for turn in range(scale(1, 10))])


# ---- two at once --------------------------------------------------------------------------


@pytest.mark.timeout(170)
def test_two_windows_share_a_data_folder(scale: Callable[[int, int], int], tmp_path: Path) -> None:
    for turn in range(scale(1, 5)):
        data = tmp_path / str(turn)
        close = "window.event_seen.connect(lambda e: began and QTimer.singleShot(300, window.close))"
        with window(close, data) as one, window(close, data) as other:
            for program in (one, other):
                ended = program.end(40)
                assert ended.code == 0, ended.errors
                assert bad_lines(ended.errors) == [], ended.errors
        assert check_runs(data, ("stopped",)) > 0
        assert len(list((data / "runs").iterdir())) == 2


@pytest.mark.timeout(170)
def test_of_two_that_ask_for_one_run_folder_one_gets_it(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    words = ["main.py", "train", "--width", "4", "--image-size", "8", "--batch-size", "8", "--threads", "1", "--steps",
             "2", "--json", "--out"]  # fmt: skip
    for turn in range(scale(1, 3)):
        out = tmp_path / f"run{turn}"
        both = [Program([*words, str(out)], tmp_path / f"data{turn}-{each}") for each in range(2)]
        ended = [program.end(60) for program in both]
        assert sorted(each.code for each in ended) == [0, 2], [each.errors for each in ended]
        lost = next(each for each in ended if each.code)
        assert [line for line in lost.errors.splitlines() if "holds a run already" in line]
        assert len(read_run(out).lanes[0].steps) == 2


CREATE_RACE = """
import os, sys, time
from pathlib import Path
from core.records import RecordError, RunRecord
from core.settings import NetworkSettings, RunSettings, twins
settings = RunSettings(twins(NetworkSettings(depth=18)))
for turn in range(int(sys.argv[2])):
    folder = Path(sys.argv[1]) / f"run{turn}"
    begin = time.monotonic() + 0.03
    children = []
    for _ in range(3):
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            while time.monotonic() < begin:
                pass
            try:
                record = RunRecord.create(folder, settings)
                record.set_state("running")
                os.write(write, b"won" if record.close() else b"not written")
            except RecordError as error:
                os.write(write, b"lost" if "holds a run already" in str(error) else str(error).encode())
            os._exit(0)
        os.close(write)
        children.append((child, read))
    print(*sorted(os.read(read, 400).decode() for _child, read in children), flush=True)
    for child, read in children:
        os.waitpid(child, 0)
        os.close(read)
"""


@pytest.mark.timeout(120)
def test_a_race_for_a_new_run_folder_has_one_winner_whose_run_is_whole(
    scale: Callable[[int, int], int], tmp_path: Path
) -> None:
    turns = scale(10, 100)
    done = subprocess.run(
        [sys.executable, "-c", CREATE_RACE, str(tmp_path), str(turns)],
        capture_output=True, text=True, cwd=Path(__file__).parents[2], check=True,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["lost lost won"] * turns
    for turn in range(turns):
        assert read_run(tmp_path / f"run{turn}").state == "interrupted"  # its process is gone
