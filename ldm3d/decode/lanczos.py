"""OpenCV's Lanczos resizing of bytes, to the bit, in a quarter of its time: OpenCV does it one number at a time."""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

CHECKED = ((7, 11, 16, 22), (23, 9, 54, 21), (31, 40, 33, 43))  # height and width, before and after
_ready = False


def prepare() -> bool:
    """Compile it, in some seconds, or load what was compiled before, in one. Returns whether it may be used.

    It may not where it gives another picture than this version of OpenCV, or where nothing can be compiled.
    """
    global _ready
    _ready = _is_like_opencv()
    return _ready


def is_ready() -> bool:
    """Whether this process has prepared it, with success."""
    return _ready


def resize_part(
    pixels: NDArray[np.uint8], height: int, width: int, top: int, left: int, size: int
) -> NDArray[np.uint8]:
    """Resize a picture to `height` x `width`, of which only a square is made.

    Args:
        pixels: (H, W, 3) uint8.
        top, left, size: place of the square in the resized picture, and its side.

    Returns:
        (size, size, 3) uint8: that part of `cv2.resize(pixels, (width, height), interpolation=cv2.INTER_LANCZOS4)`.
    """
    from ldm3d.decode import lanczos_passes

    rows, row_weights = _axis(pixels.shape[0], height, top, size)
    columns, column_weights = _axis(pixels.shape[1], width, left, size)
    first = columns.min()
    source = np.ascontiguousarray(pixels[:, first : columns.max() + 1]).reshape(len(pixels), -1)
    made = np.empty((size, size * 3), np.uint8)
    lanczos_passes.resize(source, rows, row_weights, columns - first, column_weights, made)
    return made.reshape(size, size, 3)


@lru_cache(maxsize=64)  # hosts make pictures of a few sizes
def _axis(before: int, after: int, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    from ldm3d.decode import lanczos_passes

    places, weights = lanczos_passes.weigh_axis(before, after, first, count)
    return places, weights


@cache
def _is_like_opencv() -> bool:
    import cv2

    random = np.random.default_rng(0)
    try:
        for height, width, taller, wider in CHECKED:
            pixels = random.integers(0, 2, (height, width, 3), np.uint8) * 255
            wanted = cv2.resize(pixels, (wider, taller), interpolation=cv2.INTER_LANCZOS4)
            side = min(taller, wider)
            if not np.array_equal(resize_part(pixels, taller, wider, 0, 0, side), wanted[:side, :side]):
                return False
    except Exception:  # a compiler has its own ways to fail, and OpenCV does as well
        return False
    return True
