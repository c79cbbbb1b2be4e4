"""Numbers become metres by what they are said to mean, or are refused with what to say instead."""

import numpy as np
import pytest

from ldm3d.config import DepthMeaningConfig
from ldm3d.fusion.meaning import displacement_of, distance_of, shares_of
from ldm3d.fusion.panorama import Panorama
from ldm3d.immersive.displacement import Displacement

PLAIN = DepthMeaningConfig()
PICTURE = np.zeros((4, 8, 3), np.uint8)


def metres(**given: float) -> DepthMeaningConfig:
    return DepthMeaningConfig(**given)


def test_distance_is_metres_times_the_scale_and_0_is_unknown():
    numbers = np.array([[1_500, 0], [250, 4_000]], np.uint16)
    found = distance_of(numbers, "distance", metres(scale=0.001))
    np.testing.assert_allclose(found, [[1.5, np.nan], [0.25, 4.0]])


def test_inverse_is_one_over_metres_and_0_is_put_where_far_says():
    found = distance_of(np.array([[0.5, 0.0, 4.0, np.nan]]), "inverse", metres(far=10.0, near=0.5))
    np.testing.assert_allclose(found, [[2.0, 10.0, 0.5, np.nan]])


@pytest.mark.parametrize(
    ("numbers", "kind", "told"),
    [
        ([[np.nan, 0.0]], "distance", "no number above 0"),
        ([[np.nan, np.nan]], "inverse", "no number above 0"),
        ([[1.0, -2.0]], "distance", "negative numbers, down to -2"),
        ([[1.0, np.inf]], "distance", "infinitely far: say by --depth.far"),
        ([[1.0, 0.0]], "inverse", "infinitely far: say by --depth.far"),
        ([[1.0, np.inf]], "inverse", "infinite numbers"),
    ],
)
def test_numbers_that_cannot_be_distances_are_refused(numbers, kind, told):
    with pytest.raises(ValueError, match=told):
        distance_of(np.array(numbers), kind, PLAIN)


def test_relative_depth_has_8_or_16_bits_or_is_from_0_to_1():
    assert shares_of(np.array([[0, 7, 65_535]], np.uint16), PLAIN).tolist() == [[0, 7, 65_535]]
    assert shares_of(np.array([[0, 1, 255]], np.uint8), PLAIN).tolist() == [[0, 257, 65_535]]
    assert shares_of(np.array([[0.0, 0.2, 1.0]]), PLAIN).tolist() == [[0, 13_107, 65_535]]
    assert shares_of(np.array([[0, 7, 65_535]], np.uint16), DepthMeaningConfig(invert=True))[0].tolist() == [
        65_535,
        65_528,
        0,
    ]


@pytest.mark.parametrize("numbers", [[[0.0, 1.5]], [[0.5, np.nan]], [[-1, 2]]])
def test_what_is_not_relative_is_refused(numbers):
    with pytest.raises(ValueError, match="relative depth is"):
        shares_of(np.array(numbers), PLAIN)


def test_near_and_far_take_the_place_of_amount_and_radius():
    assert displacement_of(DepthMeaningConfig(amount=0.3, radius=4.0)) == Displacement("paper", 0.3, 4.0)
    between = displacement_of(DepthMeaningConfig(rule="disparity", near=1.0, far=9.0))
    assert (between.near, between.far) == pytest.approx((1.0, 9.0))


@pytest.mark.parametrize("kind", ["distance", "inverse", "relative"])
def test_what_a_panorama_says_of_itself_turns_its_relative_depth_into_its_distances(kind):
    """By the formula that its files have, for each kind of numbers: to 16 bits of what the rule is linear in."""
    numbers = np.linspace(0.1, 0.9, 32).reshape(4, 8)
    panorama = Panorama.of(PICTURE, numbers, kind, PLAIN)
    said, moved = panorama.meaning(), 2 * (panorama.depth / 65_535) - 1
    radius, amount = said["radius_m"], said["amount"]
    assert said["formula"] == ("R (1 - s (2 d - 1))" if kind == "relative" else "R / (1 + s (2 d - 1))")
    read = radius * (1 - amount * moved) if kind == "relative" else radius / (1 + amount * moved)
    np.testing.assert_allclose(read, panorama.distance, rtol=2e-4)
    assert (said["nearest_m"], said["farthest_m"]) == pytest.approx((panorama.near, panorama.far), abs=1e-4)


def test_constant_depth_is_a_sphere():
    panorama = Panorama.of(PICTURE, np.full((4, 8), 3.0), "distance", PLAIN)
    assert (panorama.near, panorama.far) == (3.0, 3.0)
    assert len(np.unique(panorama.depth)) == 1


@pytest.mark.parametrize(
    ("picture", "numbers", "told"),
    [
        (np.zeros((4, 6, 3), np.uint8), np.ones((4, 6)), "6 x 4, wanted a panorama"),
        (PICTURE, np.ones((4, 7)), "depth is 7 x 4, the panorama 8 x 4"),
        (np.zeros((1, 2, 3), np.uint8), np.ones((1, 2)), "2 x 1, wanted a panorama"),
        (np.broadcast_to(np.uint8(0), (8_192, 16_384, 3)), np.ones((1, 2)), "at most 8,192 x 4,096"),
    ],
)
def test_sizes_that_do_not_fit_are_told(picture, numbers, told):
    with pytest.raises(ValueError, match=told):
        Panorama.of(picture, numbers, "distance", PLAIN)
