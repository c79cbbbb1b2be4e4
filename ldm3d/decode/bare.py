"""A PNG or JPEG without what stands beside its pixels, for files whose profile, text or EXIF Pillow refuses.

Browsers show such files, and img2dataset keeps them. The parts that decide pixels stay: a PNG's critical chunks,
transparency and frames; a JPEG's tables, frames and Adobe's colour transform.
"""

import struct
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
_CHUNKS = (b"tRNS", b"acTL", b"fcTL", b"fdAT")  # kept beside those whose first letter is a capital: the critical ones
_STANDALONE = (0x01, *range(0xD0, 0xDA))  # JPEG markers without a length: TEM, RST0 to RST7, SOI, EOI
_SCAN = 0xDA  # begins the coded pixels
_ADOBE = 0xEE  # APP14
_EXIF = 0xE1  # APP1
_COMMENT = 0xFE


def barer(content: bytes) -> Iterator[bytes]:
    """Yield the file with EXIF alone beside the pixels, and then with nothing, as far as that is less."""
    if not content.startswith((PNG, JPEG)):
        return
    without = _png if content.startswith(PNG) else _jpeg
    with_exif, bare = without(content, True), without(content, False)
    if len(with_exif) < len(content):
        yield with_exif
    if len(bare) < len(with_exif):
        yield bare


def _png(content: bytes, keeps_exif: bool) -> bytes:
    parts, at = [PNG], len(PNG)
    while at + 8 <= len(content):
        length, name = struct.unpack_from("!I4s", content, at)
        if name[:1].isupper() or name in _CHUNKS or (keeps_exif and name == b"eXIf"):
            parts.append(content[at : at + 12 + length])  # with its checksum, which may say that pixels are damaged
        at += 12 + length
    return b"".join(parts)


def _jpeg(content: bytes, keeps_exif: bool) -> bytes:
    parts, at = [JPEG], len(JPEG)
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == _SCAN:
            break
        if marker == 0xFF or marker in _STANDALONE:  # fill bytes may come before a marker
            at += 1 if marker == 0xFF else 2
            continue
        end = at + 2 + max(2, struct.unpack_from("!H", content, at + 2)[0])
        is_metadata = (0xE0 <= marker <= 0xEF and marker != _ADOBE) or marker == _COMMENT
        is_exif = marker == _EXIF and content[at + 4 : at + 8] == b"Exif"
        if not is_metadata or (keeps_exif and is_exif):
            parts.append(content[at:end])
        at = end
    return b"".join([*parts, content[at:]])
