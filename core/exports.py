"""What all exports of a recorded run share: reading it part by part, writing files whole. No torch."""

import contextlib
import os
import re
import secrets
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, TypeAlias

from core.files import sync_folder, write_atomically
from core.journal import StoredLane, read_lane
from core.notices import SkipscopeError
from core.stored_run import (
    RunFacts,
    StoredCheckpoint,
    StoredEvaluation,
    StoredRun,
    open_run,
    read_evaluations,
)

Part: TypeAlias = tuple[tuple[StoredLane, ...], Sequence[StoredEvaluation]]
PART = 5000  # steps that are in memory at once


class ExportError(SkipscopeError):
    """An export that cannot be made."""


def parts(run: RunFacts) -> Generator[Part, None, None]:
    """Yield all lanes' steps and the held-out figures, at most PART steps at a time, as of one moment.

    Raises RecordError. Figures of steps that have no readings come with the part they fall into.
    """
    with open_run(run.directory) as (facts, connection):
        blocks = [lane.network.block_count for lane in facts.settings.lanes]
        evaluations = read_evaluations(connection)
        if any(type(row.step) is not int or len(row.figures) != len(blocks) for row in evaluations):
            raise ValueError("its held-out figures are damaged")
        start = 0
        while True:
            # from one step that is there to the next: there may be holes of any size
            nearest = connection.execute("SELECT min(step) FROM steps WHERE step >= ?", (start,)).fetchone()
            known = [row.step for row in evaluations if row.step >= start]
            known += [int(step) for step in nearest if step is not None]
            if not known:
                return
            start, end = min(known), min(known) + PART - 1
            lanes = tuple(read_lane(connection, number, start, end) for number in range(len(blocks)))
            for lane, count in zip(lanes, blocks, strict=True):
                for norms in (lane.gradient_norms, lane.output_gradients):
                    if len(lane.steps) and norms.shape != (len(lane.steps), count):
                        raise ValueError("its readings are not one per block")
            yield lanes, [row for row in evaluations if start <= row.step <= end]
            start = end + 1


def lane_number(run: RunFacts, name: str) -> int:
    """Return the place of a lane; raises ExportError."""
    names = [lane.name for lane in run.settings.lanes]
    if name not in names:
        raise ExportError("the run has no lane {lane}; its lanes: {known}", lane=name, known=", ".join(names))
    return names.index(name)


def checkpoint_of(run: StoredRun, lane: str, step: int | None = None) -> StoredCheckpoint:
    """Return a lane's checkpoint at a step (None: its last); raises ExportError."""
    lane_number(run, lane)
    found = {row.step: row for row in run.checkpoints if row.lane == lane}
    if not found:
        raise ExportError("the run has no checkpoint of lane {lane}", lane=lane)
    if step is None:
        return found[max(found)]
    if step not in found:
        raise ExportError(
            "the run has no checkpoint of lane {lane} at step {step}; it has {known}",
            lane=lane, step=step, known=", ".join(map(str, sorted(found))),
        )  # fmt: skip
    return found[step]


def copy_weights(run: StoredRun, lane: str, path: Path, step: int | None = None) -> int:
    """Copy a lane's checkpoint, checked against its recorded sha256; return its step."""
    chosen = checkpoint_of(run, lane, step)
    write_file(path, run.open_checkpoint(chosen.step, lane))
    return chosen.step


def write_file(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; raises ExportError."""
    with _writing(path):
        write_atomically(path, data)


@contextlib.contextmanager
def written_in_parts(path: Path) -> Iterator[BinaryIO]:
    """Give a file to write to; it stands under its name only when all went well. Raises ExportError."""
    draft = path.with_name(f".{secrets.token_hex(8)}.part")
    with _writing(path):
        try:
            with draft.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
            sync_folder(path.parent)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise


def file_word(name: str, taken: Sequence[str] = ()) -> str:
    """Turn a lane's name into part of a file name that no system refuses, different from those taken."""
    word = re.sub(r"[^\w .-]", "_", name).strip(" .")[:60] or "lane"
    found, number = word, 2
    while found.casefold() in {each.casefold() for each in taken}:
        found, number = f"{word}-{number}", number + 1
    return found


def file_words(run: RunFacts) -> list[str]:
    """Return one such word for each lane."""
    words: list[str] = []
    for lane in run.settings.lanes:
        words.append(file_word(lane.name, words))
    return words


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ExportError(
            "cannot write {file}: {reason}", file=path, reason=error.strerror or error
        ) from None
