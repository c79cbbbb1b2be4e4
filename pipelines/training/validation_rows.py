"""The rows of the validation split that one worker measures."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import pyarrow as pa

from pipelines.storage.row_groups import OpenRowGroups, RowGroups

T = TypeVar("T")


class ValidationRows(Generic[T]):
    """One worker's row groups of a split, decoded part by part. Every worker has the same number of parts.

    Yields what the decoder made of the rows of a part, and their weight: 1, or 0 for rows that a worker repeats so
    that it has as many parts as the others.

    Args:
        most_rows: upper bound on the rows of a part.
    """

    def __init__(
        self,
        row_groups: RowGroups,
        decode: Callable[[pa.Table], T],
        most_rows: int,
        rank: int = 0,
        workers: int = 1,
    ) -> None:
        self.row_groups, self.decode, self.most_rows = row_groups, decode, most_rows
        self.rank, self.workers = rank, workers
        self.is_first = rank == 0

    def __iter__(self) -> Iterator[tuple[T, int]]:
        opened, count = OpenRowGroups(self.row_groups), len(self.row_groups.rows)
        largest = int(self.row_groups.rows.max())
        for group in range(self.rank, self.rank + count, self.workers):
            rows = opened.read(min(group, count - 1))
            for start in range(0, largest, self.most_rows):
                is_there = start < len(rows)
                part = rows.slice(start if is_there else 0, self.most_rows)
                yield self.decode(part), int(is_there and group < count)
