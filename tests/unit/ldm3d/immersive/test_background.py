"""What a step to the side uncovers is like what is there."""

import numpy as np
import pytest

from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import NOTHING, render
from ldm3d.toy import room

HEIGHT = 128


@pytest.fixture(scope="module")
def surfaces():
    picture, distance = room.panorama(HEIGHT)
    front = panorama_surface(picture, distance)
    return [front, flood(picture, distance).surface(front)]


def test_behind_a_thing_before_a_wall_there_is_wall():
    distance = np.full((32, 64), 4.0)
    distance[12:20, 28:36] = 1.0
    picture = np.full((32, 64, 3), 200, np.uint8)
    picture[12:20, 28:36] = 10
    hidden = flood(picture, distance, reach=90)
    assert hidden.distance[12:20, 28:36] == pytest.approx(4.0)
    assert (hidden.picture[12:20, 28:36] == 200).all()
    assert np.isfinite(hidden.distance).sum() == 8 * 8
    corners = hidden.surface(panorama_surface(picture, distance)).corners
    np.testing.assert_array_equal(corners[12:20, 28:36], np.float32(0.25))


def test_a_thing_across_the_seam_has_something_behind_it_on_both_sides():
    distance = np.full((32, 64), 4.0)
    distance[12:20, :3] = distance[12:20, -3:] = 1.0
    hidden = flood(np.zeros((32, 64, 3), np.uint8), distance, reach=90).distance
    assert np.isfinite(hidden[12:20, :3]).all()
    assert np.isfinite(hidden[12:20, -3:]).all()


def test_nothing_hidden_is_seen_from_the_panoramas_own_place(surfaces):
    view = render(surfaces, PerspectiveCamera(96, 96, 110))
    assert (view.layer == 0).mean() > 0.999


def test_it_fills_what_views_uncover_and_nearer_to_the_truth_than_black(surfaces):
    holes, filled, without, errors = 0, 0, [], []
    for yaw in range(0, 360, 30):
        camera = PerspectiveCamera(96, 96, 80, (0.12, 0.02, 0.1), yaw)
        one, two = render(surfaces[:1], camera), render(surfaces, camera)
        truth, _ = room.look(np.array(camera.position), camera.rays())
        is_hole = one.layer == NOTHING
        holes, filled = holes + is_hole.sum(), filled + (is_hole & (two.layer == 1)).sum()
        without.append((truth[is_hole].astype(float) ** 2).ravel())
        errors.append(((two.image[is_hole] - truth[is_hole].astype(float)) ** 2).ravel())
    assert filled / holes > 0.9
    assert np.concatenate(errors).mean() < np.concatenate(without).mean() / 5


def test_without_reach_nothing_is_hidden():
    assert np.isnan(flood(*room.panorama(32), reach=0).distance).all()


def test_a_reach_below_0_is_refused():
    with pytest.raises(ValueError, match="reach is -1"):
        flood(*room.panorama(8), reach=-1)
