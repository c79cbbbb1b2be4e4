"""A worker's part of a global batch."""

from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Batch(NamedTuple, Generic[T]):
    """A worker's part of a global batch."""

    step: int
    """Of the whole training, from 0."""
    positions: NDArray[np.int64]
    """(b,): the number of each sample in the whole training; what is drawn at random for a sample depends on it."""
    data: T
    """What the decoder made of the rows: a named tuple of columns, each of b rows or None."""

    def micro_batches(self, size: int | None) -> "list[Batch[T]]":
        """Split into batches of `size` samples; None keeps them together."""
        size = size or len(self.positions)
        parts = (slice(start, start + size) for start in range(0, len(self.positions), size))
        return [Batch(self.step, self.positions[part], _rows(self.data, part)) for part in parts]


def _rows(columns: Any, part: slice) -> Any:
    """Return some rows of a column, or of each column of a named tuple."""
    if isinstance(columns, tuple):
        return type(columns)(*(_rows(column, part) for column in columns))
    return None if columns is None else columns[part]
