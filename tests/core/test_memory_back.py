"""Freed memory is kept from step to step, and goes back to the system when a run gives way to another."""

import ctypes
import subprocess
import sys

import pytest

from core import allocator
from core.messages import Reset, Setup
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset


def test_memory_is_given_back_when_a_run_follows_another(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)
    asked: list[bool] = []
    bench = Bench()
    monkeypatch.setattr(allocator, "give_back_memory", lambda: asked.append(bench.engine.run is not None))
    bench.engine.submit(Setup(run_settings(), play=False))
    bench.engine.tick(0)
    assert not asked
    bench.engine.submit(Reset())
    bench.engine.tick(0)
    assert asked == [True]


@pytest.mark.parametrize("error", [OSError, TypeError, AttributeError])
def test_where_there_is_no_glibc_nothing_happens(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_name: object) -> object:
        raise error

    monkeypatch.setattr(ctypes, "CDLL", missing)
    allocator.keep_freed_memory()
    allocator.give_back_memory()


_STEPS = """
import resource, sys, threading
from core import allocator
if sys.argv[1] == "kept":
    allocator.keep_freed_memory()

def step():
    parts = [bytes(6_000_000) for _ in range(40)]

def steps():
    for _ in range(4):
        step()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    step()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)

thread = threading.Thread(target=steps)
thread.start()
thread.join()
"""


def _faults(how: str) -> int:
    """Count the pages that a step in a thread has to fetch from the system."""
    asked = [sys.executable, "-c", _STEPS, how]
    return int(subprocess.run(asked, capture_output=True, text=True, check=True, timeout=60).stdout)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's mallopt")
def test_what_a_step_frees_the_next_one_has() -> None:
    assert _faults("kept") < 1000
    assert _faults("given back") > 10_000  # so that the above says something


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc_trim")
def test_freed_memory_goes_back() -> None:
    import psutil

    process = psutil.Process()
    parts = [bytes(3000) for _ in range(60_000)]
    kept = parts[::50]
    full = process.memory_info().rss
    del parts
    allocator.give_back_memory()
    assert full - process.memory_info().rss > 100e6
    assert kept
