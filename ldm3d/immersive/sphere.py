"""Panoramas of 360 by 180 degrees (equirectangular): where each pixel looks.

Axes are right-handed, as in glTF and OpenGL: x to the right, y up, and -z ahead, into the middle of the panorama.
Longitude grows to the right, latitude upwards. Pixels are squares of the sphere: pixel j of W covers the longitudes
from (j / W - 1/2) 2 pi to ((j + 1) / W - 1/2) 2 pi, so its centre is half a pixel further.
"""

import numpy as np
from numpy.typing import NDArray


def is_panorama(height: int, width: int) -> bool:
    """Say whether a picture of this size may be a panorama: twice as wide as high, and 2 pixels high or more."""
    return width == 2 * height and height >= 2


def check_panorama(height: int, width: int) -> None:
    """Check that a picture may be a panorama.

    Raises:
        ValueError: it is not twice as wide as high, or less than 2 pixels high.
    """
    if not is_panorama(height, width):
        raise ValueError(
            f"the picture is {width} x {height}, wanted a panorama of 360 by 180 degrees, twice as wide as high"
        )


def directions(height: int, width: int) -> NDArray[np.float64]:
    """Return the unit vectors along which the centres of pixels look, (H, W, 3)."""
    return _at((np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width)


def corner_directions(height: int, width: int) -> NDArray[np.float64]:
    """Return the unit vectors of the pixels' corners, (H + 1, W + 1, 3).

    The last column is the first one, and all of the first and of the last row are the poles, to the bit: a surface
    that stands on them is closed.
    """
    corners = _at(np.arange(height + 1) / height, np.arange(width + 1) / width)
    corners[:, -1] = corners[:, 0]
    corners[0], corners[-1] = (0, 1, 0), (0, -1, 0)
    return corners


def _at(down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the unit vectors at shares of the height and of the width."""
    longitude, latitude = (across - 0.5) * 2 * np.pi, (0.5 - down)[:, None] * np.pi
    flat = np.cos(latitude)
    y = np.broadcast_to(np.sin(latitude), (len(down), len(across)))
    return np.stack([flat * np.sin(longitude), y, -flat * np.cos(longitude)], axis=-1)
