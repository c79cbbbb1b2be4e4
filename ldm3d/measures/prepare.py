"""Encoded pictures and depth -> pixels of the size that an evaluation measures; real and generated ones alike."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.header import read_header
from ldm3d.decode.pixels import decode_upright
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.reject import Reason, Rejected

Size = tuple[int, int]
"""Height and width, pixels."""
Filter = Literal["lanczos", "bicubic", "bilinear", "box"]

MAX_PIXELS = 200_000_000  # 600 MB once decoded


def picture_of(content: bytes, size: Size | None, resize: Filter = "lanczos") -> NDArray[np.uint8]:
    """Decode a file of any format and colour mode, upright, transparency over white -> (H, W, 3) uint8 RGB.

    Args:
        size: crop to the middle of this aspect ratio and resize; None leaves the picture as it is.

    Raises:
        Rejected: not a picture, too large, or broken.
    """
    header = read_header(content)
    if header.width * header.height > MAX_PIXELS:
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{header.width} x {header.height}, at most {MAX_PIXELS} in all")
    try:
        if header.plain:  # OpenCV is faster and gives the same pixels
            pixels = decode_rgb(content)
        else:
            pixels = np.ascontiguousarray(decode_upright(content, header, 1)[..., ::-1])
    except Exception as error:  # a malformed file makes decoders raise nearly anything
        raise Rejected(Reason.DECODE_FAILED, f"{type(error).__name__}: {error}") from error
    return pixels if size is None else _fitted(pixels, size, resize)


def depth_of(content: bytes, size: Size | None, resize: Filter = "lanczos") -> NDArray[np.uint16]:
    """Decode a depth column's file -> (H, W) uint16, cropped and resized like its picture, in float.

    Raises:
        Rejected: it does not decode.
    """
    try:
        depth = decode_depth(content)
    except ValueError as error:
        raise Rejected(Reason.DECODE_FAILED, str(error)) from error
    if size is None or depth.shape == size:
        return depth
    return np.asarray(_fitted(depth.astype(np.float32), size, resize).round().clip(0, 65_535), np.uint16)


def middle(height: int, width: int, size: Size) -> tuple[int, int, int, int]:
    """Return the largest central rectangle of the aspect ratio of `size`: left, upper, right, lower."""
    scale = min(height / size[0], width / size[1])
    high, wide = max(1, round(scale * size[0])), max(1, round(scale * size[1]))
    top, left = (height - high) // 2, (width - wide) // 2
    return left, top, left + wide, top + high


def _fitted(pixels: NDArray[Any], size: Size, resize: Filter) -> NDArray[Any]:
    from PIL import Image

    if pixels.shape[:2] == size:
        return pixels
    # crop first: Pillow's filters look beyond the edges of a `box`
    image = Image.fromarray(pixels).crop(middle(pixels.shape[0], pixels.shape[1], size))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling[resize.upper()]))
