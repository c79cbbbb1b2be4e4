"""img2dataset's `center_crop`, to the bit, without the pixels that it makes and then cuts off."""

import math

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.area import AREA
from ldm3d.decode.lanczos import LANCZOS

_REACH = 5  # pixels of the source beyond a place that may decide the result there: Lanczos takes 4, and 1 is spare


def centre_crop(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize the shorter side to `size` and cut out the centre.

    Every pixel that OpenCV makes depends on its place, on the scale and on the few pixels around that place. So what
    lies beyond the square on its far side, to the right or below, need not be there. What lies on its near side must:
    leaving it out would change the places, and in most sizes by a fraction of a pixel.

    Args:
        pixels: (H, W, 3) uint8.
        size: side of the square.

    Returns:
        (size, size, 3) uint8: the pixels of img2dataset's Resizer, of albumentations' SmallestMaxSize and CenterCrop.
    """
    import cv2

    shorter = min(pixels.shape[:2])
    resizer = AREA if shorter > size else LANCZOS
    # Python's rounding of this very product decides the size before the crop.
    resized = [round(side * (size / shorter)) for side in pixels.shape[:2]]
    top, left = ((side - size) // 2 for side in resized)
    if shorter != size and resizer.suits(pixels.shape, tuple(resized)):
        return resizer.resize_part(pixels, resized[0], resized[1], top, left, size)
    if shorter != size:
        fy, fx = (after / before for after, before in zip(resized, pixels.shape, strict=False))
        bottom, right = math.ceil((top + size) / fy) + _REACH, math.ceil((left + size) / fx) + _REACH
        # Without a size to make, OpenCV takes the scales as they are: those of the whole picture.
        made = cv2.resize(
            pixels[:bottom, :right], None, fx=fx, fy=fy, interpolation=getattr(cv2, resizer.interpolation)
        )
        pixels = np.asarray(made, np.uint8)
    return pixels[top : top + size, left : left + size]
