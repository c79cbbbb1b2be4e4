"""OpenCV's area filter, for pictures that are shrunk: each pixel is the mean of what it covers."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.compiled import CompiledResizer, Shape


class Area(CompiledResizer):
    """`cv2.INTER_AREA` of bytes, between sizes that are no multiples of each other, in a third to a half the time."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        super().__init__("INTER_AREA", (((15, 23), (10, 15)), ((40, 31), (37, 29)), ((67, 50), (20, 15))))

    def suits(self, before: Shape, after: Shape) -> bool:
        """Whether it is ready, and OpenCV would compute these sizes in this way: it has another one for whole factors.

        Shrinking by whole factors on both axes is as fast there as it can be.
        """
        return super().suits(before, after) and any(b % a for b, a in zip(before[:2], after[:2], strict=True))

    def resize_part(
        self, pixels: NDArray[np.uint8], height: int, width: int, top: int, left: int, size: int
    ) -> NDArray[np.uint8]:
        """Resize a picture, of which only a square is made."""
        from ldm3d.decode import area_passes

        rows, row_weights = _axis(pixels.shape[0], height, top, size)
        columns, column_weights = _axis(pixels.shape[1], width, left, size)
        first, last = columns[0, 0], columns[-1, -1]
        source = pixels[:, first : last + 1].copy().reshape(len(pixels), -1)  # one type of array: compiled once
        made = np.empty((size, size * 3), np.uint8)
        area_passes.resize(source, rows, row_weights, (columns - first).astype(np.uint64) * 3, column_weights, made)
        return made.reshape(size, size, 3)


@lru_cache(maxsize=64)  # hosts make pictures of a few sizes
def _axis(before: int, after: int, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    from ldm3d.decode import area_passes

    places, weights = area_passes.weigh_axis(before, after, first, count)
    return places, weights


AREA = Area()
