"""Depth that comes with a picture, as a file: read, and brought to the picture's square as the picture was."""

import io
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.depth.meaning import Meaning
from ldm3d.depth.relative import DepthLabels, invert, quantise
from ldm3d.reject import Reason, Rejected

_NPY = b"\x93NUMPY"
MAGIC = (_NPY, b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*")
"""What files of depth begin with: NumPy's .npy, PNG, TIFF of either byte order."""

_SAME_ASPECT = 0.02  # maps of networks are multiples of 14 or 32 pixels, and nearly of the picture's shape


def label_of(
    content: bytes, meaning: Meaning, scale: float, original_size: tuple[int, int], image_size: int
) -> DepthLabels:
    """Label one picture by the depth in a file.

    Args:
        content: a PNG or TIFF of one channel, or an .npy array, (h, w), of any size and of the picture's shape.
        meaning: `depth` is in metres once multiplied by `scale`; what is not positive, or above 1,000 m, counts as
            1,000 m. `inverse_depth` is larger where it is nearer.
        scale: what values are multiplied by.
        original_size: width and height of the upright picture, in pixels.
        image_size: side S of the square that was cut from it.

    Returns:
        One label, S x S.

    Raises:
        Rejected: the file does not decode, is not a map of numbers, has another shape than the picture, or holds
            values in the square that are not finite.
    """
    values = torch.from_numpy(_read(content).astype(np.float32)) * scale
    inverse = invert(values) if meaning == "depth" else values
    labels = quantise(torch.from_numpy(_square(inverse.numpy(), *original_size, image_size))[None])
    if not labels.is_finite.all():
        raise Rejected(Reason.DEPTH_FAILED, "the depth map holds values that are not finite")
    return labels


def _read(content: bytes) -> NDArray[Any]:
    import cv2

    values: NDArray[Any] | None
    try:
        if content.startswith(_NPY):
            values = _read_npy(content)
        else:
            values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    except Exception as error:  # a malformed file makes NumPy raise what its parsers of text do, and OpenCV its own
        detail = f"the file of depth does not decode: {type(error).__name__}: {error}"
        raise Rejected(Reason.DEPTH_FAILED, detail) from error
    if values is None:
        raise Rejected(Reason.DEPTH_FAILED, f"the file of depth does not decode ({content[:8].hex(' ')} ...)")
    if values.ndim != 2 or values.size == 0 or values.dtype.kind not in "uif":
        raise Rejected(Reason.DEPTH_FAILED, f"depth is {values.shape} {values.dtype}, wanted (height, width) numbers")
    return values


def _read_npy(content: bytes) -> NDArray[Any]:
    """Return the array of a .npy file as a view. `np.load` allocates what the header declares before it reads any."""
    file = io.BytesIO(content)
    is_first = np.lib.format.read_magic(file) == (1, 0)
    # Version 3 differs from 2 in the encoding of names, and numbers have none.
    read_header = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
    shape, is_fortran, kind = read_header(file)
    follow = len(content) - file.tell()
    if any(length < 0 for length in shape) or math.prod(shape) * kind.itemsize > follow:
        raise ValueError(f"its header declares {shape} {kind}, and {follow} bytes follow")
    values = np.frombuffer(content, kind, math.prod(shape), file.tell())
    return values.reshape(shape, order="F" if is_fortran else "C")


def _square(depth: NDArray[np.float32], width: int, height: int, side: int) -> NDArray[np.float32]:
    """Resize a map of a picture so that its shorter side is `side`, and cut out the centre, as `make_square` does."""
    import cv2

    rows, columns = depth.shape
    if abs(columns * height / (rows * width) - 1) > _SAME_ASPECT:
        got = f"depth is {columns} x {rows}, the picture {width} x {height}"
        raise Rejected(Reason.DEPTH_FAILED, f"{got}, wanted the same shape, upright")
    scale = side / min(width, height)
    wide, high = (max(side, round(length * scale)) for length in (width, height))
    shrinks = rows > high
    resized = cv2.resize(depth, (wide, high), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    left, top = (wide - side) // 2, (high - side) // 2
    return np.ascontiguousarray(resized[top : top + side, left : left + side])
