"""Pixels meet their neighbours without a crack, and are torn where one thing is before another."""

import numpy as np
import pytest

from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.tears import panorama_limits
from ldm3d.toy import room

GREY = np.full((32, 64, 3), 128, np.uint8)


def test_a_sphere_is_closed_everywhere():
    surface = panorama_surface(GREY, np.full((32, 64), 2.0))
    np.testing.assert_array_equal(surface.corners, np.float32(0.5))


def test_a_smooth_surface_has_no_crack_at_any_corner():
    waves = 2 + 0.3 * np.sin(np.arange(64) / 64 * 4 * np.pi) + np.zeros((32, 64))
    corners = panorama_surface(GREY, waves, steepest=90).corners
    np.testing.assert_array_equal(corners[:, :, 1], np.roll(corners[:, :, 0], -1, 1))
    np.testing.assert_array_equal(corners[:, :, 3], np.roll(corners[:, :, 2], -1, 1))
    np.testing.assert_array_equal(corners[:-1, :, 2], corners[1:, :, 0])
    np.testing.assert_array_equal(corners[:-1, :, 3], corners[1:, :, 1])
    assert len(set(corners[0, :, 0])) == len(set(corners[-1, :, 3])) == 1


def test_a_thing_before_a_wall_keeps_its_shape_and_the_wall_its_place():
    distance = np.full((32, 64), 4.0)
    distance[10:20, 20:30] = 1.0
    corners = panorama_surface(GREY, distance).corners
    assert set(corners[10:20, 20:30].ravel()) == {1.0}
    distance[10:20, 20:30] = np.nan
    assert set(corners[np.isfinite(distance)].ravel()) == {0.25}


def test_three_links_of_four_join_all_pixels_around_a_corner():
    distance = np.full((32, 64), 4.0)
    across, _ = panorama_limits(32, 64)
    step = 1 + across[16] * 0.7  # twice this is too steep, once is not
    distance[16, 32], distance[17, 33], distance[17, 32] = 4 * step, 4 / step, 4.0
    corners = panorama_surface(GREY, distance).corners
    meeting = {corners[16, 32, 3], corners[16, 33, 2], corners[17, 32, 1], corners[17, 33, 0]}
    assert len(meeting) == 1


def test_tears_are_at_the_edges_of_things():
    picture, distance = room.panorama(128)
    corners = panorama_surface(picture, distance).corners
    torn = corners[:, :, 1] != np.roll(corners[:, :, 0], -1, 1)
    which = owner(128)
    edges = which != np.roll(which, -1, 1)
    is_level = (np.abs(np.arange(128) - 63.5) < 40)[:, None]
    assert (torn & ~edges & ~np.roll(edges, 1, 0) & ~np.roll(edges, -1, 0) & is_level).sum() == 0
    far = np.abs(np.log(distance / np.roll(distance, -1, 1))) > np.log(1.4)  # 85 degrees
    assert torn[edges & far & is_level].all()


def owner(height: int) -> np.ndarray:
    """Number of the thing that each pixel shows; 0 is the room."""
    from ldm3d.immersive.sphere import directions

    rays = directions(height, 2 * height)
    found = np.stack([np.full(rays.shape[:2], room.panorama(height)[1] + 1e-9)])
    met = [thing.meet(np.zeros_like(rays), rays) for thing in room.THINGS]
    return np.where(np.min(met, axis=0) <= found[0], np.argmin(met, axis=0) + 1, 0)


def test_unknown_pixels_are_holes():
    distance = np.full((32, 64), 2.0)
    distance[5, 6] = np.nan
    corners = panorama_surface(GREY, distance).corners
    assert np.isnan(corners[5, 6]).all()
    assert np.isnan(corners).sum() == 4


@pytest.mark.parametrize(
    ("picture", "distance", "complaint"),
    [
        (GREY, np.full((32, 32), 2.0), "resize one to the other's size"),
        (GREY, np.full((32, 64), -1.0), "not all above 0"),
        (GREY, np.full((32, 64), np.inf), "not all above 0"),
        (GREY, np.full((32, 64), np.nan), "not all above 0"),
        (GREY.astype(np.float32), np.full((32, 64), 2.0), "float32, wanted"),
        (GREY[:, :32], np.full((32, 32), 2.0), "twice as wide as high"),
    ],
)
def test_what_is_no_panorama_with_distances_is_refused(picture, distance, complaint):
    with pytest.raises(ValueError, match=complaint):
        panorama_surface(picture, distance)
