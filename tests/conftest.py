"""Off-screen, strict, isolated: no test touches the user's files, the network or a left-over thread."""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# on tensors as small as the tests' a second thread costs more than it gives; engines set their own count
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["SKIPSCOPE_DATA_DIR"] = ""  # set for each test below


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runs, settings and logs of a test go to its own folder."""
    folder = tmp_path / "skipscope-data"
    monkeypatch.setenv("SKIPSCOPE_DATA_DIR", str(folder))
    return folder


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail a test that reaches for the network."""

    def refuse(self: socket.socket, address: object) -> None:
        if self.family == socket.AF_UNIX:
            return original(self, address)
        raise OSError("no network in tests")

    original = socket.socket.connect
    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(autouse=True)
def no_thread_left() -> Iterator[None]:
    """Fail a test that leaves an engine or writer thread behind."""
    yield
    left = [thread.name for thread in threading.enumerate() if thread.name in ("engine", "journal")]
    assert not left, f"threads left running: {left}; shut the engine down in the test"


@pytest.fixture(params=[pytest.param(False, id="few"), pytest.param(True, id="all", marks=pytest.mark.gate)])
def scale(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Choose a count: the smaller one in the normal suite, the whole one with `-m gate`."""
    return lambda few, whole: whole if request.param else few
