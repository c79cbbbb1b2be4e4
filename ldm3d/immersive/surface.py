"""A picture with distances as a surface in space: each pixel is a quadrilateral of its own.

Its corners meet those of its neighbours, unless the surface between them is so steep that it is rather two things, one
before the other: there it is torn. As pixels keep their borders, nothing floats half-way between the two, and nothing
of either is lost.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.balls import balls_around
from ldm3d.immersive.corners import corner_inverses
from ldm3d.immersive.pinhole import FOV
from ldm3d.immersive.projection import EQUIRECTANGULAR, Equirectangular, Perspective, Projection
from ldm3d.immersive.tears import STEEPEST


@dataclass(frozen=True, eq=False)
class Surface:
    """What is drawn."""

    picture: NDArray[np.uint8]
    """(H, W, 3), sRGB."""
    rays: NDArray[np.float64]
    """(H + 1, W + 1, 3): the directions of the pixels' corners, seen from the origin. Of any length: distances are
    measured in it."""
    corners: NDArray[np.float32]
    """(H, W, 4): 1 / distance of each pixel's own corners along their rays, in 1 / metres: upper left, upper right,
    lower left, lower right. NaN where there is no surface."""
    wraps: bool = True
    """Whether the last column is beside the first one, as in a panorama."""

    @cached_property
    def balls(self) -> NDArray[np.float64]:
        """Balls around its blocks."""
        return balls_around(self.rays, self.corners)


def panorama_surface(
    picture: NDArray[np.uint8], distance: NDArray[np.floating], steepest: float = STEEPEST
) -> Surface:
    """Place a panorama on the sphere.

    Args:
        picture: (H, 2 H, 3) uint8, sRGB.
        distance: (H, 2 H), metres along the ray, above 0; NaN where there is no surface.
        steepest: angle of incidence, in degrees, beyond which neighbours are torn apart; 90 tears nothing.

    Raises:
        ValueError: shapes differ or are not a panorama's, distances are not above 0, or the angle is not from 0 to 90.
    """
    return surface_of(picture, distance, EQUIRECTANGULAR, steepest)


def flat_surface(
    picture: NDArray[np.uint8], depth: NDArray[np.floating], fov: float = FOV, steepest: float = STEEPEST
) -> Surface:
    """Place a flat picture in space, as a pinhole at the origin that looks along -z has seen it.

    Args:
        picture: (H, W, 3) uint8, sRGB.
        depth: (H, W), metres along the axis (z-depth), above 0; NaN where there is no surface. Distances along the ray
            become these when they are divided by `ldm3d.immersive.pinhole.lengths`.
        fov: degrees from top to bottom.
        steepest: as for a panorama.

    Raises:
        ValueError: shapes differ, depth is not above 0, or an angle is out of its range.
    """
    return surface_of(picture, depth, Perspective(fov), steepest)


def surface_of(
    picture: NDArray[np.uint8],
    distance: NDArray[np.floating],
    projection: Projection,
    steepest: float = STEEPEST,
) -> Surface:
    """Place a picture in space: `panorama_surface` or `flat_surface`."""
    height, width = picture.shape[:2]
    check_pictures(picture, distance)
    projection.check(height, width)
    inverse = 1 / distance
    limits, along = projection.limits(height, width, steepest), projection.along_rays(inverse)
    corners = corner_inverses(inverse, *limits, wraps=projection.wraps, along=along)
    if isinstance(projection, Equirectangular):
        _close_poles(inverse, corners)
    return Surface(picture, projection.corner_directions(height, width), corners, projection.wraps)


def _close_poles(inverse: NDArray[np.floating], corners: NDArray[np.float32]) -> None:
    """Make each pole one point."""
    for row, places in ((0, (0, 1)), (-1, (2, 3))):
        known = inverse[row][np.isfinite(inverse[row])]
        corners[row, :, places] = np.where(np.isfinite(inverse[row]), known.mean() if len(known) else np.nan, np.nan)


def check_pictures(picture: NDArray[Any], distance: NDArray[Any]) -> None:
    """Check a picture and its distances.

    Raises:
        ValueError: they have other shapes or types, or distances are not above 0 and finite where they are known.
    """
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"the picture is {picture.shape} {picture.dtype}, wanted (height, width, 3) uint8")
    if distance.shape != picture.shape[:2]:
        raise ValueError(
            f"distances are {distance.shape}, the picture {picture.shape[:2]}: resize one to the other's size "
            "(depth by the nearest pixel, as a mean of near and far is neither)"
        )
    known = distance[~np.isnan(distance)]
    if known.size == 0 or not ((known > 0) & (known < np.inf)).all():
        raise ValueError("distances are not all above 0 and finite, in metres: mark what is unknown by NaN")
