"""A figure for print: its size, every pixel's place, the colour bar, the words; and the maps as arrays."""

import base64
import dataclasses
import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PySide6.QtCore import QByteArray, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFont, QFontMetricsF, QGuiApplication, QImage, QPainter, QPalette
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication, QFileDialog, QWidget
from pytestqt.qtbot import QtBot

from core.messages import Attributed, Explanation
from core.notices import Notice
from core.overlay import Look, draw
from core.settings import NetworkSettings
from gui import figure_page
from gui.figure_dialog import FigureDialog
from gui.figure_export import (
    copy,
    figure_image,
    figure_png,
    figure_svg,
    frames_of,
    natural_width,
    network_words,
    save,
    save_dialog,
)
from gui.figure_page import DPI, FigureFrame, page, shared_caption
from gui.subject import Shown, Subject
from gui.theme import DARK, app_palette, color_table

NAMES = ("T-shirt", "trouser", "ankle boot")
PICTURE = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
TABLE = "CET-D1"


def answer(name: str = "A", seed: int = 1, **changed: Any) -> Attributed:
    values: dict[str, Any] = {
        "name": name, "attribution": np.random.default_rng(seed).normal(size=(3, 7, 9)).astype(np.float32),
        "reason": None, "probabilities": np.array([0.2, 0.1, 0.7]), "target": 2, "completeness_error": 0.034,
        "shortcuts": (1.0,) * 8, "method": "integrated_gradients", "parameters": (("steps", 50),),
        "baseline": "zero",
    }  # fmt: skip
    return Attributed(**{**values, **changed})


def shown(
    *rows: list[Attributed], arrangement: Any = "single", titles: tuple[str, ...] = ("",)
) -> list[Shown]:
    made = []
    for row, answers in enumerate(rows):
        for column, each in enumerate(answers):
            explanation = Explanation(
                1, each.method, each.baseline, 1200, PICTURE, 2, NAMES, (each,), 0.1, "in words",
                arrangement=arrangement,
            )  # fmt: skip
            subject = Subject(each.name, row, PICTURE, explanation, each, titles[column], arrangement)
            overlay = None if each.attribution is None else overlaid(each.attribution)
            scale = 0.0 if overlay is None else overlay.scale
            made.append(Shown(subject, row, column, titles[column], overlay, Look(), TABLE, scale, False, ()))
    return made


def overlaid(attribution: Any) -> Any:
    return draw(PICTURE, attribution, color_table(TABLE), Look())


def methods_table() -> tuple[FigureFrame, ...]:
    """Two networks and three methods."""
    kinds = (
        ("saliency", (), None), ("integrated_gradients", (("steps", 50),), 0.034),
        ("occlusion", (("stride", 1), ("window", 3)), None),
    )  # fmt: skip
    rows = [
        [
            answer(name, seed=10 * row + column, method=kind, parameters=given, completeness_error=error,
                   shortcuts=(strength,) * 8)
            for column, (kind, given, error) in enumerate(kinds)
        ]
        for row, (name, strength) in enumerate((("A", 1.0), ("B", 0.0)))
    ]  # fmt: skip
    titles = ("Saliency", "Integrated gradients", "Occlusion")
    return frames_of(shown(*rows, arrangement="methods", titles=titles), "Held-out picture 7: ankle boot")


def pixels_of(image: QImage) -> Any:
    image = image.convertToFormat(QImage.Format.Format_RGB888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 3 * image.width()].reshape(image.height(), image.width(), 3).copy()


def cut(pixels: Any, place: QRect) -> Any:
    return pixels[place.top() : place.bottom() + 1, place.left() : place.right() + 1]


def enlarged(attribution: Any, place: QRect) -> Any:
    pixels = overlaid(attribution).rgba[..., :3]
    factor = place.width() // pixels.shape[1]
    assert place.width() == factor * pixels.shape[1]
    return pixels.repeat(factor, 0).repeat(factor, 1)


# ---- the drawing ----------------------------------------------------------------------------


def test_a_png_has_its_printed_size_and_every_pixel_in_its_place(qapp: QApplication) -> None:
    frames = methods_table()
    image = QImage.fromData(QByteArray(figure_png(frames, 120)))
    assert image.width() == round(120 / 25.4 * DPI)
    assert image.dotsPerMeterX() == image.dotsPerMeterY() == round(DPI / 0.0254)
    pixels, made = pixels_of(image), page(frames, 120)
    assert (image.width(), image.height()) == (made.width, made.height)
    assert len(made.picture_rects) == 6
    for frame, place in zip(frames, made.picture_rects, strict=True):
        assert np.array_equal(cut(pixels, place), enlarged(frame.attribution, place))


@pytest.mark.parametrize("sign", ["both", "positive", "negative", "absolute"])
def test_the_colour_bar_goes_from_end_to_end(sign: Any, qapp: QApplication) -> None:
    table = color_table(TABLE).astype(float)
    look = Look(sign, 0.8)
    frame = dataclasses.replace(frames_of(shown([answer()]))[0], look=look)
    made = page([frame], 80)
    (bar,) = made.bar_rects
    colors = cut(pixels_of(figure_image([frame], 80)), bar)
    assert (bar.left(), bar.width()) == (made.picture_rects[0].left(), made.picture_rects[0].width())
    low = table[0] * 0.8 + 255 * 0.2 if sign == "both" else np.full(3, 255)
    assert np.abs(colors[:, 0] - low).max() <= 1
    assert np.abs(colors[:, -1] - (table[255] * 0.8 + 255 * 0.2)).max() <= 1
    assert (colors == colors[:1]).all()


def test_print_is_white_whatever_the_window_looks_like(qapp: QApplication) -> None:
    frames = methods_table()
    light = pixels_of(figure_image(frames, 100))
    before = qapp.palette()
    qapp.setPalette(app_palette(DARK))
    try:
        assert qapp.palette().color(QPalette.ColorRole.Window).lightness() < 128
        dark = pixels_of(figure_image(frames, 100))
    finally:
        qapp.setPalette(before)
    assert np.array_equal(light, dark)
    for edge in (light[0], light[-1], light[:, 0], light[:, -1]):  # nothing is cut off there either
        assert (edge == 255).all()


def test_an_svg_is_whole_by_itself_and_as_large_as_it_says(qapp: QApplication) -> None:
    frames = methods_table()
    root = ET.fromstring(figure_svg(frames, 120))
    made = page(frames, 120)
    assert float(root.attrib["width"].removesuffix("mm")) == pytest.approx(120, abs=0.1)
    assert float(root.attrib["height"].removesuffix("mm")) == pytest.approx(made.height * 25.4 / DPI, abs=0.1)
    text = "".join("".join(each.itertext()) + " " for each in root.iter() if each.tag.endswith("text"))
    for said in ("step 1,200", "all shortcuts", "no shortcuts", "steps 50", "stride 1, window 3", "Occlusion",
                 "explains ankle boot", "3\u00a0%"):  # fmt: skip
        assert said in " ".join(text.split(" "))
    images = [each for each in root.iter() if each.tag.endswith("image")]
    embedded = []
    for each in images:
        link = next(value for key, value in each.attrib.items() if key.endswith("href"))
        assert link.startswith("data:image/png;base64,")
        embedded.append(pixels_of(QImage.fromData(QByteArray(base64.b64decode(link.partition(",")[2])))))
    for frame, place in zip(frames, made.picture_rects, strict=True):
        wanted = enlarged(frame.attribution, place)  # so that no reader can smooth between its pixels
        assert sum(each.shape == wanted.shape and np.array_equal(each, wanted) for each in embedded) == 1
    for each in root.iter():
        for key, value in each.attrib.items():
            assert not key.endswith("href") or value.startswith(("data:", "#"))


def test_an_svg_looks_like_the_png(qapp: QApplication) -> None:
    frames = methods_table()
    renderer = QSvgRenderer(QByteArray(figure_svg(frames, 90)))
    made = page(frames, 90)
    image = QImage(made.width, made.height, QImage.Format.Format_RGB32)
    image.fill(QColor("green"))
    painter = QPainter(image)
    renderer.render(painter)
    painter.end()
    drawn, wanted = pixels_of(image), pixels_of(figure_image(frames, 90))
    for place in made.picture_rects:
        inner = place.adjusted(1, 1, -1, -1)
        assert np.array_equal(cut(drawn, inner), cut(wanted, inner))
    assert (drawn[:5] == 255).all()
    assert np.abs(drawn.astype(int) - wanted).mean() < 3  # letters are drawn a little otherwise


@pytest.mark.parametrize("width", [40, 60, 85, 180, 420])
def test_nothing_overlaps_or_leaves_the_page(width: float, qapp: QApplication) -> None:
    frames = methods_table()
    made = page(frames, width)
    inside = QRect(0, 0, made.width, made.height)
    places = [*made.picture_rects, *made.bar_rects]
    assert len(places) == 12
    for place in places:
        assert inside.contains(place)
    for first, second in itertools.combinations(places, 2):
        assert not first.intersects(second)
    letters = text_rects(figure_svg(frames, width))
    assert len(letters) > 30
    for letter in letters:
        assert QRectF(inside).contains(letter)
        assert not any(QRectF(place).intersects(letter) for place in places)
    for first, second in itertools.combinations(letters, 2):
        assert not first.intersects(second)


def text_rects(svg: bytes) -> list[QRectF]:
    """Where an SVG's letters stand: from a little below the line to the height of a capital."""
    found = []
    for each in ET.fromstring(svg).iter():
        if each.tag.endswith("text") and (said := "".join(each.itertext()).strip()):
            font = QFont(each.attrib["font-family"].strip("'"))
            font.setPixelSize(round(float(each.attrib["font-size"])))
            font.setBold(int(each.attrib["font-weight"]) > 400)
            metrics = QFontMetricsF(font)
            left, line = float(each.attrib["x"]), float(each.attrib["y"])
            high = metrics.capHeight() + 1
            found.append(QRectF(left, line - high, metrics.horizontalAdvance(said), high + metrics.descent()))
    return found


def test_lines_keep_every_word(qapp: QApplication) -> None:
    text = "one two three four five six seven eight"
    lines = figure_page.wrapped(text, figure_page._text_font(), 200)
    assert len(lines) > 2
    assert " ".join(lines) == text
    letters = figure_page.wrapped("无" * 40, figure_page._text_font(), 200)
    assert "".join(letters) == "无" * 40


def test_networks_stand_side_by_side_and_long_rows_are_broken(qapp: QApplication) -> None:
    pair = frames_of(shown([answer("A")], [answer("B", 2)]))
    first, second = page(pair, 90).picture_rects
    assert first.top() == second.top()
    assert first.right() < second.left()
    assert page(pair, 90).names == ()
    film = [
        answer(seed=block, method="grad_cam", parameters=(("block", block),), block=block)
        for block in range(9)
    ]
    strip = frames_of(shown(film, arrangement="filmstrip", titles=tuple(f"2.{block}" for block in range(9))))
    tops = [place.top() for place in page(strip, 180).picture_rects]
    assert tops == sorted(tops)
    assert sorted(tops.count(top) for top in set(tops)) == [4, 5]


def test_a_large_picture_is_fitted_in(qapp: QApplication) -> None:
    large = np.zeros((900, 1200, 3), np.uint8)
    frame = dataclasses.replace(
        frames_of(shown([answer()]))[0], picture=large, attribution=np.ones((1, 900, 1200), np.float32)
    )
    made = page([frame], 60)
    (place,) = made.picture_rects
    assert place.width() == made.width - 2 * round(3 / 25.4 * DPI)
    assert place.width() / place.height() == pytest.approx(4 / 3, rel=0.01)
    assert figure_image([frame], 60).width() == made.width


def test_what_is_missing_is_said_in_its_place(qapp: QApplication) -> None:
    refused = answer(attribution=None, reason=Notice("not right for {this}", {"this": "that"}))
    zero = answer(attribution=np.zeros((3, 7, 9), np.float32))
    waiting = dataclasses.replace(shown([answer("C")])[0], overlay=None, scale=0.0)
    waiting = dataclasses.replace(
        waiting, row=2, subject=dataclasses.replace(waiting.subject, answer=None, explanation=None)
    )
    frames = frames_of([*shown([refused], [zero]), waiting])
    made = page(frames, 120)
    assert made.bar_rects == []
    assert "not right for that" in " ".join(made.cells[0].lines)
    assert "this map is zero everywhere" in " ".join(made.cells[1].lines)
    pixels = pixels_of(figure_image(frames, 120))
    for place in made.picture_rects:  # the picture alone
        factor = place.width() // 9
        assert np.array_equal(cut(pixels, place), PICTURE.repeat(factor, 0).repeat(factor, 1))


# ---- the words ------------------------------------------------------------------------------


def test_the_caption_says_what_the_map_is(qapp: QApplication) -> None:
    (frame,) = frames_of(
        shown([answer(shortcuts=(1, 1, 0, 0.5, 1, 1, 1, 1))]),
        "Held-out picture 7",
        {"A": "ResNet-18, width 16"},
    )
    assert frame.caption == (
        "Held-out picture 7", "network A: ResNet-18, width 16", "step 1,200",
        "shortcuts 1, 1, 0, 0.5, 1, 1, 1, 1", "Integrated gradients (steps 50)", "explains ankle boot",
        "baseline: the zero picture", "completeness error 3\u00a0%",
    )  # fmt: skip
    assert shared_caption([frame]) == frame.caption
    assert network_words(NetworkSettings(depth=34, width=64)) == "ResNet-34, width 64"


def test_titles_are_not_repeated(qapp: QApplication) -> None:
    on, off = answer(role="on"), answer(role="off", shortcuts=(0.0,) * 8)
    both = answer(role="difference", completeness_error=None)
    frames = frames_of(shown([on, off, both], arrangement="switch", titles=("on", "off", "on − off")))
    assert not any("shortcuts" in part for frame in frames for part in frame.caption)
    assert "explains ankle boot" in shared_caption(frames)
    film = frames_of(shown(
        [answer(method="grad_cam", parameters=(("block", 2),), block=2, completeness_error=None)],
        arrangement="filmstrip", titles=("2.0",),
    ))  # fmt: skip
    assert "Grad-CAM" in film[0].caption
    block = frames_of(shown([answer(method="grad_cam", parameters=(("block", 2),))]))
    assert "Grad-CAM (block 2.0)" in block[0].caption
    activation = frames_of(shown([answer(method="activation", parameters=(("block", -1), ("channel", -1)))]))
    assert "Activation (block stem, channel all)" in activation[0].caption
    assert not any("ankle" in part for part in activation[0].caption)


# ---- writing --------------------------------------------------------------------------------


def test_one_map_as_an_array(tmp_path: Path, qapp: QApplication) -> None:
    frames = frames_of(shown([answer()]), "Held-out picture 7")
    said, bad = save(frames, tmp_path / "map.npy")
    assert not bad
    assert str(tmp_path / "map.npy") in said
    assert np.load(tmp_path / "map.npy").tobytes() == frames[0].attribution.tobytes()  # type: ignore[union-attr]
    record = json.loads((tmp_path / "map.json").read_text("utf-8"))
    assert record["method"] == "integrated_gradients"
    assert record["parameters"] == {"steps": 50}
    assert (record["target"], record["class"], record["step"]) == (2, "ankle boot", 1200)
    assert (record["network"], record["picture"]) == ("A", "Held-out picture 7")
    assert record["completeness_error"] == pytest.approx(0.034)
    assert record["shortcuts"] == [1.0] * 8
    # asked for again under the same name, the pair is written over
    assert not save(frames_of(shown([answer(seed=5)])), tmp_path / "map.npy")[1]
    assert np.load(tmp_path / "map.npy").tobytes() == answer(seed=5).attribution.tobytes()  # type: ignore[union-attr]


def test_several_maps_are_numbered_and_nothing_else_is_written_over(
    tmp_path: Path, qapp: QApplication
) -> None:
    first, second = answer(role="target", target=2), answer(seed=2, role="against", target=0)
    both = answer(seed=3, role="difference", target=2, completeness_error=None)
    gone = answer(attribution=None)
    titles = ("a", "b", "a − b", "")
    frames = frames_of(shown([first, second, both, gone], arrangement="targets", titles=titles))
    assert not save(frames, tmp_path / "map.npy")[1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "map-1.json", "map-1.npy", "map-2.json", "map-2.npy", "map-3.json", "map-3.npy",
    ]  # fmt: skip
    records = [json.loads((tmp_path / f"map-{number}.json").read_text("utf-8")) for number in (1, 2, 3)]
    assert [record["against"] for record in records] == [None, None, 0]
    assert [record["target"] for record in records] == [2, 0, 2]
    assert np.array_equal(np.load(tmp_path / "map-3.npy"), both.attribution)
    before = (tmp_path / "map-1.npy").read_bytes()
    said, bad = save(methods_table(), tmp_path / "map.npy")
    assert bad
    assert "is there already" in said
    assert (tmp_path / "map-1.npy").read_bytes() == before
    assert not (tmp_path / "map-4.npy").exists()
    said, bad = save(frames_of(shown([gone])), tmp_path / "none.npy")
    assert (said, bad) == ("there is no map to be written", True)


@pytest.mark.parametrize(
    ("name", "made"), [("a.png", "a.png"), ("a", "a.png"), ("a.b", "a.b.png"), ("a.SVG", "a.SVG")]
)
def test_the_ending_says_what_is_written(name: str, made: str, tmp_path: Path, qapp: QApplication) -> None:
    said, bad = save(methods_table(), tmp_path / name, 60)
    assert not bad
    assert said.endswith(made)
    start = (tmp_path / made).read_bytes()[:5]
    assert start == (b"<?xml" if made.endswith("SVG") else b"\x89PNG\r")
    assert [path.name for path in tmp_path.iterdir()] == [made]


@pytest.mark.parametrize("name", ["x.png", "x.svg", "x.npy"])
def test_what_cannot_be_written_is_said_in_one_line(name: str, tmp_path: Path, qapp: QApplication) -> None:
    said, bad = save(frames_of(shown([answer()])), tmp_path / "no-such" / name, 60)
    assert bad
    assert "No such file" in said
    assert "\n" not in said


def test_a_figure_goes_to_the_clipboard(qapp: QApplication) -> None:
    frames = methods_table()
    copy(frames, 80)
    assert np.array_equal(pixels_of(QGuiApplication.clipboard().image()), pixels_of(figure_image(frames, 80)))
    QGuiApplication.clipboard().clear()


def test_the_width_follows_the_columns(qapp: QApplication) -> None:
    assert natural_width(frames_of(shown([answer()]))) == 60
    assert natural_width(frames_of(shown([answer("A")], [answer("B")]))) == 90
    assert natural_width(methods_table()) == 135


# ---- dialogs --------------------------------------------------------------------------------


def test_the_dialog_offers_three_kinds(qtbot: QtBot, tmp_path: Path) -> None:
    parent, told = QWidget(), []
    qtbot.addWidget(parent)
    dialog = save_dialog(parent, methods_table(), lambda text, bad: told.append((text, bad)), 60)
    assert dialog.acceptMode() == QFileDialog.AcceptMode.AcceptSave
    assert [each.rpartition("*")[2] for each in dialog.nameFilters()] == [".png)", ".svg)", ".npy)"]
    for chosen, suffix in zip(dialog.nameFilters(), ("png", "svg", "npy"), strict=True):
        dialog.filterSelected.emit(chosen)
        assert dialog.defaultSuffix() == suffix
    dialog.fileSelected.emit(str(tmp_path / "figure.png"))
    dialog.close()
    assert told == [(f"Written: {tmp_path / 'figure.png'}", False)]
    assert (tmp_path / "figure.png").exists()


def test_the_figure_is_shown_before_it_is_saved(qtbot: QtBot) -> None:
    told: list[tuple[str, bool]] = []
    dialog = FigureDialog(methods_table(), lambda text, bad: told.append((text, bad)))
    qtbot.addWidget(dialog)
    dialog.show()
    assert dialog.width_mm.value() == 135
    assert not dialog.preview.pixmap().isNull()
    before = dialog.size_label.text()
    assert "135 × " in before
    assert "1,594 × " in before
    dialog.width_mm.setValue(85)
    dialog.draw_now()
    assert "1,004 × " in dialog.size_label.text()
    qtbot.mouseClick(dialog.copy_button, Qt.MouseButton.LeftButton)
    assert QGuiApplication.clipboard().image().width() == 1004
    assert told[-1][1] is False
    QGuiApplication.clipboard().clear()
    qtbot.keyClick(dialog, Qt.Key.Key_Escape)
    assert not dialog.isVisible()
