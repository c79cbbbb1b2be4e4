"""What a camera sees of surfaces."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive import rasterise
from ldm3d.immersive.camera import PERSPECTIVE, Camera, SphericalCamera
from ldm3d.immersive.surface import Surface

NOTHING = 255


@dataclass(frozen=True, eq=False)
class View:
    """A picture with distances."""

    image: NDArray[np.uint8]
    """(h, w, 3), sRGB; black where nothing is."""
    nearness: NDArray[np.float32]
    """(h, w), 1 / metres: along the axis of a perspective camera, along the ray of a spherical one. 0 is nothing."""
    layer: NDArray[np.uint8]
    """(h, w): the number of the surface that is seen; `NOTHING` where none is."""


def render(surfaces: Sequence[Surface], camera: Camera, samples: int = 1) -> View:
    """Draw surfaces as a camera sees them: of several at one place the nearest.

    Args:
        surfaces: at most 255; for example a panorama, and what it hides.
        samples: along each side of a pixel of the view; 2 makes edges smooth, in four times the time. Nearness and
            layer are those of the sample at the upper left.
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}, wanted 1 (none between pixels) or more along each side of a pixel")
    numbers = camera.numbers()
    if numbers[0] == PERSPECTIVE:
        numbers[13] *= samples
    height, width = camera.height * samples, camera.width * samples
    nearness, places = np.zeros((height, width), np.float32), np.zeros((height, width, 2), np.float32)
    layers, image = np.full((height, width), NOTHING, np.uint8), np.zeros((height, width, 3), np.uint8)
    columns = width if isinstance(camera, SphericalCamera) else 0
    for layer, surface in enumerate(surfaces):
        rasterise.draw(surface.rays, surface.corners, surface.balls, columns, numbers, layer, nearness, places, layers)
    for layer, surface in enumerate(surfaces):
        rasterise.shade(surface.picture, surface.corners, surface.wraps, layer, places, layers, image)
    if samples > 1:
        parts = image.reshape(camera.height, samples, camera.width, samples, 3)
        image = (parts.mean(axis=(1, 3), dtype=np.float32) + 0.5).astype(np.uint8)
    return View(image, nearness[::samples, ::samples], layers[::samples, ::samples])
