"""A flat picture in space is what a pinhole sees from beside its place: an exact room is the judge."""

import numpy as np
import pytest

from ldm3d.immersive import pinhole
from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera, stereo
from ldm3d.immersive.corners import corner_inverses
from ldm3d.immersive.mesh import mesh_of
from ldm3d.immersive.projection import EQUIRECTANGULAR, Perspective
from ldm3d.immersive.splats import splats_of
from ldm3d.immersive.surface import flat_surface, panorama_surface
from ldm3d.immersive.tears import panorama_limits, pinhole_limits
from ldm3d.immersive.view import NOTHING, render
from ldm3d.toy import room
from tests.builders.psnr import psnr

WIDTH, HEIGHT, FOV = 240, 160, 55.0
FLAT = Perspective(FOV)


def seen_from(camera: PerspectiveCamera) -> tuple[np.ndarray, np.ndarray]:
    """What a camera really sees, and z-depth."""
    picture, distance = room.look(np.array(camera.position), camera.rays())
    return picture, distance / np.linalg.norm(camera.rays(), axis=-1)


PICTURE, DEPTH = seen_from(PerspectiveCamera(WIDTH, HEIGHT, FOV))


@pytest.fixture(scope="module")
def surfaces():
    front = flat_surface(PICTURE, DEPTH, FOV)
    return [front, flood(PICTURE, DEPTH, projection=FLAT).surface(front)]


def test_from_the_cameras_own_place_a_picture_is_itself_to_the_bit(surfaces):
    view = render(surfaces, PerspectiveCamera(WIDTH, HEIGHT, FOV))
    np.testing.assert_array_equal(view.image, PICTURE)
    assert (view.layer == 0).all()
    assert np.abs(view.nearness * DEPTH - 1).max() < 0.05  # a pixel's corners are means with its neighbours
    assert np.median(np.abs(view.nearness * DEPTH - 1)) < 1e-6  # exact on planes


def test_rays_are_those_of_a_camera_and_distances_along_them_are_z_times_their_length():
    camera = PerspectiveCamera(WIDTH, HEIGHT, FOV)
    np.testing.assert_allclose(pinhole.directions(HEIGHT, WIDTH, FOV), camera.rays(), atol=1e-12)
    distance = room.look(np.zeros(3), camera.rays())[1]
    np.testing.assert_allclose(distance / pinhole.lengths(HEIGHT, WIDTH, FOV), DEPTH)


@pytest.mark.parametrize("window", [np.inf, 2.5])
@pytest.mark.parametrize("side", [(0.03, 0, 0), (-0.05, 0.03, 0), (0.04, -0.04, -0.07), (-0.06, -0.05, 0.06)])
def test_a_few_centimetres_aside_it_is_what_is_seen_from_there(surfaces, side, window):
    """35 dB; an axis mirrored gives at most 29.7, no move at all 33.0, half a pixel aside 33.1."""
    camera = PerspectiveCamera(WIDTH, HEIGHT, FOV, side, window=window)
    view, (truth, depth) = render(surfaces, camera), seen_from(camera)
    is_seen = view.layer == 0
    assert is_seen.mean() > 0.94
    right = psnr(view.image, truth, is_seen)
    assert right > 34.2
    off = np.abs(view.nearness * depth - 1)[is_seen]
    assert np.median(off) < 1e-5
    assert (off > 0.05).mean() < 0.003
    for axis in np.flatnonzero(side):
        mirrored = tuple(-x if place == axis else x for place, x in enumerate(side))
        wrong = seen_from(PerspectiveCamera(WIDTH, HEIGHT, FOV, mirrored, window=window))[0]
        assert psnr(view.image, wrong, is_seen) < right - 5
    assert psnr(view.image, PICTURE, is_seen) < right - 2
    for half in ((0.5, 0, 0), (0, 0.5, 0)):
        beside = room.look(np.array(side), camera.rays() + np.array(half) / camera.focal)[0]
        assert psnr(view.image, beside, is_seen) < right - 1.5


@pytest.mark.parametrize("window", [np.inf, 2.5])
def test_each_eye_sees_its_own_side(surfaces, window):
    eyes = stereo(PerspectiveCamera(WIDTH, HEIGHT, FOV, window=window))
    views, truths = [render(surfaces, eye) for eye in eyes], [seen_from(eye)[0] for eye in eyes]
    for own, other in ((0, 1), (1, 0)):
        is_seen = views[own].layer == 0
        right = psnr(views[own].image, truths[own], is_seen)
        assert right > 35
        assert psnr(views[own].image, truths[other], is_seen) < right - 5


def test_what_is_in_the_plane_of_the_window_stays_in_its_place():
    plane = flat_surface(PICTURE, np.full_like(DEPTH, 2.5), FOV)
    moved = render([plane], PerspectiveCamera(WIDTH, HEIGHT, FOV, (0.07, -0.04, 0), window=2.5))
    np.testing.assert_array_equal(moved.image, PICTURE)
    with pytest.raises(ValueError, match="window is 0"):
        PerspectiveCamera(window=0)


def test_a_step_aside_uncovers_walls_that_the_flood_continues(surfaces):
    """In plain colours, as nobody knows how a pattern goes on: 15 dB, where black has 9."""
    camera = PerspectiveCamera(WIDTH, HEIGHT, FOV, (0.1, 0.03, 0))
    view, (truth, _) = render(surfaces, camera), seen_from(camera)
    is_hole = view.layer == 1
    assert 0.01 < is_hole.mean() < 0.03
    assert psnr(view.image, truth, is_hole) > 14
    alone = render(surfaces[:1], camera)
    inside = np.abs(np.indices((HEIGHT, WIDTH)) - [[[79.5]], [[119.5]]]) < [[[60]], [[90]]]
    assert (view.layer[alone.layer == NOTHING][inside.all(axis=0)[alone.layer == NOTHING]] == 1).mean() > 0.9


def test_opposite_borders_have_nothing_to_do_with_each_other():
    """One is near and white, the other far and black, or both are of one plane."""
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 15:] = 255
    depth = np.where(picture[..., 0] > 0, 1.0, 4.0)
    depth[8:12, :3] = depth[8:12, -3:] = 1.0
    hidden = flood(picture, depth, reach=90, projection=FLAT)
    front = flat_surface(picture, depth)
    assert (front.corners[:, 14, 1] == 0.25).sum() == 20
    assert (hidden.ring[:, 0][[0, 1, 18, 19]] == 0).all()  # in a panorama the far side of the tear to the right border
    assert not np.isnan(hidden.surface(front).corners[hidden.ring > 1]).any()
    plane = flat_surface(picture, np.full((20, 30), 2.0))
    wide = render([plane], PerspectiveCamera(120, 80, FOV)).image
    assert (wide[:, :50] == 0).all()
    assert (wide[:, 70:] == 255).all()


def test_a_surface_is_torn_where_it_is_steeper_than_said_wherever_it_is_in_the_picture():
    """A plane that is seen under an angle, as steep as just allowed and just not, at the border of a wide picture."""
    fov, size = 100.0, 400
    rays = pinhole.directions(size, size, fov)
    for place, turn in ((20, 1), (200, 1), (380, 1), (380, -1)):
        ray = rays[200, place] / np.linalg.norm(rays[200, place])
        for steep, is_torn in ((84.8, False), (85.2, True)):
            angle = np.radians(steep) * turn
            aside = np.cross(ray, (0, 1, 0)) / np.linalg.norm(np.cross(ray, (0, 1, 0)))
            normal = ray * np.cos(angle) + aside * np.sin(angle)
            plane = (ray @ normal) * 3 / (rays[200, place - 1 : place + 2] @ normal)  # z, as rays have z 1
            depth = np.full((size, size), 3.0)
            depth[200, place - 1 : place + 2] = np.where(plane > 0, plane, 1e3)
            across, down = pinhole_limits(size, size, fov)
            along = 1 / depth / pinhole.lengths(size, size, fov)
            corners = corner_inverses(1 / depth, across, np.zeros_like(down), wraps=False, along=along)
            assert (corners[200, place, 1] != corners[200, place + 1, 0]) == is_torn, (place, steep)


def test_limits_by_pixel_are_those_by_row_for_a_panorama_to_the_bit():
    picture, distance = room.panorama(64)
    across, down = panorama_limits(64, 128)
    by_row = corner_inverses(1 / distance, across, down, wraps=True)
    wide = (np.repeat(limits[:, None], 128, 1) for limits in (across, down))
    np.testing.assert_array_equal(corner_inverses(1 / distance, *wide, wraps=True), by_row)
    front = panorama_surface(picture, distance)
    np.testing.assert_array_equal(front.corners[1:-1], by_row[1:-1])
    given = flood(picture, distance, projection=EQUIRECTANGULAR)
    for one, other in zip(vars(given).values(), vars(flood(picture, distance)).values(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_meshes_and_splats_of_it_are_where_the_room_is(surfaces):
    mesh, splats = mesh_of(surfaces[0]), splats_of(surfaces[0])
    for points in (mesh.positions, splats.positions):
        distance = np.linalg.norm(points, axis=1)
        truth = room.look(np.zeros(3), points)[1]
        assert np.median(np.abs(distance / truth - 1)) < 1e-4
    assert mesh.uv.min() == 0
    assert mesh.uv.max() == 1
    lowest = mesh.positions[mesh.uv[:, 1] == 1]
    np.testing.assert_allclose(lowest[:, 1] / lowest[:, 2], np.tan(np.radians(FOV) / 2), rtol=1e-5)


@pytest.mark.parametrize(("size", "fov", "told"), [((1, 9), 55, "2 pixels or more"), ((9, 9), 180, "fov is 180")])
def test_what_is_no_picture_of_a_pinhole_is_refused(size, fov, told):
    with pytest.raises(ValueError, match=told):
        flat_surface(np.zeros((*size, 3), np.uint8), np.ones(size), fov)
