"""A recorded run as the event files that TensorBoard opens, written without it. No torch.

An event file is a row of records (length, checksum, content, checksum; TensorFlow's TFRecord), whose
contents are protocol buffers of a few fields: `Event {1: wall_time double, 2: step int64, 3: file_version
string, 5: Summary}`, `Summary {1: repeated Value}`, `Value {1: tag string, 2: simple_value float}`.
All records of a part have the same layout, so they are filled in and checksummed together in numpy.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.exports import ExportError, file_words, parts, written_in_parts
from core.journal import StoredLane
from core.messages import FloatArray
from core.settings import LaneSettings
from core.stored_run import CHECKPOINTS, StoredEvaluation, StoredRun, reading

HELD_OUT_TAGS = ("loss/held-out", "accuracy/held-out")
COPIED_SECONDS = 60.0  # a first checkpoint this far from the run's beginning has another file's time
_MASK = 0xA282EAD8


def tensorboard(run: StoredRun, directory: Path) -> tuple[Path, ...]:
    """Write one sub-folder of events per lane; return the files. Raises SkipscopeError.

    Tags: loss/train, loss/held-out, accuracy/train, accuracy/held-out, learning rate, gradient/2.0,
    output gradient/2.0. A second export of a run replaces the first, so that nothing is there twice.
    """
    # TensorBoard finds event files by this part of their names
    with reading(run.directory):
        file = f"events.out.tfevents.{int(run.created)}.skipscope"
        clock = wall_clock(run)
    paths = [directory / word / file for word in file_words(run)]
    with contextlib.ExitStack() as stack:
        for path in paths:
            _make_folder(path.parent)
        files = [stack.enter_context(written_in_parts(path)) for path in paths]
        for each in files:
            each.write(records(_version_event(run.created)))
        everything = stack.enter_context(contextlib.closing(parts(run)))
        for lanes, evaluations in everything:
            for number, (lane, settings) in enumerate(zip(lanes, run.settings.lanes, strict=True)):
                for part in _events(lane, settings, evaluations, number, clock):
                    files[number].write(records(part))
    return tuple(paths)


class WallClock:
    """When each step was done, as far as the run tells: linear between the moments that it recorded."""

    def __init__(self, moments: Sequence[tuple[int, float]]) -> None:
        steps, times = zip(*sorted(moments), strict=True)
        self._steps = np.array(steps, np.float64)
        self._times = np.maximum.accumulate(np.array(times, np.float64))

    def at(self, steps: NDArray[np.int64]) -> FloatArray:
        """Return seconds since 1970; after the last known moment, that one."""
        return np.interp(steps.astype(np.float64), self._steps, self._times)


def wall_clock(run: StoredRun) -> WallClock:
    """Read the moments off a run: its beginning, its commands, and when its checkpoints were written."""
    moments = [(run.begins_at, run.created)]
    moments += [(row.step - 1, row.time) for row in run.commands]  # given when the step before was done
    written = []
    for row in run.checkpoints:
        with contextlib.suppress(OSError, ValueError):
            written.append((row.step, (run.directory / CHECKPOINTS / row.file).stat().st_mtime))
    # in a folder that was copied the files have other times, which the first gives away
    if written and abs(written[0][1] - run.created) < COPIED_SECONDS:
        moments += written
    return WallClock(moments)


def _events(
    lane: StoredLane,
    settings: LaneSettings,
    evaluations: Sequence[StoredEvaluation],
    number: int,
    clock: WallClock,
) -> Iterator[NDArray[np.uint8]]:
    blocks = [block.name for block in settings.network.blocks]
    tags = ["loss/train", "accuracy/train", "learning rate"]
    tags += [f"gradient/{block}" for block in blocks] + [f"output gradient/{block}" for block in blocks]
    if len(lane.steps):
        columns = (
            lane.losses,
            lane.accuracies,
            lane.learning_rates,
            lane.gradient_norms,
            lane.output_gradients,
        )
        yield from scalar_events(tags, lane.steps, clock.at(lane.steps), np.column_stack(columns))
    if evaluations:
        steps = np.array([row.step for row in evaluations], np.int64)
        figures = np.array([row.figures[number] for row in evaluations], np.float64)
        yield from scalar_events(HELD_OUT_TAGS, steps, clock.at(steps), figures)


# ---- bytes --------------------------------------------------------------------------------


def scalar_events(
    tags: Sequence[str], steps: NDArray[np.int64], times: FloatArray, values: FloatArray
) -> Iterator[NDArray[np.uint8]]:
    """Yield events as equally long rows of bytes, (events, length); `values` is (events, tags)."""
    widths = np.array([len(_varint(step)) for step in steps.tolist()])
    with np.errstate(over="ignore"):  # beyond float32 it is infinite
        narrow = np.ascontiguousarray(values, "<f4")
    summary, places = _summary(tags)
    for width in np.unique(widths):
        chosen = widths == width
        head = b"\x09" + bytes(8) + b"\x10" + bytes(int(width)) + b"\x2a" + _varint(len(summary))
        rows = np.tile(np.frombuffer(head + summary, np.uint8), (int(chosen.sum()), 1))
        rows[:, 1:9] = np.ascontiguousarray(times[chosen], "<f8").view(np.uint8).reshape(-1, 8)
        rows[:, 10 : 10 + width] = _varints(steps[chosen], int(width))
        numbers = narrow[chosen].view(np.uint8).reshape(len(rows), len(tags), 4)
        for column, place in enumerate(places):
            start = len(head) + place
            rows[:, start : start + 4] = numbers[:, column]
        yield rows


def records(contents: NDArray[np.uint8]) -> bytes:
    """Frame equally long contents, (records, length), as TFRecords."""
    count, length = contents.shape
    header = np.frombuffer(int(length).to_bytes(8, "little"), np.uint8)[None]
    framed = (
        np.tile(np.column_stack((header, _checksum(header))), (count, 1)), contents, _checksum(contents)
    )  # fmt: skip
    return np.column_stack(framed).tobytes()


def _checksum(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return each row's masked CRC-32C as four bytes."""
    crc = crc32c(rows)
    masked = ((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(_MASK)
    return masked.astype("<u4").view(np.uint8).reshape(-1, 4)


def crc32c(rows: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """Return each row's CRC-32C (Castagnoli; RFC 3720, appendix B.4)."""
    crc = np.full(len(rows), 0xFFFFFFFF, np.uint32)
    for column in np.ascontiguousarray(rows.T):
        crc = _TABLE[(crc ^ column) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return ~crc


def _table() -> NDArray[np.uint32]:
    values = np.arange(256, dtype=np.uint32)
    for _bit in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(0x82F63B78), values >> 1).astype(np.uint32)
    return values


_TABLE = _table()


def _summary(tags: Sequence[str]) -> tuple[bytes, list[int]]:
    """Return a Summary of one zero per tag, and where each zero stands."""
    made, places = b"", []
    for tag in tags:
        name = tag.encode()
        value = b"\x0a" + _varint(len(name)) + name + b"\x15" + bytes(4)
        made += b"\x0a" + _varint(len(value)) + value
        places.append(len(made) - 4)
    return made, places


def _version_event(moment: float) -> NDArray[np.uint8]:
    version = b"brain.Event:2"
    event = b"\x09" + np.array([moment], "<f8").tobytes() + b"\x1a" + _varint(len(version)) + version
    return np.frombuffer(event, np.uint8)[None]


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


def _varints(values: NDArray[np.int64], width: int) -> NDArray[np.uint8]:
    """Return numbers that take `width` bytes each, (numbers, width)."""
    digits = (values[:, None] >> (7 * np.arange(width))) & 0x7F
    digits[:, :-1] |= 0x80
    return digits.astype(np.uint8)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            "cannot make the folder {folder}: {reason}", folder=folder, reason=error.strerror or error
        ) from None
