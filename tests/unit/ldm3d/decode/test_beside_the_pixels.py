"""What is wrong beside a picture's pixels costs its orientation or its profile at most, never the picture."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from ldm3d.config import DownloadConfig, SelectConfig
from ldm3d.decode import SquareImage, make_square
from ldm3d.decode.header import read_header
from ldm3d.reject import Rejected

BIG = 1_100_000  # bytes, beyond what Pillow takes of a chunk


def square(content: bytes) -> SquareImage:
    return make_square(content, DownloadConfig(image_size=64), SelectConfig())


def picture(mode: str) -> Image.Image:
    blocks = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    return Image.fromarray(np.kron(blocks, np.ones((20, 20, 1), np.uint8))).convert(mode)


def saved(kind: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    picture(mode).save(file, kind, **options)
    return file.getvalue()


def chunk(name: bytes, body: bytes, checksum: int | None = None) -> bytes:
    found = zlib.crc32(name + body) if checksum is None else checksum
    return struct.pack("!I", len(body)) + name + body + struct.pack("!I", found)


PROFILE = chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(BIG)))
XMP = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"a" * BIG))
TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * BIG))
CHUNKS = {
    "a large profile": PROFILE,
    "large XMP": XMP,
    "a long comment": TEXT,
    "a wrong checksum of a text": chunk(b"tEXt", b"a\0b", checksum=1),
    "a short density": chunk(b"pHYs", b"\0\0"),
    "a short gamma": chunk(b"gAMA", b"\0"),
    "broken EXIF": chunk(b"eXIf", b"MM\0*\xff\xff\xff\xff"),
}
SEGMENTS = {
    "EXIF of zeros": (0xE1, b"Exif\0\0" + bytes(20)),
    "a short JFIF": (0xE0, b"JFIF\0"),
    "a short profile": (0xE2, b"ICC_PROFILE\0"),
    "short MPF": (0xE2, b"MPF\0II"),
    "short Photoshop data": (0xED, b"Photoshop 3.0\0" + b"8BIM\x04"),
}


def with_chunk(content: bytes, body: bytes, before: bytes) -> bytes:
    at = content.index(before) - 4
    return content[:at] + body + content[at:]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "LA"])
@pytest.mark.parametrize("name", CHUNKS)
def test_of_a_png_every_pixel_is_kept(name, mode, before):
    clean = saved("PNG", mode)
    assert square(with_chunk(clean, CHUNKS[name], before)) == square(clean)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("name", SEGMENTS)
def test_of_a_jpeg_every_pixel_is_kept(name, mode):
    clean, (marker, body) = saved("JPEG", mode, dpi=(72, 72)), SEGMENTS[name]
    segment = b"\xff" + bytes([marker]) + struct.pack("!H", len(body) + 2) + body
    assert square(clean[:2] + segment + clean[2:]) == square(clean)


def webp_chunk(name: bytes, body: bytes, length: int | None = None) -> bytes:
    found = len(body) if length is None else length
    return name + struct.pack("<I", found) + body + bytes(len(body) % 2)


def webp(flags: int, *chunks: bytes) -> bytes:
    """A WebP of 160 x 120 in the extended layout."""
    canvas = (159).to_bytes(3, "little") + (119).to_bytes(3, "little")
    body = b"WEBP" + webp_chunk(b"VP8X", bytes([flags, 0, 0, 0]) + canvas) + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


ICC, ALPHA, EXIF, WEBP_XMP = 0x20, 0x10, 0x08, 0x04
OTHERS = {  # what stands before the pixels, the flags that announce it, what stands behind them
    "chunks that are announced and not there": (b"", ICC | EXIF | WEBP_XMP, b""),
    "chunks that are there and not announced": (webp_chunk(b"ICCP", b"x"), 0, webp_chunk(b"XMP ", b"x")),
    "transparency that is announced and not there": (b"", ALPHA, b""),
    "reserved flags": (b"", 0xC1, b""),
    "unknown chunks": (webp_chunk(b"JUNK", b"x"), 0, webp_chunk(b"more", b"xyz")),
    "a broken profile": (webp_chunk(b"ICCP", b"x"), ICC, b""),
    "a large profile and XMP": (webp_chunk(b"ICCP", bytes(BIG)), ICC | WEBP_XMP, webp_chunk(b"XMP ", b"a" * BIG)),
    "no EXIF": (b"", EXIF, webp_chunk(b"EXIF", b"")),
    "EXIF of zeros": (b"", EXIF, webp_chunk(b"EXIF", bytes(20))),
    "EXIF beyond the end": (b"", EXIF, webp_chunk(b"EXIF", bytes(20), length=1_000)),
    "EXIF of four gigabytes": (b"", EXIF, webp_chunk(b"EXIF", bytes(20), length=2**32 - 1)),
    "EXIF longer than it says": (b"", EXIF, webp_chunk(b"EXIF", b"x" * 20, length=4)),
    "EXIF without padding": (b"", EXIF | WEBP_XMP, webp_chunk(b"EXIF", b"xyz")[:-1] + webp_chunk(b"XMP ", b"x")),
    "bytes behind the last chunk": (b"", 0, b"xyz"),
    "frames of no animation": (webp_chunk(b"ANIM", bytes(6)), 0, webp_chunk(b"ANMF", bytes(16))),
}


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("name", OTHERS)
def test_of_a_webp_every_pixel_is_kept(name, lossless):
    """All of these are files that img2dataset's own decoder reads."""
    clean, (before, flags, behind) = saved("WEBP", lossless=lossless), OTHERS[name]
    found = webp(flags, before, clean[12:], behind)
    assert cv2.imdecode(np.frombuffer(found, np.uint8), cv2.IMREAD_UNCHANGED) is not None
    assert square(found) == square(clean)


def test_transparency_orientation_and_frames_of_a_webp_are_kept_without_the_rest():
    image, exif, broken = picture("RGB"), Image.Exif(), webp_chunk(b"XMP ", b"x", length=1_000)
    exif[0x0112] = 6
    clean = io.BytesIO()
    image.putalpha(128)
    image.save(clean, "WEBP", exif=exif.tobytes())
    found = square(webp(ALPHA | EXIF | WEBP_XMP, clean.getvalue()[30:], broken))
    assert found == square(clean.getvalue())
    assert (found.original_width, found.original_height) == (120, 160)
    frames = saved("WEBP", save_all=True, append_images=[picture("L").convert("RGB")])
    assert square(webp(frames[20], frames[30:], broken)) == square(frames)


def test_transparency_is_kept_without_the_rest():
    clean = saved("PNG", "P", transparency=3)
    assert square(with_chunk(clean, XMP, b"IDAT")) == square(clean)


@pytest.mark.parametrize("exif", [b"", b"orientation 6"])
@pytest.mark.parametrize("name", [b"acTL", b"fcTL"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_of_an_animation_whose_frames_are_broken_the_picture_is_kept(mode, name, exif):
    turned = Image.Exif()
    turned[0x0112] = 6
    options = {"exif": turned} if exif else {}
    frames = saved("PNG", mode, save_all=True, append_images=[picture("L").convert(mode).rotate(180)], **options)
    at = frames.index(name) + 4
    broken = frames[:at] + b"\xff" + frames[at + 1 :]
    assert square(broken) == square(saved("PNG", mode, **options))


def test_a_good_orientation_is_kept_where_something_else_is_broken():
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = saved("PNG", exif=exif)
    found = square(with_chunk(turned, PROFILE, b"IDAT"))
    assert found == square(turned)
    assert (found.original_width, found.original_height) == (120, 160)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_tiff_is_turned_once(orientation):
    pixels = np.zeros((120, 160, 3), np.uint8)
    pixels[:60, :80, 0] = pixels[:60, 80:, 1] = pixels[60:, :80, 2] = 255
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF", tiffinfo={0x112: orientation})
    shown = Image.open(io.BytesIO(file.getvalue()))
    shown.load()
    plain = io.BytesIO()
    shown.save(plain, "PNG", exif=b"")
    assert read_header(plain.getvalue()).orientation == 1
    assert square(file.getvalue()) == square(plain.getvalue())


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_pixels_that_are_damaged_are_rejected_as_before(kind):
    content = saved(kind)
    with pytest.raises(Rejected):
        square(content[: len(content) // 2])
