"""Runs are listed in a few figures, broken ones with their reason, without reading their steps."""

import json
import math
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import journal
from core.library import LaneSummary, RunSummary, iterate_runs, list_runs, loss_curve, matches, summarise
from core.messages import LaneSlice
from core.notices import Notice
from core.records import RecordError, RunRecord, rename_run
from core.settings import NetworkSettings, RunSettings, lane, twins

NETWORK = NetworkSettings(depth=18)
SETTINGS = RunSettings(
    (*twins(NETWORK), lane("C", NetworkSettings(depth=20, width=8), (1.0,) * 8 + (0.5,))), steps=40
)
ROOT = Path(__file__).parents[2]


def lane_slice(losses: Sequence[float], blocks: int = 8) -> LaneSlice:
    norms = np.ones((len(losses), blocks))
    return LaneSlice(np.array(losses), np.full(len(losses), 0.5), norms, norms, 0.05, (), ())


Make = Callable[..., RunRecord]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    made: list[RunRecord] = []

    def create(name: str, settings: RunSettings = SETTINGS, **options: Any) -> RunRecord:
        made.append(RunRecord.create(tmp_path / "runs" / name, settings, **options))
        return made[-1]

    yield create
    for record in made:
        record.close()


def test_a_run_is_summed_up(make: Make, tmp_path: Path) -> None:
    begin = time.time()
    record = make("run", lesson="twins", parent=tmp_path / "other", parent_step=100, begins_at=100)
    record.set_state("running")
    assert summarise(record.directory).steps == 100
    record.append_steps(101, (lane_slice([3.0, 2.0]), lane_slice([4.0, math.nan]), lane_slice([5.0, 6.0], 9)))
    record.append_steps(103, (lane_slice([1.5]), lane_slice([]), lane_slice([math.inf], 9)))
    record.append_evaluation(101, [(1.0, 0.25), (1.0, 0.1), (1.0, 0.3)])
    record.append_evaluation(102, [(1.0, 0.75), (math.nan, math.nan), (1.0, 0.5)])
    record.append_checkpoint(102, "last", {"A": bytes(5000)})
    rename_run(record.directory, "Second try")
    record.set_state("diverged")
    assert record.close()
    found = summarise(record.directory)
    files = [path for path in record.directory.rglob("*") if path.is_file()]
    assert begin <= found.created <= time.time()
    assert math.isnan(found.lanes[1].loss)  # type: ignore[arg-type]
    assert found == RunSummary(
        record.directory, "Second try", found.created, "diverged", "fashion-mnist", "twins",
        (
            LaneSummary("A", 18, 16, "with", 1.5, 0.75),
            LaneSummary("B", 18, 16, "plain", found.lanes[1].loss, None),
            LaneSummary("C", 20, 8, "mixed", math.inf, 0.5),
        ),
        103, 40, tmp_path / "other", sum(path.stat().st_size for path in files), None,
    )  # fmt: skip


def test_the_length_is_the_one_last_set_or_not_known(make: Make) -> None:
    record = make("run", RunSettings(twins(NETWORK)))
    assert summarise(record.directory).planned is None
    assert summarise(record.directory).lanes[0].loss is None
    for steps in (500, 700):
        record.append_command(1, {"do": "length", "steps": steps})
    record.append_command(1, {"do": "strengths", "lane": 0, "shortcuts": None, "branches": None})
    assert record.close()
    assert summarise(record.directory).planned == 700


def set_created(record: RunRecord, moment: float) -> None:
    path = record.directory / "settings.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "created": moment}))


def test_runs_come_newest_first_and_one_at_a_time(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, moment in (("b", 200.5), ("a", 3e9), ("c", 1.5), ("d", 1000.0)):
        record = make(name)
        assert record.close()
        set_created(record, moment)
    folder = record.directory.parent
    assert [run.directory.name for run in list_runs(folder)] == ["a", "d", "b", "c"]
    assert [run.directory.name for run in list_runs(folder, limit=2)] == ["a", "d"]
    opened = []
    original = journal.open_journal
    monkeypatch.setattr(journal, "open_journal", lambda path: (opened.append(path), original(path))[1])
    runs = iterate_runs(folder)
    assert next(runs).created == 3e9
    runs.close()  # type: ignore[attr-defined]
    assert len(opened) == 1
    assert list_runs(folder / "nowhere") == []


def change(folder: Path, statement: str) -> None:
    connection = sqlite3.connect(folder / "journal.sqlite")
    with connection:
        connection.execute(statement)
    connection.close()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "settings.json").unlink(), "is not a run folder"),
        (lambda f: (f / "settings.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "settings.json").write_text('{"format": 3, "created": 1.0}'), "newer Skipscope"),
        (lambda f: (f / "journal.sqlite").write_bytes(b"?" * 5000), "not a database"),
        (lambda f: (f / "journal.sqlite").unlink(), "unable to open"),
        (lambda f: change(f, "DROP TABLE evaluations"), "no such table"),
        (lambda f: change(f, "UPDATE steps SET loss = 'x'"), "cannot be read"),
        (lambda f: change(f, "UPDATE evaluations SET accuracy = 'x'"), "cannot be read"),
        (lambda f: change(f, "INSERT INTO commands VALUES (9, 1, 1, '\"length\"')"), "cannot be read"),
    ],
)
def test_a_broken_run_is_listed_with_its_reason_beside_the_others(
    make: Make, damage: Callable[[Path], Any], said: str
) -> None:
    for name in ("broken", "whole"):
        record = make(name)
        record.append_steps(1, (lane_slice([1.0]),))
        record.append_evaluation(1, [(1.0, 0.25)] * 3)
        assert record.close()
    folder = record.directory.parent
    damage(folder / "broken")
    runs = {run.directory.name: run for run in list_runs(folder)}
    assert runs["whole"].error is None
    assert said in str(runs["broken"].error)
    assert runs["broken"].created > 0
    assert runs["broken"].bytes > 0


@pytest.mark.skipif(os.name == "nt", reason="pipes and links of POSIX")
@pytest.mark.timeout(20)
def test_links_pipes_and_files_are_skipped_and_a_pipe_within_a_run_blocks_nobody(make: Make) -> None:
    record = make("run")
    assert record.close()
    folder = record.directory.parent
    (folder / "loop").symlink_to(folder)
    (folder / "itself").symlink_to(folder / "itself")
    (folder / "again").symlink_to(record.directory)
    (folder / "note.txt").write_text("x")
    (folder / "empty").mkdir()
    os.mkfifo(folder / "pipe")
    for name in ("settings.json", "journal.sqlite", "journal.sqlite-wal"):
        shutil.copytree(record.directory, folder / f"with {name}")
        (folder / f"with {name}" / name).unlink(missing_ok=True)
        os.mkfifo(folder / f"with {name}" / name)
    runs = {run.directory.name: run.error for run in list_runs(folder)}
    assert runs.pop("run") is None
    assert sorted(runs) == ["with journal.sqlite", "with journal.sqlite-wal", "with settings.json"]
    assert all("is not a file" in str(error) for error in runs.values())
    for name in runs:
        for work in (RunRecord.reopen, rename_run):
            with pytest.raises(RecordError, match="is not a file"):
                work(folder / name, 3)  # type: ignore[operator]


def test_a_killed_run_is_interrupted_and_a_living_one_running(make: Make, tmp_path: Path) -> None:
    record = make("run")
    record.set_state("running")
    ends = time.monotonic() + 20
    while (
        summarise(record.directory).state != "running" and time.monotonic() < ends
    ):  # the writer's own thread
        time.sleep(0.1)
    assert summarise(record.directory).state == "running"
    code = (
        "import os, sys, time; from pathlib import Path; from core.records import RunRecord;"
        "from core.settings import *;"
        "r = RunRecord.create(Path(sys.argv[1]), RunSettings(twins(NetworkSettings())));"
        "r.set_state('running'); time.sleep(3); os.kill(os.getpid(), 9)"
    )
    folder = tmp_path / "runs" / "killed"
    subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT, check=False)
    assert summarise(folder).state == "interrupted"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", True),
        ("deep", True),
        ("DEEP twin", True),
        ("cifar", True),
        ("vanishing", True),
        ("110", True),
        ("18", False),
        ("20", True),  # a depth, too
        ("2026", True),
        ("2026-11", True),
        ("11", False),  # part of a depth, or of a date
        ("november", True),
        ("deep 18", False),
        ("mnist", False),
    ],
)
def test_runs_are_found_by_words(text: str, found: bool) -> None:
    lanes = (LaneSummary("A", 110, 16, "with", 1.0, 0.5), LaneSummary("B", 20, 16, "plain", 1.0, 0.5))
    created = time.mktime((2026, 11, 18, 18, 11, 0, 0, 0, -1))
    run = RunSummary(Path("/runs/x"), "Deep Twins", created, "stopped", "cifar10", "vanishing-relu", lanes)
    assert matches(run, text) is found


def test_a_broken_run_is_found_by_its_folder() -> None:
    run = RunSummary(Path("/runs/lost-one"), created=math.inf, error=Notice("x"))
    assert matches(run, "lost")
    assert not matches(run, "found")


# ---- loss curves --------------------------------------------------------------------------


@pytest.mark.parametrize(("length", "most"), [(1, 10), (10, 10), (1000, 10), (1003, 50), (5000, 1)])
def test_a_loss_curve_holds_lowest_and_highest_of_each_bin(make: Make, length: int, most: int) -> None:
    losses = np.random.default_rng(length).normal(size=length)
    losses[length // 2] = 1e6
    record = make("run")
    record.append_steps(1, (lane_slice([1.0] * length), lane_slice(losses.tolist())))
    assert record.close()
    steps, low, high = loss_curve(record.directory, 1, most)
    size = math.ceil(length / most)
    parts = [losses[start : start + size] for start in range(0, length, size)]
    assert len(parts) <= most
    assert low.tolist() == [part.min() for part in parts]
    assert high.tolist() == [part.max() for part in parts]
    assert high.max() == 1e6
    middles = [start + 1 + (size - 1) / 2 for start in range(0, length, size)]
    assert steps.tolist() == [min(middle, length) for middle in middles]


def test_a_loss_curve_has_gaps_where_nothing_finite_is(make: Make) -> None:
    record = make("run")
    values = [1.0, math.nan, math.inf, -math.inf, math.nan, math.inf, 2.0, 3.0]
    record.append_steps(11, (lane_slice(values),))
    record.append_steps(21, (lane_slice([4.0, 5.0]),))  # steps 19 and 20 are missing
    assert record.close()
    steps, low, high = loss_curve(record.directory, 0, 6)
    assert steps.tolist() == [11.5, 13.5, 15.5, 17.5, 19.5, 21.5]
    np.testing.assert_array_equal(low, [1, math.nan, math.nan, 2, math.nan, 4])
    np.testing.assert_array_equal(high, [1, math.nan, math.nan, 3, math.nan, 5])
    assert loss_curve(record.directory, 7, 6)[1].tolist() == pytest.approx([math.nan] * 6, nan_ok=True)


def test_a_run_without_steps_has_an_empty_curve(make: Make) -> None:
    record = make("run")
    assert [len(part) for part in loss_curve(record.directory, 0, 100)] == [0, 0, 0]
    with pytest.raises(RecordError):
        loss_curve(record.directory.parent, 0, 100)


# ---- cost ---------------------------------------------------------------------------------


def test_listing_costs_under_2_ms_a_run_and_a_long_run_no_more(make: Make) -> None:
    record = make("base")
    losses = [1.0] * 5000
    for first in range(1, 40_001, 5000):
        record.append_steps(first, (lane_slice(losses), lane_slice(losses if first == 1 else [])))
    assert record.close(20)
    folder = record.directory.parent
    for number in range(100):
        target = folder / f"run{number}"
        target.mkdir()
        shutil.copy(record.directory / "settings.json", target)
        os.link(record.directory / "journal.sqlite", target / "journal.sqlite")
    costs = []
    for _ in range(3):
        begin = time.process_time()
        assert len(list_runs(folder)) == 101
        costs.append(time.process_time() - begin)
    assert min(costs) / 101 < 0.002


def test_the_library_imports_no_torch() -> None:
    code = "import sys, core.library; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
