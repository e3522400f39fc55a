"""Real full disks: one line says so, the old file stays, nothing half-written is left, and the run goes on."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pytestqt.qtbot import QtBot

import main
from core import journal_thread
from core.messages import EngineState, Failed, Play, SaveCheckpoint, Saved, Setup
from core.records import RunRecord, read_run
from core.settings import RunSettings, twins
from tests.core.by_hand import NETWORK, Bench, run_settings, use_tiny_dataset
from tests.core.test_headless_export import weights_of
from tests.core.test_records import lane_slice, wait_until

pytestmark = [pytest.mark.gate, pytest.mark.timeout(90)]
SIZE = 600 * 1024
LEFT = {"full": 0, "a page": 4096, "a little": 60_000}
OLD = b"what was there before"


class Disk:
    """A small file system of its own, and how much room is left on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, left: int) -> None:
        """Take all room but this."""
        with (self.folder / "filling").open("wb", buffering=0) as file:
            while (free := os.statvfs(self.folder)).f_bavail * free.f_bsize > left:
                try:
                    file.write(bytes(4096))
                except OSError:
                    break

    def free(self) -> None:
        """Give the room back."""
        (self.folder / "filling").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    done = (
        subprocess.run(words, capture_output=True, text=True, check=False) if hasattr(os, "geteuid") else None
    )
    if done is None or done.returncode:
        pytest.skip(
            f"no small file system can be mounted here: {done.stderr.strip() if done else 'not POSIX'}"
        )
    yield Disk(folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recorded run whose table and weights are larger than the disk is."""
    folder = tmp_path_factory.mktemp("recorded") / "run"
    settings = RunSettings(twins(NETWORK))
    record = RunRecord.create(folder, settings)
    generator = np.random.default_rng(0)
    for first in range(1, 3001, 500):
        slices = tuple(lane_slice(generator.normal(size=500).tolist()) for _ in settings.lanes)
        record.append_steps(first, slices)
    record.append_checkpoint(3000, "last", {each.name: weights_of(each, 3000) for each in settings.lanes})
    record.set_state("finished")
    assert record.close()
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "picture.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


Words = Callable[[Path, Path, Path], list[str]]  # of the run, a picture, and the file to be written
WRITERS: dict[str, tuple[Words, str]] = {
    "table": (lambda run, picture, out: ["export", str(run), "--csv", str(out)], "out.csv"),
    "events": (lambda run, picture, out: ["export", str(run), "--tensorboard", str(out)], "events"),
    "weights": (lambda run, picture, out: ["export", str(run), "--safetensors", str(out), "--lane", "A"],
                "out.safetensors"),
    "script": (lambda run, picture, out: ["export", str(run), "--script", str(out)], "out.py"),
    "map": (lambda run, picture, out: ["attribute", checkpoint(run), str(picture), "--method", "saliency",
                                       "--image-size", "224", "--out", str(out)], "out.npy"),
    "report": (lambda run, picture, out: ["attribute", checkpoint(run), str(picture), "--methods", "saliency",
                                          "--report", str(out)], "out.html"),
}  # fmt: skip
FIT = {("script", "a page"), ("script", "a little"), ("report", "a little")}  # these are written after all


def checkpoint(run: Path) -> str:
    return str(run / "checkpoints" / read_run(run).checkpoints[0].file)


@pytest.mark.parametrize("left", LEFT)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_that_does_not_fit_is_one_line_and_the_old_one_stays(
    writer: str, left: str, run: Path, picture: Path, disk: Disk, capsys: pytest.CaptureFixture[str]
) -> None:
    words, name = WRITERS[writer]
    target = disk.folder / name
    if writer != "events":
        target.write_bytes(OLD)
    disk.fill(LEFT[left])
    before = sorted(path.name for path in disk.folder.iterdir())
    code = main.main(words(run, picture, target))
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("skipscope: ")]
    if (writer, left) in FIT and code == 0:
        return
    assert code == 2
    assert len(said) == 1
    assert "No space left on device" in said[0]
    if writer != "events":
        assert target.read_bytes() == OLD
        assert sorted(path.name for path in disk.folder.iterdir()) == before
    assert not list(disk.folder.rglob(".*.part"))
    disk.free()
    if writer in ("script", "map", "report"):
        assert main.main(words(run, picture, target)) == 0


@pytest.mark.parametrize("left", LEFT)
def test_weights_that_do_not_fit_are_said_and_training_goes_on(
    left: str, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_dataset(monkeypatch)
    bench = Bench()
    bench.engine.submit(Setup(run_settings(steps=6)))
    bench.engine.tick(0)
    target = disk.folder / "weights.safetensors"
    target.write_bytes(OLD)
    disk.fill(LEFT[left])
    bench.engine.submit(SaveCheckpoint(0, target))
    bench.ticks(lambda: bool(bench.of(Failed)))
    (failure,) = bench.of(Failed)
    assert "No space left on device" in str(failure.notice)  # type: ignore[attr-defined]
    assert target.read_bytes() == OLD
    bench.ticks(bench.finished)
    assert len(bench.losses()) == 6
    disk.free()
    bench.engine.submit(SaveCheckpoint(0, target))
    bench.ticks(lambda: bool(bench.of(Saved)))


@pytest.mark.parametrize("left", LEFT)
def test_a_run_on_a_disk_that_fills_up_trains_on_and_records_on_when_there_is_room(
    left: str, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_dataset(monkeypatch)
    monkeypatch.setattr(journal_thread, "COMMIT_SECONDS", 0.02)
    bench = Bench(record=True)
    bench.engine.record_to(disk.folder / "run")
    bench.engine.submit(Setup(run_settings(steps=300), play=False))
    bench.engine.tick(0)
    if bench.engine.run is None or bench.engine.run.record is None:
        raise AssertionError(bench.of(Failed))
    folder = disk.folder / "run"
    disk.fill(LEFT[left])
    bench.engine.submit(Play())
    bench.ticks(bench.finished, most=2000)
    wait_until(lambda: bool(bench.of(Failed)))
    (failure,) = bench.of(Failed)
    assert "it is tried again" in str(failure.notice)  # type: ignore[attr-defined]
    assert len(bench.losses()) == 300
    disk.free()
    began = time.monotonic()
    bench.engine.close()
    assert time.monotonic() - began < 5
    assert bench.engine.state is EngineState.STOPPED
    stored = read_run(folder)
    assert stored.lanes[0].losses.tolist() == bench.losses()
    for each in stored.checkpoints:
        assert stored.open_checkpoint(each.step, each.lane)


def test_a_run_that_cannot_be_begun_on_a_full_disk_is_said_and_leaves_nothing(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_tiny_dataset(monkeypatch)
    disk.fill(0)
    bench = Bench(record=True)
    bench.engine.record_to(disk.folder / "run")
    bench.engine.submit(Setup(run_settings(steps=6)))
    bench.engine.tick(0)
    (failure,) = bench.of(Failed)
    assert "cannot make the run folder" in str(failure.notice)  # type: ignore[attr-defined]
    assert not (disk.folder / "run").exists()
    # among the user's runs it is only said, and the run goes on unrecorded
    monkeypatch.setenv("SKIPSCOPE_DATA_DIR", str(disk.folder / "data"))
    other = Bench(record=True)
    other.engine.submit(Setup(run_settings(steps=6)))
    other.ticks(other.finished)
    assert "not recorded" in str(other.of(Failed)[0].notice)  # type: ignore[attr-defined]
    assert len(other.losses()) == 6


@pytest.mark.parametrize("kind", ["svg", "png", "csv"])
def test_a_plot_that_does_not_fit_is_said_and_the_old_one_stays(kind: str, disk: Disk, qtbot: QtBot) -> None:
    from gui.curves_panel import CurvesPanel
    from gui.plot_export import export

    panel = CurvesPanel()
    qtbot.addWidget(panel)
    panel.resize(900, 600)
    panel.show()
    target = disk.folder / f"plot.{kind}"
    target.write_bytes(OLD)
    disk.fill(0)
    table = (("step", "loss"), [(step, 1.0) for step in range(5000)])
    said = export(panel.loss, table, target)
    assert "No space" in said or "could not be written" in said
    assert target.read_bytes() == OLD
