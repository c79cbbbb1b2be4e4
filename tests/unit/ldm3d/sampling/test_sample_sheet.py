"""The sample sheet shows generated pictures, coloured depth, prompts and a title."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm3d.figures.contact_sheet import GAP, LINE, TILE, colour_depth
from ldm3d.sampling import Sample
from ldm3d.sampling.sample_sheet import sample_sheet

RED = (200, 30, 40)


def sample(prompt: str = "a red wall", seed: int = 7, is_finite: bool = True, has_depth: bool = True) -> Sample:
    image, depth = np.full((16, 16, 3), RED, np.uint8), np.full((16, 16), 65_535, np.uint16)
    return Sample(prompt, seed, image, depth if has_depth else None, is_finite)


def sheet(*samples: Sample, **settings: object) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(sample_sheet(samples, **settings))))


def test_image_and_coloured_depth_stand_side_by_side_under_the_title():
    top = GAP + 2 * LINE
    pixels = sheet(sample(), title="step 1,200")
    np.testing.assert_array_equal(pixels[top + 5, GAP + 5], RED)
    near = colour_depth(np.array([[65_535]], np.uint16))[0, 0]
    np.testing.assert_array_equal(pixels[top + 5, GAP + TILE + 5], near)
    assert (pixels[GAP : top - 4] < 128).any(), "no title"


def test_without_depth_there_is_no_room_for_it():
    assert sheet(sample(has_depth=False)).shape[1] == TILE + 2 * GAP
    pixels = sheet(sample(), sample(has_depth=False))
    np.testing.assert_array_equal(pixels[GAP + 5, 2 * TILE + 2 * GAP + 5], RED)
    assert (pixels[GAP + 5, -GAP - 5] == 255).all()


def test_columns_are_as_asked():
    assert sheet(*[sample()] * 3, columns=3).shape[1] > sheet(*[sample()] * 3, columns=2).shape[1]


@pytest.mark.parametrize(("one", "other"), [({"seed": 7}, {"seed": 8}), ({"is_finite": True}, {"is_finite": False})])
def test_seed_and_failure_are_written(one, other):
    assert not np.array_equal(sheet(sample(**one)), sheet(sample(**other)))


def test_a_long_title_fits():
    assert sheet(sample(), title="word " * 500).shape == sheet(sample(), title="word").shape


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        sample_sheet([])
