"""A worker's part of the validation split."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

import pyarrow as pa

from pipelines.row_groups import OpenRowGroups, RowGroups

T = TypeVar("T")


class ValidationRows(Generic[T]):
    """The row groups of a split that fall to one worker, decoded; every worker has as many.

    Yields what the decoder made of a row group, and what it counts: 1, or 0 for one that a worker repeats to wait for
    the others.
    """

    def __init__(
        self, row_groups: RowGroups, decode: Callable[[pa.Table], T], rank: int = 0, workers: int = 1
    ) -> None:
        self.row_groups, self.decode, self.rank, self.workers = row_groups, decode, rank, workers
        self.is_first = rank == 0

    def __iter__(self) -> Iterator[tuple[T, int]]:
        opened, count = OpenRowGroups(self.row_groups), len(self.row_groups.rows)
        for group in range(self.rank, self.rank + count, self.workers):
            yield self.decode(opened.read(min(group, count - 1))), int(group < count)
