"""`attribute --out`: the array is the map, its JSON says what it is, and bad input is one line."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import main
from core.attribution import attribute, probabilities
from core.checkpoint import load
from core.export_attribution import MapFacts, json_path, method_words, strengths_words, write_arrays
from core.exports import ExportError
from core.map_picture import color_bar, diverging
from core.overlay import Look, draw
from core.transform import Transform, fit, normalise
from tests.core.by_hand import small_checkpoint

NAMES = tuple(f"kind {number}" for number in range(10))
TRANSFORM = Transform(12, None, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_checkpoint(tmp_path_factory.mktemp("weights") / "weights.safetensors", TRANSFORM, NAMES, 120)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = tmp_path_factory.mktemp("pictures") / "picture.png"
    Image.fromarray(pixels).save(path)
    return path


def seen(picture: Path) -> tuple[Any, torch.Tensor]:
    with Image.open(picture) as opened:
        pixels = fit(np.array(opened), TRANSFORM)
    return pixels, torch.from_numpy(normalise(pixels, TRANSFORM))


def run(words: Sequence[object], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert main.main(["attribute", *map(str, words), "--json"]) == 0
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def test_the_array_is_the_map_and_the_json_says_what_it_is(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.npy"
    made = run([checkpoint, picture, "--method", "integrated_gradients", "--steps", 7, "--out", out], capsys)
    network = load(checkpoint).network()
    _, ready = seen(picture)
    target = int(probabilities(network, ready).argmax())
    wanted = attribute(network, ready, "integrated_gradients", target, (("steps", 7),))
    assert np.load(out).tobytes() == wanted.attribution.tobytes()
    assert np.load(out).dtype == np.float32
    record = json.loads(json_path(out).read_text("utf-8"))
    assert record == {
        "method": "integrated_gradients", "parameters": {"steps": 7}, "target": target,
        "class": NAMES[target], "against": None, "difference": False, "baseline": "zero",
        "completeness_error": pytest.approx(wanted.completeness_error), "network": "ResNet-18, width 4, 10 classes",
        "checkpoint": str(checkpoint), "step": 120, "shortcuts": [1.0] * 8, "transform": TRANSFORM.words(),
        "picture": "picture.png", "shape": [3, 12, 12], "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
    }  # fmt: skip
    assert {key: made[key] for key in ("method", "target", "baseline", "shape", "completeness_error")} == {
        key: record[key] for key in ("method", "target", "baseline", "shape", "completeness_error")
    }
    assert made["seconds"] > 0


def test_steps_are_short_for_a_parameter(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [checkpoint, picture, "--method", "integrated_gradients", "--target", 3]
    run([*words, "--steps", 3, "--out", tmp_path / "a.npy"], capsys)
    run([*words, "--parameter", "steps=3", "--out", tmp_path / "b.npy"], capsys)
    run([*words, "--out", tmp_path / "c.npy"], capsys)
    short, long, default = (np.load(tmp_path / f"{name}.npy") for name in "abc")
    assert np.array_equal(short, long)
    assert not np.array_equal(short, default)
    # a method without steps does not mind them
    run([checkpoint, picture, "--method", "saliency", "--steps", 3, "--out", tmp_path / "d.npy"], capsys)


def test_occlusion_with_given_window_is_brute_force(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.npy"
    words = [
        checkpoint,
        picture,
        "--method",
        "occlusion",
        "--parameter",
        "window=4",
        "--parameter",
        "stride=4",
    ]
    made = run([*words, "--target", 2, "--out", out], capsys)
    assert made["parameters"] == {"window": 4, "stride": 4}
    network, (_, ready) = load(checkpoint).network(), seen(picture)
    wanted = np.zeros((12, 12))
    with torch.inference_mode():
        whole = float(network(ready[None])[0, 2])
        for top in range(0, 12, 4):
            for left in range(0, 12, 4):
                blanked = ready.clone()
                blanked[:, top : top + 4, left : left + 4] = 0
                wanted[top : top + 4, left : left + 4] = whole - float(network(blanked[None])[0, 2])
    np.testing.assert_allclose(np.load(out), np.broadcast_to(wanted, (3, 12, 12)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("place", "block"), [("1.1", 1), ("1", 1), ("stem", -1)])
def test_a_block_goes_by_number_or_name(
    place: str,
    block: int,
    checkpoint: Path,
    picture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "map.npy"
    words = [checkpoint, picture, "--method", "grad_cam", "--parameter", f"block={place}", "--target", 1]
    assert run([*words, "--out", out], capsys)["parameters"] == {"block": block}
    wanted = attribute(load(checkpoint).network(), seen(picture)[1], "grad_cam", 1, (("block", block),))
    assert np.array_equal(np.load(out), wanted.attribution)


def test_this_and_not_that_is_the_gradient_of_the_difference(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.npy"
    made = run([checkpoint, picture, "--target", 4, "--against", 7, "--out", out], capsys)
    assert (made["target"], made["against"], made["completeness_error"]) == (4, 7, None)
    network, (_, ready) = load(checkpoint).network(), seen(picture)
    ready.requires_grad_()
    scores = network(ready[None])[0]
    (wanted,) = torch.autograd.grad(scores[4] - scores[7], ready)
    np.testing.assert_allclose(np.load(out), wanted.numpy(), rtol=1e-3, atol=1e-5 * float(wanted.abs().max()))
    assert json.loads(json_path(out).read_text("utf-8"))["against"] == 7


def test_strengths_are_in_force_and_said(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.npy"
    run([checkpoint, picture, "--shortcuts", "off", "--target", 0, "--out", out], capsys)
    network = load(checkpoint).network()
    network.set_strengths((0.0,) * 8)
    assert np.array_equal(np.load(out), attribute(network, seen(picture)[1], "saliency", 0).attribution)
    assert json.loads(json_path(out).read_text("utf-8"))["shortcuts"] == [0.0] * 8


def test_the_overlay_is_the_map_over_the_picture(
    checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "map.png"
    run([checkpoint, picture, "--target", 5, "--out", out], capsys)
    pixels, ready = seen(picture)
    attribution = attribute(load(checkpoint).network(), ready, "saliency", 5).attribution
    wanted = draw(pixels, attribution, diverging(), Look()).rgba[..., :3]
    with Image.open(out) as made:
        assert made.size == (12 * 37, 12 * 37)
        assert np.array_equal(np.array(made)[18::37, 18::37], wanted)
    assert not json_path(out).exists()


BAD = [
    (["--method", "no-such"], "method must be one of"),
    (["--method", "no-such", "--methods", "saliency"], "not allowed with"),
    (["--parameter", "stride=2"], "no parameter stride; there are none"),
    (["--method", "occlusion", "--parameter", "steps=2"], "no parameter steps; there are window, stride"),
    (["--method", "occlusion", "--parameter", "window"], "KEY=VALUE"),
    (["--method", "occlusion", "--parameter", "window=0"], "window must be"),
    (["--method", "occlusion", "--parameter", "window=13"], "from 1 to 12"),
    (["--method", "occlusion", "--parameter", "window=two"], "window must be"),
    (["--method", "grad_cam", "--parameter", "block=9.9"], "block must be"),
    (["--method", "smooth_grad", "--parameter", "noise=nan"], "noise must be"),
    (["--method", "smooth_grad", "--parameter", "of=magic"], "of must be one of"),
    (["--methods", "saliency,grad_cam"], "--report"),
    (["--target", "10"], "from 0 to 9"),
    (["--against", "-1"], "from 0 to 9"),
    (["--steps", "0"], "at least 1"),
]


@pytest.mark.parametrize(("words", "said"), BAD, ids=[" ".join(words) for words, _ in BAD])
def test_bad_arguments_are_one_line(
    words: list[str], said: str, checkpoint: Path, picture: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "map.npy"
    assert main.main(["attribute", str(checkpoint), str(picture), *words, "--out", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert said in told.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["map.jpg", "no/such/map.npy", "map"])
def test_where_nothing_can_be_written_nothing_is_computed(
    name: str, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # the checkpoint is not even opened
    assert main.main(["attribute", "no-such.pt", str(picture), "--out", str(tmp_path / name)]) == 2
    assert "no-such.pt" not in capsys.readouterr().err


def test_a_json_in_the_way_is_found_before_anything_is_computed(
    picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "map.json").write_text("theirs", "utf-8")
    words = ["attribute", "no-such.pt", str(picture), "--out", str(tmp_path / "map.npy")]
    assert main.main(words) == 2
    assert "map.json is there already" in capsys.readouterr().err


def test_out_takes_one_picture(picture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["attribute", "no-such.pt", str(picture), str(picture), "--out", "map.npy"]) == 2
    assert "--report" in capsys.readouterr().err


# ---- the record by itself -------------------------------------------------------------------


def facts(**changed: Any) -> MapFacts:
    values: dict[str, Any] = {
        "method": "saliency", "parameters": (), "target": 0, "class_name": "tench “Ω”", "baseline": "none",
        "completeness_error": None, "network": "A", "shortcuts": (1.0,), "transform": "", "picture": "x",
    }  # fmt: skip
    return MapFacts(**{**values, **changed})


def test_a_map_that_is_not_contiguous_is_written_right(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float64).reshape(4, 3, 2).T
    write_arrays(tmp_path / "map.npy", values, facts(completeness_error=float("inf")))
    assert np.array_equal(np.load(tmp_path / "map.npy"), values)
    assert np.load(tmp_path / "map.npy").dtype == np.float32
    record = json.loads((tmp_path / "map.json").read_text("utf-8"))
    assert record["completeness_error"] is None
    assert record["class"] == "tench “Ω”"
    assert record["shape"] == [2, 3, 4]


def test_an_array_has_its_ending(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"\.npy"):
        write_arrays(tmp_path / "map.json", np.zeros((1, 2, 2), np.float32), facts())


def test_a_json_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    theirs = tmp_path / "map.json"
    theirs.write_text("theirs", "utf-8")
    with pytest.raises(ExportError, match=r"map\.json is there already"):
        write_arrays(tmp_path / "map.npy", np.zeros((1, 2, 2), np.float32), facts())
    assert sorted(tmp_path.iterdir()) == [theirs]
    assert theirs.read_text("utf-8") == "theirs"


def test_a_pair_is_written_over_as_a_pair(tmp_path: Path) -> None:
    for value in (1, 2):
        write_arrays(tmp_path / "map.npy", np.full((1, 2, 2), value, np.float32), facts(target=value))
    assert np.load(tmp_path / "map.npy").max() == 2
    assert json.loads((tmp_path / "map.json").read_text("utf-8"))["target"] == 2


def test_strengths_in_words() -> None:
    assert str(strengths_words((1.0,) * 8)) == "all shortcuts"
    assert str(strengths_words((0.0,) * 54)) == "no shortcuts"
    assert str(strengths_words((1, 0.5, 0))) == "shortcuts 1, 0.5, 0"
    assert str(strengths_words((1.0,) * 20 + (0.0,) * 34)) == "shortcuts 20 × 1, 34 × 0"


def test_methods_in_words() -> None:
    assert method_words("saliency", ()) == "Saliency"
    assert method_words("occlusion", (("window", 4), ("stride", 2))) == "Occlusion (window 4, stride 2)"
    words = method_words("smooth_grad", (("of", "grad_cam"), ("noise", 0.15)))
    assert words == "SmoothGrad (of Grad-CAM, noise 0.15)"
    assert method_words("grad_cam", (("block", 2),), ("1.0", "1.1", "2.0")) == "Grad-CAM (block 2.0)"
    assert (
        method_words("activation", (("block", -1), ("channel", -1))) == "Activation (block stem, channel all)"
    )


def test_blue_is_against_and_vermilion_for() -> None:
    colors = diverging().tolist()
    assert (colors[0], colors[255]) == ([0, 114, 178], [213, 94, 0])
    assert min(colors[127] + colors[128]) > 250


@pytest.mark.parametrize(
    ("sign", "ends"), [("both", (0, 255)), ("positive", (102, 255)), ("negative", (102, 255))]
)
def test_the_colour_bar_ends_in_the_end_colours(sign: Any, ends: tuple[int, int]) -> None:
    table = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    bar = color_bar(table, Look(sign, opacity=1))
    low = 255 if sign != "both" else ends[0]  # nothing is drawn over the paper where nothing is said
    assert tuple(bar[0, 0]) == (low,) * 3
    assert tuple(bar[0, -1]) == (ends[1],) * 3
