"""The exported script: it runs by itself and does what Skipscope does."""

import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.batches import Batches
from core.datasets import Dataset
from core.export_script import script
from core.live_run import LiveRun
from core.network import ResidualNetwork, initialise
from core.settings import LaneSettings, NetworkSettings, RunSettings, lane, twins

SMALL = NetworkSettings(width=4)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Two threads for such small networks only get into each other's way."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def namespace(settings: RunSettings, folder: Path) -> dict[str, Any]:
    """What the script defines, without its main()."""
    path = folder / "exported.py"
    path.write_text(script(settings), "utf-8")
    return runpy.run_path(str(path), run_name="exported")


def strengths(network: NetworkSettings, *values: float) -> tuple[float, ...]:
    return tuple(values[number % len(values)] for number in range(network.block_count))


@pytest.mark.slow
def test_it_runs_by_itself(tmp_path: Path) -> None:
    settings = RunSettings(
        (*twins(SMALL), lane('a "third"', NetworkSettings(depth=20, width=4, norm="none"))),
        image_size=8, batch_size=4, schedule="cosine", augment=True,
    )  # fmt: skip
    path = tmp_path / "exported.py"
    path.write_text(script(settings), "utf-8")
    done = subprocess.run(
        [sys.executable, "-W", "error", str(path), "--synthetic", "--steps", "2", "--device", "cpu"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["step 1", "step 2"]
    for name in ("A", "B", 'a "third"'):
        assert f"  {name} " in lines[-1]
    assert not any(path.suffix == "" for path in tmp_path.iterdir())  # nothing was fetched


@pytest.mark.parametrize(
    "settings",
    [
        SMALL,
        NetworkSettings(width=16, projection="pad"),  # wide enough for channels last
        NetworkSettings(depth=34, width=4, stem="7x7", classes=3),
        NetworkSettings(depth=20, width=4, block="pre"),
        NetworkSettings(width=4, block="pre", stem="7x7", projection="pad"),
        NetworkSettings(width=4, norm="none", activation="tanh"),
        NetworkSettings(width=4, norm="none", block="pre", activation="sigmoid"),
        NetworkSettings(depth=32, width=4, block="pre_shared"),
    ],
    ids=str,
)
def test_its_network_is_ours(settings: NetworkSettings, tmp_path: Path) -> None:
    lanes = tuple(
        LaneSettings(name, settings, strengths(settings, *shortcuts), strengths(settings, *branches))
        for name, shortcuts, branches in (
            ("on", (1.0,), (1.0,)), ("off", (0.0,), (1.0,)), ("mixed", (0.5, 0.0, 1.0), (1.0, 0.5, 0.0)),
        )
    )  # fmt: skip
    made = namespace(RunSettings(lanes), tmp_path)
    pictures = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    for each, values in zip(lanes, made["LANES"], strict=True):
        ours, theirs = ResidualNetwork(settings), made["Network"](values)
        initialise(ours, 5)
        ours.set_strengths(each.shortcuts, each.branches)
        with torch.inference_mode():
            ours.train()(pictures)  # statistics that are not those of a new network
        theirs.load_state_dict(ours.state_dict(), strict=True)
        assert list(theirs.state_dict()) == list(ours.state_dict())
        with torch.inference_mode():
            expected, found = ours.eval()(pictures), theirs.eval()(pictures)
        assert expected.std() > 0
        torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("init", ["he", "torch"])
@pytest.mark.parametrize("branch_init", ["normal", "small", "zero"])
@pytest.mark.parametrize("norm", ["batch", "none"])
def test_it_starts_from_the_same_weights(init: Any, branch_init: Any, norm: Any, tmp_path: Path) -> None:
    for block in ("post", "pre"):
        settings = NetworkSettings(width=4, init=init, branch_init=branch_init, norm=norm, block=block)
        made = namespace(RunSettings((lane("A", settings),), seed=11), tmp_path)
        ours, theirs = ResidualNetwork(settings), made["Network"](made["LANES"][0])
        initialise(ours, 11)
        made["initialise"](theirs, made["LANES"][0])
        for name, expected in ours.state_dict().items():
            assert torch.equal(theirs.state_dict()[name], expected), name


def pictures(channels: int, side: int) -> Dataset:
    draw = np.random.default_rng(4)
    images = draw.integers(0, 256, (50, channels, side, side), dtype=np.uint8)
    labels = draw.integers(0, 10, 50)
    values = images.transpose(1, 0, 2, 3).reshape(channels, -1) / 255
    mean, std = (np.broadcast_to(each, 3).tolist() for each in (values.mean(1), values.std(1)))
    names = tuple("abcdefghij")
    return Dataset("test", images, labels, images[:5], labels[:5], names, tuple(mean), tuple(std))


@pytest.mark.parametrize(("channels", "size"), [(1, 12), (3, 8), (3, 20)])
@pytest.mark.parametrize("augment", [False, True])
def test_its_batches_are_ours(channels: int, size: int, augment: bool, tmp_path: Path) -> None:
    settings = RunSettings(twins(SMALL), image_size=size, batch_size=8, seed=3, augment=augment)
    dataset = pictures(channels, 12)
    ours = Batches(dataset, settings, torch.device("cpu"))
    made = namespace(settings, tmp_path)
    theirs = made["Batches"](torch.from_numpy(dataset.images), torch.from_numpy(dataset.labels), "cpu")
    for step in (1, 2, 6, 7, 20):  # three epochs
        (expected, labels), (found, found_labels) = ours.batch(step), theirs[step]
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        assert torch.equal(found_labels, labels)


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_its_losses_are_those_of_the_run(schedule: Any, tmp_path: Path) -> None:
    half = lane("half", NetworkSettings(width=4, projection="pad"), 0.5, learning_rate=0.02)
    settings = RunSettings(
        (*twins(SMALL, learning_rate=0.01), half), image_size=12, batch_size=10, seed=2, steps=6,
        schedule=schedule, weight_decay=0.01, threads=1,
    )  # fmt: skip
    dataset = pictures(3, 12)
    run = LiveRun(settings, dataset, torch.device("cpu"))
    for _ in range(6 * 3):
        run.train_lane()
    expected = [each.take_readings().losses for each in run.lanes]
    run.release()
    made = namespace(settings, tmp_path)
    batches = made["Batches"](torch.from_numpy(dataset.images), torch.from_numpy(dataset.labels), "cpu")
    found = made["train"](batches, 6, "cpu", say=lambda _: None)
    assert np.ptp(expected) > 0.1
    np.testing.assert_allclose(found, expected, rtol=2e-4)


def test_it_reads_what_torchvision_has_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --download nothing may be fetched, and what is not there is torchvision's to say."""
    settings = RunSettings((lane("A", SMALL),), dataset="cifar10", image_size=32)
    made = namespace(settings, tmp_path)
    monkeypatch.setattr(sys, "argv", ["exported.py", "--data", str(tmp_path / "nothing")])
    with pytest.raises(RuntimeError, match="Dataset not found"):
        made["main"]()
    assert not (tmp_path / "nothing").exists()


def test_names_and_paths_stay_data(tmp_path: Path) -> None:
    name = "'''); raise SystemExit(1) #\n\"\\ TITLE # <settings>"
    each = LaneSettings(name, SMALL, (1.0,) * 8, (1.0,) * 8, checkpoint=f"/somewhere/{name}.pt")
    made = namespace(RunSettings((each,), dataset=f"/data/{name}"), tmp_path)
    assert made["LANES"][0]["name"] == name
    assert made["DATASET"] == f"/data/{name}"
    assert "/somewhere" not in (tmp_path / "exported.py").read_text("utf-8")
