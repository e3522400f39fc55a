"""The runs in a folder, each in a few figures, without reading their steps. No torch."""

import contextlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from core import journal
from core.messages import FloatArray
from core.notices import Notice
from core.settings import LaneSettings
from core.stored_history import binned
from core.stored_run import (
    CHECKPOINTS,
    JOURNAL_FILE,
    SETTINGS_FILE,
    RecordError,
    RunFacts,
    open_run,
    reading,
    short_name,
    spoken_state,
    state_values,
)

Shortcuts = Literal["with", "plain", "mixed"]
HEAD_BYTES = 400
_CREATED = re.compile(rb'"created": (\d{1,12}(?:\.\d+)?)')
LONG_WORD = 4  # shorter words are not looked for in dates and folder names: "18" is a depth


@dataclass(frozen=True, slots=True)
class LaneSummary:
    """One lane of a run: what it began as, and how it did."""

    name: str
    depth: int
    width: int
    shortcuts: Shortcuts  # all, none, or some in part, at the run's first step
    loss: float | None  # of its last step; not finite: it diverged; None: no step is recorded
    accuracy: float | None  # held-out, in [0, 1], the last that was measured


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run among others; where it cannot be read, `error` says why and the rest is empty."""

    directory: Path
    name: str = ""  # the user's
    created: float = 0.0  # seconds since 1970
    state: str = ""
    dataset: str = ""
    lesson: str | None = None
    lanes: tuple[LaneSummary, ...] = ()
    steps: int = 0  # done, those before a branch included
    planned: int | None = None  # length in steps, where it is known
    parent: Path | None = None
    bytes: int = 0  # on disk
    error: Notice | None = None


def list_runs(folder: Path, *, limit: int | None = None) -> list[RunSummary]:
    """Return the runs in a folder, newest first, at most `limit`."""
    return list(islice(iterate_runs(folder), limit))


def iterate_runs(folder: Path) -> Iterator[RunSummary]:
    """Yield the runs in a folder, newest first, each read when it is asked for.

    Links are not followed; what has neither settings nor journal is no run.
    """
    try:
        with os.scandir(folder) as entries:
            found = [Path(entry.path) for entry in entries if _may_be_run(entry)]
    except OSError:
        return  # there are no runs yet
    for directory in sorted(found, key=lambda each: (_created(each), each), reverse=True):
        yield summarise(directory)


def summarise(directory: Path) -> RunSummary:
    """Return one run in a few figures."""
    size = _size(directory)
    try:
        with open_run(directory) as (facts, connection):
            return _summary(facts, connection, size)
    except RecordError as error:
        return RunSummary(directory, created=_created(directory), bytes=size, error=error.notice)


def matches(summary: RunSummary, text: str) -> bool:
    """Whether every word is in the run's name, data set or lesson, is a lane's depth, or in the date."""
    named = " ".join((summary.name, summary.dataset, summary.lesson or "")).casefold()
    depths = {str(lane.depth) for lane in summary.lanes}
    dated = f"{summary.directory.name} {_date(summary.created)}".casefold()
    return all(
        word in named or word in depths or (len(word) >= LONG_WORD and word in dated)
        for word in text.casefold().split()
    )


def loss_curve(directory: Path, lane: int, most_points: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Steps, lowest and highest training loss of at most `most_points` equal bins of a whole run.

    NaN where a bin has no finite loss. Raises RecordError.
    """
    with reading(directory), journal.open_journal(directory / JOURNAL_FILE) as connection:
        first, last = journal.next_step(connection, 0), journal.last_step(connection)
        if first is None or last is None:
            first, last = 1, 0
        size = max(-(-(last + 1 - first) // max(most_points, 1)), 1)
        return binned(connection, lane, "loss", first, last, size)


def _may_be_run(entry: os.DirEntry[str]) -> bool:
    try:
        is_folder = entry.is_dir(follow_symlinks=False)
    except OSError:
        return False
    return is_folder and any(
        os.path.lexists(os.path.join(entry.path, name)) for name in (SETTINGS_FILE, JOURNAL_FILE)
    )


def _created(directory: Path) -> float:
    """When a run was made; of a folder that cannot be read, when it last changed.

    The settings file says it near its beginning; parsing all of them just to sort would double the time.
    """
    path = directory / SETTINGS_FILE
    try:
        if path.is_file():  # opening a pipe would block
            with path.open("rb") as file:
                found = _CREATED.search(file.read(HEAD_BYTES))
            if found:
                return float(found[1])
        return directory.stat().st_mtime
    except OSError:
        return 0.0


def _summary(facts: RunFacts, connection: sqlite3.Connection, size: int) -> RunSummary:
    values = state_values(connection)
    accuracies = dict(
        connection.execute(
            "SELECT lane, accuracy FROM evaluations WHERE id = (SELECT max(id) FROM evaluations)"
        ).fetchall()
    )
    last = journal.last_step(connection)
    lanes = tuple(
        _lane(lane, journal.lane_end(connection, number, last), accuracies.get(number))
        for number, lane in enumerate(facts.settings.lanes)
    )
    return RunSummary(
        facts.directory, short_name(values.get("name", "")), facts.created, spoken_state(values),
        facts.settings.dataset, facts.lesson, lanes,
        facts.begins_at if last is None else last, _planned(facts, connection), facts.parent, size,
    )  # fmt: skip


def _lane(settings: LaneSettings, end: tuple[int, float] | None, accuracy: float | None) -> LaneSummary:
    strengths = set(settings.shortcuts)
    shortcuts: Shortcuts = "with" if strengths == {1.0} else "plain" if strengths == {0.0} else "mixed"
    return LaneSummary(
        settings.name, settings.network.depth, settings.network.width, shortcuts,
        None if end is None else end[1], None if accuracy is None else float(accuracy),
    )  # fmt: skip


def _planned(facts: RunFacts, connection: sqlite3.Connection) -> int | None:
    """Return the length that was last set: a run that is over can be gone on with for longer."""
    found = connection.execute(
        "SELECT json FROM commands WHERE json LIKE '%\"length\"%' ORDER BY id DESC LIMIT 1"
    ).fetchone()
    command: Mapping[str, Any] = json.loads(found[0]) if found else {}
    if command.get("do") == "length":
        return int(command["steps"])
    return facts.settings.steps


def _size(directory: Path) -> int:
    """Bytes of a run's files."""
    total = 0
    for folder in (directory, directory / CHECKPOINTS):
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                about = entry.stat(follow_symlinks=False)
                total += 0 if entry.is_dir(follow_symlinks=False) else about.st_size
    return total


def _date(created: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M %A %B", time.localtime(created))
    except (ValueError, OverflowError, OSError):
        return ""
