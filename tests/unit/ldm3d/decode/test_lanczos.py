"""Small pictures are enlarged to the bits of OpenCV, whatever their sizes, and by OpenCV itself where that fails."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.decode import lanczos
from ldm3d.decode.centre_crop import centre_crop


@pytest.fixture(scope="module", autouse=True)
def prepared():
    assert lanczos.prepare()
    yield
    lanczos._ready = False


def picture(height: int, width: int, seed: int, kind: str) -> np.ndarray:
    random = np.random.default_rng(seed)
    levels = {"noise": (0, 256, 1), "black and white": (0, 2, 255), "dark": (0, 3, 1)}[kind]
    return (random.integers(levels[0], levels[1], (height, width, 3)) * levels[2]).astype(np.uint8)


KINDS = st.sampled_from(["noise", "black and white", "dark"])


@settings(max_examples=150, deadline=None)
@given(st.integers(2, 300), st.integers(2, 300), st.integers(1, 64), st.integers(1, 600), st.integers(0, 99), KINDS)
def test_a_part_of_an_enlarged_picture_is_opencvs_to_the_bit(height, width, more, size, seed, kind):
    pixels, taller, wider = picture(height, width, seed, kind), height + more, width + more * 2
    size = min(size, taller, wider)
    top, left = (taller - size) // 2, (wider - size) // 2
    whole = cv2.resize(pixels, (wider, taller), interpolation=cv2.INTER_LANCZOS4)
    found = lanczos.resize_part(pixels, taller, wider, top, left, size)
    np.testing.assert_array_equal(found, whole[top : top + size, left : left + size])


@pytest.mark.parametrize("shape", [(480, 640), (640, 480), (375, 500), (333, 1_200), (511, 511), (17, 40)])
def test_squares_are_the_same_with_it_and_without(shape, monkeypatch):
    pixels = picture(*shape, 0, "noise")
    found = centre_crop(pixels, 512)
    monkeypatch.setattr(lanczos, "_ready", False)
    np.testing.assert_array_equal(found, centre_crop(pixels, 512))


def test_where_it_differs_from_opencv_it_is_not_used(monkeypatch):
    monkeypatch.setattr(lanczos, "resize_part", lambda pixels, *_: pixels)
    lanczos._is_like_opencv.cache_clear()
    try:
        assert not lanczos.prepare()
        assert not lanczos.is_ready()
    finally:
        monkeypatch.undo()
        lanczos._is_like_opencv.cache_clear()
        assert lanczos.prepare()
