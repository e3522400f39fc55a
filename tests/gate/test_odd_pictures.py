"""Odd pictures: the right verdict, the right pixels and the right words for each."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core import transform
from core.pictures import MAX_PIXELS, PictureError, load_picture, picture_from_bytes
from tests.core.test_pictures import (
    ODD,
    REFUSED,
    encode,
    raw_png,
    test_a_large_picture_is_halved_and_that_is_said,
    test_a_path_that_leads_nowhere_is_said,
    test_a_picture_of_one_line_can_be_fitted,
    test_a_real_bomb_is_refused_before_it_is_decoded,
    test_an_array_that_cannot_be_a_picture_is_refused,
    test_an_odd_picture_is_read_and_what_was_done_is_said,
    test_every_exif_orientation_is_turned_as_pillow_does,
    test_only_regular_files_are_opened_and_nothing_blocks,
    test_what_is_no_picture_is_refused_with_the_reason,
)

__all__ = [
    "test_a_large_picture_is_halved_and_that_is_said",
    "test_a_path_that_leads_nowhere_is_said",
    "test_a_picture_of_one_line_can_be_fitted",
    "test_a_real_bomb_is_refused_before_it_is_decoded",
    "test_an_array_that_cannot_be_a_picture_is_refused",
    "test_an_odd_picture_is_read_and_what_was_done_is_said",
    "test_every_exif_orientation_is_turned_as_pillow_does",
    "test_only_regular_files_are_opened_and_nothing_blocks",
    "test_what_is_no_picture_is_refused_with_the_reason",
]
pytestmark = pytest.mark.gate


def test_there_are_forty_of_them() -> None:
    assert len(ODD) + len(REFUSED) >= 40


@pytest.mark.parametrize("kind", ["PNG", "GIF", "BMP"])
def test_more_pixels_than_ours_are_refused_though_pillow_would_take_them(kind: str) -> None:
    """Between our limit and Pillow's own, from a few kilobytes."""
    width, height = 8_200, 8_000
    assert MAX_PIXELS < width * height < 89_000_000
    if kind == "PNG":
        data = raw_png(width, height, 1, 0, zlib.compress(bytes((1 + width // 8) * height)))
    else:
        data = encode(Image.new("1" if kind == "BMP" else "L", (width, height)), kind)
    with pytest.raises(PictureError, match="more than 64 million pixels"):
        picture_from_bytes(data, "large")


def test_two_hundred_random_pictures_come_back_exactly(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    for number in range(200):
        pixels = generator.integers(0, 256, (*generator.integers(1, 60, 2), 3), dtype=np.uint8)
        out = io.BytesIO()
        kind = ("PNG", "BMP", "TIFF", "WEBP")[number % 4]
        Image.fromarray(pixels).save(
            out, kind, **({"lossless": True, "exact": True} if kind == "WEBP" else {})
        )
        path = tmp_path / f"{number}.{kind.lower()}"
        path.write_bytes(out.getvalue())
        assert np.array_equal(load_picture(path).pixels, pixels), kind


@pytest.mark.parametrize("case", [case for case in ODD if "exif" not in case])
def test_what_the_gallery_shows_is_what_the_network_gets(case: str) -> None:
    """One loader for both: the picture as fitted, brought back from normalised numbers, to within 1."""
    pixels = picture_from_bytes(ODD[case][0](), case).pixels
    for wanted in (transform.CIFAR10, transform.IMAGENET):
        seen = transform.fit(pixels, wanted).astype(np.float32)
        given = transform.prepare(pixels, wanted).transpose(1, 2, 0)
        back = (given * np.float32(wanted.std) + np.float32(wanted.mean)) * 255
        assert np.abs(back - seen).max() <= 1
