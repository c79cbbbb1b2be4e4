"""What a model draws behind near things is put there, meets what is seen, and is nearer to the truth than a fill."""

from functools import partial

import cv2
import numpy as np
import pytest

from ldm3d.immersive.background import flood
from ldm3d.immersive.camera import PerspectiveCamera
from ldm3d.immersive.inpainting import inpaint
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import render
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.toy import room

HEIGHT = 128
PICTURE, DISTANCE = room.panorama(HEIGHT)
EMPTY, WALLS = room.panorama(HEIGHT, things=())
FLOOD = flood(PICTURE, DISTANCE)
LEVEL = 40  # levels that a model may be off by, in all that it draws


def ideal(picture, depth, where, *, off=0):
    """A model that knows the room without its things; depth in the scale of what it is given, as a model's own is."""
    known = ~where & (depth > 0)
    inverse = cv2.resize(1 / WALLS, depth.shape[::-1], interpolation=cv2.INTER_AREA)
    scale, shift = np.polyfit(inverse[known], depth[known], 1)
    drawn = cv2.resize(EMPTY, depth.shape[::-1], interpolation=cv2.INTER_AREA).astype(int) + off
    return np.clip(drawn, 0, 255).astype(np.uint8), np.clip(inverse * scale + shift, 0, DEPTH_MAX).astype(np.uint16)


def errors(background) -> tuple[float, float]:
    """PSNR in dB, and the mean relative error of depth, of what a step aside uncovers of walls."""
    front = panorama_surface(PICTURE, DISTANCE)
    surfaces, squares, apart = [front, background.surface(front)], [], []
    for yaw in range(0, 360, 45):
        camera = PerspectiveCamera(96, 96, 80, (0.18, 0.05, 0.15), yaw)
        view = render(surfaces, camera)
        truth, distance = room.look(np.array(camera.position), camera.rays())
        _, walls = room.look(np.array(camera.position), camera.rays(), things=())
        shown = (view.layer == 1) & (distance == walls)
        squares.append((view.image[shown].astype(float) - truth[shown]) ** 2)
        rays = camera.rays()
        along = rays @ rays[47:49, 47:49].mean((0, 1)) / np.linalg.norm(rays, axis=-1)  # the axis is of unit length
        apart.append(np.abs(1 / view.nearness[shown] / (distance * along)[shown] - 1))
    return 10 * np.log10(255**2 / np.concatenate(squares).mean()), float(np.concatenate(apart).mean())


@pytest.mark.parametrize(("height", "gain_db", "share"), [(None, 5, 0.5), (HEIGHT // 2, 2.5, 0.6)])
def test_with_an_ideal_model_it_is_nearer_to_the_truth_than_a_flood(height, gain_db, share):
    (psnr, depth), (flooded, of_flood) = errors(inpaint(PICTURE, DISTANCE, ideal, height=height)), errors(FLOOD)
    assert psnr > flooded + gain_db
    assert depth < of_flood * share


def test_what_is_drawn_in_other_levels_is_shifted_to_those_that_are_seen():
    shifted = errors(inpaint(PICTURE, DISTANCE, partial(ideal, off=LEVEL)))[0]
    assert shifted > errors(inpaint(PICTURE, DISTANCE, ideal))[0] - 1


def test_it_is_where_a_flood_is_and_behind_what_is_seen():
    found = inpaint(PICTURE, DISTANCE, ideal)
    np.testing.assert_array_equal(found.ring, FLOOD.ring)
    np.testing.assert_array_equal(np.isfinite(found.distance), np.isfinite(FLOOD.distance))
    hidden = np.isfinite(found.distance)
    assert (found.distance[hidden] >= DISTANCE[hidden] * (1 - 1e-9)).all()
    np.testing.assert_array_equal(found.picture[~hidden], PICTURE[~hidden])


def test_what_a_model_draws_in_front_of_what_is_seen_is_not_seen_from_the_middle():
    """But for pixels at edges, where it is sewn to the far side and as near: 2 of 12,288 here. If the corners of what
    is hidden were means of its pixels alone, 259 would show it.
    """
    front = panorama_surface(PICTURE, DISTANCE)
    near = inpaint(PICTURE, DISTANCE, lambda picture, depth, _: (255 - picture, np.full_like(depth, DEPTH_MAX)))
    camera = PerspectiveCamera(128, 96, 70, yaw=30)
    alone, both = (render(surfaces, camera).image for surfaces in ([front], [front, near.surface(front)]))
    assert (alone != both).any(axis=-1).mean() < 0.001


def test_the_model_is_given_a_panorama_without_near_things_and_where_they_were():
    given = []

    def model(picture, depth, where):
        given.append((picture, depth, where))
        return picture, depth

    inpaint(PICTURE, DISTANCE, model)
    ((picture, depth, where),) = given
    assert (picture.shape, picture.dtype) == (PICTURE.shape, np.uint8)
    assert (depth.shape, depth.dtype) == (where.shape, np.uint16) == (DISTANCE.shape, np.uint16)
    things = DISTANCE < WALLS
    assert where[things].mean() > 0.99
    assert where.mean() < 0.25
    assert depth.max() == DEPTH_MAX
    # the colours of the things are gone: what is there now is a mean of the wall's fields, which are 45 levels apart
    apart, before = (np.abs(each[things].astype(int) - EMPTY[things]).mean() for each in (picture, PICTURE))
    assert apart < before / 2


def test_where_nothing_is_hidden_no_model_is_asked():
    distance = np.full((32, 64), 2.0)
    found = inpaint(np.zeros((32, 64, 3), np.uint8), distance, lambda *_: pytest.fail("asked"))
    assert np.isnan(found.distance).all()


def test_a_height_below_1_is_refused():
    with pytest.raises(ValueError, match="height is 0"):
        inpaint(PICTURE, DISTANCE, ideal, height=0)
