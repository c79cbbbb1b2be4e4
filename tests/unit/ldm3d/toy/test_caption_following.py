"""What is measured from pixels is what the picture shows."""

import numpy as np
import pytest

from ldm3d.toy.caption_following import agreement, floor_of, objects_of, sky_of
from ldm3d.toy.scenes import Scene, Solid, render

SCENES = [Scene.from_seed(seed) for seed in range(60)]


@pytest.fixture(scope="module")
def images() -> list[np.ndarray]:
    return [render(scene, 32).image for scene in SCENES]


def test_a_rendering_agrees_with_its_own_caption_in_everything(images):
    found = agreement(images, SCENES)
    assert (found.sky, found.floor, found.objects) == (1, 1, 1)


def test_with_captions_of_other_pictures_the_agreement_is_that_of_chance(images):
    found = agreement(images, SCENES[1:] + SCENES[:1])
    assert 0.1 < found.sky < 0.6
    assert 0.1 < found.floor < 0.6
    assert found.objects < 0.35


def test_one_wrong_object_is_one_wrong_object():
    shown = Scene("day", "white", (Solid("red", "cube", -0.9, 1.0, 0.5), Solid("blue", "sphere", 0.9, 1.0, 0.5)))
    said = Scene("day", "white", (shown.objects[0], Solid("green", "sphere", 0.9, 1.0, 0.5)))
    found = agreement([render(shown, 32).image], [said])
    assert (found.sky, found.floor, found.objects) == (1, 1, 0.5)


def test_noise_that_a_decoder_leaves_does_not_change_what_is_seen(images):
    noisy = [
        np.clip(image + np.random.default_rng(0).normal(0, 12, image.shape), 0, 255).astype(np.uint8)
        for image in images
    ]
    found = agreement(noisy, SCENES)
    assert found.sky == found.floor == 1
    assert found.objects > 0.9


def test_a_picture_of_nothing_has_no_objects():
    empty = render(Scene("night", "green", ()), 32).image
    assert (sky_of(empty), floor_of(empty), objects_of(empty, 2)) == ("night", "green", ["", ""])
