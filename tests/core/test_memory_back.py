"""Freed memory goes back to the system when a run gives way to another."""

import ctypes
import sys

import pytest

from core import device
from core.messages import Reset, Setup
from tests.core.by_hand import Bench, run_settings, use_tiny_dataset


def test_memory_is_given_back_when_a_run_follows_another(monkeypatch: pytest.MonkeyPatch) -> None:
    use_tiny_dataset(monkeypatch)
    asked: list[bool] = []
    bench = Bench()
    monkeypatch.setattr(device, "give_back_memory", lambda: asked.append(bench.engine.run is not None))
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
    device.give_back_memory()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc_trim")
def test_freed_memory_goes_back() -> None:
    import psutil

    process = psutil.Process()
    parts = [bytes(3000) for _ in range(60_000)]
    kept = parts[::50]
    full = process.memory_info().rss
    del parts
    device.give_back_memory()
    assert full - process.memory_info().rss > 100e6
    assert kept
