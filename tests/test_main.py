"""The commands, as a shell calls them: one JSON object on stdout, or one clear line and exit 2."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import main
from core.attribution import attribute
from core.checkpoint import load
from core.lessons import lesson_names
from core.transform import prepare

ROOT = Path(__file__).parents[1]
SMALL = ["--width", "4", "--image-size", "8", "--batch-size", "8", "--threads", "1"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("trained")
    words = ["train", *SMALL, "--shortcuts", "twin", "--steps", "6", "--out", str(folder / "run"), "--json"]
    done = subprocess.run(
        [sys.executable, "main.py", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    made: dict[str, Any] = json.loads(done.stdout)
    return made


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


def pixels_of(path: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as opened:
        return np.array(opened)


def test_train_prints_what_the_design_says(trained: dict[str, Any]) -> None:
    assert set(trained) == {"run", "device", "images_per_second", "steps", "lanes"}
    with_shortcuts, plain = trained["lanes"]
    assert [lane["name"] for lane in trained["lanes"]] == ["A", "B"]
    assert with_shortcuts["shortcuts"] == [1.0] * 8
    assert plain["shortcuts"] == [0.0] * 8
    assert with_shortcuts["parameters"] == plain["parameters"] == with_shortcuts["parameters_in_use"]
    assert plain["parameters_in_use"] < plain["parameters"]
    for lane in trained["lanes"]:
        assert len(lane["loss"]) == trained["steps"] == 6
        assert len(lane["gradient_norms"]["first"]) == len(lane["output_gradient_norms"]["last"]) == 8
        assert 0 <= lane["test_accuracy"] <= 1
        assert load(lane["checkpoint"]).step == 6


def test_a_held_out_accuracy_is_that_of_the_checkpoint(trained: dict[str, Any]) -> None:
    """Recomputed apart: the saved weights on the ten thousand pictures, in plain PyTorch."""
    from core.datasets import load_dataset

    lane = trained["lanes"][0]
    dataset = load_dataset("fashion-mnist", image_size=8, seed=0)
    x = torch.from_numpy(dataset.held_out_images).float() / 255
    x = torch.nn.functional.adaptive_avg_pool2d(x, 8)
    x = ((x - dataset.mean[0]) / dataset.std[0]).expand(-1, 3, -1, -1)
    network = load(lane["checkpoint"]).network()
    with torch.inference_mode():
        predicted = torch.cat([network(part).argmax(1) for part in x.split(1000)])
    accuracy = (predicted.numpy() == dataset.held_out_labels).mean()
    assert lane["test_accuracy"] == pytest.approx(accuracy, abs=2e-4)


def test_lanes_by_flag(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [
        "train", *SMALL, "--steps", "2", "--out", str(tmp_path / "run"), "--json",
        "--lane", "name=deep,depth=20,shortcuts=0,0,0,0,0,0,0,0,1,lr=0.01", "--lane", "norm=none,init=torch",
    ]  # fmt: skip
    assert main.main(words) == 0
    lanes = json.loads(capsys.readouterr().out)["lanes"]
    assert [lane["name"] for lane in lanes] == ["deep", "B"]
    assert lanes[0]["shortcuts"] == [0.0] * 8 + [1.0]


def test_predict(trained: dict[str, Any], picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = trained["lanes"][0]["checkpoint"]
    assert main.main(["predict", path, str(picture), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    opened = load(path)
    pixels = pixels_of(picture)
    with torch.inference_mode():
        expected = opened.network()(torch.from_numpy(prepare(pixels, opened.transform))[None])[0]
    np.testing.assert_allclose(made["predictions"][0]["logits"], expected.numpy(), rtol=1e-5)
    top = made["predictions"][0]["top"]
    assert len(top) == 5
    assert top[0]["index"] == int(expected.argmax())
    assert top[0]["label"] == opened.class_names[top[0]["index"]]  # type: ignore[index]
    assert made["network"]["width"] == 4


def test_predict_with_strengths_and_an_array(
    trained: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = np.random.default_rng(1).normal(size=(3, 8, 8)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    path = trained["lanes"][0]["checkpoint"]
    assert main.main(["predict", path, str(tmp_path / "x.npy"), "--shortcuts", "off", "--json"]) == 0
    network = load(path).network()
    network.set_strengths((0.0,) * 8)
    with torch.inference_mode():
        expected = network(torch.from_numpy(array)[None])[0]
    made = json.loads(capsys.readouterr().out)
    np.testing.assert_allclose(made["predictions"][0]["logits"], expected.numpy(), rtol=1e-5)


@pytest.mark.parametrize("method", ["saliency", "integrated_gradients", "grad_cam", "occlusion"])
def test_attribute(
    method: str, trained: dict[str, Any], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = trained["lanes"][0]["checkpoint"], tmp_path / "map.npy"
    words = ["attribute", path, str(picture), "--method", method, "--out", str(out), "--json"]
    assert main.main(words) == 0
    made = json.loads(capsys.readouterr().out)
    found = np.load(out)
    assert list(found.shape) == made["shape"]
    opened = load(path)
    ready = torch.from_numpy(prepare(pixels_of(picture), opened.transform))
    expected = attribute(opened.network(), ready, method, made["target"]).attribution
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    assert (made["completeness_error"] is not None) == (method == "integrated_gradients")


def test_attribute_as_a_picture(
    trained: dict[str, Any], picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.png"
    assert main.main(["attribute", trained["lanes"][0]["checkpoint"], str(picture), "--out", str(out)]) == 0
    with Image.open(out) as made:
        assert made.size == (448, 448)


def test_lessons(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["lessons", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(lesson_names())
    assert len(rows) == 12
    assert all(set(row) == {"name", "title", "question"} for row in rows)


BAD = [
    ["train", "--depth", "19"], ["train", "--depth", "x"], ["train", "--steps", "-3"], ["train", "--steps", "0"],
    ["train", "--lr", "nan"], ["train", "--lr", "inf"], ["train", "--shortcuts", "1,1,1"],
    ["train", "--shortcuts", "1,1,1,1,1,1,1,2"], ["train", "--shortcuts", "maybe"], ["train", "--norm", "layer"],
    ["train", "--lesson", "no-such"], ["train", "--dataset", "no-such"], ["train", "--device", "tpu"],
    ["train", "--lane", "colour=red"], ["train", "--resume", "x"], ["train", "--momentum", "1.5"], ["train", "--what"],
    ["train", "--dataset", "cifar10", "--steps", "1"],
    ["lessons", "--check", "no-such"], ["predict", "no-such.pt", "x.png"], ["predict"],
    ["attribute", "no-such.pt", "x.png", "--out", "x.npy"], ["attribute", "a", "b", "--out", "x.jpg"],
    ["replay", "x"], ["export", "x", "--csv", "y"], ["bench", "no-such"], ["demo", "--seconds", "-1"],
    ["no-such-file.pt"], ["--lesson", "no-such"], ["--no-such-flag"],
]  # fmt: skip


@pytest.mark.parametrize("words", BAD, ids=" ".join)
def test_bad_input_is_one_line_and_exit_2(
    words: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main.main(words) == 2
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if line.startswith("skipscope: ")]
    assert len(lines) == 1
    assert said.out == ""
    assert "Traceback" not in said.err
    assert "usage" not in said.err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.pt", b""),
        ("text.pt", b"hello"),
        ("half.pt", b"PK\x03\x04" + b"\0" * 50),
        ("x.safetensors", b"\xff" * 64),
    ],
)
def test_a_bad_checkpoint_is_one_line(
    name: str, content: bytes, tmp_path: Path, picture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main.main(["predict", str(tmp_path / name), str(picture)]) == 2
    assert name in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_saves_and_exits_130(number: int, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ["train", *SMALL, "--epochs", "50", "--out", str(out), "--json"]
    process = subprocess.Popen(
        [sys.executable, "main.py", *words],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (out / "journal.sqlite-wal").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(2)
    process.send_signal(number)
    said, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    made = json.loads(said)
    assert made["interrupted"] is True
    lane = made["lanes"][0]
    assert len(lane["loss"]) == made["steps"] > 0
    assert load(lane["checkpoint"]).step == made["steps"]


@pytest.mark.slow
def test_a_seed_reproduces_a_run_bit_for_bit(tmp_path: Path, trained: dict[str, Any]) -> None:
    words = ["train", *SMALL, "--shortcuts", "twin", "--steps", "6", "--out", str(tmp_path / "run"), "--json"]
    done = subprocess.run(
        [sys.executable, "main.py", *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    again = json.loads(done.stdout)
    assert [lane["loss"] for lane in again["lanes"]] == [lane["loss"] for lane in trained["lanes"]]
    for old, new in zip(trained["lanes"], again["lanes"], strict=True):
        assert Path(old["checkpoint"]).read_bytes() == Path(new["checkpoint"]).read_bytes()


@pytest.mark.slow
def test_the_demo_runs_off_screen_without_a_display(tmp_path: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items()
        if key not in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }  # fmt: skip
    words = ["demo", "--seconds", "14", "--out", str(tmp_path / "demo"), "--json"]
    done = subprocess.run(
        [sys.executable, "main.py", *words], cwd=ROOT, capture_output=True, text=True, check=False,
        env=environment, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["steps"] > 5
    assert made["explanations"] > 0
    for path in made["screenshots"]:
        with Image.open(path) as shot:
            assert min(shot.size) >= 800


def test_a_display_that_does_not_answer_is_exit_2(tmp_path: Path) -> None:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    }
    done = subprocess.run(
        [sys.executable, "main.py"], cwd=ROOT, capture_output=True, text=True, check=False,
        env={**environment, "DISPLAY": ":987"}, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "spins"), [({}, "1000"), ({"GOMP_SPINCOUNT": "7"}, "7"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "")]
)
def test_openmp_waits_shortly_unless_told_otherwise(given: dict[str, str], spins: str) -> None:
    environment = {
        key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    code = "import main, os; print(os.environ.get('GOMP_SPINCOUNT', ''))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(main.__file__).parent, env=environment | given,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == spins
