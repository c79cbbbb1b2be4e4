"""Toy scenes: depth is exact, captions are true, and a seed means the same scene everywhere."""

import dataclasses

import numpy as np
import pytest

from ldm3d.toy.scenes import COLOURS, EYE, FLOORS, FOCAL, SKIES, Scene, Solid, exact_depth, render

SCENES = [Scene.from_seed(seed) for seed in range(60)]


def alone(solid: Solid) -> Scene:
    return Scene("night", "white", (solid,))


def mask(scene: Scene, solid: Solid, size: int = 32) -> np.ndarray:
    """Return where `solid` is visible in the picture of `scene`."""
    only = render(dataclasses.replace(scene, objects=(solid,)), size).inverse_depth
    empty = render(dataclasses.replace(scene, objects=()), size).inverse_depth
    return (only != empty) & (only == render(scene, size).inverse_depth)


def nearest(pixels: np.ndarray, names: dict[str, tuple[int, int, int]]) -> str:
    """Return the named colour nearest to `pixels`, (N, 3) uint8, whatever their brightness."""
    brightest = pixels[np.argsort(pixels.sum(axis=1))[-max(1, len(pixels) // 2) :]].mean(axis=0)
    return min(
        names, key=lambda name: np.abs(brightest / brightest.sum() - np.divide(names[name], sum(names[name]))).sum()
    )


def test_depth_of_the_floor_is_that_of_the_plane():
    inverse_depth = render(Scene("day", "white", ()), 64).inverse_depth
    height = 1 - (np.arange(64) + 0.5) / 64 * 2  # of a row in the image plane
    below = height < -FOCAL / 30  # nearer than the floor's end
    expected = np.where(below, -height / (FOCAL * EYE[1]), 0)
    np.testing.assert_allclose(inverse_depth, np.tile(expected[:, None], (1, 64)), rtol=1e-6)


def test_nearest_point_of_a_sphere_is_its_radius_before_its_centre():
    inverse_depth = render(alone(Solid("red", "sphere", x=0.0, z=2.0, radius=1.0)), 33).inverse_depth
    assert inverse_depth[16, 16] == pytest.approx(1 / (2.0 - EYE[2] - 1.0), rel=1e-6)


def test_a_sphere_is_met_where_its_equation_holds():
    ball = Solid("red", "sphere", x=0.3, z=1.0, radius=0.7)
    seen, z = mask(alone(ball), ball, 64), render(alone(ball), 64).inverse_depth
    row, column = np.nonzero(seen)
    depth = 1 / z[seen].astype(float)
    x = EYE[0] + depth * ((column + 0.5) / 32 - 1) / FOCAL
    y = EYE[1] - depth * ((row + 0.5) / 32 - 1) / FOCAL
    distance = np.sqrt((x - 0.3) ** 2 + (y - 0.7) ** 2 + (EYE[2] + depth - 1.0) ** 2)
    assert len(row) > 100
    np.testing.assert_allclose(distance, 0.7, rtol=1e-5)


def test_front_face_of_a_cube_has_one_depth():
    cube = Solid("blue", "cube", x=0.0, z=1.0, radius=0.5)
    values = np.unique(render(alone(cube), 65).inverse_depth[mask(alone(cube), cube, 65)])
    np.testing.assert_allclose(values, 1 / (1.0 - EYE[2] - 0.5), rtol=1e-6)


def test_the_sky_is_infinitely_far():
    for scene in SCENES:
        np.testing.assert_array_equal(render(scene, 32).inverse_depth[0], 0)


def test_colours_are_averaged_within_a_pixel_and_depth_is_not():
    one, nine = render(SCENES[0], 32, samples=1), render(SCENES[0], 32, samples=3)
    np.testing.assert_array_equal(one.inverse_depth, nine.inverse_depth)
    assert (one.image != nine.image).any()
    assert nine.image.dtype == np.uint8
    assert nine.inverse_depth.dtype == np.float32


def test_sizes_show_the_same_scene():
    small, large = render(SCENES[0], 32).inverse_depth, render(SCENES[0], 96).inverse_depth
    np.testing.assert_array_equal(small, large[1::3, 1::3])


def test_even_samples_have_no_middle_and_are_refused():
    with pytest.raises(ValueError, match="odd"):
        render(SCENES[0], 32, samples=2)


def test_a_seed_is_the_same_scene_everywhere():
    assert Scene.from_seed(3) == Scene.from_seed(3) != Scene.from_seed(4)
    scene = Scene.from_seed(1)
    assert scene.caption == "a cyan cube next to a red sphere on a white floor at dusk"
    assert [round(solid.x, 6) for solid in scene.objects] == [-0.93632, 1.001405]
    assert render(scene, 32).image.sum() == pytest.approx(484_264, abs=20)  # rounding may differ


def test_captions_name_what_the_pixels_show():
    for scene in SCENES:
        image = render(scene, 32).image
        assert nearest(image[0], SKIES) == scene.sky
        assert nearest(image[-1], {name: COLOURS[name] for name in FLOORS}) == scene.floor
        assert f"{scene.floor} floor" in scene.caption
        assert scene.sky in scene.caption
        for solid in scene.objects:
            seen = mask(scene, solid)
            inner = seen & np.roll(seen, 1, 0) & np.roll(seen, -1, 0) & np.roll(seen, 1, 1) & np.roll(seen, -1, 1)
            assert nearest(image[inner], COLOURS) == solid.colour, (scene, solid)
            assert f"{solid.colour} {solid.shape}" in scene.caption


def test_captions_name_objects_from_left_to_right():
    pairs = [scene for scene in SCENES if len(scene.objects) == 2]
    assert len(pairs) > 10
    for scene in pairs:
        left, right = (np.nonzero(mask(scene, solid))[1].mean() for solid in scene.objects)
        assert left < right
        assert scene.caption.index(str(scene.objects[0])) < scene.caption.index(str(scene.objects[1]))


def test_different_scenes_of_one_seed_range_use_every_word():
    words = " ".join(scene.caption for scene in SCENES).split()
    assert {*COLOURS, *SKIES, "sphere", "cube", "an"} <= set(words)


def test_exact_depth_fills_its_range_in_each_image():
    depth = exact_depth(np.stack([render(scene, 32).inverse_depth for scene in SCENES[:4]]))
    assert depth.dtype == np.float32
    assert depth.min(axis=(1, 2)).tolist() == [0] * 4
    assert depth.max(axis=(1, 2)).tolist() == [1] * 4


def test_exact_depth_of_one_distance_is_zero():
    np.testing.assert_array_equal(exact_depth(np.full((4, 4), 0.5, np.float32)), np.zeros((4, 4)))
