"""The row groups of one split of a corpus or of latents: listed, and read."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.storage.folder import Folder, concurrently

OPEN_FILES = 256  # with their footers; a file that is opened again costs an object store two requests


@dataclass(frozen=True, eq=False)
class RowGroups:
    """The G row groups of one split, in the order of file names. Small, and valid in any process."""

    url: str
    """Of the corpus or latents."""
    columns: tuple[str, ...]
    """The columns to read."""
    files: tuple[str, ...]
    """Names relative to `url`, sorted."""
    file: NDArray[np.int64]
    """(G,): the index in `files` of the file that holds each row group."""
    number: NDArray[np.int64]
    """(G,): the number of each row group in its file."""
    rows: NDArray[np.int64]
    """(G,)"""
    fingerprint: str
    """Hex; changes with the names, sizes and row groups of the files."""

    @classmethod
    def of(cls, corpus: Folder, contract: str, split: str, columns: tuple[str, ...]) -> Self:
        """List the files of a split and read their footers.

        Args:
            contract: rows of `rgbd/v1` are in `rgbd/<split>/*.parquet`, and so on.

        Raises:
            ValueError: there are no rows, a file is truncated, has another contract, or lacks a column.
        """
        place = f"{contract.partition('/')[0]}/{split}"
        sizes = dict(sorted(corpus.sizes(place, ".parquet").items()))
        counts = concurrently(lambda name: _rows_of(corpus, name, contract, columns), sizes)
        groups = [(file, number, rows) for file, each in enumerate(counts) for number, rows in enumerate(each) if rows]
        if not groups:
            got = f"{corpus.url}/{place} holds no rows"
            raise ValueError(f"{got}: give a finished corpus with a split {split!r} ({contract})")
        file, number, rows = np.array(groups, np.int64).T
        content = json.dumps([list(sizes.items()), counts])
        return cls(
            url=corpus.url,
            columns=columns,
            files=tuple(sizes),
            file=file,
            number=number,
            rows=rows,
            fingerprint=hashlib.sha256(content.encode()).hexdigest(),
        )

    def name(self, group: int) -> str:
        """Say where a row group is, for messages."""
        return f"{self.url}/{self.files[self.file[group]]}, row group {self.number[group]}"


class OpenRowGroups:
    """Reads row groups from any number of threads. The `OPEN_FILES` files used last stay open."""

    def __init__(self, row_groups: RowGroups) -> None:
        self.row_groups = row_groups
        self._folder = Folder(row_groups.url)
        self._opened = lru_cache(OPEN_FILES)(self._open)

    def read(self, group: int) -> pa.Table:
        """Read the columns of a row group.

        Raises:
            OSError: it cannot be read. The message names it.
        """
        groups = self.row_groups
        try:
            opened = self._opened(groups.files[groups.file[group]])
            with opened.lock:
                return opened.file.read_row_group(int(groups.number[group]), columns=list(groups.columns))
        except Exception as error:  # a store's, or Arrow's of several kinds
            raise OSError(f"{groups.name(group)}: {error}") from error

    def _open(self, name: str) -> "_Opened":
        return _Opened(self._folder.parquet_file(name), Lock())


class _Opened(NamedTuple):
    file: pq.ParquetFile
    lock: Lock  # pyarrow's reader is not thread-safe


def _rows_of(corpus: Folder, name: str, contract: str, columns: tuple[str, ...]) -> list[int]:
    """Count the rows of each row group of a file."""
    try:
        with corpus.parquet_file(name) as file:
            footer, schema = file.metadata, file.schema_arrow
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{corpus.url}/{name} is not a complete parquet file ({error}): make the corpus again"
        ) from error
    found = (schema.metadata or {}).get(b"contract", b"none").decode()
    if found != contract:
        raise ValueError(f"{corpus.url}/{name} has the contract {found}, wanted {contract}: give another corpus")
    if missing := [column for column in columns if column not in schema.names]:
        raise ValueError(f"{corpus.url}/{name} lacks the columns {missing}, it has {schema.names}")
    return [footer.row_group(index).num_rows for index in range(footer.num_row_groups)]
