"""Tar shards as metadata, as webdataset and img2dataset write them: `000001.jpg`, `000001.txt`, `000001.json`."""

import json
import logging
import posixpath
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from pipelines.corpus.tables.pictures import PICTURES, Caption, caption_of
from pipelines.corpus.tables.table import Table, TableFacts

logger = logging.getLogger(__name__)

TEXT_BYTES = 2**20  # the most that is read of a caption or of JSON
SCHEMA = pa.schema(
    [
        ("url", pa.string()),
        ("caption", pa.string()),
        ("fault", pa.string()),
        ("file", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
    ]
)


@dataclass
class Sample:
    """What the members of one name hold."""

    offset: int = -1
    length: int = 0
    member: str = ""
    text: bytes | None = None
    record: bytes | None = None


class TarTable(Table):
    """A tar file that is not compressed, so that a picture is read from its place in it.

    The URL of a sample is that of its JSON, if it has one, else the name of the tar and of the picture in it.
    """

    def facts(self, depth: str | None) -> TableFacts:
        del depth
        return TableFacts(sum(1 for _ in self._samples()), SCHEMA.names)

    def batches(self, columns: list[str], rows: int, reading: dict[str, Any]) -> Iterator[pa.RecordBatch]:
        del columns, reading
        found = [self._row(sample) for sample in self._samples()]
        for start in range(0, len(found), rows):
            yield pa.RecordBatch.from_pylist(found[start : start + rows], SCHEMA)

    def _samples(self) -> list[Sample]:
        """Read the headers of all members, and the texts. A tar that was cut off gives its whole samples."""
        samples: dict[str, Sample] = {}
        with self.folder.open(self.name) as file:
            try:
                with tarfile.open(fileobj=file, mode="r:") as tar:
                    size = file.seek(0, 2)
                    for member in tar:
                        if member.isfile() and member.offset_data + member.size <= size:
                            self._add(samples, member, tar)
            except tarfile.ReadError as error:
                if not samples:
                    raise self.unreadable("tar", error) from error
                logger.warning("--input: %s was cut off: its last samples are missing", self.folder.path(self.name))
        return [sample for sample in samples.values() if sample.offset >= 0]

    def _add(self, samples: dict[str, Sample], member: tarfile.TarInfo, tar: tarfile.TarFile) -> None:
        folder, _, file = member.name.rpartition("/")
        stem, _, ending = file.partition(".")
        ending = f".{ending.lower()}"
        if ending not in (*PICTURES, ".txt", ".json"):
            return
        sample = samples.setdefault(f"{folder}/{stem}", Sample())
        if ending in PICTURES:
            sample.offset, sample.length, sample.member = member.offset_data, member.size, member.name
            return
        opened = tar.extractfile(member)
        content = opened.read(TEXT_BYTES) if opened else b""
        if ending == ".txt":
            sample.text = content
        else:
            sample.record = content

    def _row(self, sample: Sample) -> dict[str, Any]:
        try:
            record = json.loads(sample.record or b"{}")
        except ValueError:
            record = {}
        record = record if isinstance(record, dict) else {}
        url, caption = record.get("url"), record.get("caption")
        file = self.name or posixpath.basename(self.folder.url)  # relative to the folder of the metadata
        if sample.text is not None:
            found = caption_of(f"{file}/{sample.member}", sample.text)
        elif isinstance(caption, str):
            found = Caption(caption.encode("utf-8", "replace").decode())
        else:
            found = Caption(None, "there is no .txt of its name, nor a .json with a caption, in the tar")
        return {
            "url": url if isinstance(url, str) and url else f"{file}/{sample.member}",
            "caption": found.text,
            "fault": found.fault,
            "file": file,
            "offset": sample.offset,
            "length": sample.length,
        }
