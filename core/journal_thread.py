"""The thread that writes a run's journal and checkpoint files. It touches no tensor; no torch.

It collects what arrives for half a second and commits that together. Checkpoint files are
written one at a time, with a commit between, so that a slow disk does not hold up the journal;
a checkpoint's rows go in when all its files are there, so it is complete or not there at all.
What cannot be written stays in memory, within bounds, and is tried again with the next batch.
"""

import contextlib
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from core import journal, retention
from core.files import write_atomically
from core.journal import Journal, Row
from core.messages import LaneSlice
from core.notices import Notice

CheckpointKind: TypeAlias = Literal["start", "toggle", "regular", "last"]
Rows: TypeAlias = list[Row]

COMMIT_SECONDS = 0.5
LAST_TRIES = 3  # to write what is left when a run is closed …
LAST_PAUSE = 0.2  # … seconds between them
OUTAGE_SECONDS = 60  # errors less than this apart are one outage, said once
MOST_WAITING_ROWS = 100_000  # of steps: about 100 MB for the deepest network
MOST_WAITING_BYTES = 512_000_000  # of checkpoints


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The lanes' part of a slice, to be written."""

    first_step: int
    lanes: Sequence[LaneSlice]


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """Finished files of all lanes at one step: (number of the lane, its name, the bytes)."""

    step: int
    kind: CheckpointKind
    files: tuple[tuple[int, str, bytes], ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(len(data) for _number, _name, data in self.files)


@dataclass(slots=True)
class _Waiting:
    """A checkpoint and the files of it that are written."""

    checkpoint: Checkpoint
    paths: list[Path] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the folder holds when a run is gone on with.

    Whole checkpoints by step, (kind, bytes, files); files to delete; the greatest running number
    that a file has or had.
    """

    checkpoints: Mapping[int, tuple[str, int, Sequence[Path]]] = field(default_factory=dict)
    leavings: Sequence[Path] = ()
    serial: int = 0


@dataclass(frozen=True, slots=True)
class _Stored:
    kind: str
    size: int
    paths: tuple[Path, ...]


class JournalThread:
    """Takes rows, steps and checkpoints without blocking and writes them in order.

    Rows that are handed over together are committed together.
    """

    def __init__(
        self,
        directory: Path,
        on_error: Callable[[Notice], None],
        first: Callable[[], None],
        earlier: Earlier | None = None,
    ) -> None:
        earlier = earlier or Earlier()
        self._checkpoints = directory / "checkpoints"
        self._journal = Journal(directory / "journal.sqlite")
        self._on_error = on_error
        self._first = first
        self._queue: queue.SimpleQueue[Rows | Steps | Checkpoint | None] = queue.SimpleQueue()
        self._step_rows: deque[Row] = deque(maxlen=MOST_WAITING_ROWS)
        self._rows: deque[Row] = deque(maxlen=MOST_WAITING_ROWS)
        self._waiting: deque[_Waiting] = deque()
        self._stored = {
            step: _Stored(kind, size, tuple(paths))
            for step, (kind, size, paths) in earlier.checkpoints.items()
        }
        self._leavings = list(earlier.leavings)  # files no row names any more
        self._serial = earlier.serial
        self._last_failure = -float("inf")
        self._is_failing = False
        self._has_lost = False
        self._is_closing = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def put(self, item: Rows | Steps | Checkpoint) -> None:
        """Hand over something to be written; from any thread, without waiting."""
        self._queue.put(item)

    def close(self, timeout: float) -> bool:
        """Write what is left and end; whether all of it was written in time."""
        self._queue.put(None)
        self._thread.join(timeout)
        return not (self._thread.is_alive() or self._has_unwritten or self._has_lost)

    @property
    def is_alive(self) -> bool:
        """Whether it may still write."""
        return self._thread.is_alive()

    def _run(self) -> None:
        self._try(self._first)
        self._try(self._tidy)
        while not self._is_closing:
            self._take()
            self._is_failing = not self._try(self._save)
        while self._has_unwritten and self._finish(self._save):
            pass
        self._finish(lambda: self._journal.write([journal.CLOSED]))
        self._journal.close()

    @property
    def _has_unwritten(self) -> bool:
        return bool(self._rows or self._step_rows or self._waiting)

    def _finish(self, work: Callable[[], None]) -> bool:
        """Do what no later batch will do, a few times if need be."""
        for tries in range(LAST_TRIES):
            if tries:
                time.sleep(LAST_PAUSE)
            if self._try(work):
                return True
        return False

    def _try(self, work: Callable[[], None]) -> bool:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever fails here, training goes on
            self._report(error)
            return False
        return True

    def _report(self, error: Exception) -> None:
        now = time.monotonic()
        if now - self._last_failure > OUTAGE_SECONDS:
            reason = (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__
            notice = Notice(
                "the run cannot be recorded just now ({reason}); training goes on, and it is tried again",
                {"reason": reason.replace("\n", " ")},
            )
            with contextlib.suppress(Exception):  # nobody may be listening any more
                self._on_error(notice)
        self._last_failure = now

    def _take(self) -> None:
        """Collect for half a second, or just what is there while files wait for a working disk."""
        eager = bool(self._waiting) and not self._is_failing
        end = time.monotonic() + (0.01 if eager else COMMIT_SECONDS)
        while (left := end - time.monotonic()) > 0:
            try:
                item = self._queue.get(timeout=left)
            except queue.Empty:
                return
            if item is None:
                self._is_closing = True
                return
            self._accept(item)

    def _accept(self, item: Rows | Steps | Checkpoint) -> None:
        if isinstance(item, Steps):
            self._has_lost |= not self._try(lambda: self._hold(item))
        elif isinstance(item, Checkpoint):
            self._waiting.append(_Waiting(item))
            self._forget_some()
        else:
            self._rows.extend(item)

    def _hold(self, steps: Steps) -> None:
        rows = journal.step_rows(steps.first_step, steps.lanes)
        self._has_lost |= len(self._step_rows) + len(rows) > MOST_WAITING_ROWS
        self._step_rows.extend(rows)

    def _forget_some(self) -> None:
        """Let go of waiting checkpoints that are too much to hold: regular ones first, the newest never."""
        while len(self._waiting) > 1 and sum(w.checkpoint.size for w in self._waiting) > MOST_WAITING_BYTES:
            older = list(self._waiting)[:-1]
            gone = next((w for w in older if w.checkpoint.kind == "regular"), older[0])
            self._waiting.remove(gone)
            self._leavings += gone.paths
            self._has_lost = True

    def _save(self) -> None:
        rows = [*self._rows, *self._step_rows]
        if rows:
            self._journal.write(rows)
            self._rows.clear()
            self._step_rows.clear()
        if self._waiting:
            self._write_file(self._waiting[0])

    def _write_file(self, waiting: _Waiting) -> None:
        """Write the next file of a checkpoint; with the last one, its rows."""
        checkpoint = waiting.checkpoint
        if len(waiting.rows) < len(checkpoint.files):
            number, name, data = checkpoint.files[len(waiting.rows)]
            # A number of its own: were a file replaced, a kill before the commit would leave a wrong sum.
            self._serial += 1
            path = self._checkpoints / f"{checkpoint.step:08d}-{number}-{self._serial:06d}.safetensors"
            try:
                digest = write_atomically(path, data)
            except OSError:
                self._leavings.append(path)  # it may be there, and would be named by no row
                raise
            row = (checkpoint.step, name, self._kind(checkpoint), path.name, digest, len(data))
            waiting.paths.append(path)
            waiting.rows.append((journal.CHECKPOINT, row))
        if len(waiting.rows) == len(checkpoint.files):
            self._journal.write([(journal.FORGET_CHECKPOINT, (checkpoint.step,)), *waiting.rows])
            self._waiting.popleft()
            self._remember(waiting)
            self._thin()

    def _kind(self, checkpoint: Checkpoint) -> str:
        """Return the kind; a later one at the same step does not make a toggle's one to be thinned."""
        before = self._stored.get(checkpoint.step)
        return before.kind if before and before.kind in ("start", "toggle") else checkpoint.kind

    def _remember(self, waiting: _Waiting) -> None:
        checkpoint = waiting.checkpoint
        stored = _Stored(self._kind(checkpoint), checkpoint.size, tuple(waiting.paths))
        if checkpoint.step in self._stored:
            self._leavings += self._stored[checkpoint.step].paths
        self._stored[checkpoint.step] = stored

    def _thin(self) -> None:
        """Drop checkpoints: first their rows, then the files, so that no row names a missing file."""
        kept = retention.keep([(step, stored.kind, stored.size) for step, stored in self._stored.items()])
        gone = [step for step in self._stored if step not in kept]
        if gone:
            self._journal.write([(journal.FORGET_CHECKPOINT, (step,)) for step in gone])
        for step in gone:
            self._leavings += self._stored.pop(step).paths
        self._tidy()

    def _tidy(self) -> None:
        while self._leavings:
            self._leavings[-1].unlink(missing_ok=True)
            self._leavings.pop()
