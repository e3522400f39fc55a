"""Run folders: settings, journal and checkpoints, written while a run is on and read back later. No torch."""

import contextlib
import hashlib
import importlib.metadata
import itertools
import json
import os
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import psutil

from core import journal
from core import settings as run_settings
from core.files import write_atomically
from core.journal import StoredLane
from core.journal_thread import Checkpoint, CheckpointKind, JournalThread, Steps
from core.messages import LaneSlice
from core.notices import Notice, SkipscopeError
from core.paths import data_folder
from core.settings import RunSettings

FORMAT = 1
RunState = Literal["created", "running", "finished", "stopped", "failed", "diverged"]

SETTINGS_FILE = "settings.json"
JOURNAL_FILE = "journal.sqlite"
CHECKPOINTS = "checkpoints"
MOST_SETTINGS_BYTES = 16_000_000
DRAFT_SECONDS = 3600  # no file takes this long to write
CLOCK_SECONDS = 2.0  # how far two readings of a process's start may differ


class RecordError(SkipscopeError):
    """A run folder that cannot be made or read."""


def runs_folder() -> Path:
    """Return where runs go unless a folder is named."""
    return data_folder() / "runs"


class RunRecord:
    """One run being recorded. Every append returns at once; a thread named "journal" writes.

    `on_error` is called from that thread, once per outage. After close() nothing is recorded.
    """

    def __init__(self, directory: Path, lanes: Sequence[str], on_error: Callable[[Notice], None]) -> None:
        self.directory = directory
        self._lanes = {name: number for number, name in enumerate(lanes)}
        self._ids = itertools.count(1)  # of commands and evaluations
        self._thread = JournalThread(directory, on_error, first=sweep)

    @classmethod
    def create(
        cls,
        directory: Path | None,
        settings: RunSettings,
        *,
        lesson: str | None = None,
        extra: Mapping[str, Any] | None = None,
        on_error: Callable[[Notice], None] = lambda notice: None,
    ) -> Self:
        """Make a run folder and begin to record; `extra` is JSON: class_names, threads, versions.

        Raises RecordError when the folder holds a run already or cannot be written to.
        """
        content = {
            "format": FORMAT,
            "program": _program_version(),
            "created": time.time(),
            "settings": run_settings.to_json(settings),
            "lesson": lesson,
            "extra": dict(extra or {}),
        }
        folder = _new_folder() if directory is None else directory
        if any(os.path.lexists(folder / name) for name in (SETTINGS_FILE, JOURNAL_FILE, CHECKPOINTS)):
            raise RecordError("{folder} holds a run already; name another folder", folder=folder)
        try:
            _fill(folder, json.dumps(content, indent=1).encode())
        except (OSError, sqlite3.Error) as error:
            _undo(folder)
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise RecordError(
                "cannot make the run folder {folder}: {reason}", folder=folder, reason=reason
            ) from None
        return cls(folder, [lane.name for lane in settings.lanes], on_error)

    def append_steps(self, first_step: int, lanes: Sequence[LaneSlice]) -> None:
        """Record the lanes' readings of a slice."""
        self._thread.put(Steps(first_step, lanes))

    def append_command(self, step: int, command_json: Mapping[str, Any]) -> None:
        """Record a command in force from `step` on."""
        values = (next(self._ids), step, time.time(), json.dumps(command_json))
        self._thread.put((journal.COMMAND, values))

    def append_evaluation(
        self, step: int, figures: Sequence[tuple[float, float]], stale: int | None = None
    ) -> None:
        """Record every lane's held-out (loss, accuracy)."""
        number = next(self._ids)
        for lane, (loss, accuracy) in enumerate(figures):
            self._thread.put((journal.EVALUATION, (number, step, lane, float(loss), float(accuracy), stale)))

    def append_checkpoint(self, step: int, kind: CheckpointKind, files: Mapping[str, bytes]) -> None:
        """Record finished safetensors files, by the names of their lanes."""
        numbered = tuple((self._lanes[name], name, data) for name, data in files.items())
        self._thread.put(Checkpoint(step, kind, numbered))

    def set_state(self, state: RunState) -> None:
        """Record how the run stands."""
        self._thread.put((journal.STATE, ("state", state)))

    def close(self, timeout: float = 5.0) -> bool:
        """Write everything, fold the log into the journal and end the thread; whether all was written."""
        return self._thread.close(timeout)


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
class StoredRun:
    """A run read back; `state` is "interrupted" when it was running and its process is gone."""

    directory: Path
    program: str
    created: float
    settings: RunSettings
    lesson: str | None
    extra: Mapping[str, Any]
    state: str
    lanes: tuple[StoredLane, ...]
    commands: tuple[StoredCommand, ...]
    evaluations: tuple[StoredEvaluation, ...]
    checkpoints: tuple[StoredCheckpoint, ...]  # by step

    def open_checkpoint(self, step: int, lane: str) -> bytes:
        """Return a checkpoint's bytes; raises RecordError unless they are what was written."""
        for checkpoint in self.checkpoints:
            if (checkpoint.step, checkpoint.lane) == (step, lane):
                return _checked(self.directory / CHECKPOINTS, checkpoint)
        raise RecordError("the run has no checkpoint of lane {lane} at step {step}", lane=lane, step=step)


def read_run(directory: Path) -> StoredRun:
    """Read a run folder, whether its run is on, ended or was killed; raises RecordError."""
    with _reading(directory):
        content = _read_settings(directory / SETTINGS_FILE)
        settings = run_settings.run_from_json(content["settings"])
        with journal.open_journal(directory / JOURNAL_FILE) as connection:
            connection.execute("BEGIN")  # all tables as of one moment, while the run goes on
            return StoredRun(
                directory,
                str(content["program"]),
                float(content["created"]),
                settings,
                content["lesson"],
                content["extra"],
                _state(connection),
                tuple(journal.read_lane(connection, number) for number in range(len(settings.lanes))),
                _commands(connection),
                _evaluations(connection),
                _checkpoints(connection),
            )


def read_steps(directory: Path, lane: int, first: int, last: int) -> StoredLane:
    """Read only one lane's steps from `first` to `last`; raises RecordError."""
    with _reading(directory), journal.open_journal(directory / JOURNAL_FILE) as connection:
        return journal.read_lane(connection, lane, first, last)


def sweep() -> None:
    """Delete half-written files that killed processes left in the runs folder."""
    runs = runs_folder()
    for draft in itertools.chain(runs.glob("*/.*.part"), runs.glob(f"*/{CHECKPOINTS}/.*.part")):
        folder = draft.parent.parent if draft.parent.name == CHECKPOINTS else draft.parent
        with contextlib.suppress(OSError):  # swept by someone else, or next time
            if time.time() - draft.stat().st_mtime > DRAFT_SECONDS or _is_abandoned(folder):
                draft.unlink()


def _is_abandoned(folder: Path) -> bool:
    try:
        with journal.open_journal(folder / JOURNAL_FILE) as connection:
            return not _owner_lives(_state_values(connection))
    except (sqlite3.Error, ValueError, LookupError):
        return False  # perhaps a folder just being made


def _new_folder() -> Path:
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    return runs_folder() / f"{stamp}-{secrets.token_hex(3)}"


def _fill(folder: Path, content: bytes) -> None:
    """Make the folder's contents, the settings last: a folder with settings is a whole one."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKPOINTS).mkdir()
    owner = psutil.Process()
    state = {"state": "created", "pid": str(owner.pid), "started": repr(owner.create_time())}
    journal.create_journal(folder / JOURNAL_FILE, state.items())
    write_atomically(folder / SETTINGS_FILE, content)


def _undo(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{JOURNAL_FILE}*"):
            path.unlink()
        (folder / CHECKPOINTS).rmdir()
        folder.rmdir()  # leaves a folder that had other things in it


def _program_version() -> str:
    try:
        return importlib.metadata.version("skipscope")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@contextlib.contextmanager
def _reading(directory: Path) -> Iterator[None]:
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
        raise RecordError(
            "the run in {folder} cannot be read: {reason}", folder=directory, reason=reason
        ) from None


def _read_settings(path: Path) -> Mapping[str, Any]:
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


def _state_values(connection: sqlite3.Connection) -> dict[str, str]:
    return dict(connection.execute("SELECT key, value FROM state"))


def _state(connection: sqlite3.Connection) -> str:
    values = _state_values(connection)
    state = values["state"]
    if state not in get_args(RunState):
        raise ValueError(f"unknown state {state}")
    return "interrupted" if state == "running" and not _owner_lives(values) else state


def _owner_lives(values: Mapping[str, str]) -> bool:
    """Whether the process that made the run is still there; a number can be another's by now."""
    try:
        started = psutil.Process(int(values["pid"])).create_time()
    except psutil.Error:
        return False
    return abs(started - float(values["started"])) < CLOCK_SECONDS


def _commands(connection: sqlite3.Connection) -> tuple[StoredCommand, ...]:
    rows = connection.execute("SELECT step, time, json FROM commands ORDER BY id")
    return tuple(StoredCommand(step, moment, json.loads(text)) for step, moment, text in rows)


def _evaluations(connection: sqlite3.Connection) -> tuple[StoredEvaluation, ...]:
    rows = connection.execute("SELECT id, step, stale, loss, accuracy FROM evaluations ORDER BY id, lane")
    found = []
    for _id, group in itertools.groupby(rows, key=lambda row: row[0]):
        lanes = list(group)
        figures = tuple((_number(loss), _number(accuracy)) for *_, loss, accuracy in lanes)
        found.append(StoredEvaluation(lanes[0][1], figures, lanes[0][2]))
    return tuple(found)


def _checkpoints(connection: sqlite3.Connection) -> tuple[StoredCheckpoint, ...]:
    rows = connection.execute(
        "SELECT step, lane, kind, file, sha256, bytes FROM checkpoints ORDER BY step, lane"
    )
    return tuple(StoredCheckpoint(*row) for row in rows)


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _checked(folder: Path, checkpoint: StoredCheckpoint) -> bytes:
    if checkpoint.file != os.path.basename(checkpoint.file):
        raise RecordError("the run names a file outside its folder: {file}", file=checkpoint.file)
    try:
        data = (folder / checkpoint.file).read_bytes()
    except OSError as error:
        raise RecordError(
            "cannot read {file}: {reason}", file=checkpoint.file, reason=error.strerror
        ) from None
    if hashlib.sha256(data).hexdigest() != checkpoint.sha256:
        raise RecordError("{file} is damaged: its checksum is not the recorded one", file=checkpoint.file)
    return data
