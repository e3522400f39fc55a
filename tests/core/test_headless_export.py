"""`export` as a shell calls it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import main
from core.checkpoint import to_bytes
from core.network import ResidualNetwork
from core.records import RunRecord
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane, twins
from core.setup_text import setup_from_text
from core.transform import CIFAR10

ROOT = Path(__file__).parents[2]
SMALL = NetworkSettings(width=4)
Export = Callable[..., tuple[int, dict[str, Any], str]]


def weights_of(settings: LaneSettings, step: int) -> bytes:
    network = ResidualNetwork(settings.network)
    network.set_strengths(settings.shortcuts, settings.branches)
    return to_bytes(network, transform=CIFAR10, class_names=None, step=step, dataset=None)


def recorded(folder: Path, settings: RunSettings) -> Path:
    """A run with a checkpoint at steps 0 and 5."""
    record = RunRecord.create(folder, settings)
    for step, kind in ((0, "start"), (5, "last")):
        files = {each.name: weights_of(each, step) for each in settings.lanes}
        record.append_checkpoint(step, kind, files)
    record.append_evaluation(5, [(1.0, 0.5)] * len(settings.lanes))
    record.set_state("finished")
    assert record.close()
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return recorded(tmp_path / "run", RunSettings(twins(SMALL), seed=3))


@pytest.fixture
def export(capsys: pytest.CaptureFixture[str]) -> Export:
    def call(*words: object) -> tuple[int, dict[str, Any], str]:
        code = main.main(["export", *map(str, words), "--json"])
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    return call


def test_everything_at_once(run: Path, tmp_path: Path, export: Export) -> None:
    code, made, said = export(
        run, "--csv", tmp_path / "run.csv", "--tensorboard", tmp_path / "board", "--safetensors",
        tmp_path / "ours.safetensors", "--torchvision", tmp_path / "theirs.pt", "--script",
        tmp_path / "plain.py", "--setup", tmp_path / "setup.toml",
    )  # fmt: skip
    assert (code, said) == (0, "")
    assert set(made) == {
        "run", "csv", "tensorboard", "safetensors", "torchvision", "script", "setup", "notes",
    }  # fmt: skip
    assert made["run"] == str(run)
    assert made["safetensors"] == [str(tmp_path / f"ours-{name}.safetensors") for name in "AB"]
    assert made["torchvision"] == [str(tmp_path / f"theirs-{name}.pt") for name in "AB"]
    for value in (made[key] for key in made if key not in ("run", "notes")):
        for path in value if isinstance(value, list) else [value]:
            assert Path(path).stat().st_size > 0
    assert any("theirs-B.pt" in note and "strength 1" in note for note in made["notes"])
    assert "layer2.0.downsample.0.weight" in torch.load(tmp_path / "theirs-A.pt", weights_only=True)
    assert setup_from_text((tmp_path / "setup.toml").read_text("utf-8")) == RunSettings(twins(SMALL), seed=3)
    assert "LANES = [" in (tmp_path / "plain.py").read_text("utf-8")


def test_a_lane_that_is_named_goes_to_the_file_itself(run: Path, tmp_path: Path, export: Export) -> None:
    target = tmp_path / "ours.safetensors"
    code, made, _ = export(run, "--safetensors", target, "--lane", "B", "--step", 0)
    assert (code, made) == (0, {"run": str(run), "safetensors": str(target)})
    files = {path.name.split("-")[1]: path for path in (run / "checkpoints").glob("00000000-*")}
    assert target.read_bytes() == files["1"].read_bytes()
    assert [path.name for path in tmp_path.glob("ours*")] == ["ours.safetensors"]


def test_a_single_lane_needs_no_name(tmp_path: Path, export: Export) -> None:
    run = recorded(tmp_path / "one", RunSettings((lane("A", SMALL),)))
    code, made, _ = export(run, "--safetensors", tmp_path / "ours.safetensors")
    assert (code, made["safetensors"]) == (0, str(tmp_path / "ours.safetensors"))
    assert "layer2.0.shortcut.0.weight" in load_file(made["safetensors"])


def test_without_json_it_says_what_it_wrote(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["export", str(run), "--csv", str(tmp_path / "run.csv")]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"csv: {tmp_path / 'run.csv'}\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "name at least one thing to write: --csv, --tensorboard, "),
        (("--csv",), "expected one argument"),
        (("--cvs", "x"), "unrecognized arguments"),
        (("--csv", "."), "--csv needs the name of a file, not of a folder"),
        (("--csv", "nowhere/x.csv"), "cannot write nowhere/x.csv: No such file or directory"),
        (("--csv", "x", "--lane", "A"), "--lane and --step choose weights"),
        (("--safetensors", "x", "--lane", "C"), "the run has no lane C; its lanes: A, B"),
        (("--safetensors", "x", "--step", "4"), "no checkpoint of lane A at step 4; it has 0, 5"),
        (("--safetensors", "x", "--step", "four"), "'four' is not a whole number"),
        (("--torchvision", "x.onnx"), "x.onnx must end in .pt, .pth, .safetensors"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(
    run: Path, tmp_path: Path, export: Export, monkeypatch: pytest.MonkeyPatch, words: Any, reason: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    code, made, said = export(run, *words)
    assert (code, made) == (2, {})
    assert reason in said
    assert said.count("\n") == 1
    assert not list((tmp_path / "here").iterdir())


def test_a_folder_that_is_no_run_is_said(tmp_path: Path, export: Export) -> None:
    code, _, said = export(tmp_path, "--csv", tmp_path / "x.csv")
    assert (code, said) == (2, f"skipscope: {tmp_path} is not a run folder\n")


def test_nothing_is_written_when_something_cannot_be(tmp_path: Path, export: Export) -> None:
    run = recorded(tmp_path / "pre", RunSettings((lane("A", NetworkSettings(width=4, block="pre")),)))
    code, _, said = export(run, "--csv", tmp_path / "run.csv", "--torchvision", tmp_path / "theirs.pt")
    assert code == 2
    assert "torchvision has no network like this" in said
    assert not (tmp_path / "run.csv").exists()


def test_tables_and_set_ups_need_no_torch() -> None:
    names = ["core.headless.export", "core.exports", "core.export_csv", "core.export_tensorboard",
             "core.export_script", "core.setup_text", "core.degradation"]  # fmt: skip
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}: importlib.import_module(name)\n"
        "sys.exit('torch' in sys.modules or 'tensorboard' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
