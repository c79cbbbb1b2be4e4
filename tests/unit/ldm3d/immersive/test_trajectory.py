"""Paths of the eye stay in the head box, look where they should, and loop."""

import numpy as np
import pytest

from ldm3d.immersive.camera import PerspectiveCamera, SphericalCamera
from ldm3d.immersive.trajectory import PATHS, head_box, trajectory

MOVING = [path for path in PATHS if path != "turn"]


def places(cameras) -> np.ndarray:
    return np.array([camera.position for camera in cameras])


@pytest.mark.parametrize("path", MOVING)
@pytest.mark.parametrize("amplitude", [None, 100.0])
@pytest.mark.parametrize("camera", [SphericalCamera(64, 32), PerspectiveCamera(64, 48, yaw=30, pitch=40)])
def test_no_path_leaves_the_head_box_and_each_goes_as_far_as_it_reaches(path, camera, amplitude):
    found = places(trajectory(path, camera, 60, 2.0, amplitude))
    assert np.abs(found).max() <= head_box(2.0) == 0.3
    assert np.linalg.norm(found, axis=1).max() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("path", ["circle", "sway", "dolly", "spiral"])
def test_a_loop_has_no_jump_where_it_begins_again(path):
    found = places(trajectory(path, SphericalCamera(64, 32), 60, 1.0))
    steps = np.linalg.norm(found - np.roll(found, 1, axis=0), axis=1)
    assert steps[0] <= steps[1:].max() * 1.01


def test_paths_follow_the_axes_of_the_camera():
    east = PerspectiveCamera(64, 48, yaw=90)  # looks along x, its right is z
    line, dolly = (places(trajectory(path, east, 5, 1.0, 0.1)) for path in ("line", "dolly"))
    np.testing.assert_allclose(line, [[0, 0, z] for z in (-0.1, -0.05, 0, 0.05, 0.1)], atol=1e-12)
    assert dolly[:, 0].max() > 0.08
    np.testing.assert_allclose(dolly[:, 1:], 0, atol=1e-12)


def test_nothing_but_the_place_changes_and_one_frame_stays_where_it_is():
    camera = SphericalCamera(64, 32, (0.01, 0, 0), "left", 0.1, (50.0, 80.0))
    assert trajectory("sway", camera, 1, 1.0) == [camera]
    assert {(each.eye, each.ipd, each.merge, each.width) for each in trajectory("circle", camera, 8, 1.0)} == {
        ("left", 0.1, (50.0, 80.0), 64)
    }


def test_a_camera_beside_the_middle_has_less_room():
    found = places(trajectory("sway", PerspectiveCamera(position=(0.1, 0, 0)), 8, 1.0))
    assert (found[:, 0].min(), found[:, 0].max()) == pytest.approx((0.05, 0.15))


def test_a_turn_goes_around_once_or_to_and_fro():
    camera = PerspectiveCamera(64, 48, yaw=10)
    assert [each.yaw for each in trajectory("turn", camera, 4, 1.0)] == [10, 100, 190, 280]
    assert [each.yaw for each in trajectory("turn", camera, 4, 1.0, 60)] == pytest.approx([10, 40, 10, -20])


@pytest.mark.parametrize(
    ("path", "camera", "frames", "nearest", "amplitude", "words"),
    [
        ("zigzag", SphericalCamera(), 8, 1.0, None, "path is 'zigzag', wanted one of circle"),
        ("circle", SphericalCamera(), 0, 1.0, None, "frames is 0"),
        ("circle", SphericalCamera(), 8, 0.0, None, "nearest distance is 0"),
        ("circle", SphericalCamera(), 8, 1.0, -1.0, "amplitude is -1"),
        ("circle", SphericalCamera(position=(0, 0.2, 0)), 8, 1.0, None, "within 0.15 m of the origin"),
        ("turn", SphericalCamera(), 8, 1.0, None, "no gaze to turn"),
        ("turn", PerspectiveCamera(), 8, 1.0, 361.0, "0 to 360 degrees"),
    ],
)
def test_what_makes_no_path_is_refused(path, camera, frames, nearest, amplitude, words):
    with pytest.raises(ValueError, match=words):
        trajectory(path, camera, frames, nearest, amplitude)
