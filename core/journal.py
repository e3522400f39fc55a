"""The SQLite journal of a run: its tables, how rows go in, how they come out. No torch.

A loss or accuracy that is NaN is stored as NULL, since SQLite has no NaN, and read back as NaN;
infinities are stored as they are. Norms are little-endian float32, one per block.

A run that is gone on with from a checkpoint keeps what came after it in tables named dropped_…:
the same columns and `dropped_at`, seconds since 1970.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from core.messages import FloatArray, LaneSlice, readonly

Row: TypeAlias = tuple[str, tuple[Any, ...]]  # a statement and its values
Column: TypeAlias = Literal["loss", "accuracy"]

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE steps (step INTEGER, lane INTEGER, loss REAL, accuracy REAL, learning_rate REAL,
    gradient_norms BLOB, output_gradients BLOB, PRIMARY KEY (step, lane)) WITHOUT ROWID;
CREATE TABLE commands (id INTEGER PRIMARY KEY, step INTEGER, time REAL, json TEXT);
CREATE TABLE evaluations (id INTEGER, step INTEGER, lane INTEGER, loss REAL, accuracy REAL,
    stale INTEGER, PRIMARY KEY (id, lane)) WITHOUT ROWID;
CREATE TABLE checkpoints (step INTEGER, lane TEXT, kind TEXT, file TEXT, sha256 TEXT,
    bytes INTEGER, PRIMARY KEY (step, lane)) WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""
# REPLACE: a batch whose commit failed is written again, and part of it may be there already.
STEP = "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?, ?, ?)"
COMMAND = "INSERT OR REPLACE INTO commands VALUES (?, ?, ?, ?)"
EVALUATION = "INSERT OR REPLACE INTO evaluations VALUES (?, ?, ?, ?, ?, ?)"
CHECKPOINT = "INSERT OR REPLACE INTO checkpoints VALUES (?, ?, ?, ?, ?, ?)"
FORGET_CHECKPOINT = "DELETE FROM checkpoints WHERE step = ?"
STATE = "INSERT OR REPLACE INTO state VALUES (?, ?)"
OPENED: Row = (STATE, ("open", "1"))  # somebody writes; journals made before this was recorded lack it
CLOSED: Row = (STATE, ("open", "0"))

_COLUMNS = {
    "steps": "step, lane, loss, accuracy, learning_rate, gradient_norms, output_gradients",
    "commands": "id, step, time, json",
    "evaluations": "id, step, lane, loss, accuracy, stale",
    "checkpoints": "step, lane, kind, file, sha256, bytes",
}


@dataclass(frozen=True, slots=True, eq=False)
class StoredLane:
    """One lane's recorded readings; `steps` has a hole where the disk was full for too long."""

    steps: NDArray[np.int64]
    losses: FloatArray
    accuracies: FloatArray
    learning_rates: FloatArray
    gradient_norms: NDArray[np.float32]  # (steps, blocks)
    output_gradients: NDArray[np.float32]  # (steps, blocks)


def create_journal(path: Path, state: Iterable[tuple[str, str]]) -> None:
    """Make an empty journal; raises sqlite3.Error."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCHEMA)
        connection.executemany(STATE, list(state))
        connection.commit()


class Journal:
    """The writing end; used by one thread only. After an error it connects afresh."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None

    def write(self, rows: Iterable[Row]) -> None:
        """Write all rows or none; raises sqlite3.Error or OSError."""
        try:
            with self._connected() as connection:
                for statement, values in rows:
                    connection.execute(statement, values)
        except BaseException:
            self._disconnect()
            raise

    def close(self) -> None:
        """Fold the write-ahead log into the file."""
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):  # it is folded in when next opened
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._disconnect()

    def _connected(self) -> sqlite3.Connection:
        about = self._path.stat()  # writes to a deleted file succeed, so look whether it is still there
        if self._connection is not None and self._file != (about.st_dev, about.st_ino):
            self._disconnect()
        if self._connection is None:
            self._file = (about.st_dev, about.st_ino)
            self._connection = sqlite3.connect(self._path)
            self._connection.execute("PRAGMA trusted_schema = OFF")  # the journal may be somebody else's
            self._connection.execute("PRAGMA synchronous = NORMAL")
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.close()
        self._connection = None


@contextlib.contextmanager
def open_journal(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal for reading, whether its run is on, was closed or was killed; raises sqlite3.Error."""
    written_to = _check_files(path)
    # Without a log nobody writes; "immutable" then leaves no files behind and reads from read-only disks.
    before = None if written_to else _stamp(path)
    with _connected(path, "mode=ro" if written_to else "mode=ro&immutable=1") as connection:
        yield connection
    if not written_to and _stamp(path) != before:
        raise sqlite3.OperationalError("it was written to while it was read")


@contextlib.contextmanager
def change_journal(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a journal that is there already and commit what is done to it, all or nothing.

    The write lock is taken at once, so that what is read decides. Raises sqlite3.Error.
    """
    _check_files(path)
    with _connected(path, "mode=rw") as connection:
        connection.isolation_level = None
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")  # without it, closing rolls back


@contextlib.contextmanager
def _connected(path: Path, options: str) -> Iterator[sqlite3.Connection]:
    address = quote(path.absolute().as_posix())
    root = "" if address.startswith("/") else "/"  # a Windows drive
    with contextlib.closing(sqlite3.connect(f"file://{root}{address}?{options}", uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection


def _check_files(path: Path) -> bool:
    """Return whether there is a log; a pipe in the place of either file would block whoever opens it."""
    log = path.with_name(path.name + "-wal")
    for file in (path, log):
        if file.exists() and not file.is_file():
            raise sqlite3.OperationalError(f"{file.name} is not a file")
    return log.exists()


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_ino, about.st_size, about.st_mtime_ns


def rewind(connection: sqlite3.Connection, step: int, moment: float) -> None:
    """Move what came after the checkpoint of `step` into the side tables.

    A command in force from `step` + 1 on stays: it was given at that checkpoint, before the next step.
    """
    for table, columns in _COLUMNS.items():
        last = step + 1 if table == "commands" else step
        connection.execute(f"CREATE TABLE IF NOT EXISTS dropped_{table} ({columns}, dropped_at)")
        connection.execute(
            f"INSERT INTO dropped_{table} SELECT {columns}, ? FROM {table} WHERE step > ?", (moment, last)
        )
        connection.execute(f"DELETE FROM {table} WHERE step > ?", (last,))


def next_id(connection: sqlite3.Connection) -> int:
    """Return an id that no command or evaluation has or had; the side tables must be there."""
    tables = ("commands", "evaluations", "dropped_commands", "dropped_evaluations")
    greatest = (connection.execute(f"SELECT max(id) FROM {table}").fetchone()[0] for table in tables)
    return 1 + max(int(number or 0) for number in greatest)


def step_rows(first_step: int, lanes: Sequence[LaneSlice]) -> list[Row]:
    """Turn the lanes' part of a slice into rows."""
    return [row for number, lane in enumerate(lanes) for row in _lane_rows(first_step, number, lane)]


def _lane_rows(first_step: int, number: int, lane: LaneSlice) -> Iterator[Row]:
    norms, gradients = _blobs(lane.gradient_norms), _blobs(lane.output_gradients)
    columns = zip(lane.losses.tolist(), lane.accuracies.tolist(), norms, gradients, strict=True)
    rate = float(lane.learning_rate)
    for step, (loss, accuracy, norm, gradient) in enumerate(columns, start=first_step):
        yield STEP, (step, number, loss, accuracy, rate, norm, gradient)  # sqlite3 stores a NaN as NULL


def _blobs(values: FloatArray) -> list[bytes]:
    with np.errstate(over="ignore"):  # beyond float32 it is infinite, and shown as such
        narrow = np.ascontiguousarray(values, dtype="<f4")
    return [row.tobytes() for row in narrow]


def read_lane(connection: sqlite3.Connection, lane: int, first: int = 0, last: int = 2**62) -> StoredLane:
    """Read one lane's steps from `first` to `last`; raises sqlite3.Error, ValueError or TypeError."""
    found = connection.execute(
        "SELECT step, loss, accuracy, learning_rate, gradient_norms, output_gradients FROM steps"
        " WHERE lane = ? AND step BETWEEN ? AND ? ORDER BY step",
        (lane, first, last),
    )
    columns = list(zip(*found, strict=True)) or [()] * 6
    steps, losses, accuracies, rates, norms, gradients = columns
    return StoredLane(
        readonly(np.array(steps, dtype=np.int64)),
        *(readonly(np.array(column, dtype=np.float64)) for column in (losses, accuracies, rates)),
        *(_array(column) for column in (norms, gradients)),
    )


def last_step(connection: sqlite3.Connection, most: int = 2**62) -> int | None:
    """Return the last recorded step up to `most`, of any lane."""
    found = connection.execute("SELECT max(step) FROM steps WHERE step <= ?", (most,)).fetchone()
    return None if found[0] is None else int(found[0])


def next_step(connection: sqlite3.Connection, least: int) -> int | None:
    """Return the first recorded step from `least` on, of any lane."""
    found = connection.execute("SELECT min(step) FROM steps WHERE step >= ?", (least,)).fetchone()
    return None if found[0] is None else int(found[0])


def lane_end(connection: sqlite3.Connection, lane: int, end: int | None) -> tuple[int, float] | None:
    """Return a lane's last recorded step and its loss; `end` is the last of any lane that counts.

    A lane that diverged ends early. Reading back from the end to there could mean millions of rows,
    so it is searched by halves: before its end a lane has a row wherever any lane has one.
    """
    if end is None:
        return None
    known, beyond = end, end + 1
    if not _has(connection, end, lane):
        known, beyond = next_step(connection, 0) or end, end
        if not _has(connection, known, lane):
            return None
    while beyond - known > 1:
        middle = last_step(connection, (known + beyond) // 2)
        assert middle is not None
        if middle <= known:  # nothing is recorded in this half
            known = (known + beyond) // 2
        elif _has(connection, middle, lane):
            known = middle
        else:
            beyond = middle
    found = connection.execute(
        "SELECT step, loss FROM steps WHERE lane = ? AND step <= ? ORDER BY step DESC LIMIT 1", (lane, known)
    ).fetchone()
    return int(found[0]), as_float(found[1])


def _has(connection: sqlite3.Connection, step: int, lane: int) -> bool:
    found = connection.execute("SELECT 1 FROM steps WHERE step = ? AND lane = ?", (step, lane))
    return found.fetchone() is not None


def bins(
    connection: sqlite3.Connection, lane: int, column: Column, first: int, last: int, size: int
) -> tuple[FloatArray, FloatArray]:
    """Lowest and highest finite value of each `size` steps from `first` to `last`; NaN where there is none."""
    starts = range(first, last + 1, size)
    low, high = np.empty(len(starts)), np.empty(len(starts))
    finite = f"FILTER (WHERE {column} > -9e999 AND {column} < 9e999)"  # which read as infinite
    # One query a bin, along the key: GROUP BY would sort a million rows first, in twice the time.
    query = (
        f"SELECT min({column}) {finite}, max({column}) {finite} FROM steps"
        " WHERE lane = ? AND step BETWEEN ? AND ?"
    )
    for place, start in enumerate(starts):
        found = connection.execute(query, (lane, start, min(start + size - 1, last))).fetchone()
        low[place], high[place] = map(as_float, found)
    return low, high


def as_float(value: float | None) -> float:
    """Read a stored number: NULL is NaN."""
    return float("nan") if value is None else float(value)


def _array(blobs: Sequence[bytes]) -> NDArray[np.float32]:
    values = np.frombuffer(b"".join(blobs), dtype="<f4")
    return readonly(values.reshape(len(blobs), -1) if blobs else np.empty((0, 0), np.float32))
