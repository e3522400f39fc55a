"""The SQLite journal of a run: its tables, how rows go in, how they come out. No torch.

A loss or accuracy that is NaN is stored as NULL, since SQLite has no NaN, and read back as NaN;
infinities are stored as they are. Norms are little-endian float32, one per block.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from core.messages import FloatArray, LaneSlice, readonly

Row: TypeAlias = tuple[str, tuple[Any, ...]]  # a statement and its values

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
    written_to = path.with_name(path.name + "-wal").exists()
    # Without a log nobody writes; "immutable" then leaves no files behind and reads from read-only disks.
    address = quote(path.absolute().as_posix()) + ("?mode=ro" if written_to else "?mode=ro&immutable=1")
    with contextlib.closing(sqlite3.connect(f"file://{_root(address)}{address}", uri=True)) as connection:
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection


def _root(address: str) -> str:
    return "" if address.startswith("/") else "/"  # a Windows drive


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


def _array(blobs: Sequence[bytes]) -> NDArray[np.float32]:
    values = np.frombuffer(b"".join(blobs), dtype="<f4")
    return readonly(values.reshape(len(blobs), -1) if blobs else np.empty((0, 0), np.float32))
