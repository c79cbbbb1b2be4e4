"""Copies of a photograph keep its colours, and the same photograph in other colours does not."""

import io

import numpy as np
import pytest
from PIL import Image
from skimage import data

from benchmarks.near_duplicates import with_hue_turned
from ldm3d.duplicates.colours import coarse_colours, have_colours_of
from ldm3d.duplicates.perceptual_hash import perceptual_hash
from tests.builders.hashes import hamming

COFFEE = data.coffee()  # a brown table, a red saucer


def recompressed(image: np.ndarray, quality: int, width: int) -> np.ndarray:
    stream = io.BytesIO()
    height = round(width * image.shape[0] / image.shape[1])
    Image.fromarray(image).resize((width, height)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def are_alike(one: np.ndarray, other: np.ndarray) -> bool:
    return bool(have_colours_of(coarse_colours(one), coarse_colours(other)[None])[0])


def test_the_colours_of_a_plain_picture_are_its_chroma():
    """BT.601: Cr = 0.5 R - 0.4187 G - 0.0813 B + 128, Cb = -0.1687 R - 0.3313 G + 0.5 B + 128."""
    red = np.full((64, 48, 3), [200, 0, 0], np.uint8)
    np.testing.assert_array_equal(coarse_colours(red).reshape(16, 2), [[228, 94]] * 16)


def test_the_cells_are_in_rows():
    image = np.full((64, 64, 3), 77, np.uint8)
    image[16:32, 32:48] = [0, 0, 255]
    assert np.flatnonzero((coarse_colours(image).reshape(16, 2) != 128).any(axis=-1)).tolist() == [6]


@pytest.mark.parametrize(("apart", "alike"), [((12, 0), True), ((0, -13), False), ((8, 9), False), ((8, 8), True)])
def test_one_cell_decides_by_the_distance_of_its_chroma(apart, alike):
    one = np.full(32, 128, np.uint8)
    others = np.stack([one, one, one])
    others[1, 10:12] = 128 + np.array(apart)
    assert have_colours_of(one, others).tolist() == [True, alike, True]


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("width", [150, 300, 900])
def test_a_recompressed_and_resized_copy_has_the_colours(quality, width):
    assert are_alike(COFFEE, recompressed(COFFEE, quality, width))


def test_a_slightly_cropped_or_toned_copy_has_the_colours():
    height, width, _ = COFFEE.shape
    assert are_alike(COFFEE, COFFEE[height // 100 : -height // 100, width // 100 : -width // 100])
    assert are_alike(COFFEE, np.uint8((COFFEE * 1.1).clip(0, 255)))
    assert are_alike(COFFEE, np.uint8(255 * (COFFEE / 255) ** 1.15))


@pytest.mark.parametrize("degrees", [45, 90, 180, -45])
def test_another_colour_of_one_thing_has_not_though_the_hash_is_near(degrees):
    where = np.zeros(COFFEE.shape[:2], np.bool_)
    where[150:350, 100:400] = True
    saucer = with_hue_turned(COFFEE, degrees, where)
    assert hamming(perceptual_hash(COFFEE), perceptual_hash(saucer)) <= 3
    assert not are_alike(COFFEE, saucer)


def test_the_smallest_pictures_have_colours():
    for side in (1, 2, 3, 5):
        np.testing.assert_array_equal(coarse_colours(np.full((side, side, 3), 90, np.uint8)), 128)
