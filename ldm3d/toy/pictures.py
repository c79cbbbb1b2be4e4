"""Pictures as the web serves them: every format, colour mode and defect that a downloader meets.

Every function takes an image, (H, W, 3) uint8 RGB, and returns the bytes of a file.
"""

import io
import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

EXIF_ORIENTATION = 0x0112
TURN_CLOCKWISE = 6  # EXIF orientation for a picture stored a quarter turn anticlockwise


def jpeg(image: Pixels, quality: int = 95, mode: str = "RGB") -> bytes:
    """Return a JPEG; `mode` may also be L (greyscale) or CMYK."""
    return _encoded(Image.fromarray(image).convert(mode), "JPEG", quality=quality)


def png(image: Pixels) -> bytes:
    return _encoded(Image.fromarray(image), "PNG")


def webp(image: Pixels) -> bytes:
    return _encoded(Image.fromarray(image), "WEBP", quality=95)


def gif(image: Pixels, *others: Pixels) -> bytes:
    """Return a GIF, animated if there are `others`; `image` is the first frame."""
    frames = [Image.fromarray(frame) for frame in others]
    return _encoded(Image.fromarray(image), "GIF", save_all=True, append_images=frames, duration=100)


def transparent_png(image: Pixels) -> bytes:
    """Return an RGBA PNG whose upper third fades out."""
    height, width = image.shape[:2]
    alpha = np.clip(np.arange(height) * 3 * 255 // height, 0, 255).astype(np.uint8)
    layer = np.broadcast_to(alpha[:, None, None], (height, width, 1))
    return _encoded(Image.fromarray(np.concatenate([image, layer], axis=-1)), "PNG")


def transparent_palette_png(image: Pixels) -> bytes:
    """Return a PNG of 64 colours, the most frequent of which is transparent."""
    indexed = Image.fromarray(image).quantize(64)
    most_frequent = np.bincount(np.asarray(indexed).ravel()).argmax()
    return _encoded(indexed, "PNG", transparency=int(most_frequent))


def grey16_png(image: Pixels) -> bytes:
    grey = np.asarray(Image.fromarray(image).convert("L"))
    return _encoded(Image.fromarray(grey.astype(np.uint16) * 257), "PNG")


def turned_jpeg(image: Pixels) -> bytes:
    """Return a JPEG stored a quarter turn off, with the EXIF orientation that turns it upright, as phones do."""
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = TURN_CLOCKWISE
    return _encoded(Image.fromarray(np.rot90(image)), "JPEG", quality=95, exif=exif.tobytes())


def vast_png(image: Pixels) -> bytes:
    """Return a PNG with a valid header that declares 60,000 x 60,000 pixels, in under 100 bytes."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(image[0].tobytes()[:3])
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


def cut_jpeg(image: Pixels) -> bytes:
    """Return the first half of a JPEG."""
    whole = jpeg(image)
    return whole[: len(whole) // 2]


def broken_jpeg(image: Pixels) -> bytes:
    """Return a JPEG whose first Huffman table is impossible."""
    whole = bytearray(jpeg(image))
    table = whole.index(b"\xff\xc4") + 5
    whole[table : table + 16] = b"\xff" * 16
    return bytes(whole)


def flipped_jpeg(image: Pixels) -> bytes:
    """Return a JPEG with one wrong bit in the entropy-coded data: a damaged picture, which decoders accept."""
    whole = bytearray(jpeg(image))
    start = whole.index(b"\xff\xda")  # start of scan
    whole[(start + len(whole)) // 2] ^= 0x10
    return bytes(whole)


def flipped_png(image: Pixels) -> bytes:
    """Return a PNG with one wrong byte, which its checksum reveals."""
    whole = bytearray(png(image))
    whole[len(whole) // 2] ^= 0xFF
    return bytes(whole)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _encoded(image: Image.Image, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()
