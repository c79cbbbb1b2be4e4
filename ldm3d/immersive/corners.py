"""The corners of pixels that are surfaces: which of the four pixels around a corner meet there, and how far away."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive.neighbours import by_pixel, limit_at


def corner_inverses(
    inverse: NDArray[np.floating],
    across: NDArray[np.floating],
    down: NDArray[np.floating],
    *,
    wraps: bool,
    along: NDArray[np.floating] | None = None,
) -> NDArray[np.float32]:
    """Return 1 / distance at each pixel's own corners.

    Of the four pixels around a corner those meet there that are linked, directly or by way of the others. They meet at
    the mean of their inverse distances, which is exact on a plane of a flat picture, and the same for all of them, to
    the bit, so that there is no crack. Beyond the borders of a picture there is nothing to meet.

    Args:
        inverse: (H, W), 1 / metres; NaN where there is no surface.
        across: (H,), or (H, W): neighbours in this row, or this pixel and the next in its row, are linked if the ratio
            of their distances along the ray is below 1 + this.
        down: (H - 1,), or (H - 1, W): the same for neighbours below each other, between this row and the next.
        wraps: whether the last column is beside the first one.
        along: (H, W), 1 / metres along the ray, by which neighbours are linked; None is `inverse`.

    Returns:
        (H, W, 4) float32: upper left, upper right, lower left, lower right; NaN where there is no surface.
    """
    made = np.full((*inverse.shape, 4), np.nan, np.float32)
    values = np.ascontiguousarray(inverse, np.float64)
    along = values if along is None else np.ascontiguousarray(along, np.float64)
    meet(values, along, by_pixel(across), by_pixel(down), wraps, made)
    return made


def _meet(
    inverse: NDArray[np.float64],
    along: NDArray[np.float64],
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    wraps: bool,
    made: NDArray[np.float32],
) -> None:
    """Fill `made`, corner by corner. Around each the pixels are 0 and 1 above, 2 and 3 below."""
    height, width = inverse.shape
    value, seen, group = np.empty(4), np.empty(4), np.empty(4, np.int64)
    for i in range(height + 1):
        for j in range(width + 1):
            before = width - 1 if wraps and j == 0 else j - 1
            behind = 0 if wraps and j == width else j
            for place in range(4):
                row, column = i - 1 + place // 2, behind if place % 2 else before
                is_in = 0 <= row < height and 0 <= column < width
                value[place] = inverse[row, column] if is_in else np.nan
                seen[place] = along[row, column] if is_in else np.nan
                group[place] = place
            if i > 0:
                join(seen, group, 0, 1, limit_at(across, i - 1, before))
            if i < height:
                join(seen, group, 2, 3, limit_at(across, i, before))
            if 0 < i < height:
                join(seen, group, 0, 2, limit_at(down, i - 1, before))
                join(seen, group, 1, 3, limit_at(down, i - 1, behind))
            for place in range(4):
                is_left = place % 2 == 0
                # at the border that wraps, each side fills in its own pixels
                if value[place] == value[place] and (j > 0 if is_left else j < width):
                    column = before if is_left else behind
                    made[i - 1 + place // 2, column, 3 - place] = mean_of_group(value, group, place)


def _join(value: Any, group: Any, one: int, other: int, limit: float) -> None:
    """Make two groups one if these members are linked."""
    first, second = value[one], value[other]
    if first <= second * (1 + limit) and second <= first * (1 + limit):  # not so if either is NaN
        old, new = group[other], group[one]
        for place in range(4):
            if group[place] == old:
                group[place] = new


def _mean_of_group(value: Any, group: Any, one: int) -> float:
    """Return the mean of those in the group of one, summed in the same order for each of them."""
    total, count = 0.0, 0
    for place in range(4):
        if group[place] == group[one]:
            total += value[place]
            count += 1
    return total / count


join, mean_of_group = njit(inline="always")(_join), njit(inline="always")(_mean_of_group)
meet = compiled(_meet)
