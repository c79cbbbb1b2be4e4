"""A resizing of bytes that OpenCV does, compiled here: to the bit, in a fraction of its time."""

from abc import ABC, abstractmethod
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]  # height and width, and more


class CompiledResizer(ABC):
    """Makes what `cv2.resize` makes, once it has proved in this process that it does.

    Attributes:
        is_ready: whether `prepare` was called, with success.
    """

    def __init__(self, interpolation: str, checked: tuple[tuple[Shape, Shape], ...]) -> None:
        """Name what it stands for.

        Args:
            interpolation: name of a flag of `cv2`.
            checked: heights and widths, before and after, that `prepare` compares.
        """
        self.interpolation, self.checked = interpolation, checked
        self.is_ready = False
        self._result: bool | None = None

    def prepare(self) -> bool:
        """Compile it, in some seconds, or load what was compiled before, in one. Returns whether it may be used.

        It may not where it gives another picture than this version of OpenCV, or where nothing can be compiled.
        """
        if self._result is None:
            self._result = self._is_like_opencv()
        self.is_ready = self._result
        return self.is_ready

    def suits(self, before: Shape, after: Shape) -> bool:
        """Whether it may stand for OpenCV between these heights and widths."""
        return self.is_ready

    @abstractmethod
    def passes(self) -> ModuleType:
        """Import the arithmetic: `weigh_axis` and `resize`."""

    def resize_part(
        self, pixels: NDArray[np.uint8], height: int, width: int, top: int, left: int, size: int
    ) -> NDArray[np.uint8]:
        """Resize a picture to `height` x `width`, of which only a square is made.

        Args:
            pixels: (H, W, 3) uint8.
            top, left, size: place of the square in the resized picture, and its side.

        Returns:
            (size, size, 3) uint8: that part of `cv2.resize(pixels, (width, height))` with this interpolation.
        """
        passes = self.passes()
        rows, row_weights = _axis(passes, pixels.shape[0], height, top, size)
        columns, column_weights = _axis(passes, pixels.shape[1], width, left, size)
        first = columns.min()
        source = pixels[:, first : columns.max() + 1].copy().reshape(len(pixels), -1)  # one type: compiled once
        made = np.empty((size, size * 3), np.uint8)
        passes.resize(source, rows, row_weights, columns - first, column_weights, made)
        return made.reshape(size, size, 3)

    def _is_like_opencv(self) -> bool:
        import cv2

        flag, random = getattr(cv2, self.interpolation), np.random.default_rng(0)
        try:
            for before, (height, width) in self.checked:
                pixels = random.integers(0, 2, (*before, 3), np.uint8) * 255
                wanted = cv2.resize(pixels, (width, height), interpolation=flag)
                side = min(height, width)
                if not np.array_equal(self.resize_part(pixels, height, width, 0, 0, side), wanted[:side, :side]):
                    return False
        except Exception:  # a compiler has its own ways to fail, and OpenCV does as well
            return False
        return True


@lru_cache(maxsize=128)  # hosts make pictures of a few sizes
def _axis(passes: ModuleType, before: int, after: int, first: int, count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    places, weights = passes.weigh_axis(before, after, first, count)
    return places, weights
