"""What is exported says the same as the run: tables, event files, weights, set-ups."""

import csv
import dataclasses
import json
import math
import os
import random
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import load_file

from core import checkpoint, export_weights, exports
from core.export_csv import run_csv
from core.export_tensorboard import crc32c, tensorboard, wall_clock
from core.export_weights import torchvision_weights
from core.exports import ExportError, copy_weights, file_words
from core.messages import LaneSlice
from core.network import ResidualNetwork, initialise
from core.notices import SkipscopeError
from core.records import RecordError, RunRecord, StoredRun, read_run
from core.settings import (
    DEPTHS,
    LaneSettings,
    NetworkSettings,
    RunSettings,
    SettingsError,
    lane,
    run_from_json,
    to_json,
    twins,
)
from core.setup_text import setup_from_text, setup_text
from core.transform import CIFAR10

SMALL = NetworkSettings(width=4)
BLOCKS = ("1.0", "1.1", "2.0", "2.1", "3.0", "3.1", "4.0", "4.1")


def lane_slice(losses: list[float], first: int = 1, blocks: int = 8, rate: float = 0.05) -> LaneSlice:
    """Norms of step n, block b: n + b / 100, and ten times that at the output."""
    steps = np.arange(first, first + len(losses), dtype=np.float64)
    norms = steps[:, None] + np.arange(blocks) / 100
    ones = (1.0,) * blocks
    return LaneSlice(np.array(losses), steps / 1000, norms, 10 * norms, rate, ones, ones)


Record = Callable[[RunRecord], None]


def recorded(folder: Path, settings: RunSettings, write: Record) -> StoredRun:
    record = RunRecord.create(folder, settings)
    write(record)
    record.set_state("finished")
    assert record.close()
    return read_run(folder, with_steps=False)


@pytest.fixture
def run(tmp_path: Path) -> StoredRun:
    """Lane A has four steps; lane B is infinite at its second and stops; step 4 is recorded in two goes."""

    def write(record: RunRecord) -> None:
        record.append_evaluation(0, [(2.3, 0.1), (2.4, 0.1)])
        record.append_steps(1, (lane_slice([2.5, 2.25]), lane_slice([3.5, math.inf])))
        record.append_evaluation(2, [(9.0, 0.0), (9.0, 0.0)])
        record.append_evaluation(2, [(1.5, 0.5), (math.nan, math.nan)])
        record.append_steps(3, (lane_slice([0.1, math.nan], 3, rate=0.01), lane_slice([])))

    return recorded(tmp_path / "run", RunSettings(twins(SMALL)), write)


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# ---- the table ----------------------------------------------------------------------------


def test_the_table_has_one_row_per_step_and_what_was_read(run: StoredRun, tmp_path: Path) -> None:
    assert run_csv(run, tmp_path / "run.csv") == 5
    rows = table(tmp_path / "run.csv")
    assert [row["step"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert [row["A loss"] for row in rows] == ["", "2.5", "2.25", "0.1", ""]
    assert [row["B loss"] for row in rows] == ["", "3.5", "inf", "", ""]
    assert [row["A accuracy"] for row in rows] == ["", "0.001", "0.002", "0.003", "0.004"]
    assert [row["A learning rate"] for row in rows] == ["", "0.05", "0.05", "0.01", "0.01"]
    assert [row["A held-out loss"] for row in rows] == ["2.3", "", "1.5", "", ""]
    assert [row["B held-out accuracy"] for row in rows] == ["0.1", "", "", "", ""]
    assert [row["A gradient 2.0"] for row in rows] == ["", "1.02", "2.02", "3.02", "4.02"]
    assert [row["B output gradient 4.1"] for row in rows] == ["", "10.7", "20.7", "", ""]
    lanes = [
        f"{name} {what}"
        for name in "AB"
        for what in (
            "loss", "accuracy", "learning rate", "held-out loss", "held-out accuracy",
            *(f"gradient {block}" for block in BLOCKS), *(f"output gradient {block}" for block in BLOCKS),
        )
    ]  # fmt: skip
    assert list(rows[0]) == ["step", *lanes]
    assert b"\r" not in (tmp_path / "run.csv").read_bytes()


@pytest.mark.parametrize("part", [1, 2, 3, 4])
def test_it_is_the_same_however_it_is_cut(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    run_csv(run, tmp_path / "whole.csv")
    monkeypatch.setattr(exports, "PART", part)
    run_csv(run, tmp_path / "cut.csv")
    assert (tmp_path / "cut.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()


def test_a_hole_of_any_size_costs_nothing(tmp_path: Path) -> None:
    def write(record: RunRecord) -> None:
        record.append_steps(1, (lane_slice([1.0]),))
        record.append_steps(2**40, (lane_slice([2.0], 2**40),))

    run_csv(recorded(tmp_path / "run", RunSettings((lane("A", SMALL),)), write), tmp_path / "run.csv")
    assert [row["step"] for row in table(tmp_path / "run.csv")] == ["1", str(2**40)]


def test_names_with_commas_and_quotes_come_back(tmp_path: Path) -> None:
    settings = RunSettings((lane('with, "all"\nof them', SMALL), lane("靴子", SMALL)))
    made = recorded(tmp_path / "run", settings, lambda record: record.append_evaluation(1, [(1, 0), (2, 1)]))
    run_csv(made, tmp_path / "run.csv")
    (row,) = table(tmp_path / "run.csv")
    assert row['with, "all"\nof them held-out loss'] == "1.0"
    assert row["靴子 held-out accuracy"] == "1.0"


def test_the_table_of_a_long_run_is_not_held_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "PART", 500)
    peaks = []
    for count in (1000, 8000):

        def write(record: RunRecord, count: int = count) -> None:
            record.append_steps(1, (lane_slice([1.0] * count),))

        made = recorded(tmp_path / f"run{count}", RunSettings((lane("A", SMALL),)), write)
        tracemalloc.start()
        run_csv(made, tmp_path / "run.csv")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert len(table(tmp_path / "run.csv")) == count
    assert peaks[1] < 1.5 * peaks[0]


def test_a_table_that_fails_midway_leaves_the_old_one(
    run: StoredRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "run.csv").write_text("old")
    monkeypatch.setattr(exports, "PART", 1)
    real = exports.read_lane

    def failing(connection: Any, number: int, first: int, last: int) -> Any:
        if first > 2:
            raise ValueError("damaged")
        return real(connection, number, first, last)

    monkeypatch.setattr(exports, "read_lane", failing)
    with pytest.raises(RecordError, match="damaged"):
        run_csv(run, tmp_path / "run.csv")
    assert (tmp_path / "run.csv").read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_a_place_that_cannot_be_written_to_is_said(run: StoredRun, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"cannot write .*: No such file or directory"):
        run_csv(run, tmp_path / "nowhere" / "run.csv")
    (tmp_path / "file").write_text("")
    with pytest.raises(ExportError, match="cannot make the folder"):
        tensorboard(run, tmp_path / "file")


# ---- TensorBoard --------------------------------------------------------------------------


def scalars(folder: Path) -> dict[str, list[tuple[int, float, float]]]:
    """Read a folder with TensorBoard's own reader: (step, value, wall time) by tag."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    reader.Reload()
    return {
        tag: [(event.step, event.value, event.wall_time) for event in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }


def test_tensorboard_reads_what_was_recorded(run: StoredRun, tmp_path: Path) -> None:
    files = tensorboard(run, tmp_path / "board")
    assert [file.parent.name for file in files] == ["A", "B"]
    first, second = (scalars(file.parent) for file in files)
    assert set(first) == {
        "loss/train", "accuracy/train", "learning rate", "loss/held-out", "accuracy/held-out",
        *(f"gradient/{block}" for block in BLOCKS), *(f"output gradient/{block}" for block in BLOCKS),
    }  # fmt: skip
    assert [step for step, *_ in first["loss/train"]] == [1, 2, 3, 4]
    np.testing.assert_array_equal(
        [value for _, value, _ in first["loss/train"]], np.array([2.5, 2.25, 0.1, math.nan], np.float32)
    )
    assert [value for _, value, _ in second["loss/train"]] == [3.5, math.inf]
    assert [(step, value) for step, value, _ in first["gradient/2.1"]] == [
        (step, np.float32(step + 0.03)) for step in (1, 2, 3, 4)
    ]
    assert first["output gradient/4.1"][0][:2] == (1, np.float32(10.7))
    assert [(step, value) for step, value, _ in first["loss/held-out"]] == [
        (0, np.float32(2.3)), (2, 9.0), (2, 1.5),
    ]  # fmt: skip
    assert [value for _, value, _ in first["accuracy/held-out"]] == [np.float32(0.1), 0.0, 0.5]


def test_steps_of_every_length_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "PART", 300)
    starts = (1, 100, 16_300, 2_097_100, 2**35 - 50)  # across the lengths that a number can have

    def write(record: RunRecord) -> None:
        for start in starts:
            record.append_steps(start, (lane_slice([float(n) for n in range(100)], start),))

    made = recorded(tmp_path / "run", RunSettings((lane("A", SMALL),)), write)
    (file,) = tensorboard(made, tmp_path / "board")
    found = scalars(file.parent)["loss/train"]
    expected = [(start + n, float(n)) for start in starts for n in range(100)]
    assert [(step, value) for step, value, _ in found] == sorted(dict(expected).items())


def test_a_second_export_replaces_the_first(run: StoredRun, tmp_path: Path) -> None:
    assert tensorboard(run, tmp_path) == tensorboard(run, tmp_path)
    assert len(scalars(tmp_path / "A")["loss/train"]) == 4
    assert len(list((tmp_path / "A").iterdir())) == 1


def test_wall_times_are_the_runs(tmp_path: Path) -> None:
    def write(record: RunRecord) -> None:
        record.append_steps(1, (lane_slice([1.0] * 40),))
        record.append_checkpoint(0, "start", {"A": b"0"})
        record.append_checkpoint(40, "last", {"A": b"40"})
        record.append_command(21, {"do": "strengths"})

    made = recorded(tmp_path / "run", RunSettings((lane("A", SMALL),)), write)
    begin = made.created
    made = dataclasses.replace(
        made, commands=tuple(dataclasses.replace(row, time=begin + 10) for row in made.commands)
    )
    paths = [made.directory / "checkpoints" / row.file for row in made.checkpoints]
    for path, after in zip(paths, (0.0, 110.0), strict=True):
        os.utime(path, (begin + after, begin + after))
    steps = np.array([0, 10, 20, 30, 40, 50])
    np.testing.assert_allclose(wall_clock(made).at(steps) - begin, [0, 5, 10, 60, 110, 110], atol=1e-3)
    (file,) = tensorboard(made, tmp_path / "board")
    moments = {step: moment for step, _, moment in scalars(file.parent)["loss/train"]}
    assert moments[30] - begin == pytest.approx(60, abs=1e-3)
    for path in paths:  # a copied folder's files are new
        os.utime(path, (begin + 9999, begin + 9999))
    np.testing.assert_allclose(wall_clock(made).at(steps) - begin, [0, 5, 10, 10, 10, 10], atol=1e-3)


def test_the_checksum_is_crc_32c() -> None:
    ascending = bytes(range(32))
    for content, expected in ((bytes(32), 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43), (ascending, 0x46DD794E)):
        assert crc32c(np.frombuffer(content, np.uint8)[None]).tolist() == [expected]  # RFC 3720, B.4


def test_lanes_get_folders_that_exist_everywhere() -> None:
    names = ("../up", "a/b", "a:b", "靴子", "..")
    settings = RunSettings(tuple(lane(name, SMALL) for name in names[:4]))
    run = dataclasses.make_dataclass("Facts", ["settings"])(settings)
    words = file_words(run)
    assert words == ["_up", "a_b", "a_b-2", "靴子"]
    assert exports.file_word("..") == exports.file_word("") == "lane"
    assert exports.file_word("A", ["a"]) == "A-2"


# ---- weights ------------------------------------------------------------------------------


def network(settings: NetworkSettings, seed: int = 3) -> ResidualNetwork:
    """A network whose statistics are not those of a new one."""
    made = ResidualNetwork(settings)
    initialise(made, seed)
    with torch.no_grad():
        for name, buffer in made.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(generator=torch.Generator().manual_seed(1))
            elif name.endswith("running_var"):
                buffer.uniform_(0.5, 2, generator=torch.Generator().manual_seed(2))
    return made.eval()


def weights_of(made: ResidualNetwork, step: int) -> bytes:
    return checkpoint.to_bytes(made, transform=CIFAR10, class_names=None, step=step, dataset="cifar10")


def with_weights(folder: Path, *made: ResidualNetwork) -> StoredRun:
    """A run of one lane, whose checkpoints are of these networks, at steps 0, 10, …"""

    def write(record: RunRecord) -> None:
        for number, each in enumerate(made):
            record.append_checkpoint(
                10 * number, "start" if not number else "last", {"A": weights_of(each, 10 * number)}
            )

    first = made[0]
    settings = LaneSettings("A", first.settings, first.shortcuts, first.branches)
    return recorded(folder, RunSettings((settings,)), write)


def test_weights_are_copied_as_they_are(tmp_path: Path) -> None:
    made = [network(SMALL, seed) for seed in (0, 1)]
    run = with_weights(tmp_path / "run", *made)
    assert copy_weights(run, "A", tmp_path / "last.safetensors") == 10
    assert copy_weights(run, "A", tmp_path / "first.safetensors", 0) == 0
    for name, expected in (("first", made[0]), ("last", made[1])):
        found = checkpoint.load(tmp_path / f"{name}.safetensors").network()
        for key, tensor in expected.state_dict().items():
            assert torch.equal(found.state_dict()[key], tensor), key


def test_damaged_weights_are_not_exported(tmp_path: Path) -> None:
    run = with_weights(tmp_path / "run", network(SMALL))
    file = run.directory / "checkpoints" / run.checkpoints[0].file
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    for export in (copy_weights, torchvision_weights):
        with pytest.raises(RecordError, match="damaged"):
            export(run, "A", tmp_path / "weights.safetensors")
    assert not (tmp_path / "weights.safetensors").exists()


def test_what_is_not_there_is_said(tmp_path: Path, run: StoredRun) -> None:
    weights = with_weights(tmp_path / "weights", network(SMALL), network(SMALL))
    target = tmp_path / "weights.safetensors"
    with pytest.raises(ExportError, match=r"no lane C; its lanes: A$"):
        copy_weights(weights, "C", target)
    with pytest.raises(ExportError, match=r"at step 5; it has 0, 10$"):
        copy_weights(weights, "A", target, 5)
    with pytest.raises(ExportError, match=r"no checkpoint of lane A$"):
        copy_weights(run, "A", target)
    with pytest.raises(ExportError, match=r"must end in \.pt, \.pth, \.safetensors"):
        torchvision_weights(weights, "A", tmp_path / "weights.onnx")


@pytest.mark.parametrize(("depth", "suffix"), [(18, ".pt"), (34, ".safetensors")])
def test_torchvisions_network_takes_the_weights_and_says_the_same(
    tmp_path: Path, depth: int, suffix: str
) -> None:
    ours = network(NetworkSettings(depth=depth, width=64, stem="7x7", classes=7))
    path = tmp_path / f"weights{suffix}"
    step, notes = torchvision_weights(with_weights(tmp_path / "run", ours), "A", path)
    assert (step, notes) == (0, ())
    state = load_file(path) if suffix == ".safetensors" else torch.load(path, weights_only=True)
    theirs = getattr(torchvision.models, f"resnet{depth}")(num_classes=7)
    theirs.load_state_dict(state, strict=True)
    pictures = torch.randn(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = ours(pictures), theirs.eval()(pictures)
    assert expected.abs().max() > 0.1
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_what_differs_from_torchvisions_is_said(tmp_path: Path) -> None:
    settings = NetworkSettings(width=4, activation="tanh", projection="pad")
    made = network(settings)
    made.set_strengths((1.0,) * 7 + (0.5,))
    path = tmp_path / "weights.pt"
    _, notes = torchvision_weights(with_weights(tmp_path / "run", made), "A", path)
    said = "\n".join(map(str, notes))
    for word in ("4 channels", "4×3×3×3", "zero-padded", "tanh", "strength 1"):
        assert word in said
    state = torch.load(path, weights_only=True)
    assert not any("shortcut" in name or "downsample" in name for name in state)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (NetworkSettings(depth=20, width=4), "its depth is 20"),
        (NetworkSettings(width=4, norm="none"), "it has no norm"),
        (NetworkSettings(width=4, block="pre"), "its blocks are pre-activated"),
    ],
)
def test_networks_that_torchvision_has_not_are_refused(
    tmp_path: Path, settings: NetworkSettings, reason: str
) -> None:
    with pytest.raises(ExportError, match=reason):
        torchvision_weights(with_weights(tmp_path / "run", network(settings)), "A", tmp_path / "w.pt")
    assert not (tmp_path / "w.pt").exists()


def test_projections_are_named_as_torchvision_does() -> None:
    named = export_weights.torchvision_state(network(SMALL).state_dict())
    assert "layer2.0.downsample.0.weight" in named
    assert "layer2.0.downsample.1.running_var" in named


# ---- set-ups as text ----------------------------------------------------------------------


def random_settings(draw: random.Random) -> RunSettings:
    def network() -> NetworkSettings:
        return NetworkSettings(
            depth=draw.choice(DEPTHS), width=draw.randint(1, 256), stem=draw.choice(("3x3", "7x7")),
            block=draw.choice(("post", "pre", "pre_shared")), norm=draw.choice(("batch", "none")),
            activation=draw.choice(("relu", "tanh", "sigmoid")), projection=draw.choice(("conv", "pad")),
            init=draw.choice(("he", "torch")), branch_init=draw.choice(("normal", "small", "zero")),
            classes=draw.choice((2, 10, 100)),
        )  # fmt: skip

    def strengths(count: int) -> tuple[float, ...]:
        same = draw.choice((0.0, 1.0, 0.3, draw.random()))
        return draw.choice(((same,) * count, tuple(draw.random() for _ in range(count))))

    names = draw.sample(['A "quoted" \\ lane', "B\n\t\x00\x7f", "靴子 🥾", "d", "", "#e", "[[f]]"], 4)
    lanes = []
    for name in names[: draw.randint(1, 4)]:
        drawn = network()
        lanes.append(LaneSettings(
            name, drawn, strengths(drawn.block_count), strengths(drawn.block_count),
            draw.choice((0.05, 0.0, 1, draw.random(), 10 ** draw.uniform(-300, 5))),
            draw.choice((None, "pretrained:with", "C:\\weights\\a.pt")),
        ))  # fmt: skip
    return RunSettings(
        lanes=tuple(lanes), dataset=draw.choice(("fashion-mnist", "cifar10", "/home/靴/'x' \"y\"")),
        image_size=draw.randint(8, 512), batch_size=draw.randint(2, 4096), seed=draw.randint(0, 2**31 - 1),
        steps=draw.choice((None, 1, 10**6)), epochs=draw.randint(1, 99), momentum=draw.uniform(0, 0.99),
        weight_decay=draw.choice((0, 5e-4, draw.random())), schedule=draw.choice(("constant", "cosine")),
        augment=draw.random() < 0.5, precision=draw.choice(("float32", "bfloat16")),
        device=draw.choice(("auto", "cpu", "cuda")), threads=draw.randint(0, 9),
    )  # fmt: skip


def test_any_set_up_comes_back_from_its_text() -> None:
    draw = random.Random(5)
    for _ in range(200):
        settings = random_settings(draw)
        text = setup_text(settings)
        assert setup_from_text(text) == settings, text


def test_a_set_up_says_only_what_is_not_usual() -> None:
    settings = RunSettings(twins(NetworkSettings(depth=20, width=16)), seed=7)
    lines = [line for line in setup_text(settings).splitlines() if line and not line.startswith("#")]
    assert lines == [
        "seed = 7",
        "[[lanes]]", 'name = "A"', "network = { depth = 20, width = 16 }",
        "[[lanes]]", 'name = "B"', "shortcuts = 0.0", "network = { depth = 20, width = 16 }",
    ]  # fmt: skip


def test_it_is_what_is_stored_in_words() -> None:
    """The same settings as through the other way they are kept."""
    settings = random_settings(random.Random(1))
    stored = run_from_json(json.loads(json.dumps(to_json(settings))))
    assert setup_from_text(setup_text(settings)) == stored


LANE = '[[lanes]]\nname = "A"\n'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "it has no lanes"),
        ("lanes = 3", "it has no lanes"),
        ("lanes = [3]", "it has no lanes"),
        ("seed = ", "this is not a set-up: Invalid value"),
        ("seed = " + "9" * 5000 + "\n" + LANE, "this is not a set-up"),
        ("x = " + "[" * 3000, "this is not a set-up"),
        ("x = " * 50_000, "too long"),
        ("sed = 1\n" + LANE, "unknown setting sed"),
        ("seed = true\n" + LANE, "seed must be a whole number, not True"),
        ("seed = 1.0\n" + LANE, "seed must be a whole number"),
        ("seed = -1\n" + LANE, "seed must be a whole number from 0"),
        ("momentum = nan\n" + LANE, "momentum must be a number from 0"),
        ("dataset = 1979-05-27\n" + LANE, "dataset must be a word"),
        ("augment = 1\n" + LANE, "augment must be true or false"),
        (LANE + "learning_rate = '1'", "learning_rate must be a number"),
        (LANE + "shortcuts = [1, 1]", "depth 18 has 8 blocks, but 2 strengths"),
        (LANE + "shortcuts = 1.5", "a strength must be a number from 0 to 1"),
        (LANE + "shortcuts = [true, 1, 1, 1, 1, 1, 1, 1]", "shortcuts must be numbers"),
        (LANE + "branches = []", "branches must be numbers"),
        (LANE + "network = 3", "network must be a table"),
        (LANE + "network = { depth = 19 }", "depth must be one of"),
        (LANE + "network = { depth = 20.0 }", "depth must be a whole number"),
        (LANE + "network = { classes = 2.5 }", "classes must be a whole number"),
        (LANE + "network = { layers = 3 }", "unknown setting layers"),
        (LANE + LANE, "two lanes have the same name"),
        (LANE * 5, "1 to 4 lanes, not 5"),
    ],
)
def test_bad_text_is_refused_in_one_line(text: str, reason: str) -> None:
    with pytest.raises(SettingsError, match=reason) as caught:
        setup_from_text(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_a_name_that_no_text_can_hold_is_said() -> None:
    with pytest.raises(SkipscopeError, match="cannot be written as text"):
        setup_text(RunSettings((lane("A\udcff", SMALL),)))
