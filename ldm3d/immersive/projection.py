"""How a picture shows space: all around, or as a pinhole. What surfaces need to know of it, and nothing else."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive import pinhole, sphere
from ldm3d.immersive.tears import STEEPEST, panorama_limits, pinhole_limits

Limits = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Equirectangular:
    """A panorama of 360 by 180 degrees. Distances are along the ray."""

    wraps: ClassVar[bool] = True
    """Whether the last column is beside the first one."""

    def check(self, height: int, width: int) -> None:
        """Check that a picture of this size may be one.

        Raises:
            ValueError: it may not.
        """
        sphere.check_panorama(height, width)

    def corner_directions(self, height: int, width: int) -> NDArray[np.float64]:
        """Return the directions of the pixels' corners, (H + 1, W + 1, 3): a corner is its own times its distance."""
        return sphere.corner_directions(height, width)

    def along_rays(self, inverse: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return 1 / metres along the ray, (H, W), of 1 / distance as this projection measures it."""
        return inverse

    def limits(self, height: int, width: int, steepest: float = STEEPEST) -> Limits:
        """Return by which ratio, less 1, distances along the ray of neighbours may differ: in a row, and below each
        other (`ldm3d.immersive.tears`)."""
        return panorama_limits(height, width, steepest)

    def pixels(self, height: int, degrees: float) -> int:
        """Return how many pixels an angle is, rounded up."""
        return math.ceil(degrees / 180 * height)


@dataclass(frozen=True)
class Perspective:
    """A flat picture. Distances are along the axis: z-depth."""

    fov: float = pinhole.FOV
    """Degrees from top to bottom."""
    wraps: ClassVar[bool] = False

    def __post_init__(self) -> None:
        pinhole.focal_of(1, self.fov)

    def check(self, height: int, width: int) -> None:
        """As that of a panorama: any picture of two rows and two columns is one."""
        if min(height, width) < 2:
            raise ValueError(f"the picture is {width} x {height}, wanted 2 pixels or more in both directions")

    def corner_directions(self, height: int, width: int) -> NDArray[np.float64]:
        """As that of a panorama; of length 1 along the axis."""
        return pinhole.corner_directions(height, width, self.fov)

    def along_rays(self, inverse: NDArray[np.floating]) -> NDArray[np.floating]:
        """As that of a panorama, of 1 / z-depth."""
        along: NDArray[np.floating] = inverse / pinhole.lengths(inverse.shape[0], inverse.shape[1], self.fov)
        return along

    def limits(self, height: int, width: int, steepest: float = STEEPEST) -> Limits:
        """As that of a panorama, but for each pixel: those at the border see smaller angles."""
        return pinhole_limits(height, width, self.fov, steepest)

    def pixels(self, height: int, degrees: float) -> int:
        """As that of a panorama, in the middle of the picture."""
        return math.ceil(math.radians(degrees) * pinhole.focal_of(height, self.fov))

    def aspect_fov(self, height: int, width: int, aspect: float) -> float:
        """Return the vertical angle, in degrees, of the largest view of an aspect that shows nothing but a picture of
        this size."""
        return math.degrees(2 * math.atan(math.tan(math.radians(self.fov) / 2) * min(1.0, width / height / aspect)))


Projection = Equirectangular | Perspective
EQUIRECTANGULAR = Equirectangular()
