"""Text files of any common encoding as streams of UTF-8."""

import codecs
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import fsspec

from pipelines.storage.folder import Folder

CHUNK_BYTES = 2**20
MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


@contextmanager
def opened(folder: Folder, name: str) -> Iterator[BinaryIO]:
    """Open a file, uncompressed if its name says that it is compressed (`.gz`, `.bz2`, `.xz`, `.zst`)."""
    with folder.open(name) as file:
        compression = fsspec.utils.infer_compression(folder.path(name))
        yield fsspec.compression.compr[compression](file, mode="rb") if compression else file


class Utf8Stream(io.RawIOBase):
    """Reads UTF-8, or UTF-16 with a byte order mark, as UTF-8 without one. What does not decode becomes U+FFFD."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self._left = file, file.read(CHUNK_BYTES)
        encoding = next((name for mark, name in MARKS.items() if self._left.startswith(mark)), "utf-8-sig")
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._left = self._encoded(self._left)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            chunk = self._file.read(CHUNK_BYTES)
            self._left = self._encoded(chunk)
            if not chunk:
                break
        part = self._left[: len(buffer)]
        self._left = self._left[len(part) :]
        buffer[: len(part)] = part
        return len(part)

    def _encoded(self, chunk: bytes) -> bytes:
        return self._decoder.decode(chunk, final=not chunk).encode("utf-8", "replace")
