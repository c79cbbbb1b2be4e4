"""Real and generated pictures are prepared in one way: upright RGB, cropped to the middle, resized by one filter."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from ldm3d.images import encode_depth, encode_rgb
from ldm3d.measures.prepare import depth_of, middle, picture_of
from ldm3d.reject import Reason, Rejected
from tests.builders.png import declares

NOISE = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_samples_are_seen_as_they_are():
    assert np.array_equal(picture_of(encode_rgb(NOISE), None), NOISE)
    assert np.array_equal(picture_of(encode_rgb(NOISE), (40, 60)), NOISE)


def test_grey_transparent_and_turned_pictures_become_upright_rgb():
    grey = Image.fromarray(NOISE[..., 0])
    assert np.array_equal(picture_of(saved(grey, "PNG"), None), np.repeat(NOISE[..., :1], 3, axis=2))
    clear = Image.fromarray(np.dstack([NOISE, np.zeros((40, 60), np.uint8)]))
    assert (picture_of(saved(clear, "PNG"), None) == 255).all()
    exif = Image.Exif()
    exif[0x0112] = 6  # rotate by 90 degrees, clockwise
    turned = picture_of(saved(Image.fromarray(NOISE), "PNG", exif=exif), None)
    assert np.array_equal(turned, np.rot90(NOISE, -1))


def test_the_middle_of_the_wanted_shape_is_resized_by_pillow():
    seen = picture_of(encode_rgb(NOISE), (16, 16))
    expected = Image.fromarray(NOISE[:, 10:50]).resize((16, 16), Image.Resampling.LANCZOS)
    assert np.array_equal(seen, np.asarray(expected))
    assert not np.array_equal(seen, picture_of(encode_rgb(NOISE), (16, 16), "box"))


@pytest.mark.parametrize(
    ("height", "width", "size", "box"),
    [
        (40, 60, (16, 16), (10, 0, 50, 40)),
        (60, 40, (16, 16), (0, 10, 40, 50)),
        (40, 60, (10, 30), (0, 10, 60, 30)),
        (7, 7, (3, 3), (0, 0, 7, 7)),
    ],
)
def test_what_is_cut_away_is_as_much_on_either_side(height, width, size, box):
    assert middle(height, width, size) == pytest.approx(box)


def test_depth_is_cut_and_resized_like_its_picture_in_float():
    ramp = np.tile(np.linspace(0, 65_535, 60).astype(np.uint16), (40, 1))
    assert np.array_equal(depth_of(encode_depth(ramp, "png"), None), ramp)
    small = depth_of(encode_depth(ramp, "png"), (20, 20))
    of_pixels = ramp[:, 10:50].astype(float).reshape(20, 2, 20, 2).mean((1, 3))
    assert np.abs(depth_of(encode_depth(ramp, "png"), (20, 20), "box").astype(float) - of_pixels).max() <= 0.5
    assert small.dtype == np.uint16
    assert (np.diff(small[0].astype(int)) > 0).all()


def test_broken_files_are_data():
    good = cv2.imencode(".jpg", NOISE)[1].tobytes()
    for content, reason in (
        (b"", Reason.NOT_AN_IMAGE),
        (b"<svg/>", Reason.NOT_AN_IMAGE),
        (encode_rgb(NOISE)[:60], Reason.DECODE_FAILED),
    ):
        with pytest.raises(Rejected) as caught:
            picture_of(content, None)
        assert caught.value.reason == reason
    assert picture_of(good, None).shape == (40, 60, 3)
    with pytest.raises(Rejected):
        depth_of(encode_rgb(NOISE), None)


@pytest.mark.parametrize("side", [1_000, 50_000])  # OpenCV returns nothing for the one, and raises for the other
def test_depth_that_declares_more_than_it_holds_is_data(side):
    with pytest.raises(Rejected) as caught:
        depth_of(declares(side, side), None)
    assert caught.value.reason == Reason.DECODE_FAILED
