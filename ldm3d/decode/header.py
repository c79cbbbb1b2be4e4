"""What an image file declares, checked before any pixel is decoded. Only formats on a list are opened."""

import io
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode.bare import barer
from ldm3d.reject import Reason, Rejected

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # none of them can hold a program

_ORIENTATION = 0x0112  # EXIF tag
Result = TypeVar("Result")


@dataclass(frozen=True)
class ImageHeader:
    """What a file declares, before any pixel is decoded."""

    format: str
    """One of `FORMATS`; a multi-picture JPEG (MPO) is a JPEG."""
    width: int
    """Pixels, as the image is meant to be seen, after `orientation`."""
    height: int
    mode: str
    """Pillow's name for the stored pixels."""
    orientation: int
    """EXIF orientation, 1 to 8."""
    plain: bool
    """img2dataset reads it correctly: an upright, still, opaque RGB JPEG, PNG or WEBP of 8 bits. Others it would leave
    on their side (EXIF), clip (16 bits), write with one channel (grey) or fail to read."""


def read_header(content: bytes) -> ImageHeader:
    """Return what the file declares.

    Raises:
        Rejected: it is not an image of the `FORMATS`.
    """
    from PIL import UnidentifiedImageError

    try:
        image = leniently(open_image, content)
    except UnidentifiedImageError:
        raise Rejected(Reason.NOT_AN_IMAGE, f"begins with {content[:16]!r}") from None
    except Exception as error:  # a malformed file makes Pillow raise nearly anything
        raise Rejected(Reason.NOT_AN_IMAGE, f"{type(error).__name__}: {error}") from error
    width, height = image.size
    orientation = _orientation(image)
    if orientation >= 5:
        width, height = height, width
    kind = "JPEG" if image.format == "MPO" else str(image.format)
    is_plain = orientation == 1 and _is_plain(image, kind, content)
    return ImageHeader(kind, width, height, image.mode, orientation, is_plain)


def check_header(header: ImageHeader, config: DownloadConfig, select: SelectConfig) -> None:
    """Raise Rejected if there are more pixels than may be decoded, or the image is too small or too elongated."""
    size = f"{header.width} x {header.height}"
    shorter, longer = sorted((header.width, header.height))
    if shorter * longer > config.max_pixels:
        raise Rejected(Reason.TOO_MANY_PIXELS, f"{size}, at most {config.max_pixels} in all are decoded")
    if shorter < max(select.min_size, 1):
        raise Rejected(Reason.TOO_SMALL, f"{size}, wanted a shorter side of {select.min_size}")
    if longer > shorter * select.max_aspect_ratio:
        raise Rejected(Reason.BAD_ASPECT_RATIO, f"{size}, wanted at most {select.max_aspect_ratio} : 1")


def _orientation(image: Any) -> int:
    """Return the EXIF orientation that is left to apply, 1 to 8; 1 where EXIF is broken."""
    from PIL import Image

    if image.format == "TIFF":
        return 1  # Pillow applies it: to the size here, to the pixels when it decodes them
    try:
        # The base class's method: PNG's own decodes the whole image to look for EXIF behind the pixels.
        found = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except Exception:  # a malformed file makes Pillow raise nearly anything
        return 1
    return found if found in range(1, 9) else 1


def leniently(read: Callable[[bytes], Result], content: bytes) -> Result:
    """Read a file with Pillow, if need be without what stands beside its pixels.

    Raises:
        Exception: the pixels cannot be read either; the error is that of the file as it is.
    """
    try:
        return read(content)
    except Exception:
        for bare in barer(content):
            with suppress(Exception):
                return read(bare)
        raise


def open_image(content: bytes) -> Any:
    """Return a Pillow image, of which no pixel is decoded yet."""
    from PIL import Image

    # Pillow's own limit is global, and partly a mere warning; `check_header` applies the configured one instead.
    Image.MAX_IMAGE_PIXELS = None
    return Image.open(io.BytesIO(content), formats=FORMATS)


def _is_plain(image: Any, kind: str, content: bytes) -> bool:
    """Return `ImageHeader.plain`, apart from the orientation."""
    if image.mode != "RGB" or "transparency" in image.info:
        return False
    if kind == "PNG":
        bit_depth = content[24]  # Pillow calls 16 bits RGB, too
        return bit_depth == 8 and not image.is_animated
    return kind == "JPEG" or (kind == "WEBP" and not image.is_animated)
