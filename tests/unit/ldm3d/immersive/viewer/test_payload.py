"""What a page carries is read back as it was."""

import base64
import io
import zlib

import numpy as np
import pytest
from PIL import Image

from ldm3d.immersive.viewer.payload import only_around, pack_distances, picture_uri


def unpacked(text: str, height: int, width: int, near: float, far: float) -> np.ndarray:
    """Read distances as src/payload.js does."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, height, width)
    codes = np.cumsum(planes[0] + 256 * planes[1].astype(np.uint16), axis=1, dtype=np.uint16)
    inverse = 1 / far + (codes - 1.0) * (1 / near - 1 / far) / 65_534
    return np.where(codes == 0, np.nan, 1 / inverse)


def test_distances_come_back_within_half_a_step_of_16_bits():
    distance = np.random.default_rng(0).uniform(0.3, 40, (32, 64))
    distance[3, 4] = np.nan
    near, far = np.nanmin(distance), np.nanmax(distance)
    found = unpacked(pack_distances(distance, near, far), 32, 64, near, far)
    assert np.isnan(found[3, 4])
    assert np.isnan(found).sum() == 1
    off = np.abs(1 / found - 1 / distance) / (1 / near - 1 / far)
    assert np.nanmax(off) <= 0.5001 / 65_534
    assert np.nanmin(found) == pytest.approx(near)
    assert np.nanmax(found) == pytest.approx(far)


def test_one_distance_everywhere_is_itself():
    distance = np.full((4, 8), 2.5, np.float32)
    assert unpacked(pack_distances(distance, 2.5, 2.5), 4, 8, 2.5, 2.5) == pytest.approx(2.5)


def test_a_better_picture_is_larger():
    picture = np.random.default_rng(0).integers(0, 256, (32, 64, 3), np.uint8)
    coarse, fine = (picture_uri(picture, quality) for quality in (10, 95))
    assert len(coarse) < len(fine)
    with Image.open(io.BytesIO(base64.b64decode(fine.partition(",")[2]))) as image:
        assert image.format == "JPEG"
        assert np.abs(np.asarray(image, int) - picture).mean() < 4


def test_what_is_not_used_is_grey_but_not_beside_what_is_used_nor_across_the_seam():
    picture = np.full((64, 128, 3), 7, np.uint8)
    is_used = np.zeros((64, 128), bool)
    is_used[20, 2] = True
    kept = (only_around(picture, is_used) == 7).all(axis=-1)
    np.testing.assert_array_equal(np.flatnonzero(kept.any(axis=1)), np.arange(0, 48))
    np.testing.assert_array_equal(np.flatnonzero(kept.any(axis=0)), np.r_[0:32, 112:128])
    assert only_around(picture[:50, :100], is_used[:50, :100]).shape == (50, 100, 3)
