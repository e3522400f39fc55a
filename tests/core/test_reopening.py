"""Going on with a recorded run: what was recorded stays, whatever happens on the way."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import journal_thread
from core.messages import LaneSlice
from core.records import RecordError, RunRecord, read_run, rename_run
from core.settings import NetworkSettings, RunSettings, twins

SETTINGS = RunSettings(twins(NetworkSettings(depth=18)))
BLOCKS = 8
ROOT = Path(__file__).parents[2]


def lane_slice(losses: Sequence[float]) -> LaneSlice:
    norms = np.ones((len(losses), BLOCKS))
    return LaneSlice(np.array(losses), np.full(len(losses), 0.5), norms, norms, 0.05, (), ())


@pytest.fixture
def records() -> Iterator[list[RunRecord]]:
    opened: list[RunRecord] = []
    yield opened
    for record in opened:
        record.close()


@pytest.fixture
def folder(tmp_path: Path, records: list[RunRecord]) -> Path:
    """A run of 30 steps with checkpoints at 0, 10, 20 and 30, a toggle after each, evaluations at each."""
    record = RunRecord.create(tmp_path / "run", SETTINGS, lesson="twins", extra={"class_names": ["靴子"]})
    records.append(record)
    record.set_state("running")
    record.append_checkpoint(0, "start", {"A": b"A0", "B": b"B0"})
    for step in (10, 20, 30):
        losses = [float(number) for number in range(step - 9, step + 1)]
        record.append_steps(step - 9, (lane_slice(losses), lane_slice([-loss for loss in losses])))
        record.append_checkpoint(step, "toggle", {"A": b"A%d" % step, "B": b"B%d" % step})
        record.append_command(step + 1, {"do": "learning_rate", "lane": None, "value": step / 100})
        record.append_command(step + 2, {"do": "learning_rate", "lane": None, "value": step / 200})
        record.append_evaluation(step, [(1 / step, 0.5), (math.nan, 0.1)])
    record.set_state("stopped")
    assert record.close()
    return tmp_path / "run"


def reopen(folder: Path, step: int, records: list[RunRecord]) -> RunRecord:
    records.append(RunRecord.reopen(folder, step))
    return records[-1]


def ask(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "journal.sqlite")
    rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def change(folder: Path, statement: str, *values: Any) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    with connection:
        connection.execute(statement, values)
    connection.close()


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "checkpoints").iterdir()}


# ---- what is kept, what is dropped --------------------------------------------------------


def test_a_run_goes_on_from_a_checkpoint_and_what_came_after_is_in_side_tables(
    folder: Path, records: list[RunRecord]
) -> None:
    settings = (folder / "settings.json").read_bytes()
    before = time.time()
    record = reopen(folder, 10, records)
    run = read_run(folder)
    assert (run.state, run.lesson, run.extra) == ("running", "twins", {"class_names": ["靴子"]})
    assert [lane.steps.tolist() for lane in run.lanes] == [list(range(1, 11))] * 2
    assert [(c.step, c.command["value"]) for c in run.commands] == [(11, 0.1)]
    assert [e.step for e in run.evaluations] == [10]
    assert [(c.step, c.lane) for c in run.checkpoints] == [(0, "A"), (0, "B"), (10, "A"), (10, "B")]

    dropped = ask(folder, "SELECT step, lane, loss, dropped_at FROM dropped_steps ORDER BY lane, step")
    assert [row[:2] for row in dropped] == [(step, lane) for lane in (0, 1) for step in range(11, 31)]
    assert [row[2] for row in dropped] == [*range(11, 31), *range(-11, -31, -1)]
    assert all(before <= row[3] <= time.time() for row in dropped)
    norms = ask(folder, "SELECT DISTINCT gradient_norms FROM dropped_steps")
    assert norms == [(np.ones(BLOCKS, "<f4").tobytes(),)]
    commands = ask(folder, "SELECT step, json FROM dropped_commands ORDER BY id")
    assert [(step, json.loads(text)["value"]) for step, text in commands] == [
        (12, 0.05), (21, 0.2), (22, 0.1), (31, 0.3), (32, 0.15),
    ]  # fmt: skip
    assert ask(folder, "SELECT DISTINCT step FROM dropped_evaluations") == [(20,), (30,)]
    assert ask(folder, "SELECT step, lane FROM dropped_checkpoints ORDER BY 1, 2") == [
        (20, "A"), (20, "B"), (30, "A"), (30, "B"),
    ]  # fmt: skip

    record.append_steps(11, (lane_slice([0.5, 0.25]), lane_slice([0.75])))
    record.append_command(12, {"do": "learning_rate", "lane": 0, "value": 1.0})
    record.append_checkpoint(12, "last", {"A": b"new A", "B": b"new B"})
    record.set_state("stopped")
    assert record.close()
    run = read_run(folder)
    assert run.lanes[0].losses.tolist() == [*range(1, 11), 0.5, 0.25]
    assert run.lanes[1].losses.tolist() == [*range(-1, -11, -1), 0.75]
    assert [c.command["value"] for c in run.commands] == [0.1, 1.0]
    assert run.open_checkpoint(12, "B") == b"new B"
    assert run.open_checkpoint(10, "A") == b"A10"
    assert files(folder) == {checkpoint.file for checkpoint in run.checkpoints}
    assert (folder / "settings.json").read_bytes() == settings
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "journal.sqlite",
        "settings.json",
    ]


def test_ids_and_file_numbers_continue_after_the_greatest_there_ever_was(
    folder: Path, records: list[RunRecord]
) -> None:
    old_files = files(folder)
    ids = {row[0] for row in ask(folder, "SELECT id FROM commands UNION SELECT id FROM evaluations")}
    for step in (30, 0, 0):
        record = reopen(folder, step, records)
        record.append_steps(1 + step, (lane_slice([1.0]),))
        record.append_command(step + 3, {"do": "x"})
        record.append_evaluation(step + 1, [(0.5, 0.5)])
        record.append_checkpoint(step + 1, "regular", {"A": b"a"})
        assert record.close()
        new = {row[0] for row in ask(folder, "SELECT id FROM commands WHERE json LIKE '%\"x\"%'")}
        new |= {row[0] for row in ask(folder, f"SELECT id FROM evaluations WHERE step = {step + 1}")}
        assert len(new) == 2
        assert min(new) > max(ids)
        ids |= new
        made = files(folder) - old_files
        assert len(made) == 1
        serial = max(int(name[-18:-12]) for name in made)
        assert serial > max(int(name[-18:-12]) for name in old_files)
        old_files |= made
    assert ask(folder, "SELECT count(*) FROM dropped_steps WHERE step = 1") == [(3,)]


def test_thinning_counts_the_checkpoints_from_before(
    folder: Path, records: list[RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_thread.retention.keep, "__defaults__", (3, 1000))
    record = reopen(folder, 20, records)
    record.append_checkpoint(25, "regular", {"A": b"5" * 900, "B": b""})  # too heavy for the toggles' ones
    record.append_checkpoint(26, "last", {"A": b"6" * 900, "B": b""})
    assert record.close()
    run = read_run(folder)
    assert sorted({checkpoint.step for checkpoint in run.checkpoints}) == [0, 10, 20, 26]
    assert files(folder) == {checkpoint.file for checkpoint in run.checkpoints}


def test_a_later_checkpoint_at_a_toggles_step_keeps_its_kind_and_replaces_its_files(
    folder: Path, records: list[RunRecord]
) -> None:
    record = reopen(folder, 20, records)
    record.append_checkpoint(20, "last", {"A": b"again", "B": b"again"})
    assert record.close()
    run = read_run(folder)
    assert {(c.step, c.kind) for c in run.checkpoints} == {(0, "start"), (10, "toggle"), (20, "toggle")}
    assert run.open_checkpoint(20, "A") == b"again"
    assert files(folder) == {checkpoint.file for checkpoint in run.checkpoints}


def test_files_that_a_kill_left_go_and_foreign_ones_stay(
    folder: Path, records: list[RunRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_thread.retention.keep, "__defaults__", (3, 10**9))
    checkpoints = folder / "checkpoints"
    victim = folder.parent / "00000099-0-000099.safetensors"
    for path in (victim, checkpoints / "00000031-0-000123.safetensors", checkpoints / "notes.txt"):
        path.write_bytes(b"x")
    change(folder, "INSERT INTO checkpoints VALUES (5, 'A', 'regular', 'notes.txt', '', 1)")
    change(folder, "INSERT INTO checkpoints VALUES (6, 'A', 'regular', '../settings.json', '', 1)")
    change(folder, "INSERT INTO checkpoints VALUES (7, 'A', 'regular', ?, '', 1)", f"../../{victim.name}")
    change(folder, "INSERT INTO checkpoints VALUES (29, 'A', 'regular', ?, '', 1)", f"../../{victim.name}")
    record = reopen(folder, 10, records)
    for step in (5, 6, 7, *range(11, 30)):  # the same steps again, and more than may stay
        record.append_checkpoint(step, "regular", {"A": b"a", "B": b"b"})
    assert record.close()
    assert victim.exists()
    assert (checkpoints / "notes.txt").exists()
    assert (folder / "settings.json").exists()
    assert not (checkpoints / "00000031-0-000123.safetensors").exists()
    assert min(int(name[-18:-12]) for name in files(folder) if name[:8] == "00000029") > 123


def test_a_run_can_be_reopened_without_its_checkpoints_folder(folder: Path, records: list[RunRecord]) -> None:
    shutil.rmtree(folder / "checkpoints")
    record = reopen(folder, 30, records)
    record.append_checkpoint(31, "regular", {"A": b"a"})
    assert record.close()
    assert read_run(folder).open_checkpoint(31, "A") == b"a"


# ---- who may ------------------------------------------------------------------------------


def test_a_run_that_this_process_records_is_refused_until_it_is_closed(
    folder: Path, records: list[RunRecord]
) -> None:
    record = reopen(folder, 30, records)
    content = ask(folder, "SELECT * FROM steps")
    for state in ("running", "stopped"):
        record.set_state(state)  # type: ignore[arg-type]
        time.sleep(0.7)
        with pytest.raises(RecordError, match=f"still on, in process {os.getpid()}"):
            RunRecord.reopen(folder.parent / "run" / ".." / "run", 10)
    assert ask(folder, "SELECT * FROM steps") == content
    assert record.close()
    reopen(folder, 10, records)


OWNER = """
import sys
from pathlib import Path
from core.records import RunRecord
record = RunRecord.reopen(Path(sys.argv[1]), 30)
record.set_state(sys.argv[2])
for line in sys.stdin:
    if line == "close\\n":
        record.close()
    print("done", flush=True)
"""


def owner(folder: Path, state: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(OWNER), str(folder), state],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    tell(process, "wait")
    return process


def tell(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdin
    assert process.stdout
    process.stdin.write(f"{word}\n")
    process.stdin.flush()
    assert process.stdout.readline() == "done\n"


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_run_of_another_living_process_is_refused_until_it_closes_or_dies(
    folder: Path, records: list[RunRecord], state: str
) -> None:
    with owner(folder, state) as process:
        time.sleep(0.7)  # its state is committed
        with pytest.raises(RecordError, match=f"still on, in process {process.pid}"):
            RunRecord.reopen(folder, 10)
        if state == "running":
            change(folder, "DELETE FROM state WHERE key = 'open'")  # as older versions recorded
            with pytest.raises(RecordError, match="still on"):
                RunRecord.reopen(folder, 10)
            process.kill()
            process.wait()
            assert read_run(folder).state == "interrupted"
        else:
            tell(process, "close")
        reopen(folder, 10, records)
        process.kill()


RACE = """
import os, sys, time
from pathlib import Path
from core.records import RecordError, RunRecord
for round in range(int(sys.argv[2])):
    pipes, children = [os.pipe(), os.pipe()], []
    begin = time.monotonic() + 0.1
    for _read, write in pipes:
        children.append(os.fork())
        if children[-1] == 0:
            time.sleep(max(begin - time.monotonic(), 0))
            try:
                record = RunRecord.reopen(Path(sys.argv[1]), 10)
                os.write(write, b"won")
            except RecordError as error:
                os.write(write, b"lost" if "still on" in str(error) else str(error).encode())
            time.sleep(60)
    print(*sorted(os.read(read, 400).decode() for read, _write in pipes), flush=True)
    for child in children:
        os.kill(child, 9)
        os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_of_two_that_reopen_a_run_at_once_exactly_one_gets_it(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(RACE), str(folder), "20"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    assert done.stdout.split("\n") == ["lost won"] * 20 + [""]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: shutil.rmtree(f), "is not a run folder"),
        (lambda f: (f / "settings.json").unlink(), "is not a run folder"),
        (lambda f: (shutil.rmtree(f), f.write_text("a file")), "cannot be gone on with"),
        (lambda f: (f / "journal.sqlite").unlink(), "unable to open"),
        (lambda f: (f / "journal.sqlite").write_bytes(b"no database" * 100), "not a database"),
        (lambda f: change(f, "DROP TABLE evaluations"), "no such table"),
        (lambda f: change(f, "ALTER TABLE steps DROP COLUMN accuracy"), "no such column"),
        (lambda f: change(f, "CREATE TABLE dropped_steps (step)"), "columns"),
        (lambda f: change(f, "DELETE FROM state"), "cannot be gone on with"),
        (lambda f: change(f, "UPDATE checkpoints SET bytes = 'x'"), "cannot be gone on with"),
        (lambda f: (f / "settings.json").write_text('{"format": 2, "program": "9"}'), "newer Skipscope"),
        (lambda f: shutil.copy(f / "settings.json", f / "journal.sqlite"), "cannot be gone on with"),
    ],
)
def test_what_cannot_be_gone_on_with_is_one_clear_line(
    folder: Path, damage: Callable[[Path], Any], said: str
) -> None:
    damage(folder)
    with pytest.raises(RecordError) as caught:
        RunRecord.reopen(folder, 10)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(folder.glob("journal.sqlite-*"))
    if said == "unable to open":
        assert not (folder / "journal.sqlite").exists()


# ---- names --------------------------------------------------------------------------------


def test_a_run_is_renamed_while_it_is_on_and_after(folder: Path, records: list[RunRecord]) -> None:
    assert read_run(folder).name == ""
    record = reopen(folder, 30, records)
    rename_run(folder, "  first\nlook ")
    record.append_steps(31, (lane_slice([1.0]),))
    assert read_run(folder).name == "first look"
    assert record.close()
    assert read_run(folder).name == "first look"
    rename_run(folder, "靴子 " * 1000)
    assert len(read_run(folder).name) <= 200
    assert read_run(folder).lanes[0].steps[-1] == 31
    rename_run(folder, "")
    assert read_run(folder).name == ""
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "journal.sqlite",
        "settings.json",
    ]
    with pytest.raises(RecordError, match="is not a run folder"):
        rename_run(folder.parent, "x")


def test_a_branch_knows_where_it_came_from_and_an_old_run_reads_without(
    folder: Path, tmp_path: Path, records: list[RunRecord]
) -> None:
    records.append(
        RunRecord.create(tmp_path / "branch", SETTINGS, parent=folder, parent_step=20, begins_at=20)
    )
    run = read_run(tmp_path / "branch")
    assert (run.parent, run.parent_step, run.begins_at) == (folder, 20, 20)
    assert (read_run(folder).parent, read_run(folder).parent_step, read_run(folder).begins_at) == (
        None,
        None,
        0,
    )
    content = json.loads((folder / "settings.json").read_text())
    for key in ("parent", "parent_step", "begins_at"):
        del content[key]
    (folder / "settings.json").write_text(json.dumps(content))
    assert (read_run(folder).parent, read_run(folder).parent_step, read_run(folder).begins_at) == (
        None,
        None,
        0,
    )
    for wrong in ({"parent": 3}, {"begins_at": "x"}, {"parent": "a", "parent_step": []}):
        (folder / "settings.json").write_text(json.dumps({**content, **wrong}))
        with pytest.raises(RecordError, match="cannot be read"):
            read_run(folder)


# ---- a reopening that is cut short --------------------------------------------------------

CONTENT = (
    "SELECT step, lane, loss FROM steps ORDER BY 2, 1",
    "SELECT id, step FROM commands ORDER BY 1",
    "SELECT id, step, lane FROM evaluations ORDER BY 1, 3",
    "SELECT step, lane, file FROM checkpoints ORDER BY 1, 2",
    "SELECT value FROM state WHERE key = 'state'",
)


def content(folder: Path) -> list[list[tuple[Any, ...]]]:
    return [ask(folder, query) for query in CONTENT]


class Failing(sqlite3.Connection):
    """Fails at a statement, before or after it is carried out."""

    left = 0
    after = False

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        return self._counted(super().execute, *arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        return self._counted(super().executemany, *arguments)

    def _counted(self, work: Callable[..., sqlite3.Cursor], *arguments: Any) -> sqlite3.Cursor:
        Failing.left -= 1
        if Failing.left == 0 and not Failing.after:
            raise sqlite3.OperationalError("disk I/O error")
        done = work(*arguments)
        if Failing.left == 0:
            raise sqlite3.OperationalError("disk I/O error")
        return done


@pytest.mark.parametrize("after", [False, True])
def test_an_error_at_any_statement_leaves_the_run_as_it_was_or_reopened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, records: list[RunRecord], after: bool
) -> None:
    old, old_files = content(folder), files(folder)
    shutil.copytree(folder, tmp_path / "whole")
    assert reopen(tmp_path / "whole", 10, records).close()
    new = content(tmp_path / "whole")
    assert old != new
    connect = sqlite3.connect
    monkeypatch.setattr(Failing, "after", after)
    results = []
    for point in range(1, 100):
        place = tmp_path / f"run{point}"
        shutil.copytree(folder, place)
        monkeypatch.setattr(Failing, "left", point)
        monkeypatch.setattr(sqlite3, "connect", lambda *a, **k: connect(*a, factory=Failing, **k))
        try:
            reopened = RunRecord.reopen(place, 10)
        except RecordError as error:
            reopened, reason = None, str(error)
        monkeypatch.setattr(sqlite3, "connect", connect)
        if reopened is not None:
            break  # that many statements there are
        assert "disk I/O error" in reason
        results.append(content(place))
        run = read_run(place)
        assert run.open_checkpoint(10, "A") == b"A10"
        if results[-1] == old:
            assert files(place) == old_files
            assert run.open_checkpoint(30, "B") == b"B30"
        else:
            assert results[-1] == new
        assert reopen(place, 10, records).close()  # and it can be tried again
        assert content(place) == new
    assert reopened is not None
    assert reopened.close()
    assert len(results) > 15
    assert (new in results) is after  # failing after the commit
    assert old in results


CUT_SHORT = """
import os, shutil, sqlite3, sys
from pathlib import Path
from core import records

class Killed(sqlite3.Connection):
    left = 0
    def execute(self, *arguments):
        Killed.left -= 1
        if Killed.left == 0:
            os.kill(os.getpid(), 9)
        return super().execute(*arguments)

connect = sqlite3.connect
sqlite3.connect = lambda *a, **k: connect(*a, factory=Killed, **k)
source = Path(sys.argv[1])
for point in range(1, 100):
    place = source.with_name(f"run{point}")
    shutil.copytree(source, place)
    child = os.fork()
    if child == 0:
        Killed.left = point
        record = records.RunRecord.reopen(place, 10)
        record.append_steps(11, ())
        record.close()
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
print(point)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_a_kill_at_any_statement_leaves_the_run_as_it_was_or_reopened(
    folder: Path, tmp_path: Path, records: list[RunRecord]
) -> None:
    shutil.copytree(folder, tmp_path / "whole")
    assert reopen(tmp_path / "whole", 10, records).close()
    old, new = content(folder), content(tmp_path / "whole")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CUT_SHORT), str(folder)],
        capture_output=True, text=True, cwd=ROOT, check=True,
    )  # fmt: skip
    points = int(done.stdout)
    assert points > 20
    seen = []
    for point in range(1, points):
        place = tmp_path / f"run{point}"
        run = read_run(place)
        assert run.open_checkpoint(10, "B") == b"B10"
        assert all(
            run.open_checkpoint(c.step, c.lane) == f"{c.lane}{c.step}".encode() for c in run.checkpoints
        )
        seen.append(content(place))
        assert run.state == ("stopped" if seen[-1] == old else "interrupted")
    assert old in seen
    assert new in seen
    assert all(each in (old, new) for each in seen)


# ---- kill -9 ------------------------------------------------------------------------------

VICTIM = """
import os, sys, time
import numpy as np
from pathlib import Path
from core.journal import Journal
from core.messages import LaneSlice
from core.records import RunRecord
from core.settings import NetworkSettings, RunSettings, twins

write = Journal.write

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # two threads say whole lines

def acknowledging(self, rows):
    rows = list(rows)
    write(self, rows)
    steps = [values[0] for statement, values in rows if "INTO steps" in statement]
    if steps:
        say("committed", min(steps), max(steps))

Journal.write = acknowledging
settings = RunSettings(twins(NetworkSettings(depth=18)))
norms = np.ones((1, 8))
for line in sys.stdin:
    attempt, step = map(int, line.split())
    child = os.fork()
    if child == 0:
        assert "torch" not in sys.modules
        folder = Path(sys.argv[1])
        record = RunRecord.create(folder, settings) if step < 0 else RunRecord.reopen(folder, step)
        record.set_state("running")
        step = max(step, 0)
        while True:
            step += 1
            lane = LaneSlice(np.array([attempt * 1e6 + step]), np.ones(1), norms, norms, 0.1, (), ())
            record.append_steps(step, (lane, lane))
            say("appended", step, time.monotonic())
            if step % 20 == 0:
                record.append_evaluation(step, [(attempt, 0.5), (attempt, 0.5)])
                data = step.to_bytes(4, "big") * 10_000
                record.append_checkpoint(step, "regular", {"A": data, "B": data})
            time.sleep(0.002)
    say("child", child)
    os.waitpid(child, 0)
    say("dead")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills forked children")
def test_20_kills_of_a_run_gone_on_with_lose_no_committed_step_and_double_none(
    tmp_path: Path, records: list[RunRecord]
) -> None:
    kill_and_reopen(20, tmp_path / "run", records, seed=7)


def kill_and_reopen(times: int, folder: Path, records: list[RunRecord], seed: int) -> None:
    """Kill the writer of a run at random moments and go on with the run each time."""
    random = np.random.default_rng(seed)
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(VICTIM), str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    ) as process:  # fmt: skip
        assert process.stdin
        assert process.stdout
        step, committed, began = -1, set(), 0
        for attempt in range(times):
            process.stdin.write(f"{attempt} {step}\n")
            process.stdin.flush()
            lines = [process.stdout.readline()]
            while not lines[-1].startswith("child"):
                lines.append(process.stdout.readline())
            time.sleep(random.uniform(0, 1.3) if attempt else 1.3)
            killed = time.monotonic()
            os.kill(int(lines[-1].split()[1]), 9)
            while not lines[-1].startswith("dead"):
                lines.append(process.stdout.readline())
            words = [line.split() for line in lines]
            for _word, first, last in (each for each in words if each[0] == "committed"):
                committed |= {(attempt, number) for number in range(int(first), int(last) + 1)}
            appended = [(int(n), float(at)) for word, n, at in (e for e in words if e[0] == "appended")]
            began += bool(appended)

            run = read_run(folder)
            assert run.state in ("created", "interrupted")
            for lane in run.lanes:
                assert lane.steps.tolist() == list(range(1, len(lane.steps) + 1))  # none twice, none missing
            safe = [number for number, at in appended if at < killed - 1]
            assert len(run.lanes[0].steps) >= max(safe, default=0)
            for checkpoint in run.checkpoints:
                data = run.open_checkpoint(checkpoint.step, checkpoint.lane)
                assert data[:4] == checkpoint.step.to_bytes(4, "big")
            assert all(len(evaluation.figures) == 2 for evaluation in run.evaluations)
            steps = sorted({checkpoint.step for checkpoint in run.checkpoints})
            step = int(random.choice(steps[-3:])) if steps else 0
    assert process.returncode == 0
    assert began > times * 0.6

    kept = "SELECT loss FROM steps UNION ALL SELECT loss FROM dropped_steps"
    found = [(int(loss) // 10**6, int(loss) % 10**6) for (loss,) in ask(folder, f"{kept} ORDER BY loss")]
    assert committed <= set(found)
    counts = np.unique(np.array(found), axis=0, return_counts=True)[1]
    assert (counts == 2).all()  # once in each lane: kept or dropped, never both
    assert reopen(folder, step, records).close()
    leftover = {path.name for path in (folder / "checkpoints").iterdir() if path.suffix != ".part"}
    assert leftover == {checkpoint.file for checkpoint in read_run(folder).checkpoints}
