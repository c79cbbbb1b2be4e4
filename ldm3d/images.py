"""Bytes to images and back: fetched files of any kind to square JPEGs, and the codecs of the depth column.

Fetched bytes are hostile. A file is judged by its header before a pixel of it is decoded, and only formats on a list
are looked at. That a file may crash or hang the decoder all the same is `ldm3d.decoder`'s matter.

The square is made by img2dataset's Resizer, from the fetched bytes themselves wherever it reads them rightly, so that
it is byte for byte what the img2dataset command writes. For the rest (see `ImageHeader.plain`) it gets pixels instead.
"""

import io
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.duplicates import perceptual_hash
from ldm3d.reason import Reason
from ldm3d.rejected import Rejected

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")  # none of them holds a program

_ORIENTATION = 0x0112  # EXIF tag
_HASH_SIDE = 64  # pixels that are decoded for a perceptual hash, which looks at 32

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_JXL_MAGIC = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL \r\n\x87\n")  # codestream, container


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


@dataclass(frozen=True)
class SquareImage:
    """A fetched image as the corpus keeps it.

    jpeg: S x S RGB, JPEG.
    original_width, original_height: pixels of the fetched image, after EXIF orientation.
    perceptual_hash: of the kept image, decoded at the smallest scale that leaves 64 pixels (`ldm3d.duplicates`).
    """

    jpeg: bytes
    original_width: int
    original_height: int
    perceptual_hash: int


def make_square(content: bytes, config: DownloadConfig, select: SelectConfig) -> SquareImage:
    """A fetched file as an S x S JPEG: the shorter side resized to S, the centre cut out.

    One call at a time in a process: the Resizer points the process's stdout and stderr elsewhere while it works.

    Raises:
        Rejected: not an image, outside the limits of `config` and `select`, or not decodable.
    """
    header = read_header(content)
    check_header(header, config, select)
    prepared = prepare(content, header, config.decode, config.image_size)
    resize = _resizer(config.image_size, config.encode_quality)
    jpeg, _, _, _, _, error = resize(io.BytesIO(prepared))
    if error is not None:
        raise Rejected(Reason.DECODE_FAILED, error)
    small = _decode_jpeg(jpeg, _reduction(config.image_size, _HASH_SIDE))
    return SquareImage(jpeg, header.width, header.height, perceptual_hash(small))


def read_header(content: bytes) -> ImageHeader:
    """What the file declares to be.

    Raises:
        Rejected: not an image of the `FORMATS`.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        image = _open(content)
        # The base class's method: PNG's own decodes the whole image to look for EXIF behind the pixels.
        orientation = Image.Image.getexif(image).get(_ORIENTATION, 1)
    except UnidentifiedImageError:
        raise Rejected(Reason.NOT_AN_IMAGE, f"begins with {content[:16]!r}") from None
    except Exception as error:  # a malformed file makes Pillow raise nearly anything
        raise Rejected(Reason.NOT_AN_IMAGE, _describe(error)) from error
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


def prepare(content: bytes, header: ImageHeader, decode: Literal["full", "scaled"], size: int) -> bytes:
    """What the Resizer gets: `content` itself if it is plain, otherwise its upright RGB pixels as a PPM.

    Args:
        content: the fetched file.
        header: its `read_header`.
        decode: `scaled` decodes a JPEG at 1/2, 1/4 or 1/8, the smallest that leaves the shorter side `size` pixels.
        size: side of the square to be made.

    Raises:
        Rejected: the pixels cannot be decoded.
    """
    is_scalable = decode == "scaled" and header.format == "JPEG" and header.mode in ("RGB", "L")
    reduction = _reduction(min(header.width, header.height), size) if is_scalable else 1
    if header.plain and reduction == 1:
        return content
    try:
        if header.format == "JPEG" and header.mode in ("RGB", "L"):
            pixels = _decode_jpeg(content, reduction)
        else:
            pixels = _decode_any(content)
    except Exception as error:  # as above
        raise Rejected(Reason.DECODE_FAILED, _describe(error)) from error
    return _ppm(_upright(pixels, header.orientation))


def decode_rgb(encoded: bytes) -> NDArray[np.uint8]:
    """An image column's bytes -> (H, W, 3) uint8 RGB.

    Raises:
        ValueError: they do not decode.
    """
    return _decode_jpeg(encoded, 1)


def encode_depth(depth: NDArray[np.uint16], codec: Literal["png", "jxl"]) -> bytes:
    """(H, W) uint16 -> a lossless file: 16-bit PNG, or JPEG XL (smaller, and ten times faster to write).

    Raises:
        TypeError: `depth` is not (H, W) uint16.
    """
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise TypeError(f"depth must be (H, W) uint16, got {depth.shape} {depth.dtype}: quantise it first")
    if codec == "jxl":
        import imagecodecs

        return bytes(imagecodecs.jpegxl_encode(depth, lossless=True, effort=1, numthreads=1))
    import cv2

    return bytes(cv2.imencode(".png", depth, [cv2.IMWRITE_PNG_COMPRESSION, 1])[1])


def decode_depth(encoded: bytes) -> NDArray[np.uint16]:
    """A depth column's bytes, PNG or JPEG XL -> (H, W) uint16.

    Raises:
        ValueError: neither of the two, does not decode, or is not one channel of 16 bits.
    """
    depth: Any = None
    if encoded.startswith(_JXL_MAGIC):
        import imagecodecs

        try:
            depth = imagecodecs.jpegxl_decode(encoded, numthreads=1)
        except imagecodecs.JpegxlError as error:
            raise ValueError(f"depth does not decode: {error}") from error
    elif encoded.startswith(_PNG_MAGIC):
        import cv2

        depth = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
        got = "undecodable bytes" if depth is None else f"{depth.shape} {depth.dtype}"
        raise ValueError(f"depth must be a 16-bit greyscale PNG or JPEG XL, got {got} ({encoded[:8].hex(' ')} ...)")
    return depth  # type: ignore[no-any-return]


def _open(content: bytes) -> Any:
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


def _reduction(shorter: int, size: int) -> int:
    """The largest of 8, 4, 2 and 1 by which `shorter` can be divided without falling below `size`."""
    return next((k for k in (8, 4, 2) if shorter // k >= size), 1)


def _decode_jpeg(content: bytes, reduction: int) -> NDArray[np.uint8]:
    """(H, W, 3) RGB as stored, orientation ignored, at 1 / `reduction`: a JPEG is that much cheaper to decode."""
    import cv2

    scale = {
        1: cv2.IMREAD_COLOR,
        2: cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_COLOR_8,
    }[reduction]
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), scale | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ValueError(f"image does not decode ({content[:8].hex(' ')} ...)")
    return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)  # type: ignore[return-value]


def _decode_any(content: bytes) -> NDArray[np.uint8]:
    """The first frame of whatever Pillow reads -> (H, W, 3) RGB as stored, transparency over white."""
    image = _open(content)
    if image.mode == "F" or image.mode.startswith("I"):
        return _from_deep_grey(np.asarray(image))
    if image.has_transparency_data:
        return _over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image.convert("RGB"))


def _from_deep_grey(grey: NDArray[Any]) -> NDArray[np.uint8]:
    """Grey of 16 bits scaled to 8, and tripled. Wider grey has no known white."""
    if grey.dtype.kind == "f" or grey.min() < 0 or grey.max() > 65_535:
        raise ValueError(f"{grey.dtype} pixels of unknown range")
    eight_bit = ((grey.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return np.repeat(eight_bit[..., None], 3, axis=-1)


def _over_white(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """img2dataset's formula, in strips: on a whole image of 100 Mpixel its float64 intermediates take gigabytes."""
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


def _ppm(pixels: NDArray[np.uint8]) -> bytes:
    """The cheapest lossless file there is: a line of header before the pixels."""
    height, width, _ = pixels.shape
    return b"P6 %d %d 255\n" % (width, height) + pixels.tobytes()


def _describe(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@cache
def _resizer(image_size: int, encode_quality: int) -> Any:
    """img2dataset's Resizer, loaded from its own file.

    Importing it as a member of its package would import all of the package, and with that webdataset, wandb and torch:
    4 s and 600 MB more for every decoding process.
    """
    import importlib.util
    import os
    import warnings
    from pathlib import Path

    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # it would ask the network for a newer version
    package = importlib.util.find_spec("img2dataset")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("img2dataset is not installed: pip install img2dataset==1.47.0")
    path = Path(package.submodule_search_locations[0]) / "resizer.py"
    spec = importlib.util.spec_from_file_location("ldm3d_img2dataset_resizer", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # it imports imghdr
        spec.loader.exec_module(module)
    return module.Resizer(
        image_size=image_size,
        resize_mode="center_crop",
        resize_only_if_bigger=False,
        encode_quality=encode_quality,
        encode_format="jpg",
    )
