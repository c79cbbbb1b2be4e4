"""Each eye gets its own picture, on the side where its player looks for it."""

import numpy as np
import pytest

from ldm3d.immersive.camera import PerspectiveCamera, SphericalCamera, stereo
from ldm3d.immersive.film import film, frame
from ldm3d.immersive.layout import Layout
from ldm3d.immersive.packing import anaglyph, front, rgbd, rgbd_suffix, side_by_side, top_bottom
from ldm3d.immersive.surface import panorama_surface
from ldm3d.immersive.view import render
from ldm3d.toy import room

LEFT, RIGHT = np.full((4, 6, 3), 10, np.uint8), np.full((4, 6, 3), 200, np.uint8)


@pytest.fixture(scope="module")
def surface():
    return panorama_surface(*room.panorama(32))


def test_the_left_eye_is_left_or_on_top():
    beside, over = side_by_side(LEFT, RIGHT), top_bottom(LEFT, RIGHT)
    assert beside.shape == (4, 12, 3)
    assert over.shape == (8, 6, 3)
    assert (beside[:, :6] == 10).all()
    assert (beside[:, 6:] == 200).all()
    assert (over[:4] == 10).all()
    assert (over[4:] == 200).all()


def test_eyes_of_two_sizes_are_refused():
    with pytest.raises(ValueError, match="wanted one size"):
        side_by_side(LEFT, RIGHT[:3])


def test_the_front_half_is_what_is_seen_by_180_degrees_ahead():
    picture, _ = room.panorama(64)
    longitude, latitude = ((np.arange(64) + 0.5) / 64 - 0.5) * np.pi, (0.5 - (np.arange(64) + 0.5) / 64) * np.pi
    flat = np.cos(latitude)[:, None]
    up = np.broadcast_to(np.sin(latitude)[:, None], (64, 64))
    rays = np.stack([flat * np.sin(longitude), up, -flat * np.cos(longitude)], axis=-1)
    truth, _ = room.look(np.zeros(3), rays)
    assert (np.abs(front(picture).astype(int) - truth).max(-1) > 1).mean() < 0.01  # but for ties at edges


@pytest.mark.parametrize("size", [(32, 32), (33, 66)])
def test_what_has_no_front_half_is_refused(size):
    with pytest.raises(ValueError, match="wanted"):
        front(np.zeros((*size, 3), np.uint8))


def test_through_the_glasses_each_eye_sees_its_own_picture():
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    red, cyan = anaglyph(white, black)[0, 0], anaglyph(black, white)[0, 0]
    assert red[0] > 250
    assert red[1:].max() == 0
    assert cyan[0] == 0
    assert cyan[1:].min() > 250


def test_what_is_the_same_for_both_eyes_and_grey_stays_grey():
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    assert np.abs(anaglyph(grey, grey).astype(int) - grey).max() <= 1


@pytest.mark.parametrize(
    ("side", "shape", "place"),
    [
        ("left", (4, 12, 3), (0, 0)),
        ("right", (4, 12, 3), (0, 11)),
        ("top", (8, 6, 3), (0, 0)),
        ("bottom", (8, 6, 3), (7, 5)),
    ],
)
def test_depth_is_on_the_side_that_the_name_says_and_near_is_white(side, shape, place):
    found = rgbd(LEFT, np.full((4, 6), 65_535, np.uint16), side)
    assert found.shape == shape
    assert found[place].tolist() == [255, 255, 255]
    assert (found == 10).sum() == LEFT.size
    assert rgbd_suffix(side) == f"_rgbd-{side}"


def test_depth_of_eight_bits_is_the_nearest():
    depth = np.array([[0, 128, 129, 65_535]], np.uint16)
    assert rgbd(np.zeros((1, 4, 3), np.uint8), depth)[0, 4:, 0].tolist() == [0, 0, 1, 255]


def test_depth_of_another_size_or_side_is_refused():
    with pytest.raises(ValueError, match="resize one"):
        rgbd(LEFT, np.zeros((4, 5), np.uint16))
    with pytest.raises(ValueError, match="wanted 'left', 'right', 'top' or 'bottom'"):
        rgbd_suffix("front")


def test_a_frame_holds_the_views_of_both_eyes(surface):
    camera = SphericalCamera(64, 32)
    left, right = (render([surface], eye).image for eye in stereo(camera, 0.2))
    assert not np.array_equal(left, right)
    found = frame([surface], camera, Layout("360", "top-bottom"), 0.2)
    np.testing.assert_array_equal(found, np.concatenate([left, right]))
    found = frame([surface], camera, Layout("180", "side-by-side"), 0.2)
    np.testing.assert_array_equal(found, np.concatenate([left[:, 16:48], right[:, 16:48]], axis=1))
    np.testing.assert_array_equal(frame([surface], camera, Layout("360", "anaglyph"), 0.2), anaglyph(left, right))
    np.testing.assert_array_equal(frame([surface], camera, Layout()), surface.picture)


def test_frames_are_drawn_when_they_are_asked_for(surface):
    asked = []

    def cameras():
        for number in range(3):
            asked.append(number)
            yield PerspectiveCamera(16, 12)

    frames = film([surface], cameras(), Layout("flat", "side-by-side"))
    assert asked == []
    assert next(frames).shape == (12, 32, 3)
    assert asked == [0]


@pytest.mark.parametrize(("camera", "projection"), [(PerspectiveCamera(), "360"), (SphericalCamera(), "flat")])
def test_a_camera_of_the_other_kind_is_refused(surface, camera, projection):
    with pytest.raises(ValueError, match="wanted a SphericalCamera"):
        next(film([surface], [camera], Layout(projection)))


def test_a_layout_is_one_that_players_know():
    assert Layout("360", "top-bottom").suffix == "_360_TB"
    assert Layout("180", "side-by-side").suffix == "_180_LR"
    assert Layout("flat").suffix == ""
    with pytest.raises(ValueError, match="projection"):
        Layout("cube")
    with pytest.raises(ValueError, match="packing"):
        Layout("360", "quad")
