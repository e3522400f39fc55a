"""Run folders: settings, journal and checkpoints, written while a run is on and gone on with later. No torch.

Reading them back is in core/stored_run.py; its names can be had from here as well.
"""

import contextlib
import importlib.metadata
import itertools
import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self
from weakref import WeakValueDictionary

import psutil

from core import journal
from core import settings as run_settings
from core.files import write_atomically
from core.journal_thread import Checkpoint, CheckpointKind, Earlier, JournalThread, Steps
from core.messages import LaneSlice
from core.notices import Notice
from core.paths import data_folder
from core.settings import RunSettings
from core.stored_run import (
    CHECKPOINTS,
    FORMAT,
    JOURNAL_FILE,
    SETTINGS_FILE,
    RecordError,
    RunState,
    StoredCheckpoint,
    StoredCommand,
    StoredEvaluation,
    StoredRun,
    owner_lives,
    read_checkpoints,
    read_facts,
    read_run,
    read_settings,
    read_steps,
    reading,
    short_name,
    state_values,
)

__all__ = [
    "CHECKPOINTS", "FORMAT", "JOURNAL_FILE", "SETTINGS_FILE", "RecordError", "RunRecord", "RunState",
    "StoredCheckpoint", "StoredCommand", "StoredEvaluation", "StoredRun", "read_run", "read_steps",
    "rename_run", "runs_folder", "sweep",
]  # fmt: skip

DRAFT_SECONDS = 3600  # no file takes this long to write
_CHECKPOINT_FILE = re.compile(r"\d+-\d+-(\d{1,12})\.safetensors")  # what is not called so is never deleted
_threads: WeakValueDictionary[Path, JournalThread] = WeakValueDictionary()  # of this process, by folder


def runs_folder() -> Path:
    """Return where runs go unless a folder is named."""
    return data_folder() / "runs"


class RunRecord:
    """One run being recorded. Every append returns at once; a thread named "journal" writes.

    `on_error` is called from that thread, once per outage. After close() nothing is recorded.
    """

    def __init__(
        self,
        directory: Path,
        lanes: Sequence[str],
        on_error: Callable[[Notice], None],
        first_id: int = 1,
        earlier: Earlier | None = None,
    ) -> None:
        self.directory = directory
        self._lanes = {name: number for number, name in enumerate(lanes)}
        self._ids = itertools.count(first_id)  # of commands and evaluations
        self._thread = JournalThread(directory, on_error, first=sweep, earlier=earlier)
        _threads[directory.resolve()] = self._thread

    @classmethod
    def create(
        cls,
        directory: Path | None,
        settings: RunSettings,
        *,
        lesson: str | None = None,
        extra: Mapping[str, Any] | None = None,
        parent: Path | None = None,
        parent_step: int | None = 0,
        begins_at: int = 0,
        on_error: Callable[[Notice], None] = lambda notice: None,
    ) -> Self:
        """Make a run folder and begin to record; `extra` is JSON: class_names, versions.

        A branch names its `parent`, the checkpoint it begins with and the steps done by then.
        Raises RecordError when the folder holds a run already or cannot be written to.
        """
        content = {
            "format": FORMAT,
            "program": _program_version(),
            "created": time.time(),
            "settings": run_settings.to_json(settings),
            "lesson": lesson,
            "extra": dict(extra or {}),
            "parent": None if parent is None else str(parent.absolute()),
            "parent_step": parent_step,
            "begins_at": begins_at,
        }
        folder = _new_folder() if directory is None else directory
        is_ours = False
        try:
            _claim(folder)
            is_ours = True
            _fill(folder, json.dumps(content, indent=1).encode())
        except (OSError, sqlite3.Error) as error:
            if is_ours:  # else it is somebody's run, or there is nothing
                _undo(folder)
            reason = (isinstance(error, OSError) and error.strerror) or error
            raise RecordError(
                "cannot make the run folder {folder}: {reason}", folder=folder, reason=reason
            ) from None
        return cls(folder, [lane.name for lane in settings.lanes], on_error)

    @classmethod
    def reopen(
        cls, directory: Path, step: int, *, on_error: Callable[[Notice], None] = lambda notice: None
    ) -> Self:
        """Go on recording a run from its checkpoint of `step` on; what came after moves into side tables.

        That is one transaction: whenever it is cut short, the folder is as before or gone on with.
        Raises RecordError when the folder is no run, is from a newer version or is being written to.
        """
        with reading(directory, "the run in {folder} cannot be gone on with: {reason}"):
            facts = read_facts(directory)
            with journal.change_journal(directory / JOURNAL_FILE) as connection:
                values = state_values(connection)
                if _is_written_to(directory, values):
                    raise RecordError(
                        "the run in {folder} is still on, in process {process}",
                        folder=directory, process=values["pid"],
                    )  # fmt: skip
                journal.rewind(connection, step, time.time())
                connection.executemany(journal.STATE, [("state", "running"), *_ownership().items()])
                first_id = journal.next_id(connection)
                stored = read_checkpoints(connection)
                dropped = [row[0] for row in connection.execute("SELECT file FROM dropped_checkpoints")]
                earlier = _earlier(directory / CHECKPOINTS, stored, dropped)
        lanes = [lane.name for lane in facts.settings.lanes]
        return cls(directory, lanes, on_error, first_id, earlier)

    def append_steps(self, first_step: int, lanes: Sequence[LaneSlice]) -> None:
        """Record the lanes' readings of a slice."""
        self._thread.put(Steps(first_step, lanes))

    def append_command(self, step: int, command_json: Mapping[str, Any]) -> None:
        """Record a command in force from `step` on."""
        values = (next(self._ids), step, time.time(), json.dumps(command_json))
        self._thread.put([(journal.COMMAND, values)])

    def append_evaluation(
        self, step: int, figures: Sequence[tuple[float, float]], stale: int | None = None
    ) -> None:
        """Record every lane's held-out (loss, accuracy)."""
        number = next(self._ids)
        self._thread.put([
            (journal.EVALUATION, (number, step, lane, float(loss), float(accuracy), stale))
            for lane, (loss, accuracy) in enumerate(figures)
        ])  # fmt: skip

    def append_checkpoint(self, step: int, kind: CheckpointKind, files: Mapping[str, bytes]) -> None:
        """Record finished safetensors files, by the names of their lanes."""
        numbered = tuple((self._lanes[name], name, data) for name, data in files.items())
        self._thread.put(Checkpoint(step, kind, numbered))

    def set_state(self, state: RunState) -> None:
        """Record how the run stands."""
        self._thread.put([(journal.STATE, ("state", state))])

    def close(self, timeout: float = 5.0) -> bool:
        """Write everything, fold the log into the journal and end the thread; whether all was written."""
        return self._thread.close(timeout)


def rename_run(directory: Path, name: str) -> None:
    """Give a run a name, whether it is on or not; raises RecordError."""
    with reading(directory, "the run in {folder} cannot be renamed: {reason}"):
        read_settings(directory / SETTINGS_FILE)
        with journal.change_journal(directory / JOURNAL_FILE) as connection:
            connection.execute(journal.STATE, ("name", short_name(name)))


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
            return not owner_lives(state_values(connection))
    except (sqlite3.Error, ValueError, LookupError):
        return False  # perhaps a folder just being made


def _is_written_to(directory: Path, values: Mapping[str, str]) -> bool:
    if not owner_lives(values):
        return False
    if int(values["pid"]) == os.getpid():
        thread = _threads.get(directory.resolve())
        return thread is not None and thread.is_alive
    # A journal from before "open" was recorded tells by its state alone.
    return values.get("open", "1" if values["state"] in ("created", "running") else "0") == "1"


def _ownership() -> dict[str, str]:
    owner = psutil.Process()
    return {"pid": str(owner.pid), "started": repr(owner.create_time()), **dict([journal.OPENED[1]])}


def _earlier(folder: Path, stored: Iterable[StoredCheckpoint], dropped: Iterable[str]) -> Earlier:
    """Say what is in the checkpoints folder of a run that is gone on with.

    Files that no row names are those of dropped checkpoints and what a kill left before its commit.
    They are deleted: nothing leads back to them, and they would count toward no limit.
    """
    named = {row.file: row for row in stored if _serial(row.file)}
    folder.mkdir(exist_ok=True)  # it may have been deleted to save space
    files = {path.name: path for path in folder.iterdir() if _serial(path.name) and path.is_file()}
    checkpoints: dict[int, tuple[str, int, list[Path]]] = {}
    for name, row in named.items():
        kind, size, paths = checkpoints.get(row.step, (row.kind, 0, []))
        checkpoints[row.step] = (kind, size + row.bytes, [*paths, folder / name])
    leavings = [path for name, path in files.items() if name not in named]
    return Earlier(checkpoints, leavings, max(map(_serial, (*named, *files, *dropped)), default=0))


def _serial(file: str) -> int:
    """Return the running number in the name of a checkpoint file of ours; 0: it is none."""
    found = _CHECKPOINT_FILE.fullmatch(str(file))
    return int(found[1]) if found else 0


def _new_folder() -> Path:
    stamp = time.strftime("%Y-%m-%d_%H-%M-%S")
    return runs_folder() / f"{stamp}-{secrets.token_hex(3)}"


def _claim(folder: Path) -> None:
    """Make the folder a run's, of two at once only one; raises RecordError where it holds a run already."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        if any(os.path.lexists(folder / name) for name in (SETTINGS_FILE, JOURNAL_FILE)):
            raise FileExistsError
        (folder / CHECKPOINTS).mkdir()
    except FileExistsError:
        raise RecordError("{folder} holds a run already; name another folder", folder=folder) from None


def _fill(folder: Path, content: bytes) -> None:
    """Make the folder's contents, the settings last: a folder with settings is a whole one."""
    journal.create_journal(folder / JOURNAL_FILE, {"state": "created", **_ownership()}.items())
    write_atomically(folder / SETTINGS_FILE, content)


def _undo(folder: Path) -> None:
    with contextlib.suppress(OSError):
        for path in (*folder.glob(f"{JOURNAL_FILE}*"), folder / SETTINGS_FILE):
            path.unlink(missing_ok=True)
        (folder / CHECKPOINTS).rmdir()
        folder.rmdir()  # leaves a folder that had other things in it


def _program_version() -> str:
    try:
        return importlib.metadata.version("skipscope")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
