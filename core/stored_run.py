"""Reading run folders back, whether their run is on, ended or was killed. No torch.

A folder may come from somebody else: whatever is wrong with it is a RecordError of one line.
"""

import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import psutil

from core import journal
from core import settings as run_settings
from core.journal import StoredLane, as_float
from core.notices import SkipscopeError
from core.settings import RunSettings

FORMAT = 1
RunState = Literal["created", "running", "finished", "stopped", "failed", "diverged"]

SETTINGS_FILE = "settings.json"
JOURNAL_FILE = "journal.sqlite"
CHECKPOINTS = "checkpoints"
MOST_SETTINGS_BYTES = 16_000_000
MOST_NAME = 200  # characters
CLOCK_SECONDS = 2.0  # how far two readings of a process's start may differ


class RecordError(SkipscopeError):
    """A run folder that cannot be made, read or gone on with."""


@dataclass(frozen=True, slots=True)
class StoredCommand:
    """A command and the step it was first in force at."""

    step: int
    time: float  # seconds since 1970
    command: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StoredEvaluation:
    """Held-out (loss, accuracy) of every lane; `stale` as in core.messages.Evaluation."""

    step: int
    figures: tuple[tuple[float, float], ...]
    stale: int | None


@dataclass(frozen=True, slots=True)
class StoredCheckpoint:
    """One lane's checkpoint file."""

    step: int
    lane: str
    kind: str
    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True, eq=False)
class RunFacts:
    """What a run's folder says of it apart from its readings."""

    directory: Path
    program: str
    created: float  # seconds since 1970
    settings: RunSettings
    lesson: str | None
    extra: Mapping[str, Any]
    parent: Path | None  # the run it branched off …
    parent_step: int | None  # … and at which checkpoint
    begins_at: int  # steps done when it began: 0, or where it branched off


@dataclass(frozen=True, slots=True, eq=False)
class StoredRun(RunFacts):
    """A run read back; `state` is "interrupted" when it was running and its process is gone."""

    state: str
    name: str  # the user's, or ""
    lanes: tuple[StoredLane, ...]
    ends: tuple[tuple[int, float] | None, ...]  # each lane's last recorded step and its loss
    commands: tuple[StoredCommand, ...]
    evaluations: tuple[StoredEvaluation, ...]
    checkpoints: tuple[StoredCheckpoint, ...]  # by step

    def open_checkpoint(self, step: int, lane: str) -> bytes:
        """Return a checkpoint's bytes; raises RecordError unless they are what was written."""
        for checkpoint in self.checkpoints:
            if (checkpoint.step, checkpoint.lane) == (step, lane):
                return _checked(self.directory / CHECKPOINTS, checkpoint)
        raise RecordError("the run has no checkpoint of lane {lane} at step {step}", lane=lane, step=step)


def read_run(directory: Path, *, with_steps: bool = True) -> StoredRun:
    """Read a run folder; raises RecordError. A long run takes much memory with its steps."""
    with open_run(directory) as (facts, connection):
        values = state_values(connection)
        numbers = range(len(facts.settings.lanes))
        end = journal.last_step(connection)
        most = 2**62 if with_steps else -1
        return StoredRun(
            facts.directory, facts.program, facts.created, facts.settings, facts.lesson, facts.extra,
            facts.parent, facts.parent_step, facts.begins_at,
            spoken_state(values), short_name(values.get("name", "")),
            tuple(journal.read_lane(connection, number, last=most) for number in numbers),
            tuple(journal.lane_end(connection, number, end) for number in numbers),
            read_commands(connection), read_evaluations(connection), read_checkpoints(connection),
        )  # fmt: skip


def read_steps(directory: Path, lane: int, first: int, last: int) -> StoredLane:
    """Read only one lane's steps from `first` to `last`; raises RecordError."""
    with reading(directory), journal.open_journal(directory / JOURNAL_FILE) as connection:
        return journal.read_lane(connection, lane, first, last)


@contextlib.contextmanager
def open_run(directory: Path) -> Iterator[tuple[RunFacts, sqlite3.Connection]]:
    """Open a run folder to read from its journal as of one moment, while the run may go on.

    Whatever goes wrong on the way, also in the body, is a RecordError.
    """
    with reading(directory):
        facts = read_facts(directory)
        with journal.open_journal(directory / JOURNAL_FILE) as connection:
            connection.execute("BEGIN")
            yield facts, connection


@contextlib.contextmanager
def reading(directory: Path, text: str = "the run in {folder} cannot be read: {reason}") -> Iterator[None]:
    """Turn what foreign or damaged files bring about into one line."""
    try:
        yield
    except RecordError:
        raise
    except FileNotFoundError:
        raise RecordError("{folder} is not a run folder", folder=directory) from None
    except (OSError, sqlite3.Error, SkipscopeError, ValueError, TypeError, LookupError, AttributeError,
            RecursionError, OverflowError) as error:  # fmt: skip
        reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
        raise RecordError(text, folder=directory, reason=reason) from None


def read_facts(directory: Path) -> RunFacts:
    """Read a run's settings file; raises what `reading` turns into one line."""
    content = read_settings(directory / SETTINGS_FILE)
    parent, parent_step = content.get("parent"), content.get("parent_step")
    return RunFacts(
        directory,
        str(content["program"]),
        float(content["created"]),
        run_settings.run_from_json(content["settings"]),
        content["lesson"],
        content["extra"],
        None if parent is None else Path(parent),
        None if parent is None or parent_step is None else int(parent_step),
        int(content.get("begins_at") or 0),
    )


def read_settings(path: Path) -> Mapping[str, Any]:
    """Read a settings file and check what it was made by."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name} is not a file")  # a pipe would block
    if path.stat().st_size > MOST_SETTINGS_BYTES:
        raise ValueError(f"{path.name} is too large")
    content = json.loads(path.read_bytes())
    if content["format"] > FORMAT:
        raise RecordError(
            "the run in {folder} was made by a newer Skipscope ({program})",
            folder=path.parent, program=content.get("program"),
        )  # fmt: skip
    if not (isinstance(content["extra"], dict) and isinstance(content["lesson"], str | None)):
        raise ValueError(f"{path.name} has values of the wrong kind")
    return content


def state_values(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the rows of the state table: state, pid, started, open, name."""
    return {str(key): str(value) for key, value in connection.execute("SELECT key, value FROM state")}


def spoken_state(values: Mapping[str, str]) -> str:
    """Return how the run stands."""
    state = values["state"]
    if state not in get_args(RunState):
        raise ValueError(f"unknown state {state}")
    return "interrupted" if state == "running" and not owner_lives(values) else state


def short_name(name: str) -> str:
    """Return a name as one line of bounded length."""
    return " ".join(name.split())[:MOST_NAME]


def owner_lives(values: Mapping[str, str]) -> bool:
    """Whether the process that made the run is still there; a number can be another's by now."""
    try:
        owner = psutil.Process(int(values["pid"]))
        started = owner.create_time()
        if owner.status() == psutil.STATUS_ZOMBIE:  # killed, but its parent has not noticed yet
            return False
    except psutil.Error:
        return False
    return abs(started - float(values["started"])) < CLOCK_SECONDS


def read_commands(connection: sqlite3.Connection) -> tuple[StoredCommand, ...]:
    """Read all commands in the order in which they were given."""
    rows = connection.execute("SELECT step, time, json FROM commands ORDER BY id")
    return tuple(StoredCommand(step, moment, json.loads(text)) for step, moment, text in rows)


def read_evaluations(connection: sqlite3.Connection) -> tuple[StoredEvaluation, ...]:
    """Read all held-out figures in the order in which they were made."""
    rows = connection.execute("SELECT id, step, stale, loss, accuracy FROM evaluations ORDER BY id, lane")
    found = []
    for _id, group in itertools.groupby(rows, key=lambda row: row[0]):
        lanes = list(group)
        figures = tuple((as_float(loss), as_float(accuracy)) for *_, loss, accuracy in lanes)
        found.append(StoredEvaluation(lanes[0][1], figures, lanes[0][2]))
    return tuple(found)


def read_checkpoints(connection: sqlite3.Connection) -> tuple[StoredCheckpoint, ...]:
    """Read which checkpoints there are, by step."""
    rows = connection.execute(
        "SELECT step, lane, kind, file, sha256, bytes FROM checkpoints ORDER BY step, lane"
    )
    return tuple(StoredCheckpoint(*row) for row in rows)


def _checked(folder: Path, checkpoint: StoredCheckpoint) -> bytes:
    if checkpoint.file != os.path.basename(checkpoint.file):
        raise RecordError("the run names a file outside its folder: {file}", file=checkpoint.file)
    path = folder / checkpoint.file
    try:
        about = path.stat()
        data = path.read_bytes() if path.is_file() and about.st_size == checkpoint.bytes else b""
    except OSError as error:
        raise RecordError(
            "cannot read {file}: {reason}", file=checkpoint.file, reason=error.strerror
        ) from None
    if hashlib.sha256(data).hexdigest() != checkpoint.sha256:
        raise RecordError("{file} is damaged: its checksum is not the recorded one", file=checkpoint.file)
    return data
