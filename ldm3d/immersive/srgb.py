"""Between the levels of pictures and light (IEC 61966-2-1)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LEVELS = np.arange(256) / 255
LIGHT = np.where(_LEVELS <= 0.04045, _LEVELS / 12.92, ((_LEVELS + 0.055) / 1.055) ** 2.4).astype(np.float32)
"""(256,) float32: the light of each level, 0 to 1."""


def light_of(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the light of levels, of the same shape, float32 0 to 1."""
    light: NDArray[np.float32] = LIGHT[picture]
    return light


def levels_of(light: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the levels of light from 0 to 1, of the same shape, uint8: the nearest ones."""
    shown = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    levels: NDArray[np.uint8] = (shown * 255 + 0.5).astype(np.uint8)
    return levels
