"""Pictures good, odd and hostile, all made here."""

import io
import os
import random
import socket
import struct
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from core import transform
from core.pictures import (
    MAX_PIXELS,
    PictureError,
    is_picture_name,
    load_array,
    load_picture,
    picture_from_bytes,
)

WIDTH, HEIGHT = 12, 8
WHITE_NOTE = "transparent parts shown on white"
DEPTH_NOTE = "16 bits a channel, read as 8"
FRAMES_NOTE = "the first of several frames"


def encode(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_chunk(tag: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + tag + body + struct.pack(">I", zlib.crc32(tag + body))


def raw_png(width: int, height: int, depth: int, colour: int, data: bytes, extra: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", data) + png_chunk(b"IEND", b"")


def png_16(channels: int, colour: int, values: np.ndarray) -> bytes:
    rows = values.astype(">u2").reshape(HEIGHT, WIDTH * channels)
    return raw_png(WIDTH, HEIGHT, 16, colour, zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows)))


def flat(mode: str, colour: Any) -> Image.Image:
    return Image.new(mode, (WIDTH, HEIGHT), colour)


def half(mode: str, left: Any, right: Any) -> Image.Image:
    image = flat(mode, right)
    image.paste(left, (0, 0, WIDTH // 2, HEIGHT))
    return image


def palette() -> Image.Image:
    return half("RGB", (255, 0, 0), (0, 0, 255)).quantize(2)


def animation(kind: str) -> bytes:
    frames = [flat("RGB", (value, value, value)) for value in (10, 200, 250)]
    options = {"lossless": True} if kind == "WEBP" else {}
    return encode(frames[0], kind, save_all=True, append_images=frames[1:], **options)


def with_orientation(kind: str, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(half("RGB", (0, 0, 0), (255, 255, 255)), kind, exif=exif)


def floats(values: list[float]) -> Image.Image:
    grid = np.resize(np.array(values, np.float32), (HEIGHT, WIDTH))
    return Image.fromarray(grid)


def numbers(kind: str, values: list[int]) -> Image.Image:
    return Image.fromarray(np.resize(np.array(values, kind), (HEIGHT, WIDTH)))


Case = tuple[Callable[[], bytes], float, tuple[str, ...]]
ODD: dict[str, Case] = {
    "png rgb": (lambda: encode(flat("RGB", (10, 20, 30)), "PNG"), 20, ()),
    "png grey": (lambda: encode(flat("L", 77), "PNG"), 77, ()),
    "png 1-bit": (lambda: encode(half("1", 0, 1), "PNG"), 127.5, ()),
    "png palette": (lambda: encode(palette(), "PNG"), 85, ()),
    "png palette with transparency": (
        lambda: encode(palette(), "PNG", transparency=palette().getpixel((0, 0))), 170, (WHITE_NOTE,)),
    "png palette with transparency bytes": (
        lambda: encode(palette(), "PNG", transparency=b"\x00\x00"), 255, (WHITE_NOTE,)),
    "png grey with a transparent value": (
        lambda: encode(half("L", 0, 100), "PNG", transparency=0), 177.5, (WHITE_NOTE,)),
    "png rgb with a transparent colour": (
        lambda: encode(half("RGB", (9, 9, 9), (100, 100, 100)), "PNG", transparency=(9, 9, 9)),
        177.5, (WHITE_NOTE,)),
    "png rgba hidden colour": (lambda: encode(flat("RGBA", (200, 0, 0, 0)), "PNG"), 255, (WHITE_NOTE,)),
    "png rgba half seen": (lambda: encode(flat("RGBA", (0, 0, 0, 128)), "PNG"), 127, (WHITE_NOTE,)),
    "png rgba opaque": (lambda: encode(flat("RGBA", (50, 50, 50, 255)), "PNG"), 50, ()),
    "png grey and alpha": (lambda: encode(flat("LA", (0, 51)), "PNG"), 204, (WHITE_NOTE,)),
    "png 16-bit grey": (
        lambda: png_16(1, 0, np.full((HEIGHT, WIDTH), 128 * 257)), 128, (DEPTH_NOTE,)),
    "png 16-bit rgb": (
        lambda: png_16(3, 2, np.full((HEIGHT, WIDTH, 3), 128 * 257)), 128, (DEPTH_NOTE,)),
    "png 16-bit grey and alpha": (
        lambda: png_16(2, 4, np.full((HEIGHT, WIDTH, 2), 65535)), 255, (DEPTH_NOTE,)),
    "png animated": (lambda: animation("PNG"), 10, (FRAMES_NOTE,)),
    "png on its side": (lambda: with_orientation("PNG", 6), 127.5, ()),
    "jpeg rgb": (lambda: encode(flat("RGB", (90, 90, 90)), "JPEG"), 90, ()),
    "jpeg grey": (lambda: encode(flat("L", 90), "JPEG"), 90, ()),
    "jpeg cmyk": (lambda: encode(flat("CMYK", (0, 0, 0, 155)), "JPEG"), 100, ("converted from CMYK",)),
    "jpeg progressive": (lambda: encode(flat("RGB", (90, 90, 90)), "JPEG", progressive=True), 90, ()),
    "webp": (lambda: encode(flat("RGB", (90, 90, 90)), "WEBP", lossless=True), 90, ()),
    "webp alpha": (
        lambda: encode(flat("RGBA", (0, 0, 0, 51)), "WEBP", lossless=True), 204, (WHITE_NOTE,)),
    "webp animated": (lambda: animation("WEBP"), 10, (FRAMES_NOTE,)),
    "bmp": (lambda: encode(flat("RGB", (90, 90, 90)), "BMP"), 90, ()),
    "bmp 1-bit": (lambda: encode(half("1", 0, 1), "BMP"), 127.5, ()),
    "gif": (lambda: encode(flat("L", 90), "GIF"), 90, ()),
    "gif animated": (lambda: animation("GIF"), 10, (FRAMES_NOTE,)),
    "gif transparent": (
        lambda: encode(palette(), "GIF", transparency=palette().getpixel((0, 0))), 170, (WHITE_NOTE,)),
    "tiff": (lambda: encode(flat("RGB", (90, 90, 90)), "TIFF"), 90, ()),
    "tiff deflated": (lambda: encode(flat("RGB", (90, 90, 90)), "TIFF", compression="tiff_deflate"), 90, ()),
    "tiff cmyk": (lambda: encode(flat("CMYK", (0, 0, 0, 155)), "TIFF"), 100, ("converted from CMYK",)),
    "tiff 16-bit": (lambda: encode(numbers("<u2", [257 * 50]), "TIFF"), 50, (DEPTH_NOTE,)),
    "tiff 16-bit big-endian": (lambda: encode(numbers(">u2", [257 * 50]), "TIFF"), 50, (DEPTH_NOTE,)),
    "tiff 32-bit": (
        lambda: encode(numbers("i4", [-1000, 3000]), "TIFF"), 127.5,
        ("brightness spread from -1000 to 3000",)),
    "tiff float": (
        lambda: encode(floats([0.0, 1.0]), "TIFF"), 127.5, ("brightness spread from 0 to 1",)),
    "tiff float flat": (
        lambda: encode(floats([0.3]), "TIFF"), 128, ("brightness spread from 0.3 to 0.3",)),
    "tiff float with nan and inf": (
        lambda: encode(floats([0.0, 1.0, float("nan"), float("inf")]), "TIFF"), 127.5,
        ("brightness spread from 0 to 1", "values that are no numbers shown black")),
    "tiff of two pages": (
        lambda: encode(flat("L", 10), "TIFF", save_all=True, append_images=[flat("L", 99)]), 10,
        (FRAMES_NOTE,)),
    "palette with alpha in a tiff": (lambda: encode(flat("LA", (0, 51)), "TIFF"), 204, (WHITE_NOTE,)),
    "corrupt exif": (
        lambda: encode(flat("RGB", (90, 90, 90)), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff"), 90, ()),
}  # fmt: skip


# Where warnings are not errors, the loader's own filter silences this one.
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data:UserWarning")
@pytest.mark.parametrize("case", ODD)
def test_an_odd_picture_is_read_and_what_was_done_is_said(case: str) -> None:
    make, mean, notes = ODD[case]
    picture = picture_from_bytes(make(), case)
    turned = "side" in case
    assert picture.pixels.shape == ((WIDTH, HEIGHT, 3) if turned else (HEIGHT, WIDTH, 3))
    assert picture.pixels.dtype == np.uint8
    assert not picture.pixels.flags.writeable
    assert abs(picture.pixels.mean() - mean) < 1
    assert tuple(str(note) for note in picture.notes) == notes


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_turned_as_pillow_does(kind: str, orientation: int) -> None:
    data = with_orientation(kind, orientation)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    assert np.array_equal(picture_from_bytes(data, "turned").pixels, expected)


def test_fifty_random_pictures_come_back_exactly(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for number in range(50):
        pixels = generator.integers(0, 256, (*generator.integers(1, 40, 2), 3), dtype=np.uint8)
        path = tmp_path / f"{number} ü 图.png"
        Image.fromarray(pixels).save(path)
        picture = load_picture(path)
        assert np.array_equal(picture.pixels, pixels)
        assert picture.name == path.name


@pytest.mark.parametrize("size", [(20_000, 1), (1, 20_000), (1, 1)])
def test_a_picture_of_one_line_can_be_fitted(size: tuple[int, int]) -> None:
    picture = picture_from_bytes(encode(Image.new("RGB", size, (9, 8, 7)), "PNG"), "line")
    for wanted in (transform.CIFAR10, transform.IMAGENET):
        fitted = transform.fit(picture.pixels, wanted)
        assert fitted.shape == (wanted.size, wanted.size, 3)
        assert (fitted == (9, 8, 7)).all()


REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "empty.png is empty"),
    "text": (b"hello, " * 200, "text.png is text, not a picture"),
    "a web page": (b"<!DOCTYPE html><html></html>", "a web page.png is a web page, not a picture"),
    "noise": (bytes(range(128, 256)) * 9, "is not a PNG, JPEG"),
    "cut jpeg": (encode(Image.effect_noise((90, 90), 50), "JPEG")[:900], "is damaged or incomplete"),
    "cut png": (encode(Image.effect_noise((90, 90), 50), "PNG")[:900], "is damaged or incomplete"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is text, not a picture"),
    "all nan": (encode(floats([float("nan")]), "TIFF"), "holds no finite value"),
    "bomb in the header": (raw_png(65_000, 65_000, 8, 2, b""), "more than 64 million pixels"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_picture_is_refused_with_the_reason(case: str, tmp_path: Path) -> None:
    data, reason = REFUSED[case]
    path = tmp_path / f"{case}.png"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=reason):
        load_picture(path)
    with pytest.raises(PictureError, match=reason):
        picture_from_bytes(data, path.name)


def test_a_real_bomb_is_refused_before_it_is_decoded() -> None:
    width, height = 10_000, 9_500
    packer = zlib.compressobj()
    row = bytes(1 + width // 8)
    data = b"".join([*(packer.compress(row) for _ in range(height)), packer.flush()])
    bomb = raw_png(width, height, 1, 0, data)
    assert len(bomb) < 100_000
    started = time.perf_counter()
    with pytest.raises(PictureError, match="more than 64 million pixels"):
        picture_from_bytes(bomb, "bomb")
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize("kind", ["JPEG", "GIF"])
def test_a_large_picture_is_halved_and_that_is_said(kind: str) -> None:
    data = encode(Image.new("L", (6001, 5000), 50), kind)
    picture = picture_from_bytes(data, "large")
    assert picture.pixels.shape == (2500, 3001, 3)
    assert abs(picture.pixels.mean() - 50) < 1
    assert [str(note) for note in picture.notes] == ["halved from 6001 × 5000 pixels"]
    assert MAX_PIXELS > 6001 * 5000


def test_only_regular_files_are_opened_and_nothing_blocks(tmp_path: Path) -> None:
    fifo, plug = tmp_path / "fifo.png", tmp_path / "plug.png"
    os.mkfifo(fifo)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(plug))
        started = time.perf_counter()
        for path in (fifo, plug, Path("/dev/zero")):
            with pytest.raises(PictureError, match="is not a regular file"):
                load_picture(path)
        assert time.perf_counter() - started < 1
    with pytest.raises(PictureError, match="is a folder"):
        load_picture(tmp_path)


def test_a_path_that_leads_nowhere_is_said(tmp_path: Path) -> None:
    (tmp_path / "loop.png").symlink_to("loop.png")
    for path in (tmp_path / "absent.png", tmp_path / "loop.png", "nul\0.png", "x" * 5000):
        with pytest.raises(PictureError, match=r"does not exist|cannot be opened"):
            load_picture(path)


def mutated(data: bytes, generator: random.Random) -> bytes:
    body = bytearray(data)
    for _ in range(generator.choice((1, 4, 16))):
        body[generator.randrange(len(body))] = generator.randrange(256)
    if generator.random() < 0.3:
        del body[generator.randrange(len(body)) :]
    return bytes(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
def test_a_mutated_picture_raises_nothing_but_picture_error(kind: str) -> None:
    generator = random.Random(kind)
    source = encode(Image.effect_noise((40, 30), 60).convert("RGB"), kind)
    for number in range(30):
        started = time.perf_counter()
        with suppress(PictureError):
            picture = picture_from_bytes(mutated(source, generator), str(number))
            assert picture.pixels.size <= 3 * MAX_PIXELS
        assert time.perf_counter() - started < 2


def test_the_error_names_a_file_with_a_newline_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "two\nlines.png"
    path.write_bytes(b"no")
    with pytest.raises(PictureError) as caught:
        load_picture(path)
    assert str(caught.value) == "two lines.png is text, not a picture"


def test_a_name_that_is_no_text_can_be_printed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.png"
    Path(os.fsdecode(path)).write_bytes(encode(flat("L", 1), "PNG"))
    assert load_picture(os.fsdecode(path)).name == "?.png"


def test_picture_names() -> None:
    assert all(map(is_picture_name, ("a.png", "b.JPG", Path("c.Tiff"), "d.webp")))
    assert not any(map(is_picture_name, ("a", "b.txt", "c.svg", ".png")))


# ---- arrays -------------------------------------------------------------------------------


def test_an_array_is_taken_as_it_is(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    for number, stored in enumerate((values, values.astype(">f4"), np.asfortranarray(values))):
        np.save(tmp_path / f"{number}.npy", stored)
        loaded = load_array(tmp_path / f"{number}.npy")
        assert loaded.dtype == np.float32
        assert np.array_equal(loaded, values)


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def huge_header() -> bytes:
    out = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (3, 60_000, 60_000)}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue()


BAD_ARRAYS: dict[str, tuple[bytes, str]] = {
    "bytes": (npy(np.zeros((3, 4, 4), np.uint8)), "must hold float32"),
    "pickled": (npy(np.array([object], dtype=object)), "must hold float32"),
    "flat": (npy(np.zeros((3, 16), np.float32)), "must have the shape"),
    "one number": (npy(np.float32(1)), "not one number"),
    "channels last": (npy(np.zeros((4, 4, 3), np.float32)), "not 4 × 4 × 3"),
    "no rows": (npy(np.zeros((3, 0, 4), np.float32)), "must have the shape"),
    "nan": (npy(np.full((3, 2, 2), np.nan, np.float32)), "not finite"),
    "too large for float32": (npy(np.full((3, 2, 2), 1e300)), "not finite"),
    "cut": (npy(np.zeros((3, 4, 4), np.float32))[:-8], "is not a NumPy array"),
    "text": (b"hello", "is not a NumPy array"),
    "huge": (huge_header(), "more than 16 million numbers"),
}


@pytest.mark.parametrize("case", BAD_ARRAYS)
def test_an_array_that_cannot_be_a_picture_is_refused(case: str, tmp_path: Path) -> None:
    data, reason = BAD_ARRAYS[case]
    path = tmp_path / f"{case}.npy"
    path.write_bytes(data)
    with pytest.raises(PictureError, match=reason):
        load_array(path)


# ---- transform ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(300, 400), (256, 256), (100, 33), (257, 999), (1, 20), (613, 501)])
def test_the_imagenet_path_is_torchvisions(size: tuple[int, int]) -> None:
    models = pytest.importorskip("torchvision.models")
    pixels = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = models.ResNet18_Weights.IMAGENET1K_V1.transforms()(Image.fromarray(pixels)).numpy()
    ours = transform.prepare(pixels, transform.IMAGENET)
    assert ours.shape == (3, 224, 224)
    assert np.abs(ours - expected).max() < 1e-6


def test_without_resize_a_picture_shrinks_by_averaging_and_grows_bilinearly() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    plain = transform.Transform(4, None, (0, 0, 0), (1, 1, 1))
    mean = pixels[:, 2:10].reshape(4, 2, 4, 2, 3).mean((1, 3))
    assert np.abs(transform.fit(pixels, plain) - mean).max() <= 1
    larger = transform.Transform(16, None, (0, 0, 0), (1, 1, 1))
    expected = Image.fromarray(pixels).resize((24, 16), Image.Resampling.BILINEAR).crop((4, 0, 20, 16))
    assert np.array_equal(transform.fit(pixels, larger), np.asarray(expected))
    same = transform.Transform(8, None, (0, 0, 0), (1, 1, 1))
    assert np.array_equal(transform.fit(pixels, same), pixels[:, 2:10])


def test_grey_is_luminance_three_times() -> None:
    red = np.zeros((5, 5, 3), np.uint8)
    red[..., 0] = 255
    grey = transform.Transform(5, None, (0, 0, 0), (1, 1, 1), grey=True)
    assert (transform.fit(red, grey) == 76).all()


def test_transforms_survive_json_and_say_what_they_do() -> None:
    made = transform.Transform(28, None, (0.286, 0.286, 0.286), (0.353, 0.353, 0.353), grey=True)
    for each in (transform.IMAGENET, transform.CIFAR10, made):
        assert transform.from_json(transform.to_json(each)) == each
    assert transform.IMAGENET.words() == "shorter side to 256, centre crop 224, ImageNet mean and deviation"
    assert transform.CIFAR10.words() == "shorter side to 32, centre crop 32, CIFAR-10 mean and deviation"
    assert made.words() == "shorter side to 28, centre crop 28, to grey, mean 0.286, deviation 0.353"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"size": 0}, "size must be"),
        ({"size": True}, "size must be"),
        ({"size": "8"}, "size must be"),
        ({"resize": 100}, "too small for a crop"),
        ({"mean": [1, 2]}, "mean must be three numbers"),
        ({"mean": [1, 2, float("nan")]}, "mean must be three numbers"),
        ({"std": [1, 0, 1]}, "must be above 0"),
        ({"std": None}, "deviation must be three numbers"),
        ({"grey": 1}, "grey must be"),
        ({"colour": 1}, "has no colour"),
    ],
)
def test_a_bad_transform_is_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(transform.TransformError, match=reason):
        transform.from_json({**transform.to_json(transform.IMAGENET), **change})
    with pytest.raises(transform.TransformError, match="needs"):
        transform.from_json({"size": 3})
