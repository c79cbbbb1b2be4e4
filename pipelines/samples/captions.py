"""The captions that samples are drawn for, checked before any work starts."""

import hashlib
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import pyarrow as pa

from ldm3d.config import CaptionsConfig
from ldm3d.rows.captions import Captions, read_captions
from pipelines.storage.folder import Folder, concurrently
from pipelines.storage.input_files import input_files
from pipelines.storage.inputs import readable


@dataclass(frozen=True)
class CaptionsInput:
    """What is known of the captions. They themselves are not kept, but read again where they are needed."""

    url: str
    config: CaptionsConfig
    rows: int
    """Rows in the files."""
    drawn: int
    """Captions that samples are drawn for."""
    rejected: int
    """Rows without a caption."""
    left_out: int
    """Captions beyond `config.count`."""
    fingerprint: str
    """Hex digits that change with keys, captions and image ids of the rows."""

    @classmethod
    def of(cls, url: str, config: CaptionsConfig) -> Self:
        """Read the captions and check them.

        Raises:
            ValueError: there are no captions, they cannot be read, or two have the same key.
        """
        rows = _read(url)
        captions = _chosen(url, rows, config)
        drawn, rejected = captions.drawn.num_rows, captions.rejected.num_rows
        return cls(url, config, rows.num_rows, drawn, rejected, captions.left_out, _fingerprint(rows))

    @property
    def samples(self) -> int:
        """Number of samples at each point of the grid."""
        return self.drawn * self.config.per_caption

    def read(self) -> Captions:
        """Read the captions again.

        Raises:
            ValueError: the files have changed since they were checked.
        """
        rows = _read(self.url)
        if _fingerprint(rows) != self.fingerprint:
            raise ValueError(f"--input {self.url!r} changed while it was read: run the same command again")
        return _chosen(self.url, rows, self.config)

    def about(self) -> dict[str, Any]:
        """Return what the success marker says about the captions."""
        names = ("rows", "drawn", "rejected", "left_out", "fingerprint")
        return {name: getattr(self, name) for name in names}


def _read(url: str) -> pa.Table:
    """Read all rows: key, caption, image_id."""
    with readable(url):
        folder = Folder(url)
        if not folder.exists():
            raise ValueError(f"--input {url!r} does not exist: give captions as .parquet, COCO's .json or .txt")
        names = [""] if folder.is_file() else list(input_files(folder, "--input", (".parquet",)))
        if not names:
            raise ValueError(
                f"--input {url!r} holds no .parquet file: give a folder of captions, or one .json or .txt file"
            )
        return pa.concat_tables(concurrently(partial(_rows_of, folder), names))


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
