"""Flat pictures, as a pinhole sees them: where each pixel looks.

Axes are those of `ldm3d.immersive.sphere`: x to the right, y up, and -z ahead, through the middle of the picture.
Pixels are squares. Directions have the length 1 along the axis, so that a point is its direction times its z-depth.
"""

import numpy as np
from numpy.typing import NDArray

FOV = 55.0
"""Degrees from top to bottom that a picture is taken to show. The main camera of a phone, of 26 mm (35 mm equivalent),
sees 53 along the shorter side of its pictures of 4:3, and 50 of those of 3:2. What is wrong by a factor in its tangent
makes a place as much too wide or too narrow for its depth; from the camera's own place nothing of it is seen."""


def focal_of(height: int, fov: float) -> float:
    """Return the focal length in pixels of a picture that is so high and shows so many degrees from top to bottom.

    Raises:
        ValueError: the angle is not above 0 and below 180 degrees.
    """
    if not 0 < fov < 180:
        raise ValueError(f"fov is {fov}, wanted degrees above 0 and below 180")
    return float(height / 2 / np.tan(np.radians(fov) / 2))


def directions(height: int, width: int, fov: float = FOV) -> NDArray[np.float64]:
    """Return the directions of the pixels' centres, (H, W, 3), of length 1 along the axis."""
    return _at(np.arange(height) + 0.5, np.arange(width) + 0.5, height, width, fov)


def corner_directions(height: int, width: int, fov: float = FOV) -> NDArray[np.float64]:
    """Return the directions of the pixels' corners, (H + 1, W + 1, 3), of length 1 along the axis."""
    return _at(np.arange(height + 1.0), np.arange(width + 1.0), height, width, fov)


def lengths(height: int, width: int, fov: float = FOV) -> NDArray[np.float64]:
    """Return how long the direction of each pixel's centre is, (H, W), 1 or more: metres along the ray for each metre
    of z-depth."""
    found: NDArray[np.float64] = np.linalg.norm(directions(height, width, fov), axis=-1)
    return found


def _at(
    down: NDArray[np.floating], across: NDArray[np.floating], height: int, width: int, fov: float
) -> NDArray[np.float64]:
    """Return the directions at places in the picture, in pixels."""
    focal = focal_of(height, fov)
    x, y = (across - width / 2) / focal, (height / 2 - down)[:, None] / focal
    return np.stack(np.broadcast_arrays(x, y, -1.0), axis=-1)
