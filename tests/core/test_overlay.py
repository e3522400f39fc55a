"""The overlay against a pixel-by-pixel reckoning, and the maps that say nothing."""

import math

import numpy as np
import pytest

from core.overlay import PALE, Look, draw, flatten, scale_of

SIGNS = ("both", "positive", "negative", "absolute")
TABLE = np.stack([np.arange(256), 255 - np.arange(256), np.arange(256) // 2], axis=1).astype(np.uint8)


def random_map(seed: int = 0, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(channels, 6, 7)).astype(np.float32)


def random_picture(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (6, 7, 3)).astype(np.uint8)


def percentile_by_hand(values: list[float]) -> float:
    ordered = sorted(abs(value) for value in values)
    place = 0.99 * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def pixel_by_hand(pixel: np.ndarray, value: float, scale: float, sign: str, opacity: float) -> list[float]:
    share = max(-1.0, min(1.0, value / scale))
    if sign == "positive":
        share = max(share, 0.0)
    elif sign == "negative":
        share = max(-share, 0.0)
    elif sign == "absolute":
        share = abs(share)
    depth = PALE + (1 - PALE) * abs(share)
    if sign == "both":
        depth = (1 + depth) / 2 if share >= 0 else (1 - depth) / 2
    color = TABLE[round(depth * 255)]
    alpha = opacity * math.sqrt(abs(share))
    return [
        float(under) * (1 - alpha) + float(over) * alpha for under, over in zip(pixel, color, strict=True)
    ]


def test_the_scale_is_the_percentile_of_the_summed_channels() -> None:
    attribution = random_map()
    summed = [float(sum(attribution[:, r, c].astype(float))) for r in range(6) for c in range(7)]
    assert scale_of([attribution]) == pytest.approx(percentile_by_hand(summed), rel=1e-12)


def test_the_common_scale_pools_all_maps_whatever_their_sizes() -> None:
    maps = [random_map(0), 5 * random_map(1, channels=1)]
    pooled = [float(value) for each in maps for value in flatten(each).ravel()]
    assert scale_of(maps) == pytest.approx(percentile_by_hand(pooled), rel=1e-12)
    assert scale_of(maps) > scale_of(maps[:1])


def test_a_single_hot_pixel_is_its_own_scale() -> None:
    attribution = np.zeros((3, 28, 28), np.float32)
    attribution[1, 4, 5] = -0.25
    assert scale_of([attribution]) == 0.25


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("opacity", [0.0, 0.35, 1.0])
@pytest.mark.parametrize("scale", [None, 0.8], ids=["own scale", "common scale"])
def test_every_pixel_is_blended_as_reckoned_by_hand(sign: str, opacity: float, scale: float | None) -> None:
    picture, attribution = random_picture(), random_map()
    made = draw(picture, attribution, TABLE, Look(sign, opacity), scale)
    values = flatten(attribution)
    assert made.scale == (scale_of([attribution]) if scale is None else scale)
    for row, column in np.ndindex(values.shape):
        wanted = pixel_by_hand(picture[row, column], values[row, column], made.scale, sign, opacity)
        assert np.abs(made.rgba[row, column, :3] - np.array(wanted)).max() <= 0.5 + 1e-9
    assert (made.rgba[..., 3] == 255).all()
    assert made.notice is None


def test_opacity_zero_is_the_picture_itself() -> None:
    picture = random_picture()
    assert np.array_equal(draw(picture, random_map(), TABLE, Look(opacity=0)).rgba[..., :3], picture)


def test_a_zero_map_leaves_the_picture_and_says_so() -> None:
    picture = random_picture()
    made = draw(picture, np.zeros((3, 6, 7)), TABLE, Look(opacity=1))
    assert np.array_equal(made.rgba[..., :3], picture)
    assert made.scale == 0
    assert str(made.notice) == "this map is zero everywhere"


def test_channels_that_cancel_are_zero() -> None:
    attribution = np.stack([np.ones((6, 7)), -np.ones((6, 7))])
    assert str(draw(random_picture(), attribution, TABLE, Look()).notice) == "this map is zero everywhere"


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_bare_counted_and_not_part_of_the_scale(broken: float) -> None:
    picture, attribution = random_picture(), random_map()
    whole = attribution.copy()
    attribution[1, 2, 3] = broken
    made = draw(picture, attribution, TABLE, Look(opacity=1))
    assert np.array_equal(made.rgba[2, 3, :3], picture[2, 3])
    rest = np.delete(flatten(whole).ravel(), 2 * 7 + 3)
    assert made.scale == pytest.approx(percentile_by_hand(list(rest)))
    assert str(made.notice) == "left bare, as not finite: 1 of the map's numbers"


def test_opposite_infinities_in_one_pixel_are_not_finite() -> None:
    attribution = random_map()
    attribution[0, 0, 0], attribution[1, 0, 0] = math.inf, -math.inf
    assert "not finite" in str(draw(random_picture(), attribution, TABLE, Look()).notice)


def test_a_map_without_a_finite_number_is_said() -> None:
    picture = random_picture()
    made = draw(picture, np.full((3, 6, 7), math.nan, np.float32), TABLE, Look(opacity=1))
    assert np.array_equal(made.rgba[..., :3], picture)
    assert str(made.notice) == "no number of this map is finite"


def test_a_constant_map_is_drawn_and_said() -> None:
    made = draw(random_picture(), np.full((1, 6, 7), 0.5), TABLE, Look(opacity=1))
    assert (made.rgba[..., :3] == TABLE[255]).all()
    assert str(made.notice) == "this map has the same value everywhere"


@pytest.mark.parametrize(("sign", "factor"), [("positive", -1), ("negative", 1)])
def test_a_sign_that_does_not_occur_is_said(sign: str, factor: int) -> None:
    picture = random_picture()
    made = draw(picture, factor * np.abs(random_map()), TABLE, Look(sign, 1))
    assert np.array_equal(made.rgba[..., :3], picture)
    assert str(made.notice) == f"nothing in this map is {sign}"


@pytest.mark.parametrize("size", [5e-324, 1e-300, 1e300])
def test_extreme_sizes_neither_warn_nor_vanish(size: float) -> None:
    attribution = np.zeros((1, 6, 7))
    attribution[0, 1, 1] = size
    made = draw(np.zeros((6, 7, 3), np.uint8), attribution, TABLE, Look(opacity=1))
    assert tuple(made.rgba[1, 1, :3]) == tuple(TABLE[255])


def test_a_map_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="does not lie on"):
        draw(random_picture(), np.zeros((3, 7, 6)), TABLE, Look())


def test_read_only_arrays_are_left_alone() -> None:
    picture, attribution = random_picture(), random_map()
    picture.setflags(write=False)
    attribution.setflags(write=False)
    before = picture.copy(), attribution.copy()
    draw(picture, attribution, TABLE, Look())
    assert np.array_equal(picture, before[0])
    assert np.array_equal(attribution, before[1])
