"""Which pixels of a picture are neighbours, and how much these may differ: across the seam of a panorama, too."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def by_pixel(limits: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return limits as (rows, columns): one column for all where they are the same along a row."""
    return np.ascontiguousarray(limits.reshape(len(limits), -1 if limits.size else 1), np.float64)


def _limit_at(limits: Any, row: int, column: int) -> float:
    """Return a limit, of those by pixel or by row. Beyond a border, where nothing is linked, it is any."""
    return float(limits[row, min(max(column, 0), limits.shape[1] - 1)])


def _around(column: int, width: int, wraps: bool) -> int:
    """Return a column that may be beyond the border: then it is the one on the other side, or none, -1."""
    if wraps:
        return column % width
    return column if column < width else -1


def _beside(j: int, side: int, width: int, wraps: bool) -> int:
    """Return the column of the neighbour on a side, 0 right to 3 above; -1 where there is none."""
    return around(j + (side == 0) - (side == 2), width, wraps)


limit_at, around = njit(inline="always")(_limit_at), njit(inline="always")(_around)
beside = njit(inline="always")(_beside)
