"""Fetched files to square JPEGs, byte for byte those of the img2dataset command.

Its Resizer calls `imdecode`, `resize` and `imencode` of OpenCV, and so does this, with the same parameters. It gets a
file's pixels from OpenCV wherever that reads them correctly (see `ImageHeader.plain`), and from Pillow otherwise.

A file may still crash or hang a native decoder, which is why `ldm3d.decode.isolated` exists.
"""

import struct
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode.centre_crop import centre_crop
from ldm3d.decode.header import ImageHeader, check_header, read_header
from ldm3d.decode.pixels import decode_as_stored, decode_upright, is_scalable
from ldm3d.duplicates.perceptual_hash import perceptual_hash
from ldm3d.reject import Reason, Rejected

_HASH_SIDE = 64  # pixels of the square's thumbnail, of which a perceptual hash sees 32
_PACKED = struct.Struct("!iiq")  # width, height, perceptual hash; the JPEG follows


@dataclass(frozen=True)
class SquareImage:
    """A fetched image as the corpus keeps it."""

    jpeg: bytes
    """S x S RGB, JPEG."""
    original_width: int
    """Pixels of the fetched image, after EXIF orientation."""
    original_height: int
    perceptual_hash: int
    """Hash of the square before it was encoded (`ldm3d.duplicates.perceptual_hash`)."""

    def pack(self) -> bytes:
        """Return all of it as bytes, to be sent to another process."""
        return _PACKED.pack(self.original_width, self.original_height, self.perceptual_hash) + self.jpeg

    @classmethod
    def unpack(cls, packed: bytes) -> Self:
        """Invert `pack`. Raises ValueError if `packed` is too short to come from it."""
        if len(packed) < _PACKED.size:
            raise ValueError(f"a square of {len(packed)} bytes, at least {_PACKED.size} wanted")
        return cls(packed[_PACKED.size :], *_PACKED.unpack_from(packed))


def make_square(content: bytes, config: DownloadConfig, select: SelectConfig) -> SquareImage:
    """Make an S x S JPEG of a fetched file: resize the shorter side to S, then cut out the centre.

    Raises:
        Rejected: not an image, outside the limits of `config` and `select`, or not decodable.
    """
    header = read_header(content)
    check_header(header, config, select)
    try:
        square = centre_crop(decode(content, header, config), config.image_size)
        jpeg = _jpeg(square, config.encode_quality)
    except Rejected:
        raise
    except Exception as error:  # a malformed file makes Pillow raise nearly anything
        raise Rejected(Reason.DECODE_FAILED, f"{type(error).__name__}: {error}") from error
    return SquareImage(jpeg, header.width, header.height, perceptual_hash(_thumbnail(square)))


def decode(content: bytes, header: ImageHeader, config: DownloadConfig) -> NDArray[np.uint8]:
    """Decode a file to upright (H, W, 3) uint8 BGR, the way img2dataset sees it where that is right.

    Args:
        content: the fetched file.
        header: its `read_header`.
        config: with `decode` at `scaled`, a JPEG is decoded at 1/2, 1/4 or 1/8, the smallest that leaves the shorter
            side `image_size` pixels.

    Raises:
        Exception: it does not decode. A malformed file makes Pillow raise nearly anything.
    """
    scales = config.decode == "scaled" and is_scalable(header)
    reduction = _reduction(min(header.width, header.height), config.image_size) if scales else 1
    if header.plain and reduction == 1:
        return decode_as_stored(content)
    return decode_upright(content, header, reduction)


def _reduction(shorter: int, size: int) -> int:
    """Return the largest of 8, 4, 2 and 1 by which `shorter` can be divided without falling below `size`."""
    return next((k for k in (8, 4, 2) if shorter // k >= size), 1)


def _jpeg(bgr: NDArray[np.uint8], quality: int) -> bytes:
    import cv2

    return cv2.imencode(".jpg", bgr, params=[cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def _thumbnail(square: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Shrink (S, S, 3) uint8 BGR to (h, h, 3) uint8 RGB; h is `_HASH_SIDE`, or S if that is smaller."""
    import cv2

    side = min(len(square), _HASH_SIDE)
    small = cv2.resize(square, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
