"""A disk that fails at any one call, or from there on: what was complete stays, what can be written is."""

import contextlib
import errno
import io
import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core import journal_thread
from core.records import RecordError, RunRecord, read_run
from tests.core.test_records import SETTINGS, lane_slice
from tests.gate.cases import sampled

pytestmark = pytest.mark.timeout(60)
ERRORS = {"ENOSPC": errno.ENOSPC, "EIO": errno.EIO, "EACCES": errno.EACCES}
POINTS = 96  # there are 70 to 115, by how often the writer commits; past the last one nothing fails


class Disk:
    """Counts every call that could fail, and lets it fail at one of them, or from there on."""

    def __init__(self, point: int, code: int, lasting: bool) -> None:
        self.point, self.code, self.lasting = point, code, lasting
        self.calls = 0
        self.failed: list[str] = []
        self.works = False  # again

    def call(self, name: str) -> None:
        """Raise if it is this call's turn."""
        self.calls += 1
        turn = self.calls >= self.point if self.lasting else self.calls == self.point
        if turn and not self.works:
            self.failed.append(name)
            if name.startswith("sql"):
                raise sqlite3.OperationalError("database or disk is full")
            raise OSError(self.code, os.strerror(self.code))


class File(io.FileIO):
    """A file on that disk."""

    def __init__(self, disk: Disk, path: Path) -> None:
        super().__init__(path, "x")
        self._disk = disk

    def write(self, data: Any, /) -> int:
        self._disk.call("write")
        return super().write(data)


def connection_on(disk: Disk) -> type[sqlite3.Connection]:
    """A database on that disk."""

    class Connection(sqlite3.Connection):
        def execute(self, *arguments: Any) -> sqlite3.Cursor:
            if not arguments[0].startswith(("SELECT", "PRAGMA trusted")):
                disk.call("sql " + arguments[0][:12])
            return super().execute(*arguments)

        def commit(self) -> None:
            disk.call("sql commit")
            super().commit()

        def __exit__(self, kind: Any, *rest: Any) -> Any:
            if kind is None:
                try:
                    disk.call("sql commit")
                except sqlite3.Error:
                    self.rollback()
                    raise
            return super().__exit__(kind, *rest)

    return Connection


@contextlib.contextmanager
def failing(disk: Disk) -> Iterator[None]:
    """Put the disk under everything that records write through."""
    patch = pytest.MonkeyPatch()

    def counted(owner: Any, name: str) -> None:
        whole = getattr(owner, name)

        def function(*arguments: Any, **options: Any) -> Any:
            disk.call(name)
            return whole(*arguments, **options)

        patch.setattr(owner, name, function)

    connect, opened = sqlite3.connect, Path.open

    def open_file(path: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if mode != "xb":
            return opened(path, mode, *arguments, **options)
        disk.call("open")
        return io.BufferedWriter(File(disk, path))

    for name in ("fsync", "replace", "mkdir"):
        counted(os, name)
    patch.setattr(Path, "open", open_file)
    patch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=connection_on(disk), **k))
    patch.setattr(journal_thread, "COMMIT_SECONDS", 0.005)
    patch.setattr(journal_thread, "LAST_PAUSE", 0.005)
    try:
        yield
    finally:
        patch.undo()


def complete(record: RunRecord, checkpoints: int) -> int:
    """Wait for so many checkpoint files in the record, or for as long as they take; how many there are."""
    found = 0
    end = time.monotonic() + 0.15
    while found < checkpoints and time.monotonic() < end:
        time.sleep(0.004)
        with contextlib.suppress(RecordError):
            found = len(read_run(record.directory).checkpoints)
    return found


@dataclass(frozen=True)
class Life:
    """What became of a run: whether it could be begun, and all of it be written; files seen complete."""

    begun: bool
    whole: bool = False
    seen: int = 0
    reason: str = ""


def life(folder: Path) -> Life:
    """A run from its beginning to its end, with three checkpoints of two lanes."""
    try:
        record = RunRecord.create(folder, SETTINGS)
    except RecordError as error:
        return Life(False, reason=str(error))
    record.set_state("running")
    record.append_checkpoint(0, "start", {"A": b"A0", "B": b"B0"})
    seen = complete(record, 2)
    for step in (1, 2):
        record.append_steps(step, (lane_slice([float(step)]), lane_slice([-float(step)])))
        record.append_command(step + 1, {"do": "length", "steps": 5})
        record.append_checkpoint(step, "toggle", {"A": b"A%d" % step, "B": b"B%d" % step})
        seen = max(seen, complete(record, 2 * step + 2))
    record.set_state("stopped")
    return Life(True, record.close(), seen)


def check(folder: Path, least: int) -> None:
    """What is there is whole: steps from 1 on, files that are what was written; at least so many checkpoints."""
    run = read_run(folder)
    for lane in run.lanes:
        assert lane.steps.tolist() == list(range(1, len(lane.steps) + 1))
    for checkpoint in run.checkpoints:
        content = run.open_checkpoint(checkpoint.step, checkpoint.lane)
        assert content == f"{checkpoint.lane}{checkpoint.step}".encode()
    steps = [checkpoint.step for checkpoint in run.checkpoints]
    assert all(steps.count(step) == 2 for step in steps), "a checkpoint of one lane only"
    assert len(steps) >= least
    assert not list(folder.rglob(".*.part"))


ONCE = [(point, error) for error in ERRORS for point in range(1, POINTS)]
LASTING = [(point,) for point in range(1, POINTS)]


@pytest.mark.parametrize(("point", "error"), sampled(ONCE, 17))
def test_one_failing_call_loses_nothing(point: int, error: str, tmp_path: Path) -> None:
    disk = Disk(point, ERRORS[error], lasting=False)
    folder = tmp_path / "run"
    with failing(disk):
        made = life(folder)
    if not made.begun:
        assert disk.failed
        assert "\n" not in made.reason
        assert not folder.exists() or not any(folder.iterdir()), (
            "a run that could not be begun leaves nothing"
        )
        return
    assert made.whole
    assert_all_there(folder)
    check(folder, 6)
    named = {checkpoint.file for checkpoint in read_run(folder).checkpoints}
    assert {path.name for path in (folder / "checkpoints").iterdir()} == named


def assert_all_there(folder: Path) -> None:
    run = read_run(folder)
    assert [lane.losses.tolist() for lane in run.lanes] == [[1, 2], [-1, -2]]
    assert len(run.commands) == 2
    assert run.state == "stopped"


@pytest.mark.parametrize("point", sampled(LASTING, 12))
def test_a_disk_that_is_full_from_one_call_on_keeps_what_was_complete(point: int, tmp_path: Path) -> None:
    disk = Disk(point, errno.ENOSPC, lasting=True)
    folder = tmp_path / "run"
    with failing(disk):
        made = life(folder)
    if not made.begun:
        assert not (folder / "settings.json").exists()
        return
    if made.whole:
        assert not disk.failed or _only_the_end(disk)
        assert_all_there(folder)
    check(folder, made.seen)
    steps = {checkpoint.step for checkpoint in read_run(folder).checkpoints}
    again = RunRecord.reopen(folder, max(steps, default=0))
    again.append_checkpoint(9, "last", {"A": b"A9", "B": b"B9"})
    assert again.close()
    check(folder, 2 * len(steps) + 2)


def _only_the_end(disk: Disk) -> bool:
    """Whether all that failed was to fold the log in and to say that nobody writes: nothing is missing."""
    return all(name.startswith(("sql PRAGMA", "sql INSERT OR RE", "sql commit")) for name in disk.failed)


def test_a_run_has_at_least_forty_points(tmp_path: Path) -> None:
    disk = Disk(10**9, errno.EIO, lasting=False)
    with failing(disk):
        assert life(tmp_path / "run").whole
    assert disk.calls >= 40  # how many more depends on how often the writer came to commit
