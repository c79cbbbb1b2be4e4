"""What relative depth means, by the rules of the paper and of disparity."""

import numpy as np
import pytest

from ldm3d.immersive.displacement import Displacement


@pytest.mark.parametrize("rule", ["paper", "disparity"])
def test_near_half_and_far_are_where_the_rule_says(rule):
    displacement = Displacement.between(1.5, 6.0, rule)
    found = displacement.distance(np.array([[1.0, 0.0]]))
    assert found == pytest.approx(np.array([[1.5, 6.0]]))
    assert (displacement.near, displacement.far) == pytest.approx((1.5, 6.0))
    unmoved = displacement.distance(np.array([[0.5]]))[0, 0]
    assert unmoved == pytest.approx(3.75 if rule == "paper" else 2.4)
    assert unmoved == pytest.approx(displacement.radius)


def test_the_papers_rule_is_linear_and_disparity_is_affine_in_inverse_distance():
    depth = np.linspace(0, 1, 9)[None]
    linear = Displacement("paper", 0.4, 2.0).distance(depth)
    inverse = 1 / Displacement("disparity", 0.4, 2.0).distance(depth)
    np.testing.assert_allclose(np.diff(linear), linear[0, 1] - linear[0, 0])
    np.testing.assert_allclose(np.diff(inverse), inverse[0, 1] - inverse[0, 0])
    assert linear[0, 0] > linear[0, -1]
    assert inverse[0, 0] < inverse[0, -1]


@pytest.mark.parametrize("rule", ["paper", "disparity"])
@pytest.mark.parametrize("inverted", [False, True])
def test_depth_of_16_bits_survives_there_and_back(rule, inverted):
    depth = np.arange(65_536, dtype=np.uint16).reshape(256, 256)
    displacement = Displacement.between(0.7, 40.0, rule, inverted=inverted)
    distance = displacement.distance(depth)
    np.testing.assert_array_equal(displacement.depth(distance), depth)
    is_rising = distance[-1, -1] > distance[0, 0]
    assert is_rising == inverted


def test_amount_0_is_a_sphere():
    displacement = Displacement("paper", 0.0, 3.0)
    assert set(displacement.distance(np.array([[0, 65_535]], np.uint16)).ravel()) == {3.0}
    assert displacement.depth(np.array([[3.0]])) == 32_767


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"amount": 1.0}, "amount is 1.0, wanted 0"),
        ({"amount": -0.1}, "amount is -0.1"),
        ({"radius": 0.0}, "radius is 0.0"),
        ({"radius": float("nan")}, "radius is nan"),
        ({"rule": "log"}, "rule is 'log'"),
    ],
)
def test_what_it_cannot_be_is_refused(settings, complaint):
    with pytest.raises(ValueError, match=complaint):
        Displacement(**settings)


@pytest.mark.parametrize(("near", "far"), [(0, 1), (2, 1), (1, np.inf), (np.nan, 1)])
def test_near_and_far_that_make_no_sense_are_refused(near, far):
    with pytest.raises(ValueError, match="wanted 0 < near <= far"):
        Displacement.between(near, far)


@pytest.mark.parametrize(
    ("depth", "complaint"),
    [
        (np.array([[0.5, np.nan]]), "NaN or not from 0 to 1"),
        (np.array([[0.5, 1.5]]), "NaN or not from 0 to 1"),
        (np.zeros((2, 2), np.uint8), "uint8, wanted"),
        (np.zeros((2, 2, 1)), r"\(2, 2, 1\)"),
    ],
)
def test_depth_that_is_none_is_refused(depth, complaint):
    with pytest.raises(ValueError, match=complaint):
        Displacement().distance(depth)
