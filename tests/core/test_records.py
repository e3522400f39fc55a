"""Run folders: what is written comes back, whatever happens to the process or the disk."""

import errno
import hashlib
import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from core import journal_thread, records
from core.files import write_atomically
from core.journal import Journal, open_journal
from core.messages import LaneSlice
from core.notices import Notice
from core.records import RecordError, RunRecord, read_run, read_steps, runs_folder
from core.settings import NetworkSettings, RunSettings, to_json, twins

SETTINGS = RunSettings(twins(NetworkSettings(depth=18)))
BLOCKS = 8
ROOT = Path(__file__).parents[2]


def lane_slice(losses: list[float], scale: float = 1.0) -> LaneSlice:
    norms = scale * np.arange(len(losses) * BLOCKS, dtype=np.float64).reshape(-1, BLOCKS)
    return LaneSlice(
        np.array(losses), np.full(len(losses), 0.5), norms, norms + 1, 0.05, (1.0,) * BLOCKS, (1.0,) * BLOCKS
    )


Make = Callable[..., RunRecord]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[RunRecord] = []

    def create(**options: Any) -> RunRecord:
        made.append(RunRecord.create(options.pop("directory", tmp_path / "run"), SETTINGS, **options))
        return made[-1]

    yield create
    for record in made:
        record.close()


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "not so in time"
        time.sleep(0.02)


def stored_steps(directory: Path) -> int:
    with open_journal(directory / "journal.sqlite") as connection:
        return connection.execute("SELECT count(*) FROM steps").fetchone()[0]


# ---- round trip ---------------------------------------------------------------------------


def test_a_run_comes_back_as_it_was(make: Make) -> None:
    record = make(
        lesson="vanishing", extra={"class_names": ["靴子"], "threads": 2, "versions": {"torch": "2"}}
    )
    record.set_state("running")
    record.append_steps(1, (lane_slice([2.5, math.nan]), lane_slice([math.inf, -math.inf])))
    record.append_steps(3, (lane_slice([1.5]), lane_slice([])))
    record.append_command(3, {"type": "SetStrengths", "shortcuts": [0.0, 1.0]})
    record.append_command(3, {"type": "Pause"})
    record.append_evaluation(2, [(1.0, 0.25), (math.nan, 0.1)], stale=1)
    record.append_evaluation(3, [(0.5, 0.5)])
    record.append_checkpoint(0, "start", {"A": b"a0", "B": b"b0"})
    record.append_checkpoint(3, "last", {"A": b"a3"})
    record.set_state("diverged")
    assert record.close()

    run = read_run(record.directory)
    assert (run.settings, run.lesson, run.state) == (SETTINGS, "vanishing", "diverged")
    assert run.extra == {"class_names": ["靴子"], "threads": 2, "versions": {"torch": "2"}}
    first, second = run.lanes
    assert first.steps.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(first.losses, [2.5, math.nan, 1.5])
    np.testing.assert_array_equal(second.losses, [math.inf, -math.inf])
    np.testing.assert_array_equal(first.gradient_norms[1], np.arange(8, 16))
    np.testing.assert_array_equal(second.output_gradients[0], np.arange(1, 9))
    assert not first.losses.flags.writeable
    assert [(c.step, c.command["type"]) for c in run.commands] == [(3, "SetStrengths"), (3, "Pause")]
    assert [(e.step, len(e.figures), e.stale) for e in run.evaluations] == [(2, 2, 1), (3, 1, None)]
    assert math.isnan(run.evaluations[0].figures[1][0])
    assert [(c.step, c.lane, c.kind) for c in run.checkpoints] == [
        (0, "A", "start"), (0, "B", "start"), (3, "A", "last"),
    ]  # fmt: skip
    assert run.open_checkpoint(0, "B") == b"b0"
    assert run.open_checkpoint(3, "A") == b"a3"


def test_a_run_can_be_read_without_its_steps(make: Make) -> None:
    record = make()
    record.append_steps(1, (lane_slice([2.5, 1.5, 0.5]), lane_slice([1.5, math.inf])))
    record.append_evaluation(3, [(1.0, 0.25), (1.0, 0.1)])
    assert record.close()
    run = read_run(record.directory, with_steps=False)
    assert [lane.steps.size for lane in run.lanes] == [0, 0]
    assert run.ends == read_run(record.directory).ends == ((3, 0.5), (2, math.inf))
    assert len(run.evaluations) == 1


def test_figures_of_one_evaluation_are_committed_together(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[list[Any]] = []
    write = Journal.write
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.0001)
    monkeypatch.setattr(
        Journal, "write", lambda self, rows: (batches.append(list(rows)), write(self, rows))[1]
    )
    record = make()
    for step in range(200):
        record.append_evaluation(step, [(1.0, 0.5), (2.0, 0.25)])
        time.sleep(0.001)
    assert record.close()
    counts = [sum("evaluations" in statement for statement, _values in rows) for rows in batches]
    assert sum(counts) == 400
    assert all(count % 2 == 0 for count in counts)
    assert len(counts) > 3


def test_norms_beyond_float32_are_infinite_and_nan_ones_nan(make: Make) -> None:
    record = make()
    record.append_steps(1, (lane_slice([1.0], scale=1e300), lane_slice([1.0], scale=math.nan)))
    assert record.close()
    first, second = read_run(record.directory).lanes
    assert first.gradient_norms[0, 1:].tolist() == [math.inf] * 7
    assert np.isnan(second.gradient_norms).all()


@given(st.lists(st.floats(width=64), max_size=30))
@limits(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_losses_come_back(losses: list[float]) -> None:
    record = RunRecord.create(None, SETTINGS)
    record.append_steps(1, (lane_slice(losses), lane_slice([])))
    assert record.close()
    np.testing.assert_array_equal(read_run(record.directory).lanes[0].losses, losses)


def test_part_of_a_lane_can_be_read_alone(make: Make) -> None:
    record = make()
    record.append_steps(1, (lane_slice([float(n) for n in range(1, 101)]),))
    assert record.close()
    assert read_steps(record.directory, 0, 40, 42).losses.tolist() == [40, 41, 42]
    assert read_steps(record.directory, 1, 40, 42).losses.size == 0


def test_a_closed_journal_is_one_file_and_reading_leaves_none(make: Make) -> None:
    record = make()
    record.append_steps(1, (lane_slice([1.0]),))
    assert record.close()
    assert record.close()
    read_run(record.directory)
    assert sorted(path.name for path in record.directory.iterdir()) == [
        "checkpoints", "journal.sqlite", "settings.json",
    ]  # fmt: skip


# ---- the writer ---------------------------------------------------------------------------


def test_another_connection_sees_a_step_within_a_second(make: Make) -> None:
    record = make()
    for number in range(1, 4):
        time.sleep(0.13)
        record.append_steps(number, (lane_slice([1.0]),))
        appended = time.monotonic()
        wait_until(lambda number=number: stored_steps(record.directory) >= number, 1.0)
        assert time.monotonic() - appended < 1.0


def test_appending_costs_the_caller_under_100_microseconds(make: Make) -> None:
    record = make()
    lanes = (lane_slice([1.0] * 10), lane_slice([1.0] * 10))
    data = {"A": bytes(100_000), "B": bytes(100_000)}
    costs = []
    for number in range(300):
        begin = time.perf_counter()
        record.append_steps(1 + 10 * number, lanes)
        record.append_command(number, {"type": "SetStrengths", "shortcuts": [1.0] * BLOCKS})
        if number % 100 == 0:
            record.append_checkpoint(number, "regular", data)
        costs.append(time.perf_counter() - begin)
        time.sleep(0.001)
    assert np.median(costs) < 100e-6
    assert record.close()


def test_the_thread_is_a_daemon_and_gone_after_close(make: Make) -> None:
    def named() -> list[threading.Thread]:
        return [thread for thread in threading.enumerate() if thread.name == "journal"]

    record = make()
    assert [thread.daemon for thread in named()] == [True]
    assert record.close()
    assert not named()


def test_old_checkpoints_go_and_no_file_is_left_without_a_row(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_thread.retention.keep, "__defaults__", (5, 10**9))
    record = make()
    record.append_checkpoint(0, "start", {"A": b"0"})
    for step in range(10, 200, 10):
        record.append_checkpoint(step, "toggle" if step == 50 else "regular", {"A": b"%d" % step})
    assert record.close()
    run = read_run(record.directory)
    steps = [checkpoint.step for checkpoint in run.checkpoints]
    assert len(steps) == 5
    assert {0, 50, 190} < set(steps)
    assert all(run.open_checkpoint(step, "A") == b"%d" % step for step in steps)
    files = {checkpoint.file for checkpoint in run.checkpoints}
    assert {path.name for path in (record.directory / "checkpoints").iterdir()} == files


def test_a_second_checkpoint_at_a_toggles_step_takes_its_place_and_its_kind(make: Make) -> None:
    record = make()
    record.append_checkpoint(7, "toggle", {"A": b"old", "B": b"old"})
    record.append_checkpoint(7, "last", {"A": b"new"})
    assert record.close()
    run = read_run(record.directory)
    assert [(c.step, c.lane, c.kind) for c in run.checkpoints] == [(7, "A", "toggle")]
    assert run.open_checkpoint(7, "A") == b"new"
    assert len(list((record.directory / "checkpoints").iterdir())) == 1


# ---- a disk that fails --------------------------------------------------------------------


def every(nth: int, work: Callable[..., Any], code: int) -> Callable[..., Any]:
    calls = iter(range(1, 10**9))

    def failing(*arguments: Any) -> Any:
        if next(calls) % nth == 0:
            raise OSError(code, os.strerror(code))
        return work(*arguments)

    return failing


@pytest.mark.parametrize("nth", [2, 3, 5])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_nothing_is_lost_when_every_nth_write_fails(
    make: Make, monkeypatch: pytest.MonkeyPatch, nth: int, code: int
) -> None:
    monkeypatch.setattr(journal_thread, "write_atomically", every(nth, write_atomically, code))
    monkeypatch.setattr(Journal, "write", every(nth, Journal.write, code))
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.02)
    said: list[Notice] = []
    record = make(on_error=said.append)
    for step in range(1, 21):
        record.append_steps(step, (lane_slice([float(step)]),))
        record.append_checkpoint(step, "toggle", {"A": b"%d" % step})
    folder = record.directory
    wait_until(lambda: len(read_run(folder).checkpoints) == 20)
    assert record.close()
    run = read_run(folder)
    assert run.lanes[0].losses.tolist() == list(range(1, 21))
    assert all(run.open_checkpoint(step, "A") == b"%d" % step for step in range(1, 21))
    assert len(said) == 1
    assert os.strerror(code) in str(said[0])


def test_a_disk_that_stays_full_is_said_once_and_close_says_what_is_missing(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.02)
    monkeypatch.setattr(journal_thread, "MOST_WAITING_BYTES", 1000)
    said: list[Notice] = []
    record = make(on_error=said.append)
    record.append_steps(1, (lane_slice([1.0]),))
    record.append_checkpoint(1, "regular", {"A": b"good"})
    wait_until(lambda: len(read_run(record.directory).checkpoints) == 1)
    monkeypatch.setattr(journal_thread, "write_atomically", every(1, write_atomically, errno.ENOSPC))
    monkeypatch.setattr(Journal, "write", every(1, Journal.write, errno.ENOSPC))
    for step in range(2, 12):
        record.append_steps(step, (lane_slice([1.0]),))
        record.append_checkpoint(step, "regular", {"A": bytes(300)})
        time.sleep(0.03)
    assert not record.close()
    assert len(said) == 1
    run = read_run(record.directory)
    assert run.open_checkpoint(1, "A") == b"good"
    assert run.lanes[0].steps.tolist() == [1]
    assert len(list((record.directory / "checkpoints").iterdir())) == 1


def test_a_really_full_database_rolls_back_and_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.02)
    said: list[Notice] = []
    connect = sqlite3.connect

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    record = make(on_error=said.append)
    monkeypatch.setattr(sqlite3, "connect", small)
    record.append_steps(1, (lane_slice([1.0] * 2000),))
    wait_until(lambda: bool(said))
    assert "full" in str(said[0])
    monkeypatch.setattr(sqlite3, "connect", connect)
    assert record.close()
    assert read_run(record.directory).lanes[0].losses.size == 2000


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
def test_a_folder_deleted_under_the_run_is_said_and_a_restored_one_is_used_again(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.02)
    said: list[Notice] = []
    record = make(on_error=said.append)
    record.append_steps(1, (lane_slice([1.0]),))
    wait_until(lambda: stored_steps(record.directory) == 1)
    shutil.copytree(record.directory, tmp_path / "away")
    shutil.rmtree(record.directory)
    record.append_steps(2, (lane_slice([2.0]),))
    record.append_checkpoint(2, "regular", {"A": b"2"})
    wait_until(lambda: bool(said))
    shutil.move(tmp_path / "away", record.directory)
    wait_until(lambda: len(read_run(record.directory).checkpoints) == 1)
    assert record.close()
    assert read_run(record.directory).lanes[0].losses.tolist() == [1.0, 2.0]


@pytest.mark.skipif(os.name == "nt", reason="Windows deletes no open file")
def test_a_folder_that_stays_deleted_or_a_broken_listener_does_not_stop_the_thread(make: Make) -> None:
    def broken(notice: Notice) -> None:
        raise RuntimeError("Signal source has been deleted")

    record = make(on_error=broken)
    shutil.rmtree(record.directory)
    record.append_steps(1, (lane_slice([1.0]),))
    assert not record.close()


def test_readings_that_do_not_fit_are_said_and_the_next_ones_recorded(make: Make) -> None:
    said: list[Notice] = []
    record = make(on_error=said.append)
    whole = lane_slice([1.0, 2.0])
    torn = LaneSlice(
        whole.losses[:1], whole.accuracies, whole.gradient_norms, whole.output_gradients, 0.1, (), ()
    )
    record.append_steps(1, (torn,))
    record.append_steps(2, (lane_slice([3.0]),))
    assert not record.close()
    assert len(said) == 1
    assert read_run(record.directory).lanes[0].losses.tolist() == [3.0]


# ---- kill -9 ------------------------------------------------------------------------------

VICTIM = """
import sys
import numpy as np
from pathlib import Path
from core import journal_thread
from core.journal import Journal
from core.messages import LaneSlice
from core.records import RunRecord
from core.settings import NetworkSettings, RunSettings, twins

journal_thread.COMMIT_SECONDS = 0.005
write = Journal.write

def say(words):  # in one write: print may write the end of the line by itself, and both processes speak
    sys.stdout.write(f"{words}\\n")
    sys.stdout.flush()

def acknowledging(self, rows):
    rows = list(rows)
    write(self, rows)
    steps = [values[0] for statement, values in rows if "INTO steps" in statement]
    if steps:
        say(max(steps))

Journal.write = acknowledging
settings = RunSettings(twins(NetworkSettings(depth=18)))
for run in range(int(sys.argv[1])):
    if sys.stdin.readline() == "":
        break
    child = __import__("os").fork()
    if child == 0:
        assert "torch" not in sys.modules
        record = RunRecord.create(Path(sys.argv[2]) / str(run), settings)
        record.set_state("running")
        norms = np.ones((1, 8))
        step = 0
        while True:
            step += 1
            lane = LaneSlice(np.array([float(step)]), np.ones(1), norms, norms, 0.1, (), ())
            record.append_steps(step, (lane, lane))
            if step % 20 == 0:
                record.append_checkpoint(step, "regular", {"A": step.to_bytes(4, "big") * 50_000})
            __import__("time").sleep(0.0005)
    say(f"child {child}")
    __import__("os").waitpid(child, 0)
    say("dead")
"""


def acknowledged(lines: list[str]) -> int:
    return max((int(line) for line in lines if line.strip().isdigit()), default=0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_25_kills_lose_no_acknowledged_row_and_leave_no_unreadable_checkpoint(own_data_folder: Path) -> None:
    kill_writers(25, seed=4)


def kill_writers(times: int, seed: int) -> None:
    """Kill so many writers at random moments and look at what each left; then sweep."""
    random = np.random.default_rng(seed)
    runs = runs_folder()
    begin = time.monotonic()
    checkpoints = drafts = 0
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(VICTIM), str(times), str(runs)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        for number in range(times):
            process.stdin.write("\n")
            process.stdin.flush()
            lines = [process.stdout.readline()]
            while not lines[-1].startswith("child"):
                lines.append(process.stdout.readline())
            time.sleep(random.uniform(0.02, 0.4))
            os.kill(int(lines[-1].split()[1]), 9)
            while not lines[-1].startswith("dead"):
                lines.append(process.stdout.readline())
            folder = runs / str(number)
            if not (folder / "settings.json").exists():
                continue  # killed before there was a run
            run = read_run(folder)
            assert run.state in ("created", "interrupted")
            steps = run.lanes[0].steps
            assert steps.tolist() == list(range(1, len(steps) + 1))
            assert len(steps) >= acknowledged(lines)
            for checkpoint in run.checkpoints:
                assert run.open_checkpoint(checkpoint.step, "A")[:4] == checkpoint.step.to_bytes(4, "big")
            checkpoints += len(run.checkpoints)
            drafts += len(list(folder.glob("**/.*.part")))
        process.stdin.close()
    assert process.returncode == 0
    assert checkpoints > times
    assert time.monotonic() - begin < 0.6 * times

    record = RunRecord.create(None, SETTINGS)
    assert record.close()
    assert not list(runs.glob("**/.*.part")), f"{drafts} drafts were left by the kills"


def test_the_sweep_spares_a_living_run_and_foreign_files(make: Make) -> None:
    alive = make(directory=None)
    folder = alive.directory / "checkpoints"
    young, old, foreign = folder / ".0a.part", folder / ".0b.part", folder / "mine.part"
    for path in (young, old, foreign):
        path.write_bytes(b"")
    os.utime(old, (0, 0))
    make(directory=None).close()
    assert (young.exists(), old.exists(), foreign.exists()) == (True, False, True)


# ---- folders ------------------------------------------------------------------------------


def test_a_run_without_a_named_folder_goes_among_the_users_runs(make: Make) -> None:
    record = make(directory=None)
    assert record.directory.parent == runs_folder()
    assert time.strptime(record.directory.name[:19], "%Y-%m-%d_%H-%M-%S")


def test_a_folder_that_holds_a_run_is_refused_and_stays_as_it_is(make: Make) -> None:
    record = make(lesson="first")
    record.close()
    with pytest.raises(RecordError, match="holds a run already"):
        make(lesson="second")
    assert read_run(record.directory).lesson == "first"


def test_an_empty_folder_or_one_with_other_files_is_taken(make: Make, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "result.json").touch()
    assert make().close()


def test_a_file_in_the_way_is_one_clear_line(make: Make, tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(RecordError, match=r"cannot make the run folder .*: File exists"):
        make()


def test_a_full_disk_at_the_start_leaves_nothing_behind(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "write_atomically", every(1, write_atomically, errno.ENOSPC))
    with pytest.raises(RecordError, match="No space left"):
        make()
    assert not (tmp_path / "run").exists()


# ---- reading what is not as written -------------------------------------------------------


@pytest.fixture
def folder(make: Make) -> Path:
    record = make()
    record.append_steps(1, (lane_slice([1.0, 2.0]),))
    record.append_checkpoint(0, "start", {"A": b"weights"})
    record.set_state("running")
    assert record.close()
    return record.directory


def change(folder: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()


def change_settings(folder: Path, **values: Any) -> None:
    content = json.loads((folder / "settings.json").read_text())
    (folder / "settings.json").write_text(json.dumps({**content, **values}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "settings.json").unlink(), "is not a run folder"),
        (lambda f: (f / "settings.json").write_bytes(b"\xff{"), "cannot be read"),
        (lambda f: (f / "settings.json").write_text("[1]"), "cannot be read"),
        (lambda f: (f / "settings.json").write_text("[" * 100_000), "cannot be read"),
        (lambda f: change_settings(f, settings={}), "1 to 4 lanes"),
        (lambda f: change_settings(f, settings={**to_json(SETTINGS), "colour": 1}), "unknown setting colour"),
        (lambda f: change_settings(f, settings={"lanes": 3}), "cannot be read"),
        (lambda f: change_settings(f, format=2), "newer Skipscope"),
        (lambda f: change_settings(f, extra=[]), "wrong kind"),
        (lambda f: (f / "journal.sqlite").unlink(), "unable to open"),
        (lambda f: (f / "journal.sqlite").write_bytes(b"no database" * 100), "not a database"),
        (lambda f: change(f, "DROP TABLE steps"), "no such table"),
        (lambda f: change(f, "UPDATE steps SET loss = 'x'"), "cannot be read"),
        (lambda f: change(f, "UPDATE steps SET gradient_norms = x'00' WHERE step = 1"), "cannot be read"),
        (lambda f: change(f, "UPDATE steps SET gradient_norms = 'text'"), "cannot be read"),
        (lambda f: change(f, "UPDATE state SET value = 'x'"), "unknown state"),
        (lambda f: change(f, "DELETE FROM state"), "cannot be read"),
        (lambda f: change(f, "INSERT INTO commands VALUES (1, 1, 1, '{')"), "cannot be read"),
    ],
)
def test_a_foreign_or_damaged_folder_is_one_clear_line(
    folder: Path, damage: Callable[[Path], Any], said: str
) -> None:
    damage(folder)
    with pytest.raises(RecordError) as caught:
        read_run(folder)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_running_run_whose_process_is_gone_is_interrupted(folder: Path) -> None:
    assert read_run(folder).state == "running"
    change(folder, "UPDATE state SET value = '1.0' WHERE key = 'started'")
    assert read_run(folder).state == "interrupted"


def test_a_damaged_missing_or_outside_checkpoint_is_refused(folder: Path) -> None:
    run = read_run(folder)
    path = folder / "checkpoints" / run.checkpoints[0].file
    with pytest.raises(RecordError, match="no checkpoint of lane B"):
        run.open_checkpoint(0, "B")
    path.write_bytes(b"Weights")
    with pytest.raises(RecordError, match="damaged"):
        run.open_checkpoint(0, "A")
    path.unlink()
    with pytest.raises(RecordError, match="cannot read"):
        run.open_checkpoint(0, "A")
    outside = hashlib.sha256((folder / "settings.json").read_bytes()).hexdigest()
    change(folder, "UPDATE checkpoints SET file = '../settings.json', sha256 = ?", outside)
    with pytest.raises(RecordError, match="outside its folder"):
        read_run(folder).open_checkpoint(0, "A")


def test_records_import_no_torch() -> None:
    code = "import sys, core.records; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
