"""A folder of pictures as metadata: each with its caption beside it, in a `.txt` of the same name."""

import logging
import posixpath
from collections.abc import Iterator
from typing import Any, NamedTuple

import pyarrow as pa

from ldm3d.rows.captions import decode_text
from pipelines.corpus.tables.table import Table, TableFacts
from pipelines.storage.folder import concurrently
from pipelines.storage.input_files import input_files

logger = logging.getLogger(__name__)

PICTURES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif")
CAPTIONS = ".txt"
COLUMNS = ["file_name", "caption", "fault"]


class Caption(NamedTuple):
    """The text of a picture, or why there is none."""

    text: str | None
    fault: str | None = None


class PictureFolder(Table):
    """All pictures below a folder, in the order of their paths. One without a `.txt` has no caption."""

    def facts(self, depth: str | None) -> TableFacts:
        del depth
        pictures, captions = self._files()
        if not pictures:
            raise ValueError(f"--input {self.folder.url!r} holds no pictures: give a folder of pictures, or a table")
        if not captions:
            raise ValueError(
                f"--input {self.folder.url!r} holds {len(pictures)} pictures and no captions: put a .txt file of the "
                "same name beside each, or a table into the folder (metadata.csv with the columns file_name,caption)"
            )
        alone = [name for name in pictures if _caption_file(name) not in captions]
        if alone:
            logger.warning(
                "--input %r: pictures without a .txt beside them are rejected (%d, %s first)",
                self.folder.url,
                len(alone),
                alone[0],
            )
        return TableFacts(len(pictures), COLUMNS)

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        del columns, reading
        pictures, captions = self._files()

        def caption(picture: str) -> Caption:
            name = _caption_file(picture)
            if name not in captions:
                return Caption(None, f"there is no {CAPTIONS} of its name beside it")
            return caption_of(name, self.folder.read(name))

        for some in _batched(pictures, rows):
            found = concurrently(caption, some)
            texts, faults = ([getattr(each, name) for each in found] for name in Caption._fields)
            yield pa.RecordBatch.from_arrays([pa.array(each, pa.string()) for each in (some, texts, faults)], COLUMNS)

    def _files(self) -> tuple[list[str], set[str]]:
        found = input_files(self.folder, "--input", (*PICTURES, CAPTIONS))
        pictures = [name for name in found if name.lower().endswith(PICTURES)]
        return pictures, {name for name in found if name.endswith(CAPTIONS)}


def _caption_file(picture: str) -> str:
    return posixpath.splitext(picture)[0] + CAPTIONS


def caption_of(name: str, content: bytes) -> Caption:
    """Return the text of a `.txt` file; none, with a warning, if it is not text."""
    try:
        return Caption(decode_text(name, content))
    except ValueError as error:
        logger.warning("--input: no caption: %s", error)
        return Caption(None, f"its {CAPTIONS} is not UTF-8")


def _batched(names: list[str], rows: int) -> Iterator[list[str]]:
    return (names[start : start + rows] for start in range(0, len(names), rows))
