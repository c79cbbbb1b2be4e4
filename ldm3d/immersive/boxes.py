"""Boxes, of which MP4 files are made (ISO/IEC 14496-12): a size, a type of four letters, and content."""

import struct
from collections.abc import Callable, Iterator


def box(kind: bytes, *content: bytes) -> bytes:
    """Return a box.

    Raises:
        ValueError: it would be 4 GiB or larger.
    """
    size = 8 + sum(len(part) for part in content)
    if size >= 2**32:
        raise ValueError(f"a box {kind.decode('latin-1')} of {size:,} bytes, wanted less than 4 GiB: split the film")
    return b"".join([struct.pack(">I4s", size, kind), *content])


def full_box(kind: bytes, *content: bytes) -> bytes:
    """Return a box that begins with its version and flags, all 0."""
    return box(kind, bytes(4), *content)


def boxes(content: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Yield type, head and content of each box in a container's content.

    What is too short for a box at its end, such as the four zeros of QuickTime, has an empty type.

    Raises:
        ValueError: a box is larger than its container.
    """
    place = 0
    while place + 8 <= len(content):
        kind, head, size = read_head(content[place : place + 16], len(content) - place)
        yield kind, content[place : place + head], content[place + head : place + size]
        place += size
    if place < len(content):
        yield b"", b"", content[place:]


def read_head(head: bytes, room: int) -> tuple[bytes, int, int]:
    """Return type, size of the head, and size of the box that begins so.

    Args:
        head: its first 16 bytes, or 8 where there are no more.
        room: bytes up to the end of what it is in.

    Raises:
        ValueError: it is larger than that, or smaller than its head.
    """
    size, kind = struct.unpack_from(">I4s", head)
    length = 8
    if size == 1 and len(head) >= 16:
        size, length = struct.unpack_from(">Q", head, 8)[0], 16
    elif size == 0:  # up to the end
        size = room
    if not length <= size <= room:
        raise ValueError(
            f"a box {kind.decode('latin-1')!r} says that it has {size:,} bytes where {room:,} are left: this is no "
            "MP4, or one that was cut off"
        )
    return kind, length, size


def edited(content: bytes, path: tuple[bytes, ...], change: Callable[[bytes], bytes]) -> bytes:
    """Return a container's content with that of each box at a path of types, from the outside inwards, changed."""
    parts = []
    for kind, head, body in boxes(content):
        if kind == path[0]:
            parts.append(box(kind, edited(body, path[1:], change) if path[1:] else change(body)))
        else:
            parts.append(head + body)
    return b"".join(parts)


def without(content: bytes, is_unwanted: Callable[[bytes, bytes], bool]) -> bytes:
    """Return a container's content without the boxes of which a function of type and content says so."""
    return b"".join(head + body for kind, head, body in boxes(content) if not is_unwanted(kind, body))
