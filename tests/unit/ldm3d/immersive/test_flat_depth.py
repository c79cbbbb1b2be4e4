"""Depth of a flat picture is what the network gives of the picture itself, at the picture's size."""

import numpy as np
import pytest
import torch

from ldm3d.immersive.flat_depth import LARGEST, estimate_flat_depth
from ldm3d.reject import Reason, Rejected


def brightness(views: np.ndarray) -> torch.Tensor:
    """A network that takes what is bright to be near."""
    return torch.from_numpy(views.mean(axis=-1, dtype=np.float32))


def test_a_network_sees_the_picture_itself_once():
    picture = np.random.default_rng(0).integers(0, 255, (48, 65, 3), np.uint8)
    found = estimate_flat_depth(picture, brightness)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, brightness(picture[None])[0])


def test_of_a_large_picture_a_network_sees_a_smaller_one_of_the_same_shape_and_its_map_is_enlarged():
    """Networks that do not resize pictures would need memory that grows with them."""
    small = np.tile(np.linspace(1, 254, LARGEST).astype(np.uint8)[None, :, None], (96, 1, 3))
    pattern = np.tile(np.array([[1, -1], [-1, 1]]), (96, LARGEST))[..., None]  # of which nothing is left in the mean
    picture = (small.repeat(2, axis=0).repeat(2, axis=1) + pattern).astype(np.uint8)
    sizes = []

    def watched(views: np.ndarray) -> torch.Tensor:
        sizes.append(views.shape)
        np.testing.assert_array_equal(views[0], small)
        return brightness(views)

    found = estimate_flat_depth(picture, watched)
    assert sizes == [(1, 96, LARGEST, 3)]
    assert found.shape == (192, 2 * LARGEST)
    np.testing.assert_allclose(found, picture[..., 0], atol=2)


@pytest.mark.parametrize(
    ("height", "width", "told"),
    [
        (31, 64, "64 x 31, wanted 32 pixels or more in both directions"),
        (64, 31, "31 x 64"),
        (32, 513, "513 x 32, wanted no side of more than 16 times the other"),
        (513, 32, "32 x 513"),
    ],
)
def test_a_size_that_networks_fail_at_is_rejected_before_one_sees_it(height, width, told):
    with pytest.raises(Rejected, match=told) as error:
        estimate_flat_depth(np.zeros((height, width, 3), np.uint8), None)
    assert error.value.reason == Reason.TOO_SMALL


@pytest.mark.parametrize(("value", "told"), [(np.nan, "is not finite"), (2.0, "same depth everywhere in the picture")])
def test_a_map_that_says_nothing_is_rejected(value, told):
    with pytest.raises(Rejected, match=told) as error:
        estimate_flat_depth(np.zeros((32, 48, 3), np.uint8), lambda views: torch.full((1, 32, 48), value))
    assert error.value.reason == Reason.DEPTH_FAILED
