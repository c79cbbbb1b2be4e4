"""Levels and light are each other's inverse, and those of the standard."""

import numpy as np
import pytest

from ldm3d.immersive.srgb import levels_of, light_of

LEVELS = np.arange(256, dtype=np.uint8)


def test_every_level_comes_back():
    np.testing.assert_array_equal(levels_of(light_of(LEVELS)), LEVELS)


def test_light_is_that_of_the_standard():
    light = light_of(LEVELS)
    assert light[[0, 10, 128, 255]] == pytest.approx([0, 10 / 255 / 12.92, 0.215861, 1], abs=1e-6)
    assert (np.diff(light) > 0).all()
