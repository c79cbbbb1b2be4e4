"""Tangent views show what a panorama has in their direction, and cover it with overlaps."""

import numpy as np
import pytest
from scipy.ndimage import map_coordinates

from ldm3d.immersive.panorama_depth import evenly
from ldm3d.immersive.tangent_views import LEAST_FOV, TangentViews
from ldm3d.toy import room


def projected(picture: np.ndarray, yaw: float, pitch: float, fov: float, size: int) -> np.ndarray:
    """Cut a view by the textbook's way: y down and z ahead, rotation matrices, and coordinates that wrap.

    py360convert does the same and is no dependency; it also puts pixels' centres on the borders of the panorama.
    """
    height, width = picture.shape[:2]
    place = (np.arange(size) + 0.5) / size * 2 - 1
    half = np.tan(np.radians(fov) / 2)
    rays = np.stack(np.broadcast_arrays(place * half, place[:, None] * half, 1.0), axis=-1)
    up, turn = np.radians(pitch), np.radians(yaw)
    around_x = np.array([[1, 0, 0], [0, np.cos(up), -np.sin(up)], [0, np.sin(up), np.cos(up)]])
    around_y = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    x, y, z = np.moveaxis(rays @ (around_y @ around_x).T, -1, 0)
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * width - 0.5
    row = (np.arctan2(y, np.hypot(x, z)) / np.pi + 0.5) * height - 0.5
    channels = [
        map_coordinates(picture[..., channel].astype(float), (row, column % width), order=1, mode="grid-wrap")
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


@pytest.mark.parametrize("count", [6, 12, 20])
def test_a_view_is_what_an_independent_projection_cuts_out(count):
    picture, _ = room.panorama(64)
    views = TangentViews(count, 100, 48)
    for camera, cut in zip(views.cameras, views.cut(picture), strict=True):
        expected = projected(picture, camera.yaw, camera.pitch, camera.fov, 48)
        off = np.abs(cut - expected).max(axis=-1)
        # OpenCV rounds places to 1/32 pixel, which at an edge of 200 levels is 6; over a pole both differ in one row
        assert np.quantile(off, 0.95) <= 6
        assert off.mean() < 1


def test_views_wrap_around_and_reach_over_the_poles():
    """A picture that only has a smooth change has one in each view, without a step."""
    rays = np.stack(np.broadcast_arrays(*_longitude_and_latitude(128)), axis=-1)
    shade = 127.5 + 100 * np.cos(rays[..., 0]) * np.cos(rays[..., 1])
    picture = np.repeat(shade.round().astype(np.uint8)[..., None], 3, axis=-1)
    for cut in TangentViews(size=64).cut(picture).astype(int):
        assert max(np.abs(np.diff(cut, axis=axis)).max() for axis in (0, 1)) <= 5


def _longitude_and_latitude(height: int) -> tuple[np.ndarray, np.ndarray]:
    columns, rows = np.arange(2 * height), np.arange(height)[:, None]
    return ((columns + 0.5) / height - 1) * np.pi, (0.5 - (rows + 0.5) / height) * np.pi


@pytest.mark.parametrize("count", LEAST_FOV)
def test_each_direction_is_inside_of_a_view_at_the_least_angle(count):
    views = TangentViews(count, LEAST_FOV[count], 16)
    weights = views.look_up(np.zeros((count, 16, 16)), evenly(20_000)).weights
    assert weights.max(axis=0).min() > 0.004
    assert (weights > 0).sum(axis=0).mean() > 1.15


def test_a_look_up_inverts_a_cut():
    """A map that is affine in the view's coordinates is found to rounding; so are the cosines, by a dot product."""
    views, rays = TangentViews(size=32), evenly(5_000)
    column, row = np.meshgrid(np.arange(32.0), np.arange(32.0))
    seen = views.look_up(np.stack([column + 100 * row] * 12), rays)
    for view, camera in enumerate(views.cameras):
        local = rays @ camera.axes.T
        with np.errstate(divide="ignore", invalid="ignore"):
            x = local[:, 0] / -local[:, 2] * camera.focal + 15.5
            y = 15.5 - local[:, 1] / -local[:, 2] * camera.focal
        inside = (local[:, 2] < 0) & (np.abs(x - 15.5) < 15.5) & (np.abs(y - 15.5) < 15.5)
        np.testing.assert_allclose(seen.values[view, inside], (x + 100 * y)[inside], rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(seen.cosines[view, inside], -local[inside, 2], rtol=1e-6)
        outside = (local[:, 2] >= 0) | (np.abs(x - 15.5) > 16) | (np.abs(y - 15.5) > 16)
        assert not seen.weights[view, outside].any()


def test_a_panorama_that_is_finer_than_the_views_is_averaged():
    noise = np.random.default_rng(0).integers(0, 256, (512, 1_024, 3), dtype=np.uint8)
    cut = TangentViews(size=32).cut(noise)
    assert cut.std() < 256 / np.sqrt(12) / 4  # a pixel of a view is 8 x 8 of the panorama; sampled, it would be 74


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"count": 8}, "count is 8, wanted 6, 12, 20 views"),
        ({"fov": 60}, "fov is 60, wanted 78 to 120"),
        ({"count": 6, "fov": 90}, "wanted 100"),
        ({"fov": 140}, "to 120 degrees"),
        ({"size": 1}, "size is 1"),
    ],
)
def test_views_that_leave_gaps_are_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        TangentViews(**settings)


def test_what_is_no_panorama_or_no_map_of_the_views_is_refused():
    views = TangentViews(size=8)
    with pytest.raises(ValueError, match="twice as wide as high"):
        views.cut(np.zeros((8, 8, 3), np.uint8))
    with pytest.raises(ValueError, match="uint8"):
        views.cut(np.zeros((8, 16, 3)))
    with pytest.raises(ValueError, match="one for each view"):
        views.look_up(np.zeros((11, 8, 8)), evenly(4))
