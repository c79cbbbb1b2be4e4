"""What was measured of the pictures of a set: which of them count, and sums over them, on the cluster.

Groups of shards are summed by tasks, and the sums added by tasks, always in the same order: the driver sees a few
numbers, and the same ones from any number of workers.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray

from ldm3d.keys import rank
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard, redone_if_damaged

CONTRACTS = ("features", "rejects")  # folders of the output: of what was measured, and of pictures that were not
GROUP_ROWS = 4_096  # a task's: sums of 2048 features are as large as so many of them
FAN_IN = 8  # sums that are added in one task

FILES_A_TASK = 64
READERS = 8  # shards that a task reads at a time

Sums = TypeVar("Sums")
Names = tuple[NDArray[np.int64], NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class Chosen:
    """The pictures that count, in an order that depends on their keys alone.

    keys, numbers: (N,).
    """

    keys: NDArray[np.int64]
    numbers: NDArray[np.int32]

    @classmethod
    def of(
        cls,
        keys: NDArray[np.int64],
        numbers: NDArray[np.int32],
        count: int | None = None,
        among: NDArray[np.int64] | None = None,
    ) -> "Chosen":
        """
        Args:
            count: of the keys, those that come first; all pictures of a key, as several samples have one caption.
            among: the keys that may count; None are all.
        """
        if among is not None:
            fit = np.isin(keys, among)
            keys, numbers = keys[fit], numbers[fit]
        order = np.lexsort((numbers, rank(keys, 0)))
        keys, numbers = keys[order], numbers[order]
        if count is not None:
            keep = np.cumsum(np.diff(keys, prepend=keys[:1] - 1) != 0) <= count
            keys, numbers = keys[keep], numbers[keep]
        return cls(keys, numbers)

    def __len__(self) -> int:
        return len(self.keys)

    def only(self, keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> "Chosen":
        """Those of them that are among others, in the same order."""
        found = np.sort(self.places(keys, numbers))
        found = found[found >= 0]
        return Chosen(self.keys[found], self.numbers[found])

    def places(self, keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> NDArray[np.int64]:
        """(M,): where each of some pictures is among those that count, -1 where it is not."""
        if not len(self):
            return np.full(len(keys), -1)
        own, order = self._sorted
        asked = _pairs(keys, numbers)
        at = np.searchsorted(own, asked).clip(max=len(own) - 1)
        return np.where(own[at] == asked, order[at], -1)

    @cached_property
    def _sorted(self) -> tuple[NDArray[np.void], NDArray[np.int64]]:
        """Their pairs in order, and where each of them is: made once, as shards are many."""
        order = np.lexsort((self.numbers, self.keys))
        return _pairs(self.keys[order], self.numbers[order]), order


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """What one measure says of a set.

    shards: committed, of `url`. chosen: in the object store.
    """

    url: str
    shards: list[Shard]
    chosen: ray.ObjectRef

    def sum(self, function: Callable[..., Sums], *arguments: Any, columns: list[str], cpus: float = 1.0) -> Sums:
        """The sum of what a function makes of each group of rows.

        Args:
            function: called with a table of the columns and (M,) places of its rows among those that count, and the
                arguments; what it returns can be added.
            arguments: large ones as object references.
            cpus: of a task.
        """
        task = ray.remote(_sum_of_group).options(num_cpus=cpus, max_retries=3)
        sums = [
            task.remote(function, self.url, [shard.name for shard in group], columns, self.chosen, *arguments)
            for group in self._groups()
        ]
        add = ray.remote(_added).options(num_cpus=cpus, max_retries=3)
        while len(sums) > 1:
            sums = [add.remote(*sums[start : start + FAN_IN]) for start in range(0, len(sums), FAN_IN)]
        total: Sums = ray.get(sums[0])
        return total

    def _groups(self) -> Iterator[list[Shard]]:
        group: list[Shard] = []
        for shard in self.shards:
            group.append(shard)
            if sum(each.rows for each in group) >= GROUP_ROWS:
                yield group
                group = []
        if group:
            yield group


def read_rows(
    url: str, shards: list[str], columns: list[str], chosen: Chosen
) -> Iterator[tuple[pa.Table, NDArray[np.int64]]]:
    """Rows of each shard that count, and their places; a few shards are read at a time."""
    for table in _tables(url, shards, ["key", "number", *columns]):
        places = chosen.places(table["key"].to_numpy(), table["number"].to_numpy())
        yield table.filter(pa.array(places >= 0)).select(columns), places[places >= 0]


def _tables(url: str, shards: list[str], columns: list[str]) -> Iterator[pa.Table]:
    """Those of shards that have any rows, a few of which are read at a time."""
    folder = Folder(url)

    def read(shard: str) -> pa.Table | None:
        file = Shard(shard, "", None, 0).file("features")
        if not folder.exists(file):  # every picture of it was rejected
            return None
        with redone_if_damaged(folder, shard), folder.parquet_file(file, page_checksum_verification=True) as opened:
            return opened.read(columns=columns)

    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(shards), READERS):
            yield from (table for table in pool.map(read, shards[start : start + READERS]) if table is not None)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """A column of features as (M, D)."""
    whole = column.combine_chunks()
    return np.asarray(pc.list_flatten(whole).to_numpy(zero_copy_only=False)).reshape(len(whole), -1)


def _sum_of_group(
    function: Callable[..., Any], url: str, shards: list[str], columns: list[str], chosen: Chosen, *arguments: Any
) -> Any:
    found = [(table, places) for table, places in read_rows(url, shards, columns, chosen) if len(places)]
    if not found:
        return None
    tables, places = zip(*found, strict=True)
    return function(pa.concat_tables(tables), np.concatenate(places), *arguments)  # sums are larger than a shard


def _added(*sums: Any) -> Any:
    total: Any = None
    for each in sums:
        if each is not None:
            total = each if total is None else total + each
    return total


def measured_names(url: str, shards: list[Shard]) -> Names:
    """Keys and numbers of every row of shards, (M,) each."""
    names = [shard.name for shard in shards]
    task = ray.remote(_names).options(num_cpus=0.5, max_retries=3)
    groups = [task.remote(url, names[start : start + FILES_A_TASK]) for start in range(0, len(names), FILES_A_TASK)]
    keys, numbers = zip(*ray.get(groups), strict=True)
    return np.concatenate(keys), np.concatenate(numbers)


def _names(url: str, shards: list[str]) -> Names:
    tables = list(_tables(url, shards, ["key", "number"]))
    keys = [np.array([], np.int64), *(table["key"].to_numpy() for table in tables if table.num_rows)]
    numbers = [np.array([], np.int32), *(table["number"].to_numpy() for table in tables if table.num_rows)]
    return np.concatenate(keys), np.concatenate(numbers)


def _pairs(keys: NDArray[np.int64], numbers: NDArray[np.int32]) -> NDArray[np.void]:
    """Keys and numbers as one sortable column."""
    pairs = np.empty(len(keys), [("key", np.int64), ("number", np.int32)])
    pairs["key"], pairs["number"] = keys, numbers
    return pairs
