"""Pictures of every kind that is opened, and what programs, servers and broken disks make of such files."""

import io
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st
from PIL import Image

MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    "GIF": ("1", "L", "P", "RGB", "RGBA"),
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "AVIF": ("RGB", "RGBA"),
}
SIDES = (1, 2, 3, 7, 8, 15, 16, 17, 33, 64, 90)
PNG_NAMES = (
    b"iCCP",
    b"iTXt",
    b"zTXt",
    b"tEXt",
    b"eXIf",
    b"pHYs",
    b"gAMA",
    b"cHRM",
    b"sRGB",
    b"tIME",
    b"bKGD",
    b"hIST",
)
PNG_NAMES += (b"sBIT", b"cICP", b"mDCV", b"vpAg", b"caBX", b"orNT", b"nPTc", b"abCd")
SEGMENTS = (b"", b"Exif\0\0", b"Exif\0\0MM\0*", b"Exif\0\0II*\0\x08\0\0\0", b"JFIF\0", b"JFXX\0", b"ICC_PROFILE\0\1\1")
SEGMENTS += (
    b"MPF\0II*\0",
    b"MPF\0MM\0*\0\0\0\x08",
    b"Photoshop 3.0\08BIM",
    b"http://ns.adobe.com/xap/1.0/\0",
    b"Ducky\0",
)
WEBP_NAMES = (b"EXIF", b"XMP ", b"ICCP", b"JUNK", b"abcd")


@dataclass(frozen=True)
class File:
    """A picture in a file: as it was saved, and what became of it."""

    kind: str
    clean: bytes
    upright: bytes
    """The same without EXIF, which is lost where another one is broken."""
    content: bytes
    shows_the_same: bool
    """All that was changed stands beside the pixels, and turns nothing."""


@st.composite
def files(draw: st.DrawFn) -> File:
    kind, clean, upright = draw(saved())
    content, same = clean, True
    is_broken = draw(st.booleans())
    for _ in range(draw(st.integers(1, 3))):
        if not is_broken or draw(st.booleans()):
            content = draw(beside(kind, content))
        else:
            content, same = draw(broken(content)), False
    return File(kind, clean, upright, content, same)


@st.composite
def saved(draw: st.DrawFn) -> tuple[str, bytes, bytes]:
    kind = draw(st.sampled_from(list(MODES)))
    mode = draw(st.sampled_from(MODES[kind]))
    side = st.sampled_from(SIDES if kind != "AVIF" else SIDES[-3:])  # not its encoder is what is tested
    size = draw(st.tuples(side, side))
    count = draw(st.sampled_from((1, 1, 1, 2)))
    frames = [_picture(draw(st.integers(0, 9)), size, mode) for _ in range(count)]
    options = draw(_options(kind, mode)) | ({"speed": 10, "max_threads": 1} if kind == "AVIF" else {})
    if len(frames) > 1 and kind in ("PNG", "WEBP", "TIFF", "GIF"):
        options |= {"save_all": True, "append_images": frames[1:]}
    clean = _file(frames[0], kind, options)
    upright = clean if "exif" not in options else _file(frames[0], kind, options | {"exif": b""})
    return kind, clean, upright


def _file(image: Image.Image, kind: str, options: dict) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@st.composite
def _options(draw: st.DrawFn, kind: str, mode: str) -> dict:
    if kind == "JPEG":
        keys = {"progressive": st.booleans(), "quality": st.sampled_from((1, 75, 100)), "dpi": st.just((72, 72))}
        keys |= {"subsampling": st.sampled_from((0, 1, 2)), "restart_marker_blocks": st.integers(0, 3)}
    elif kind == "PNG":
        keys = {"compress_level": st.sampled_from((0, 6)), "dpi": st.just((72, 72))}
        if mode in ("P", "L"):
            keys["transparency"] = st.integers(0, 255)
    elif kind == "WEBP":
        keys = {"lossless": st.booleans(), "quality": st.sampled_from((1, 80))}
    elif kind == "TIFF":
        packings = ("raw", "packbits", "tiff_lzw", "tiff_adobe_deflate")
        keys = {"compression": st.sampled_from(packings), "dpi": st.just((72, 72))}
        keys["tiffinfo"] = st.sampled_from(({0x0112: 1}, {0x0112: 6}, {0x010F: "maker"}))
    elif kind == "GIF":
        keys = {"interlace": st.booleans(), "comment": st.binary(max_size=9), "transparency": st.integers(0, 255)}
    elif kind == "AVIF":
        keys = {"quality": st.sampled_from((30, 75))}
    else:
        keys = {}
    if kind in ("JPEG", "PNG", "WEBP"):
        keys |= {
            "exif": st.sampled_from((_exif(1), _exif(6), _exif(99))),
            "icc_profile": st.binary(min_size=1, max_size=300),
        }
    return draw(st.fixed_dictionaries({}, optional=keys))


def _exif(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = orientation, "maker"
    return exif.tobytes()


def _picture(seed: int, size: tuple[int, int], mode: str) -> Image.Image:
    width, height = size
    generator = np.random.default_rng(seed)
    if mode == "I;16":
        return Image.fromarray(generator.integers(0, 2**16, (height, width), np.uint16))
    rgb = Image.fromarray(generator.integers(0, 256, (height, width, 3), np.uint8))
    if mode in ("RGBA", "LA"):
        rgb.putalpha(Image.fromarray(generator.integers(0, 256, (height, width), np.uint8)))
    if mode == "LAB":
        return Image.frombytes("LAB", size, rgb.tobytes())
    return rgb.convert(mode)


BODIES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [bytes(1), bytes(4), bytes(20), bytes(1_000), b"\xff" * 33, b"icc\0\0" + zlib.compress(bytes(64))]
    ),
    st.sampled_from(
        [
            b"icc\0\0" + zlib.compress(bytes(1_100_000)),
            b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"a" * 1_100_000),
            b"Comment\0\0" + zlib.compress(b"a" * 1_100_000),
            b"MM\0*\xff\xff\xff\xff",
            b"II*\0\x08\0\0\0\xff\xff",
        ]
    ),
)


def beside(kind: str, content: bytes) -> st.SearchStrategy[bytes]:
    """Adds what stands beside the pixels: a part of any content, or bytes behind the end."""
    part = {"PNG": _with_chunk, "JPEG": _with_segment, "WEBP": _with_webp_chunk, "GIF": _with_extension}.get(kind)
    behind = st.builds(content.__add__, st.one_of(st.binary(max_size=50), st.just(bytes(5_000)), st.just(content)))
    return behind if part is None else st.one_of(part(content), part(content), behind)


@st.composite
def _with_chunk(draw: st.DrawFn, content: bytes) -> bytes:
    name, body = draw(st.sampled_from(PNG_NAMES)), draw(BODIES)
    checksum = draw(st.sampled_from((zlib.crc32(name + body), 1)))
    at = content.find(draw(st.sampled_from((b"IDAT", b"IEND")))) - 4
    chunk = struct.pack("!I", len(body)) + name + body + struct.pack("!I", checksum)
    return content[:at] + chunk + content[at:] if at > 0 else content


@st.composite
def _with_segment(draw: st.DrawFn, content: bytes) -> bytes:
    body = draw(st.sampled_from(SEGMENTS)) + draw(BODIES)
    marker = draw(st.sampled_from((0xE0, 0xE1, 0xE1, 0xE2, 0xE3, 0xEC, 0xED, 0xEF, 0xFE)))
    fill = b"\xff" * draw(st.integers(0, 2))
    segment = fill + b"\xff" + bytes([marker]) + struct.pack("!H", len(body) + 2) + body
    at = draw(st.sampled_from((2, content.find(b"\xff\xdb"))))
    return content[:at] + segment + content[at:] if at > 0 else content


@st.composite
def _with_webp_chunk(draw: st.DrawFn, content: bytes) -> bytes:
    """To the end; a plain file becomes one of the extended layout, without saying what comes."""
    name, body = draw(st.sampled_from(WEBP_NAMES)), draw(BODIES)
    chunk = name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)
    whole = content[8 : 8 + struct.unpack_from("<I", content, 4)[0]] if len(content) > 8 else content
    return b"RIFF" + struct.pack("<I", len(whole) + len(chunk)) + whole + chunk


@st.composite
def _with_extension(draw: st.DrawFn, content: bytes) -> bytes:
    """In front of the trailer: a comment, text or application block."""
    body = draw(BODIES)[:255]
    block = b"!" + draw(st.sampled_from((b"\xfe", b"\x01", b"\xff", b"\x42"))) + bytes([len(body)]) + body
    at = content.rfind(b";")
    return content[:at] + block + (b"\0" if body else b"") + content[at:] if at > 0 else content


@st.composite
def broken(draw: st.DrawFn, content: bytes) -> bytes:
    """Cuts, drops, doubles, swaps or overwrites bytes, most often near the beginning, where sizes are."""
    reach = draw(st.sampled_from((32, 128, 1_024, len(content))))
    at = draw(st.integers(0, max(0, min(reach, len(content)) - 1)))
    length = draw(st.sampled_from((1, 2, 4, 16, 100)))
    how = draw(st.sampled_from(("cut", "drop", "double", "set", "set", "set", "flip", "flip")))
    if how == "cut":
        return content[:at]
    if how == "drop":
        return content[:at] + content[at + length :]
    if how == "double":
        return content[: at + length] + content[at:]
    if how == "flip":
        flipped = bytes([content[at] ^ (1 << draw(st.integers(0, 7)))]) if content else b""
        return content[:at] + flipped + content[at + 1 :]
    values = st.one_of(st.binary(min_size=1, max_size=4), st.sampled_from((b"\0", b"\xff" * 4, b"\x7f\xff\xff\xff")))
    new = draw(values)
    return content[:at] + new + content[at + len(new) :]
