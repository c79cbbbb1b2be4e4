"""The plain is what the toy's scenes are, seen from anywhere."""

import numpy as np
import pytest

from ldm3d.immersive.camera import PerspectiveCamera, SphericalCamera, stereo
from ldm3d.immersive.sphere import directions
from ldm3d.metrics.seam import seam_ratio
from ldm3d.toy.plain import EXAMPLE, HEIGHT, Plain
from ldm3d.toy.scenes import EYE, FOCAL, Scene, Solid, render

SIZE = 64


def as_plain(scene: Scene) -> Plain:
    """The scene from its camera: there z leads away, here towards the viewer."""
    moved = (Solid(each.colour, each.shape, each.x - EYE[0], EYE[2] - each.z, each.radius) for each in scene.objects)
    return Plain(scene.sky, scene.floor, tuple(moved))


@pytest.mark.parametrize("seed", range(6))
def test_through_the_scenes_camera_depth_and_things_are_those_of_the_scene(seed):
    scene = Scene.from_seed(seed)
    wanted = render(scene, SIZE, samples=1)
    camera = PerspectiveCamera(SIZE, SIZE, float(np.degrees(2 * np.arctan(1 / FOCAL))))
    image, distance = as_plain(scene).look(np.zeros(3), camera.rays())
    ahead = -camera.rays()[..., 2] / np.linalg.norm(camera.rays(), axis=-1)
    inverse = 1 / (distance * ahead)
    near = wanted.inverse_depth > 1 / 20  # the floor ends at a distance here, at a depth there
    np.testing.assert_allclose(inverse[near], wanted.inverse_depth[near], rtol=1e-5)
    bare = Scene(scene.sky, scene.floor, ())
    is_thing = render(bare, SIZE, samples=1).inverse_depth != wanted.inverse_depth
    assert is_thing.sum() > 50
    assert np.abs(image[is_thing].astype(int) - wanted.image[is_thing]).max() <= 1


def test_the_floor_is_where_it_is_said_to_be_and_the_sky_has_no_end():
    picture, distance = EXAMPLE.panorama(64)
    assert (picture.shape, picture.dtype, distance.shape) == ((64, 128, 3), np.uint8, (64, 128))
    down = directions(64, 128)[-1, :, 1]
    np.testing.assert_allclose(distance[-1], HEIGHT / -down)
    assert np.isinf(distance[0]).all()


def test_nothing_of_the_example_lies_across_the_seam():
    picture, distance = EXAMPLE.panorama(256)
    assert seam_ratio(picture) < 1
    assert seam_ratio(1 / distance) < 1


def test_an_eye_of_a_stereo_panorama_sees_each_column_from_its_circle():
    left, right = stereo(SphericalCamera(8, 4, (1.0, 2.0, 3.0)))
    for camera, side in ((left, -1), (right, 1)):
        origins = camera.origins() - (1, 2, 3)
        rays = directions(4, 8)
        assert np.abs((origins * rays)[..., [0, 2]].sum(-1)).max() < 1e-12  # aside, not forward
        level = np.abs(np.linalg.norm(origins, axis=-1)[1:3] - camera.ipd / 2)
        assert level.max() < 1e-12
        ahead = camera.origins()[1, 4] - (1, 2, 3)  # of a column right of the middle, which looks along -z
        assert np.sign(ahead[0]) == side
    np.testing.assert_allclose(left.origins() + right.origins(), 2 * np.broadcast_to((1, 2, 3), (4, 8, 3)))
