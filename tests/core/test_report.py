"""`attribute --report`: one page that holds everything, of which nothing can break out."""

import base64
import io
import json
import os
import re
import signal
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import main
from core.attribution import attribute, attribute_in_pieces, probabilities
from core.checkpoint import load, to_bytes
from core.headless import attribution_report
from core.map_picture import diverging
from core.network import ResidualNetwork
from core.overlay import Look, draw
from core.report import Foot, Head, MapCell, PictureRow, figure, page_begin, page_end, page_picture, percent
from core.settings import NetworkSettings
from core.transform import Transform, fit, normalise
from tests.core.by_hand import small_checkpoint

EVIL = "<script>alert(1)</script>"
NAMES = (EVIL, 'a"b', "c&d", "<b>", "e", "f", "g", "h", "i", "j")
TRANSFORM = Transform(12, None, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3))
METHODS = ("saliency", "grad_cam", "integrated_gradients")
VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_checkpoint(
        tmp_path_factory.mktemp("weights") / "weights.safetensors", TRANSFORM, NAMES, 1200
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures under odd names, and what is none."""
    made = tmp_path / "pictures"
    (made / "deeper").mkdir(parents=True)
    for number, name in enumerate(("a.png", "deeper/b.png", "z.png")):
        save(made / name, number)
    save(made / ".hidden.png", 9)
    (made / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n nothing")
    (made / "notes.txt").write_text("no picture")
    return made


def save(path: Path, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (15, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


class Page(HTMLParser):
    """Reads a page strictly: every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open[-1:] == ["style"] else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())

    def pictures(self) -> list[tuple[str, Any]]:
        found = []
        for tag, values in self.tags:
            if tag == "img":
                content = base64.b64decode(
                    (values["src"] or "").removeprefix("data:image/png;base64,"), validate=True
                )
                with Image.open(io.BytesIO(content)) as opened:
                    assert opened.format == "PNG"
                    found.append((values["alt"] or "", np.array(opened)))
        return found


def run(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> dict[str, Any]:
    assert main.main(["attribute", *words, "--json"]) == code
    made: dict[str, Any] = json.loads(capsys.readouterr().out)
    return made


def check_alone(page: Page) -> None:
    """Nothing on the page is fetched or run."""
    for tag, values in page.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form", "svg")
        for name, value in values.items():
            assert not name.startswith("on")
            if name in ("src", "href", "srcset", "action", "background", "poster"):
                assert (value or "").startswith(("data:image/png;base64,", "#")), value
    style = "".join(page.styles) + "".join(values.get("style") or "" for _, values in page.tags)
    assert "url(" not in style
    assert "@import" not in style
    assert "@font-face" not in style


def test_the_page_holds_everything(
    checkpoint: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "page.html"
    words = [
        str(checkpoint),
        str(folder),
        "--methods",
        ",".join(METHODS),
        "--steps",
        "9",
        "--report",
        str(out),
    ]
    made = run(words, capsys)
    assert made["report"] == str(out)
    assert made["pictures"] == 3
    assert made["methods"] == list(METHODS)
    assert made["seconds"] > 0
    (broken,) = made["unreadable"]
    assert broken["image"] == str(folder / "broken.png")
    assert "damaged" in broken["reason"]
    assert set(made) == {"report", "pictures", "methods", "seconds", "unreadable"}
    page = Page(out.read_text("utf-8"))
    check_alone(page)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    check_maps(page, checkpoint, folder)
    for said in ("ResNet-18, width 4, 10 classes", "1,200", "all shortcuts", TRANSFORM.words(), "steps 9",
                 "measured against the zero picture", "broken.png", "Not readable: 1 picture",
                 "3 pictures explained"):  # fmt: skip
        assert said in page.text
    assert "hidden" not in page.text
    assert "notes" not in page.text
    assert str(folder) not in page.text  # where it lies is nobody's business


def check_maps(page: Page, checkpoint: Path, folder: Path) -> None:
    """Each picture and each map is what it is by itself, in order."""
    network = load(checkpoint).network()
    found = iter([each for each in page.pictures() if each[0]])
    for name in ("a.png", "deeper/b.png", "z.png"):
        with Image.open(folder / name) as opened:
            pixels = fit(np.array(opened), TRANSFORM)
        ready = torch.from_numpy(normalise(pixels, TRANSFORM))
        chances = probabilities(network, ready)
        assert np.array_equal(next(found)[1], pixels)
        assert f"{100 * chances.max():.1f} %" in page.text
        for method in METHODS:
            given = (("steps", 9),) if method == "integrated_gradients" else ()
            result = attribute(network, ready, method, int(chances.argmax()), given)
            wanted = draw(pixels, result.attribution, diverging(), Look())
            assert np.array_equal(next(found)[1], wanted.rgba[..., :3])
            assert f"−{figure(wanted.scale)}0+{figure(wanted.scale)}" in page.text
            if result.completeness_error is not None:
                assert f"completeness error {percent(result.completeness_error)}" in page.text
    assert next(found, None) is None


@pytest.mark.skipif(sys.platform == "win32", reason="such names are not allowed there")
def test_names_and_labels_cannot_break_out(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    names = [
        '<img src=x onerror="alert(1)">.png',
        "a & b' \" &amp;.png",
        "line\nbreak\x1b[31m.png",
        "--><h2>.png",
    ]
    for number, name in enumerate(names):
        save(folder / name, number)
    save(Path(os.fsdecode(os.fsencode(folder) + b"/\xff\xfe.png")), 5)
    (folder / "<script>x.png").write_text("no picture")
    out = tmp_path / "page.html"
    words = [str(checkpoint), str(folder), "--target", "0", "--report", str(out)]
    made = run(words, capsys)
    assert made["pictures"] == 5
    assert len(made["unreadable"]) == 1
    page = Page(out.read_text("utf-8"))  # strict utf-8
    check_alone(page)
    for said in (*names[:2], names[3], "line\ufffdbreak\ufffd[31m.png", "<script>x.png", EVIL):
        assert said in page.text
    # the class is named as the one explained in the head, with each map, and among the first five
    assert page.text.count(EVIL) >= 1 + 5


def test_odd_texts_by_themselves() -> None:
    pixels = np.zeros((4, 4, 3), np.uint8)
    cell = MapCell(EVIL, EVIL, None, EVIL)
    row = PictureRow(EVIL, pixels, (EVIL,), ((EVIL, 0.5),), (cell,))
    text = page_begin(Head(EVIL, ((EVIL, EVIL),), ())) + page_picture(row)
    text += page_end(Foot(1, 1, 0.1, ((EVIL, EVIL),), False))
    page = Page(text)
    check_alone(page)
    # title and heading, a fact, the picture, its note, its class, the map's name, class and reason, the list
    assert page.text.count(EVIL) == 2 + 2 + 2 + 1 + 3 + 2


def test_an_array_is_taken_as_it_is(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    array = np.random.default_rng(3).normal(size=(3, 9, 14)).astype(np.float32)
    np.save(tmp_path / "x.npy", array)
    out = tmp_path / "page.html"
    words = [str(checkpoint), str(tmp_path / "x.npy"), "--method", "occlusion", "--report", str(out)]
    assert run(words, capsys)["pictures"] == 1
    shown = [pixels for alternative, pixels in Page(out.read_text("utf-8")).pictures() if alternative]
    assert [each.shape for each in shown] == [(9, 14, 3)] * 2
    assert (shown[0].min(), shown[0].max()) == (0, 255)


def test_a_method_that_is_not_right_for_the_network_is_left_out_with_its_reason(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    network = ResidualNetwork(NetworkSettings(width=4, activation="tanh")).eval()
    path, out = tmp_path / "tanh.safetensors", tmp_path / "page.html"
    path.write_bytes(to_bytes(network, transform=TRANSFORM, class_names=None, step=None, dataset=None))
    words = [str(path), str(folder / "a.png"), "--report", str(out)]
    assert run([*words, "--methods", "guided_backprop, saliency"], capsys)["methods"] == ["saliency"]
    assert "Left out: guided backprop is made for ReLU" in Page(out.read_text("utf-8")).text
    assert main.main(["attribute", *words, "--methods", "guided_backprop"]) == 2
    assert "made for ReLU" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_closes_the_page(
    number: int, checkpoint: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out, asked = tmp_path / "page.html", []

    def pieces(*arguments: Any) -> Iterator[Any]:
        asked.append(arguments)
        if len(asked) == 4:  # in the second picture of two methods
            os.kill(os.getpid(), number)
        return attribute_in_pieces(*arguments)

    monkeypatch.setattr(attribution_report, "attribute_in_pieces", pieces)
    words = [str(checkpoint), str(folder), "--methods", "saliency,grad_cam", "--report", str(out)]
    before = signal.getsignal(number)
    made = run(words, capsys, code=130)
    assert signal.getsignal(number) is before
    assert made["interrupted"] is True
    assert made["pictures"] == 1
    text = out.read_text("utf-8")
    assert text.endswith("</html>\n")
    page = Page(text)
    assert [alternative for alternative, _ in page.pictures()].count(
        "the picture as the network sees it"
    ) == 1
    # broken.png was met before the interrupt, in between
    assert "interrupted, 2 pictures left out" in page.text


def test_rows_go_to_the_file_as_they_come(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, sizes = tmp_path / "pictures", []
    folder.mkdir()
    for number in range(30):
        save(folder / f"{number:02}.png", number)

    def pieces(*arguments: Any) -> Iterator[Any]:
        drafts = [path for path in tmp_path.iterdir() if path.name.endswith(".part")]
        sizes.append(sum(path.stat().st_size for path in drafts))
        assert not (tmp_path / "page.html").exists()
        return attribute_in_pieces(*arguments)

    monkeypatch.setattr(attribution_report, "attribute_in_pieces", pieces)
    run([str(checkpoint), str(folder), "--report", str(tmp_path / "page.html")], capsys)
    assert sizes[-1] > sizes[10] > 0
    assert (tmp_path / "page.html").stat().st_size - sizes[-1] < 40_000


def test_a_fault_leaves_the_old_page(
    checkpoint: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "page.html"
    out.write_text("old")

    def full(_row: object) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(attribution_report, "page_picture", full)
    assert main.main(["attribute", str(checkpoint), str(folder), "--report", str(out)]) == 2
    assert "No space left" in capsys.readouterr().err
    assert out.read_text() == "old"
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["FOLDER", "--methods", "saliency,magic"], "method must be one of"),
        (["FOLDER", "--methods", " , "], "names no method"),
        (["FOLDER", "--methods", "saliency", "--parameter", "window=2"], "no parameter window"),
        (["FOLDER", "--methods", "saliency", "--target", "10"], "from 0 to 9"),
        (["FOLDER", "--methods", "saliency", "--against", "1"], "--against"),
        (["EMPTY", "--methods", "saliency"], "no picture in"),
        (["FOLDER/no-such", "--methods", "saliency"], "does not exist"),
        (
            ["FOLDER/broken.png", "--methods", "saliency"],
            "none of the pictures can be read; the first: broken",
        ),
    ],
)
def test_bad_arguments_are_one_line(
    words: list[str], said: str, checkpoint: Path, folder: Path, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "empty").mkdir()
    out = tmp_path / "page.html"
    image = words[0].replace("FOLDER", str(folder)).replace("EMPTY", str(tmp_path / "empty"))
    assert main.main(["attribute", str(checkpoint), image, *words[1:], "--report", str(out)]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert len(told.err.strip().splitlines()) == 1
    assert said in told.err
    assert not out.exists()
    assert not [path for path in tmp_path.iterdir() if path.name.endswith(".part")]


@pytest.mark.parametrize("name", ["page.pdf", "no/such/page.html", "pictures"])
def test_where_nothing_can_be_written_nothing_is_computed(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(["attribute", "no-such.pt", str(folder), "--report", str(tmp_path / name)]) == 2
    assert "no-such.pt" not in capsys.readouterr().err


def test_light_dark_and_paper_are_provided_for() -> None:
    style = "".join(Page(page_begin(Head("x", (), ())) + page_end(Foot(0, 0, 0, (), False))).styles)
    assert "prefers-color-scheme: dark" in style
    assert "@media print" in style
    named = set(re.findall(r"var\((--\w+)\)", style))
    for part in style.split(":root {")[1:4]:  # each appearance says every colour
        assert named <= set(re.findall(r"(--\w+):", part.split("}")[0]))


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.831, "83.1 %"),
        (1, "100.0 %"),
        (0.99999, ">99.9 %"),
        (1e-9, "<0.1 %"),
        (0, "0.0 %"),
        (float("nan"), "–"),
    ],
)
def test_percent(share: float, said: str) -> None:
    assert percent(share) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0, "0"),
        (0.01234, "0.0123"),
        (2, "2.00"),
        (123.4, "123"),
        (1.2e-5, "1.20×10⁻⁵"),
        (12345, "12345"),
        (2e9, "2.00×10⁹"),
    ],
)
def test_figures(value: float, said: str) -> None:
    assert figure(value) == said
