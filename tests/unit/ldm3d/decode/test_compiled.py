"""Pictures are enlarged and shrunk to the bits of OpenCV, of any sizes, and by OpenCV itself where that fails."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.decode import area_passes, lanczos_passes
from ldm3d.decode.area import AREA
from ldm3d.decode.centre_crop import centre_crop
from ldm3d.decode.lanczos import LANCZOS

RESIZERS = [AREA, LANCZOS]


@pytest.fixture(scope="module", autouse=True)
def prepared():
    assert AREA.prepare()
    assert LANCZOS.prepare()
    yield
    AREA.is_ready = LANCZOS.is_ready = False


def picture(height: int, width: int, seed: int, kind: str) -> np.ndarray:
    random = np.random.default_rng(seed)
    levels = {"noise": (0, 256, 1), "black and white": (0, 2, 255), "dark": (0, 3, 1)}[kind]
    return (random.integers(levels[0], levels[1], (height, width, 3)) * levels[2]).astype(np.uint8)


SIDES, SEEDS = st.integers(2, 300), st.integers(0, 99)
KINDS = st.sampled_from(["noise", "black and white", "dark"])


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 64), st.integers(1, 600), SEEDS, KINDS)
def test_a_part_of_an_enlarged_picture_is_opencvs_to_the_bit(height, width, more, size, seed, kind):
    pixels, taller, wider = picture(height, width, seed, kind), height + more, width + more * 2
    size = min(size, taller, wider)
    top, left = (taller - size) // 2, (wider - size) // 2
    whole = cv2.resize(pixels, (wider, taller), interpolation=cv2.INTER_LANCZOS4)
    found = LANCZOS.resize_part(pixels, taller, wider, top, left, size)
    np.testing.assert_array_equal(found, whole[top : top + size, left : left + size])


@settings(max_examples=150, deadline=None)
@given(SIDES, SIDES, st.integers(1, 300), st.integers(1, 300), SEEDS, KINDS)
def test_a_part_of_a_shrunk_picture_is_opencvs_to_the_bit(height, width, size, shorter, seed, kind):
    shorter = min(shorter, min(height, width) - 1)
    scale = shorter / min(height, width)
    lower, narrower = (round(side * scale) for side in (height, width))
    size, pixels = min(size, shorter), picture(height, width, seed, kind)
    top, left = (lower - size) // 2, (narrower - size) // 2
    whole = cv2.resize(pixels, (narrower, lower), interpolation=cv2.INTER_AREA)
    if AREA.suits((height, width), (lower, narrower)):
        found = AREA.resize_part(pixels, lower, narrower, top, left, size)
        np.testing.assert_array_equal(found, whole[top : top + size, left : left + size])
    else:
        assert height % lower == width % narrower == 0


ENLARGED = [(480, 640), (640, 480), (375, 500), (333, 1_200), (511, 511), (17, 40)]
SHRUNK = [(768, 1_024), (1_024, 768), (513, 513), (683, 2_000), (1_024, 1_024), (1_536, 2_048), (1_600, 1_300)]


@pytest.mark.parametrize("shape", ENLARGED + SHRUNK)
def test_squares_are_the_same_with_them_and_without(shape, monkeypatch):
    pixels = picture(*shape, 0, "noise")
    found = centre_crop(pixels, 512)
    for resizer in RESIZERS:
        monkeypatch.setattr(resizer, "is_ready", False)
    np.testing.assert_array_equal(found, centre_crop(pixels, 512))


@pytest.mark.parametrize(
    ("resizer", "passes", "shape"), [(AREA, area_passes, (90, 70)), (LANCZOS, lanczos_passes, (30, 50))]
)
def test_no_kind_of_array_is_compiled_for_anew(resizer, passes, shape):
    pixels = picture(*shape, 0, "noise")
    pixels.flags.writeable = False
    wanted = resizer.resize_part(pixels, 61, 47, 0, 0, 40)
    mirrored = picture(*shape, 0, "noise")[::-1][::-1]
    np.testing.assert_array_equal(resizer.resize_part(mirrored, 61, 47, 0, 0, 40), wanted)
    assert len(passes.resize.signatures) == len(passes.weigh_axis.signatures) == 1


@pytest.mark.parametrize("resizer", RESIZERS)
def test_where_it_differs_from_opencv_it_is_not_used(resizer, monkeypatch):
    monkeypatch.setattr(resizer, "resize_part", lambda pixels, *_: pixels)
    monkeypatch.setattr(resizer, "_result", None)
    assert not resizer.prepare()
    assert not resizer.suits((100, 100), (50, 60))
    monkeypatch.undo()
    assert resizer.prepare()
