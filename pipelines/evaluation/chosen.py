"""The pictures of a set that count."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import NDArray

from ldm3d.keys import positions_of, rank


@dataclass(frozen=True, eq=False)
class Chosen:
    """Keys and numbers of the pictures that count, in an order that depends on their keys alone."""

    keys: NDArray[np.int64]
    """(N,)."""
    numbers: NDArray[np.int32]
    """(N,)."""

    @classmethod
    def of(
        cls,
        keys: NDArray[np.int64],
        numbers: NDArray[np.int32],
        count: int | None = None,
        among: NDArray[np.int64] | None = None,
    ) -> Self:
        """Choose from all pictures of a set.

        Args:
            count: choose the first `count` keys, with all pictures of a key, as a caption may have several samples.
            among: the keys that may count; None allows all.
        """
        if among is not None:
            fit = np.isin(keys, among)
            keys, numbers = keys[fit], numbers[fit]
        order = np.lexsort((numbers, rank(keys, 0)))
        keys, numbers = keys[order], numbers[order]
        if count is not None:
            is_first = np.diff(keys, prepend=keys[:1] - 1) != 0  # of its key
            keep = np.cumsum(is_first) <= count
            keys, numbers = keys[keep], numbers[keep]
        return cls(keys, numbers)

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> "Chosen":
        """Keep those that are among the given pictures, in the same order."""
        found = np.sort(self.places(keys, numbers))
        found = found[found >= 0]
        return Chosen(self.keys[found], self.numbers[found])

    def places(self, keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> NDArray[np.int64]:
        """Find each of M pictures among those that count: (M,) places, -1 for one that does not count."""
        own, order = self._sorted
        at = positions_of(_pairs(keys, numbers), own)
        places = np.full(len(keys), -1)
        places[at >= 0] = order[at[at >= 0]]
        return places

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """The pairs in sorted order and the place of each, computed once for many shards."""
        order = np.lexsort((self.numbers, self.keys))
        return _pairs(self.keys[order], self.numbers[order]), order


def _pairs(keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> NDArray[np.void]:
    """Join keys and numbers into one sortable column."""
    pairs = np.empty(len(keys), [("key", np.int64), ("number", np.int32)])
    pairs["key"], pairs["number"] = keys, numbers
    return pairs
