"""Balls around blocks of a surface, by which a camera passes over what it cannot see."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled

BLOCK = 16  # pixels on each side


def balls_around(rays: NDArray[np.float64], corners: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return a ball for each block of pixels.

    Args:
        rays, corners: those of a `Surface`.

    Returns:
        (rows, columns, 4) of blocks: centre and radius; the radius is NaN where the block has no surface.
    """
    height, width = corners.shape[:2]
    balls = np.full((math.ceil(height / BLOCK), math.ceil(width / BLOCK), 4), np.nan)
    enclose(rays, corners, balls)
    return balls


def _enclose(rays: NDArray[np.float64], corners: NDArray[np.float32], balls: NDArray[np.float64]) -> None:
    height, width = corners.shape[:2]
    low, high = np.empty(3), np.empty(3)
    for down in range(balls.shape[0]):
        for across in range(balls.shape[1]):
            low[:], high[:] = np.inf, -np.inf
            for i in range(down * BLOCK, min((down + 1) * BLOCK, height)):
                for j in range(across * BLOCK, min((across + 1) * BLOCK, width)):
                    for k in range(4):
                        if corners[i, j, k] > 0:
                            for axis in range(3):
                                value = rays[i + k // 2, j + k % 2, axis] / corners[i, j, k]
                                low[axis], high[axis] = min(low[axis], value), max(high[axis], value)
            if low[0] < np.inf:
                square = 0.0
                for axis in range(3):
                    balls[down, across, axis] = (low[axis] + high[axis]) / 2
                    square += (high[axis] - low[axis]) ** 2 / 4
                balls[down, across, 3] = math.sqrt(square)


def _is_in_sight(ball: Any, camera: Any, size: Any) -> bool:
    """Whether a ball, its centre and radius, is not surely out of a perspective camera's sight."""
    x, y, z, radius = ball[0] - camera[1], ball[1] - camera[2], ball[2] - camera[3], ball[3]
    across = camera[4] * x + camera[5] * y + camera[6] * z
    up = camera[7] * x + camera[8] * y + camera[9] * z
    ahead = -(camera[10] * x + camera[11] * y + camera[12] * z)
    for half, beside, shift in (
        (size[1] / 2 / camera[13], across, camera[15]),
        (size[0] / 2 / camera[13], up, camera[16]),
    ):
        utmost = half + abs(shift)
        if abs(beside + shift * ahead) - half * ahead > radius * math.sqrt(1 + utmost * utmost):
            return False
    return bool(ahead + radius > camera[14])


enclose = compiled(_enclose)
is_in_sight = njit(inline="always")(_is_in_sight)
