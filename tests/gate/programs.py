"""Starts the real program in processes of their own, drives it, and says how it ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from core.stored_run import read_run

ROOT = Path(__file__).parents[2]
# what must never be on stderr, whatever happens
BAD_WORDS = (
    "Traceback", "QThread: Destroyed", "Timers cannot be", "QObject::", "Segmentation", "Fatal Python error",
    "terminate called", "Aborted", "Exception ignored", "corrupted",
)  # fmt: skip

# The window as `main.py` opens it, with a small run and something done to it: DEED has `window` and `app`.
WINDOW = """
import sys, time
from dataclasses import replace
from PySide6.QtCore import QTimer
import main
from core import settings

network = settings.NetworkSettings(width=4)
small = settings.RunSettings(settings.twins(network), image_size=8, batch_size=8, epochs=1000, threads=1)
settings.default_run = lambda accelerator: small  # before the window imports it
from gui import app
open_window = app.open_window

def opened(options):
    window = open_window(options)
    QTimer.singleShot(0, lambda: print("there", flush=True))
    began = []
    def watch(event):
        if type(event).__name__ == "TrainingSlice" and not began:
            began.append(event)
            print("training", flush=True)
    window.event_seen.connect(watch)
{deed}
    return window

app.open_window = opened
sys.exit(main.main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Ended:
    """How a process ended."""

    code: int
    seconds: float  # from the moment it was told to
    said: str
    errors: str


class Program:
    """A started program; `ask` reads what it prints, line by line."""

    def __init__(self, words: Sequence[str], data: Path, environment: Mapping[str, str | None] = {}) -> None:
        changed = {**os.environ, "SKIPSCOPE_DATA_DIR": str(data), "PYTHONFAULTHANDLER": "1", **environment}
        data.mkdir(parents=True, exist_ok=True)
        self.errors = data / f"stderr-{time.monotonic_ns()}"
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True,
                env={key: value for key, value in changed.items() if value is not None},
                start_new_session=True,
            )  # fmt: skip

    def wait_for(self, word: str) -> float:
        """Wait until it has printed a line; returns the last figure it printed before ("longest 0.05")."""
        assert self.process.stdout
        figure = 0.0
        for line in self.process.stdout:
            if line.strip() == word:
                return figure
            if line.startswith("longest "):
                figure = float(line.split()[1])
        raise AssertionError(f"it ended before {word!r}: {self.errors.read_text()}")

    def end(self, seconds: float) -> Ended:
        """Wait for its end; fails if that does not come or it leaves a process behind."""
        began = time.monotonic()
        try:
            said, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"it did not end in {seconds} s: {self.errors.read_text()[-3000:]}"
            ) from None
        finally:
            self.kill()
        ended = Ended(self.process.returncode, time.monotonic() - began, said, self.errors.read_text())
        left = [each for each in psutil.process_iter() if _session(each.pid) == self.process.pid]
        assert not left, f"processes were left behind: {left}"
        return ended

    def kill(self) -> None:
        """End it now."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def _session(pid: int) -> int:
    try:
        return os.getsid(pid)
    except OSError:
        return -1


@contextmanager
def window(deed: str, data: Path, *words: str, **environment: str | None) -> Iterator[Program]:
    """The window with a small run; `deed` is Python, done when it opens."""
    body = "\n".join(f"    {line}" for line in deed.splitlines())
    program = Program(["-c", WINDOW.replace("{deed}", body), *words], data, environment)
    try:
        yield program
    finally:
        program.kill()


def bad_lines(errors: str) -> list[str]:
    """Lines of stderr that no user should see."""
    return [line for line in errors.splitlines() if any(word in line for word in BAD_WORDS)]


def check_runs(data: Path, states: Sequence[str]) -> int:
    """Every run in a data folder can be read and every checkpoint of it opened; returns the steps in all."""
    steps = 0
    for folder in sorted((data / "runs").glob("*/")):
        if not (folder / "settings.json").exists():
            continue  # it was just being made
        run = read_run(folder)
        assert run.state in states, run.state
        for lane in run.lanes:
            assert lane.steps.tolist() == list(range(1, len(lane.steps) + 1))
        for checkpoint in run.checkpoints:
            assert run.open_checkpoint(checkpoint.step, checkpoint.lane)
        steps += len(run.lanes[0].steps)
    return steps
