"""The row groups of one split of a corpus: what they are, and reading them."""

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipelines.storage.folder import CONCURRENCY, Folder

OPEN_FILES = 256  # with their footers; a file that is opened again costs an object store two requests


@dataclass(frozen=True, eq=False)
class RowGroups:
    """The row groups of one split, in the order of file names. Small, and means the same in any process.

    Attributes:
        url: the corpus.
        columns: what is read of them.
        files: names relative to the corpus, sorted.
        file, number: (G,) int64, the index in `files` that a row group is in, and its number there.
        rows: (G,) int64.
        fingerprint: hex, of names, sizes and row groups of the files: the same rows again, or others.
    """

    url: str
    columns: tuple[str, ...]
    files: tuple[str, ...]
    file: NDArray[np.int64]
    number: NDArray[np.int64]
    rows: NDArray[np.int64]
    fingerprint: str

    @classmethod
    def of(cls, corpus: Folder, contract: str, split: str, columns: tuple[str, ...]) -> Self:
        """List the files of a split and read their footers.

        Args:
            contract: `rgbd/v1` is in `rgbd/<split>/*.parquet`, and so on.

        Raises:
            ValueError: there are no rows, a file is not whole, or it has another contract or lacks a column.
        """
        place = f"{contract.partition('/')[0]}/{split}"
        sizes = dict(sorted(corpus.sizes(place, ".parquet").items()))
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            counts = list(pool.map(lambda name: _rows_of(corpus, name, contract, columns), sizes))
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
        """Where a row group is, to tell people."""
        return f"{self.url}/{self.files[self.file[group]]}, row group {self.number[group]}"


class OpenRowGroups:
    """Reads row groups, from any number of threads. Files stay open, the last `OPEN_FILES` of them."""

    def __init__(self, row_groups: RowGroups) -> None:
        self.row_groups = row_groups
        self._folder = Folder(row_groups.url)
        self._opened = lru_cache(OPEN_FILES)(self._open)

    def read(self, group: int) -> pa.Table:
        """The columns of a row group.

        Raises:
            OSError: it cannot be read; says which.
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
    lock: Lock  # pyarrow's reader is not for several threads at a time


def _rows_of(corpus: Folder, name: str, contract: str, columns: tuple[str, ...]) -> list[int]:
    """The rows of each row group of a file."""
    try:
        with corpus.parquet_file(name) as file:
            footer, schema = file.metadata, file.schema_arrow
    except pa.ArrowInvalid as error:
        raise ValueError(
            f"{corpus.url}/{name} is not a whole parquet file ({error}): make the corpus again"
        ) from error
    found = (schema.metadata or {}).get(b"contract", b"none").decode()
    if found != contract:
        raise ValueError(f"{corpus.url}/{name} has the contract {found}, wanted {contract}: give another corpus")
    if missing := [column for column in columns if column not in schema.names]:
        raise ValueError(f"{corpus.url}/{name} lacks the columns {missing}, it has {schema.names}")
    return [footer.row_group(index).num_rows for index in range(footer.num_row_groups)]
