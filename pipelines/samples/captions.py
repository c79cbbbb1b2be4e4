"""The captions that samples are drawn for, looked at before any work: files, what is in them, what of it is drawn."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import pyarrow as pa

from ldm3d.config import CaptionsConfig
from ldm3d.rows.captions import Captions, read_captions
from pipelines.storage.folder import CONCURRENCY, Folder


@dataclass(frozen=True)
class CaptionsInput:
    """What is known of the captions; they themselves are read again where they are needed, and not kept.

    rows: in the files. drawn: captions that samples are made of. rejected, left_out: other rows, without a caption or
    beyond the count that was asked for.
    fingerprint: hex, of keys, captions and image ids of all rows.
    """

    url: str
    config: CaptionsConfig
    rows: int
    drawn: int
    rejected: int
    left_out: int
    fingerprint: str

    @classmethod
    def of(cls, url: str, config: CaptionsConfig) -> Self:
        """
        Raises:
            ValueError: there are no captions, or they cannot be read, or their keys do not tell them apart.
        """
        rows = _read(url)
        captions = _chosen(url, rows, config)
        drawn, rejected = captions.drawn.num_rows, captions.rejected.num_rows
        return cls(url, config, rows.num_rows, drawn, rejected, captions.left_out, _fingerprint(rows))

    @property
    def samples(self) -> int:
        """How many are to be made at each point of the grid."""
        return self.drawn * self.config.per_caption

    def read(self) -> Captions:
        """
        Raises:
            ValueError: the files have changed since.
        """
        rows = _read(self.url)
        if _fingerprint(rows) != self.fingerprint:
            raise ValueError(f"--input {self.url!r} changed while it was read: run the same command again")
        return _chosen(self.url, rows, self.config)

    def about(self) -> dict[str, Any]:
        """What those who read the samples may want to know of the captions."""
        names = ("rows", "drawn", "rejected", "left_out", "fingerprint")
        return {name: getattr(self, name) for name in names}


def _read(url: str) -> pa.Table:
    """All rows: key, caption, image_id."""
    try:
        folder = Folder(url)
        if not folder.exists():
            raise ValueError(f"--input {url!r} does not exist; wanted captions: .parquet, .json of COCO's, or .txt")
        names = [""] if folder.is_file() else sorted(folder.sizes("", ".parquet"))
        if not names:
            raise ValueError(f"--input {url!r} holds no .parquet file; wanted captions, or one .json or .txt file")
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            return pa.concat_tables(pool.map(partial(_rows_of, folder), names))
    except OSError as error:
        raise ValueError(f"--input {url!r} cannot be read: {error}") from error


def _rows_of(folder: Folder, name: str) -> pa.Table:
    with folder.open(name) as file:
        try:
            return read_captions(folder.path(name), file)
        except ValueError as error:
            raise ValueError(f"--input: {error}") from error


def _chosen(url: str, rows: pa.Table, config: CaptionsConfig) -> Captions:
    try:
        return Captions.of(rows, config)
    except ValueError as error:
        raise ValueError(f"--input {url!r}: {error}") from error


def _fingerprint(rows: pa.Table) -> str:
    digest = hashlib.sha256()
    for batch in rows.to_batches():
        for row in zip(*(batch[name].to_pylist() for name in rows.column_names), strict=True):
            digest.update(f"{row}\n".encode())
    return digest.hexdigest()
