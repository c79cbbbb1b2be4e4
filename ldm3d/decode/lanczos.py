"""OpenCV's Lanczos resizing, for pictures that are enlarged: OpenCV computes it one number at a time."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.compiled import CompiledResizer


class Lanczos(CompiledResizer):
    """`cv2.INTER_LANCZOS4` of bytes, in a quarter of the time."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        super().__init__("INTER_LANCZOS4", (((7, 11), (16, 22)), ((23, 9), (54, 21)), ((31, 40), (33, 43))))

    def resize_part(
        self, pixels: NDArray[np.uint8], height: int, width: int, top: int, left: int, size: int
    ) -> NDArray[np.uint8]:
        """Resize a picture, of which only a square is made."""
        from ldm3d.decode import lanczos_passes

        rows, row_weights = _axis(pixels.shape[0], height, top, size)
        columns, column_weights = _axis(pixels.shape[1], width, left, size)
        first = columns.min()
        source = pixels[:, first : columns.max() + 1].copy().reshape(len(pixels), -1)  # one type: compiled once
        made = np.empty((size, size * 3), np.uint8)
        lanczos_passes.resize(source, rows, row_weights, columns - first, column_weights, made)
        return made.reshape(size, size, 3)


@lru_cache(maxsize=64)  # hosts make pictures of a few sizes
def _axis(before: int, after: int, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    from ldm3d.decode import lanczos_passes

    places, weights = lanczos_passes.weigh_axis(before, after, first, count)
    return places, weights


LANCZOS = Lanczos()
