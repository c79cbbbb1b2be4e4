"""The contact sheet shows pictures, coloured depth, and captions of any length."""

import io

import numpy as np
import pytest
from PIL import Image

from ldm3d.figures.contact_sheet import GAP, TILE, Sample, colour_depth, contact_sheet


def sheet(*samples: Sample) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(contact_sheet(samples))))


def sample(caption: str = "a caption") -> Sample:
    return Sample(np.full((32, 32, 3), (200, 30, 40), np.uint8), np.full((32, 32), 65_535, np.uint16), caption)


def test_near_is_brighter_than_far():
    colours = colour_depth(np.array([[0, 30_000, 65_535]], np.uint16)).astype(int).sum(-1)
    assert (np.diff(colours[0]) > 0).all()


def test_image_and_depth_stand_side_by_side():
    pixels = sheet(sample())
    np.testing.assert_array_equal(pixels[GAP + 5, GAP + 5], [200, 30, 40])
    np.testing.assert_array_equal(pixels[GAP + 5, GAP + TILE + 5], colour_depth(np.array([[65_535]], np.uint16))[0, 0])


@pytest.mark.parametrize("caption", ["", "x" * 5_000, "word " * 2_000, "京都 grüße 🙂", "\t"])
def test_any_caption_fits_its_place(caption):
    assert sheet(sample(caption)).shape == sheet(sample()).shape


def test_letters_of_other_alphabets_are_drawn():
    drawn = [
        sheet(sample(letter)).tobytes() for letter in ("é", "ß", "я", "ж", "λ", "\uffff")
    ]  # the last one has no glyph
    assert len(set(drawn)) == len(drawn)


def test_nothing_to_show_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])
