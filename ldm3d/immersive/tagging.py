"""What players must know of a film, written into its MP4; its frames stay as they are, to the bit.

FFmpeg cannot: it keeps such metadata, or some of it, but has no way to add it.
"""

import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from ldm3d.immersive import apple, spherical
from ldm3d.immersive.boxes import box, boxes, edited, read_head, without
from ldm3d.immersive.camera import IPD
from ldm3d.immersive.layout import Layout

ENTRIES = (b"avc1", b"avc3", b"hvc1", b"hev1", b"av01", b"vp09", b"mp4v")
ENTRY_FIELDS = 78  # bytes of a VisualSampleEntry before its boxes
OURS = (b"st3d", b"sv3d", b"vexu")
SAMPLES = (b"mdia", b"minf", b"stbl")


def tag(source: str | Path, target: str | Path, layout: Layout, ipd: float = IPD) -> None:
    """Copy an MP4 and say in it, for players of Google's and of Apple's kind, what its pixels are.

    What it said before is replaced. The target appears when it is whole; it may be the source.

    Args:
        source: an MP4 of which only the index (`moov`) comes into memory.
        target: a file that may be there.
        layout: of its frames; a plain one removes what was said.
        ipd: metres between the eyes of a stereo film.

    Raises:
        ValueError: it is no MP4, cut off, fragmented, or has no video of a codec that is known here.
    """
    source, target = Path(source), Path(target)
    found = [*spherical.entry_boxes(layout), *apple.entry_boxes(layout, ipd)]
    part = target.with_name(target.name + ".part")
    try:
        with source.open("rb") as file, part.open("wb") as copy:
            start, size = _index(file, source)
            file.seek(start)
            head = read_head(file.read(16), size)[1]
            file.seek(start + head)
            before = file.read(size - head)
            after = _described(before, found, spherical.track_boxes(layout), source)
            after = _moved(after, start, 8 + len(after) - size)
            file.seek(0)
            _copy(file, copy, start)
            copy.write(box(b"moov", after))
            file.seek(start + size)
            shutil.copyfileobj(file, copy)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


def _index(file: BinaryIO, source: Path) -> tuple[int, int]:
    """Return place and size of the box `moov`."""
    length = file.seek(0, os.SEEK_END)
    place, found = 0, []
    while place + 8 <= length:
        file.seek(place)
        kind, _, size = read_head(file.read(16), length - place)
        if kind == b"moof":
            raise ValueError(_fragmented(source))
        if kind == b"moov":
            found.append((place, size))
        place += size
    if len(found) != 1:
        raise ValueError(f"{source} has {len(found)} boxes moov, wanted an MP4 with one: it may have been cut off")
    return found[0]


def _described(index: bytes, entry: list[bytes], track: list[bytes], source: Path) -> bytes:
    """Return the content of `moov` with boxes in the sample entries and tracks of its video."""
    if any(kind == b"mvex" for kind, _, _ in boxes(index)):
        raise ValueError(_fragmented(source))
    seen = []

    def with_entry(content: bytes) -> bytes:  # of stsd: version, flags and count before its entries
        parts = [content[:8]]
        for kind, head, body in boxes(content[8:]):
            if kind not in ENTRIES:
                parts.append(head + body)
                continue
            seen.append(kind)
            kept = without(body[ENTRY_FIELDS:], lambda name, _: name in OURS)
            parts.append(box(kind, body[:ENTRY_FIELDS], *entry, kept))
        return b"".join(parts)

    def with_video(content: bytes) -> bytes:
        if not _is_video(content):
            return content
        kept = without(content, lambda name, body: name == b"uuid" and body.startswith(spherical.V1_UUID))
        return edited(kept, (*SAMPLES, b"stsd"), with_entry) + b"".join(track)

    described = edited(index, (b"trak",), with_video)
    if not seen:
        names = ", ".join(kind.decode() for kind in ENTRIES)
        raise ValueError(f"{source} has no video of a codec that is known here ({names}): encode it anew")
    return described


def _is_video(track: bytes) -> bool:
    media = next((body for kind, _, body in boxes(track) if kind == b"mdia"), b"")
    return any(kind == b"hdlr" and body[8:12] == b"vide" for kind, _, body in boxes(media))


def _moved(index: bytes, start: int, shift: int) -> bytes:
    """Return the content of `moov` with the places of chunks that lie after it moved by some bytes."""
    for kind, letter in ((b"stco", "I"), (b"co64", "Q")):
        index = edited(index, (b"trak", *SAMPLES, kind), _mover(letter, start, shift))
    return index


def _mover(letter: str, start: int, shift: int) -> Callable[[bytes], bytes]:
    size = struct.calcsize(">" + letter)

    def move(content: bytes) -> bytes:  # version, flags and count before the places
        count = max(0, (len(content) - 8) // size)
        places = struct.unpack_from(f">{count}{letter}", content, 8)
        moved = [place + shift if place > start else place for place in places]
        if moved and max(moved) >= 2 ** (8 * size):
            raise ValueError(
                "the film is about 4 GiB and its index has no room for more: encode it with its index last"
            )
        return content[:8] + struct.pack(f">{count}{letter}", *moved) + content[8 + count * size :]

    return move


def _copy(file: BinaryIO, copy: BinaryIO, length: int) -> None:
    while length:
        chunk = file.read(min(length, 2**20))
        if not chunk:
            raise ValueError("the file became shorter while it was read")
        copy.write(chunk)
        length -= len(chunk)


def _fragmented(source: Path) -> str:
    return (
        f"{source} is a fragmented MP4, whose index is all over the file: make it one piece first, for example by "
        "`ffmpeg -i IN.mp4 -c copy -movflags +faststart OUT.mp4`"
    )
