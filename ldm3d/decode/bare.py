"""A PNG, JPEG or WebP without what stands beside its pixels, for files whose profile, text or EXIF Pillow refuses.

img2dataset keeps such files, and browsers show most. The parts that decide pixels stay: a PNG's critical chunks,
transparency and frames; a JPEG's tables, frames and Adobe's colour transform; a WebP's picture, transparency or
frames.
"""

import struct
from collections.abc import Iterable, Iterator

PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
# Of PNG, beside the critical chunks, whose names begin with a capital.
_TRANSPARENCY, _FRAMES, _PNG_EXIF = b"tRNS", (b"acTL", b"fcTL", b"fdAT"), b"eXIf"
_STANDALONE = (0x01, *range(0xD0, 0xDA))  # JPEG markers without a length: TEM, RST0 to RST7, SOI, EOI
_SCAN = 0xDA  # begins the coded pixels
_ADOBE = 0xEE  # APP14
_EXIF = 0xE1  # APP1
_COMMENT = 0xFE
# Of WebP (RFC 9649): the chunks of a still picture and of an animation, and flags in the chunk that may come before.
_STILL = (b"ALPH", b"VP8 ", b"VP8L")
_ANIMATED = (b"ANIM", b"ANMF")
_ANIMATION, _HAS_EXIF, _ALPHA = 0x02, 0x08, 0x10


def barer(content: bytes) -> Iterator[bytes]:
    """Yield the file with EXIF alone beside the pixels, and then with nothing, as far as that is less.

    Of an animated PNG that cannot be read even so, only the still picture is left.
    """
    variants: Iterable[bytes] = ()
    if content.startswith(PNG):
        variants = (_png(content, kept) for kept in ((*_FRAMES, _PNG_EXIF), _FRAMES, (_PNG_EXIF,), ()))
    elif content.startswith(JPEG):
        variants = (_jpeg(content, keeps_exif) for keeps_exif in (True, False))
    elif content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        variants = (_webp(content, keeps_exif) for keeps_exif in (True, False))
    seen = {content}
    for variant in variants:
        if variant not in seen:
            seen.add(variant)
            yield variant


def _png(content: bytes, kept: tuple[bytes, ...]) -> bytes:
    parts, at = [PNG], len(PNG)
    while at + 8 <= len(content):
        length, name = struct.unpack_from("!I4s", content, at)
        if name[:1].isupper() or name == _TRANSPARENCY or name in kept:
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


def _webp(content: bytes, keeps_exif: bool) -> bytes:
    kept: tuple[bytes, ...] = _STILL
    parts, start = [b"WEBP"], 12
    if content[start : start + 4] == b"VP8X" and len(content) >= 30:
        flags = content[20] & (_ANIMATION | _ALPHA) | (_HAS_EXIF if keeps_exif else 0)
        parts.append(content[start:20] + bytes([flags, 0, 0, 0]) + content[24:30])
        kept, start = (_ANIMATED if flags & _ANIMATION else _STILL), 30
    seen, at = set(), start
    while at + 8 <= len(content):
        name, length = struct.unpack_from("<4sI", content, at)
        end = at + 8 + length + length % 2
        is_exif = keeps_exif and name == b"EXIF" and end <= len(content)
        if (name in kept or is_exif) and (name == b"ANMF" or name not in seen):
            parts.append(content[at:end])
        seen.add(name)
        at = end
    body = b"".join(parts)
    return b"RIFF" + struct.pack("<I", len(body)) + body
