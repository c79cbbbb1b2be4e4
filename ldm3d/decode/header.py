"""What an image file declares, judged before a pixel of it is decoded. Only formats on a list are looked at."""

import io
from dataclasses import dataclass
from typing import Any

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.reject import Reason, Rejected

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # none of them holds a program

_ORIENTATION = 0x0112  # EXIF tag


@dataclass(frozen=True)
class ImageHeader:
    """What a file declares, without a pixel decoded.

    format: of `FORMATS`; a multi-picture JPEG (MPO) is a JPEG.
    width, height: pixels, as the image is to be seen, after `orientation`.
    mode: Pillow's name for the stored pixels.
    orientation: EXIF 1 to 8.
    plain: img2dataset's Resizer reads it rightly by itself: an upright, still, opaque RGB JPEG, PNG or WEBP of 8
        bits. Others it would leave on their side (EXIF), clip (16 bits), write with one channel (grey) or not read.
    """

    format: str
    width: int
    height: int
    mode: str
    orientation: int
    plain: bool


def read_header(content: bytes) -> ImageHeader:
    """What the file declares to be.

    Raises:
        Rejected: not an image of the `FORMATS`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = open_image(content)
        # The base class's method: PNG's own decodes the whole image to look for EXIF behind the pixels.
        orientation = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except UnidentifiedImageError:
        raise Rejected(Reason.NOT_AN_IMAGE, f"begins with {content[:16]!r}") from None
    except Exception as error:  # a malformed file makes Pillow raise nearly anything
        raise Rejected(Reason.NOT_AN_IMAGE, f"{type(error).__name__}: {error}") from error
    width, height = image.size
    if orientation not in range(1, 9):
        orientation = 1
    if orientation >= 5:
        width, height = height, width
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    is_plain = orientation == 1 and _is_plain(image, kind, content)
    return ImageHeader(kind, width, height, image.mode, orientation, is_plain)


def check_header(header: ImageHeader, config: DownloadConfig, select: SelectConfig) -> None:
    """Raises Rejected: more pixels than may be decoded, too small, or too long and narrow."""
    size = f"{header.width} x {header.height}"
    shorter, longer = sorted((header.width, header.height))
    if shorter * longer > config.max_pixels:
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{size}, at most {config.max_pixels} in all are decoded")
    if shorter < max(select.min_size, 1):
        raise Rejected(Reason.TOO_SMALL, f"{size}, wanted a shorter side of {select.min_size}")
    if longer > shorter * select.max_aspect_ratio:
        raise Rejected(Reason.BAD_ASPECT_RATIO, f"{size}, wanted at most {select.max_aspect_ratio} : 1")


def open_image(content: bytes) -> Any:
    """A Pillow image of which no pixel is decoded yet."""
    from PIL import Image

    # Pillow's own limit is the process's, and half a warning; `check_header` applies the configured one instead.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _is_plain(image: Any, kind: str, content: bytes) -> bool:
    """`ImageHeader.plain`, but for the orientation."""
    if image.mode != "RGB" or "transparency" in image.info:
        return False
    if kind == "PNG":
        bit_depth = content[24]  # Pillow calls 16 bits RGB, too
        return bit_depth == 8 and not image.is_animated
    return kind == "JPEG" or (kind == "WEBP" and not image.is_animated)
