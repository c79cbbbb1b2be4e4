"""Views of a panorama are what is really seen from there: an exact room is the judge.

Thresholds lie between what is right and what looks right: with the eyes swapped, one view used twice, an axis mirrored
or half a pixel of shift, the figure is below.
"""

import numpy as np
import pytest

from ldm3d.immersive.camera import PerspectiveCamera, SphericalCamera, stereo
from ldm3d.immersive.sphere import directions
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import NOTHING, render
from ldm3d.toy import room
from tests.builders.psnr import psnr

HEIGHT = 256


@pytest.fixture(scope="module")
def surface():
    return panorama_surface(*room.panorama(HEIGHT))


def ods_truth(camera: SphericalCamera) -> np.ndarray:
    """Trace the rays of an eye on its circle."""
    height, width = camera.height, camera.width
    longitude = ((np.arange(width) + 0.5) / width - 0.5) * 2 * np.pi
    latitude = np.abs((0.5 - (np.arange(height) + 0.5) / height) * 180)
    circle = camera.offset * np.cos(np.clip((latitude - 60) / 25, 0, 1) * np.pi / 2)[:, None]
    zero = np.zeros((height, width))
    origins = np.stack([circle * np.cos(longitude), zero, circle * np.sin(longitude)], axis=-1)
    return room.look(origins + np.array(camera.position), directions(height, width))[0]


def test_from_its_own_place_a_panorama_is_itself_to_the_bit(surface):
    view = render([surface], SphericalCamera(2 * HEIGHT, HEIGHT))
    np.testing.assert_array_equal(view.image, surface.picture)
    assert not (view.layer == NOTHING).any()


def test_64_views_from_anywhere_in_the_head_box_are_what_is_seen_from_there(surface):
    rng = np.random.default_rng(0)
    for _ in range(64):
        x, y, z = rng.uniform(-0.1, 0.1, 3)
        camera = PerspectiveCamera(128, 96, 80, (x, y, z), rng.uniform(-180, 180), rng.uniform(-60, 60))
        view = render([surface], camera)
        truth, distance = room.look(np.array(camera.position), camera.rays())
        is_seen = view.layer != NOTHING
        assert is_seen.mean() > 0.97
        assert psnr(view.image, truth, is_seen) > 26
        along = distance / np.linalg.norm(camera.rays(), axis=-1)  # along the axis
        off = np.abs(view.nearness * along - 1)[is_seen]
        assert np.median(off) < 0.002
        assert (off > 0.05).mean() < 0.02


@pytest.mark.parametrize("position", [(0.1, 0.0, 0.0), (0.0, 0.1, 0.0), (0.07, -0.03, 0.05)])
def test_above_and_below_a_panorama_from_elsewhere_is_what_is_seen_there(surface, position):
    """Its poles lie within triangles of the surface, or on their edges."""
    for camera in (
        SphericalCamera(2 * HEIGHT, HEIGHT, position),
        *stereo(SphericalCamera(2 * HEIGHT, HEIGHT, position)),
    ):
        view = render([surface], camera)
        truth, _ = room.look(camera.origins(), directions(HEIGHT, 2 * HEIGHT))
        for rows in (slice(0, 3), slice(-3, None)):
            assert not (view.layer[rows] == NOTHING).any()
            assert psnr(view.image[rows], truth[rows]) > 30  # of a pattern whose edges pass there


def test_mirrored_turned_or_shifted_views_are_noticed(surface):
    camera = PerspectiveCamera(192, 192, 70, (0.05, 0.02, -0.04), 30, 10)
    image = render([surface], camera).image
    truth, _ = room.look(np.array(camera.position), camera.rays())
    right = psnr(image, truth)
    for wrong in (image[:, ::-1], image[::-1], np.roll(image, 1, 1), np.roll(image, 1, 0)):
        assert psnr(wrong, truth) < right - 1.5


def test_a_stereo_panorama_is_what_each_eye_sees(surface):
    left, right = stereo(SphericalCamera(2 * HEIGHT, HEIGHT))
    views = [render([surface], camera) for camera in (left, right)]
    truths = [ods_truth(camera) for camera in (left, right)]
    seen = [view.layer != NOTHING for view in views]
    for view, truth, is_seen in zip(views, truths, seen, strict=True):
        assert is_seen.mean() > 0.99
        assert psnr(view.image, truth, is_seen) > 33
    assert psnr(views[0].image, truths[1], seen[0]) < 26
    mono = render([surface], SphericalCamera(2 * HEIGHT, HEIGHT)).image
    assert psnr(mono, truths[0]) < 28


def test_the_seam_is_like_any_other_column(surface):
    picture, distance = room.panorama(HEIGHT)
    turned = panorama_surface(np.roll(picture, HEIGHT, 1), np.roll(distance, HEIGHT, 1))
    behind = render([surface], PerspectiveCamera(200, 200, 60, (0.02, 0, 0.03), yaw=180))
    ahead = render([turned], PerspectiveCamera(200, 200, 60, (-0.02, 0, -0.03)))
    off = np.abs(behind.image.astype(int) - ahead.image)
    assert off.mean() < 0.01  # rounding moves a few edges
    assert (behind.layer == ahead.layer).mean() > 0.999


def test_the_poles_are_not_black(surface):
    for pitch in (90, -90):
        view = render([surface], PerspectiveCamera(64, 64, 40, (0.01, 0.01, 0), pitch=pitch))
        assert not (view.layer == NOTHING).any()
    view = render([surface], SphericalCamera(128, 64, (0.03, 0.02, -0.03)))
    assert (view.layer[[0, -1]] != NOTHING).all()


def test_more_samples_are_nearer_to_the_truth_at_edges(surface):
    camera = PerspectiveCamera(96, 96, 100, (0.01, 0, 0.01), 20)
    fine = PerspectiveCamera(384, 384, 100, (0.01, 0, 0.01), 20)
    truth = room.look(np.array(fine.position), fine.rays())[0].reshape(96, 4, 96, 4, 3).mean((1, 3))
    one, two = (psnr(render([surface], camera, samples).image, truth) for samples in (1, 2))
    assert two > one + 2


def test_what_is_behind_the_camera_or_too_near_is_not_drawn(surface):
    camera = PerspectiveCamera(32, 32, 60, (0, 0, 0), near=100.0)
    assert (render([surface], camera).layer == NOTHING).all()


@pytest.mark.parametrize(
    ("camera", "settings", "complaint"),
    [
        (PerspectiveCamera, {"width": 0}, "wanted pixels"),
        (PerspectiveCamera, {"fov": 180}, "fov is 180"),
        (SphericalCamera, {"eye": "centre"}, "eye is 'centre'"),
        (SphericalCamera, {"ipd": -1}, "ipd is -1"),
        (SphericalCamera, {"merge": (80, 60)}, "two rising latitudes"),
    ],
)
def test_impossible_cameras_are_refused(camera, settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        camera(**settings)


def test_views_do_not_depend_on_threads(surface):
    from concurrent.futures import ThreadPoolExecutor

    cameras = [PerspectiveCamera(64, 64, yaw=yaw) for yaw in range(0, 360, 45)]
    alone = [render([surface], camera).image for camera in cameras]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda camera: render([surface], camera).image, cameras))
    np.testing.assert_array_equal(alone, together)
