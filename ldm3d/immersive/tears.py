"""Where a surface is torn: between neighbours whose distances differ more than a slope as steep as allowed explains.

The measure is an angle of incidence, between the line of sight and the surface's normal, so it means the same at each
resolution, which a ratio of distances does not.
"""

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive import pinhole

STEEPEST = 85.0  # degrees
_POLAR = 0.03  # cosine of a latitude beyond which neighbours in a row are too close to tell a slope from noise


def panorama_limits(
    height: int, width: int, steepest: float = STEEPEST
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by which ratio, less 1, the distances of neighbours may differ.

    A surface under the angle a changes its distance r by r tan(a) for each radian.

    Args:
        height, width: of a panorama, in pixels.
        steepest: in degrees; 90 tears nothing.

    Returns:
        (height,) for neighbours in each row, (height - 1,) for those in a row and in the next.

    Raises:
        ValueError: the angle is not from 0 to 90 degrees.
    """
    slope = _slope(steepest)
    flat = np.cos((0.5 - (np.arange(height) + 0.5) / height) * np.pi)
    across = np.where(flat < _POLAR, np.inf, 2 * np.pi / width * flat * slope)
    return across, np.full(height - 1, np.pi / height * slope)


def pinhole_limits(
    height: int, width: int, fov: float, steepest: float = STEEPEST
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return by which ratio, less 1, the distances along the ray of neighbours in a flat picture may differ.

    As `panorama_limits`, where the angle between the rays of two neighbours is that of a pinhole: the farther from the
    middle, the smaller.

    Args:
        height, width: of the picture, in pixels.
        fov: in degrees, from top to bottom.
        steepest: in degrees; 90 tears nothing.

    Returns:
        (height, width) for neighbours in a row, that in each column and the next; the last column has none, and 0.
        (height - 1, width) for those in a row and in the next.

    Raises:
        ValueError: the angle is not from 0 to 90 degrees.
    """
    slope = _slope(steepest)
    rays = pinhole.directions(height, width, fov)
    across, down = (_angles(*pair) * slope for pair in ((rays[:, :-1], rays[:, 1:]), (rays[:-1], rays[1:])))
    return np.pad(across, ((0, 0), (0, 1))), down


def _slope(steepest: float) -> float:
    if not 0 < steepest <= 90:
        raise ValueError(f"the steepest angle is {steepest}, wanted above 0 to 90 degrees (90 tears nothing)")
    return float(np.tan(np.radians(steepest))) if steepest < 90 else np.inf


def _angles(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angles between directions in radians: by their sine, as the cosine of small ones is coarse."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    angles: NDArray[np.float64] = np.arcsin(np.linalg.norm(np.cross(one, other), axis=-1) / lengths)
    return angles
