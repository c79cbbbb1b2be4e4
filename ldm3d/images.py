"""The codecs of the image and depth columns."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.decode.opencv import imdecode
from ldm3d.decode.pixels import decode_jpeg

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_TIFF_MAGIC = (b"II*\x00", b"MM\x00*")  # little-endian, big-endian
_JXL_MAGIC = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")  # codestream, container


def decode_rgb(encoded: bytes) -> NDArray[np.uint8]:
    """Decode an image column's bytes to (H, W, 3) uint8 RGB.

    Raises:
        ValueError: they do not decode.
    """
    import cv2

    return np.asarray(cv2.cvtColor(decode_jpeg(encoded, 1), cv2.COLOR_BGR2RGB), np.uint8)


def encode_rgb(image: NDArray[np.uint8]) -> bytes:
    """Encode (H, W, 3) uint8 RGB as a PNG file.

    Raises:
        TypeError: `image` is not (H, W, 3) uint8.
    """
    import cv2

    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise TypeError(f"image must be (H, W, 3) uint8, got {image.shape} {image.dtype}")
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".png", bgr, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def encode_depth(depth: NDArray[np.uint16], codec: Literal["png", "jxl"]) -> bytes:
    """Encode (H, W) uint16 as a lossless file: 16-bit PNG, or JPEG XL (smaller, and faster to write).

    Raises:
        TypeError: `depth` is not (H, W) uint16.
    """
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise TypeError(f"depth must be (H, W) uint16, got {depth.shape} {depth.dtype}: quantise it first")
    if codec == "jxl":
        import imagecodecs

        # Not effort 1: on 16-bit noise, libjxl 0.11.2 writes beyond its buffer.
        return bytes(imagecodecs.jpegxl_encode(depth, lossless=True, effort=2, numthreads=1))
    import cv2

    return bytes(cv2.imencode(".png", depth, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def decode_depth(encoded: bytes) -> NDArray[np.uint16]:
    """Decode a depth column's bytes, PNG or JPEG XL, to (H, W) uint16.

    Also reads the TIFF that Hugging Face `datasets` makes of 16-bit pictures (`datasets.Image`).

    Raises:
        ValueError: they are none of these, do not decode, or are not one channel of 16 bits.
    """
    depth: Any = None
    if encoded.startswith(_JXL_MAGIC):
        import imagecodecs

        try:
            depth = imagecodecs.jpegxl_decode(encoded, numthreads=1)
        except Exception as error:  # damaged files raise its RuntimeError and Python's, and sizes MemoryError
            raise ValueError(f"depth does not decode: {error}") from error
    elif encoded.startswith((_PNG_MAGIC, *_TIFF_MAGIC)):
        import cv2

        try:
            depth = imdecode(encoded, cv2.IMREAD_UNCHANGED)
        except ValueError as error:
            raise ValueError(f"depth: {error}") from error
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
        got = "undecodable bytes" if depth is None else f"{depth.shape} {depth.dtype}"
        raise ValueError(
            f"depth must be a 16-bit greyscale PNG, JPEG XL or TIFF, got {got} ({encoded[:8].hex(' ')} ...): "
            "encode (H, W) uint16 by ldm3d.images.encode_depth"
        )
    return depth  # type: ignore[no-any-return]
