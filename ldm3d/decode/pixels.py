"""Files of every kind and colour mode to upright pixels of one kind: (H, W, 3) uint8, BGR as in OpenCV."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.header import ImageHeader, leniently, open_image
from ldm3d.decode.opencv import imdecode
from ldm3d.reject import Reason, Rejected


def is_scalable(header: ImageHeader) -> bool:
    """Return whether a file can be decoded at a fraction of its size: a JPEG in colours that OpenCV knows."""
    return header.format == "JPEG" and header.mode in ("RGB", "L")


def decode_upright(content: bytes, header: ImageHeader, reduction: int) -> NDArray[np.uint8]:
    """Decode a file to (H, W, 3) uint8 BGR, the way it is meant to be seen, with transparency over white.

    Args:
        content: the file.
        header: its `read_header`.
        reduction: 1, or 2, 4 or 8 if it `is_scalable`: both sides are divided by that, which is cheaper to decode.

    Raises:
        Exception: it does not decode. A malformed file makes Pillow raise nearly anything.
    """
    pixels = decode_jpeg(content, reduction) if is_scalable(header) else leniently(_decode_any, content)
    return np.ascontiguousarray(_upright(pixels, header.orientation))


def decode_as_stored(content: bytes) -> NDArray[np.uint8]:
    """Decode a `plain` file to (H, W, 3) uint8 BGR by img2dataset's call.

    Raises:
        Rejected: it does not decode, in img2dataset's words.
    """
    import cv2

    try:
        return np.asarray(imdecode(content, cv2.IMREAD_UNCHANGED), np.uint8)
    except ValueError as error:
        # It writes down what OpenCV raises, and has words of its own where OpenCV only returns nothing.
        raise Rejected(Reason.DECODE_FAILED, str(error.__cause__ or "Image decoding error")) from error


def decode_jpeg(content: bytes, reduction: int) -> NDArray[np.uint8]:
    """Decode to (H, W, 3) uint8 BGR as stored, ignoring the orientation, at 1 / `reduction`.

    Raises:
        ValueError: it does not decode.
    """
    import cv2

    scale = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }[reduction]
    return np.asarray(imdecode(content, scale | cv2.IMREAD_IGNORE_ORIENTATION), np.uint8)


def _decode_any(content: bytes) -> NDArray[np.uint8]:
    """Decode the first frame of whatever Pillow reads to (H, W, 3) BGR as stored, with transparency over white."""
    image = open_image(content)
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_deep_grey(np.asarray(image))
    if image.has_transparency_data:
        return _over_white(np.asarray(image.convert("RGBA")))[..., ::-1]
    return np.asarray(image.convert("RGB"))[..., ::-1]


def _from_deep_grey(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Scale 16-bit grey to 8 bits, in three channels. Wider grey has no known white."""
    if grey.dtype.kind == "f" or grey.min() < 0 or grey.max() > 65_535:
        raise ValueError(f"{grey.dtype} pixels of unknown range")
    eight_bit = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(eight_bit[..., None], 3, axis=-1)


def _over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Apply img2dataset's formula in strips: for a whole image of 100 Mpixel its float64 values take gigabytes."""
    rgb = np.empty((*rgba.shape[:2], 3), np.uint8)
    for top in range(0, len(rgba), 64):
        strip = rgba[top : top + 64]
        alpha = strip[..., 3:]
        rgb[top : top + 64] = np.rint(alpha / 255 * strip[..., :3] + 255 - alpha)
    return rgb


def _upright(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Undo an EXIF orientation (CIPA DC-008, Orientation)."""
    if orientation >= 5:
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
