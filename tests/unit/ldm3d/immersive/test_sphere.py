"""Directions of pixels are those of other panorama software, and what should be closed is closed."""

import numpy as np
import pytest

from ldm3d.immersive.sphere import check_panorama, corner_directions, directions


def test_the_middle_of_a_panorama_is_ahead_and_a_quarter_turn_is_to_the_right():
    rays = directions(90, 180)
    assert rays[44:46, 89:91].mean((0, 1)) == pytest.approx([0, 0, -1], abs=1e-3)
    assert rays[44:46, 134:136].mean((0, 1)) == pytest.approx([1, 0, 0], abs=1e-3)
    assert rays[0, 0, 1] == pytest.approx(1, abs=1e-3)
    assert np.linalg.norm(rays, axis=-1) == pytest.approx(1)


def test_longitude_and_latitude_are_those_of_the_pixels_centres():
    x, y, z = np.moveaxis(directions(32, 64) * 3.7, -1, 0)
    across, down = np.meshgrid((np.arange(64) + 0.5) / 64, (np.arange(32) + 0.5) / 32)
    np.testing.assert_allclose(np.arctan2(x, -z) / (2 * np.pi) + 0.5, across, atol=1e-9)
    np.testing.assert_allclose(0.5 - np.arctan2(y, np.hypot(x, z)) / np.pi, down, atol=1e-9)


def test_pixels_are_centred_between_their_corners():
    corners, rays = corner_directions(64, 128), directions(64, 128)
    middle = corners[:-1, :-1] + corners[:-1, 1:] + corners[1:, :-1] + corners[1:, 1:]
    middle /= np.linalg.norm(middle, axis=-1, keepdims=True)
    np.testing.assert_allclose(middle[1:-1], rays[1:-1], atol=2e-4)


def test_the_seam_and_the_poles_are_closed_to_the_bit():
    corners = corner_directions(16, 32)
    np.testing.assert_array_equal(corners[:, 0], corners[:, -1])
    np.testing.assert_array_equal(corners[0], np.broadcast_to([0, 1, 0], (33, 3)))
    np.testing.assert_array_equal(corners[-1], np.broadcast_to([0, -1, 0], (33, 3)))


@pytest.mark.parametrize(("height", "width"), [(512, 512), (100, 201), (1, 2)])
def test_other_shapes_are_no_panorama(height, width):
    with pytest.raises(ValueError, match="twice as wide as high"):
        check_panorama(height, width)
