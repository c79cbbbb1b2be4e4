"""Colours of a picture on a coarse grid: a perceptual hash sees luma only, and takes a red shirt for a blue one."""

import numpy as np
from numpy.typing import NDArray

COLOURS = 4 * 4 * 2  # bytes a picture

# Levels of 255 in the plane of Cr and Cb. Copies that are recompressed, resized, slightly cropped or brightened stay
# below; of things whose hue was turned by 45 degrees, 97 % do not (benchmarks/near_duplicates.py).
MAX_APART = 12


def coarse_colours(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the mean chroma of a picture in each of 4 x 4 cells.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        (32,) uint8: Cr and Cb (BT.601, full range, 128 for grey) of each cell, row by row.
    """
    import cv2

    cells = cv2.resize(image, (4, 4), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(cells, cv2.COLOR_RGB2YCrCb), np.uint8)[..., 1:].reshape(COLOURS)


def have_colours_of(one: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Tell which of N pictures have the colours of one: in every cell, chroma at most `MAX_APART` away.

    Args:
        one: (32,), as `coarse_colours` returns it.
        others: (N, 32).

    Returns:
        (N,).
    """
    apart = (others.astype(np.int32) - one).reshape(-1, COLOURS // 2, 2)
    return np.asarray((apart**2).sum(axis=-1).max(axis=-1) <= MAX_APART**2)
