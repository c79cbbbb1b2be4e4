"""Committed features of a set, and sums over them on the cluster.

Tasks sum groups of shards, and tasks add the sums, always in the same order: the driver sees only a few numbers, and
the same ones for any number of workers.
"""

import operator
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import ray
from numpy.typing import NDArray

from pipelines.evaluation.chosen import Chosen
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Shard, redone_if_damaged, shard_file

FOLDERS = ("features", "rejects")  # folders of the output: what was measured, and pictures that could not be
GROUP_ROWS = 4_096  # rows per task: sums over 2,048 features are as large as 4,096 rows of them
FAN_IN = 8  # sums added per task

FILES_A_TASK = 64
READERS = 8  # shards that a task reads at a time

Sums = TypeVar("Sums")
Names = tuple[NDArray[np.int64], NDArray[np.int32]]


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """The rows that one network gave for a set."""

    url: str
    """The output."""
    shards: list[Shard]
    """Its committed shards that hold the rows."""
    chosen: ray.ObjectRef
    """The pictures that count, `Chosen`, in the object store."""

    def sum(self, function: Callable[..., Sums], *arguments: Any, columns: list[str]) -> Sums:
        """Apply a function to groups of rows and add up the results.

        Args:
            function: called with a table of the columns, (M,) places of its rows among those that count, and the
                arguments; its results can be added.
            arguments: large ones as object references.
        """
        task = ray.remote(_sum_of_group).options(num_cpus=1, max_retries=3)
        sums = [
            task.remote(function, self.url, [shard.name for shard in group], columns, self.chosen, *arguments)
            for group in self._groups()
        ]
        add = ray.remote(_added).options(num_cpus=1, max_retries=3)
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
    """Yield the rows of each shard that count, and their places; a few shards are read at a time."""
    for table in _tables(url, shards, ["key", "number", *columns]):
        places = chosen.places(table["key"].to_numpy(), table["number"].to_numpy())
        yield table.filter(pa.array(places >= 0)).select(columns), places[places >= 0]


def read_names(url: str, shards: list[Shard]) -> Names:
    """Read keys and numbers of all rows of shards, (M,) each."""
    names = [shard.name for shard in shards]
    task = ray.remote(_names).options(num_cpus=0.5, max_retries=3)
    groups = [task.remote(url, names[start : start + FILES_A_TASK]) for start in range(0, len(names), FILES_A_TASK)]
    keys, numbers = zip(*ray.get(groups), strict=True)
    return np.concatenate(keys), np.concatenate(numbers)


def matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """Convert a column of features to (M, D)."""
    whole = column.combine_chunks()
    return np.asarray(pc.list_flatten(whole).to_numpy(zero_copy_only=False)).reshape(len(whole), -1)


def _tables(url: str, shards: list[str], columns: list[str]) -> Iterator[pa.Table]:
    """Read the shards that have rows."""
    folder = Folder(url)

    def read(shard: str) -> pa.Table | None:
        file = shard_file(shard, "features")
        if not folder.exists(file):  # all its pictures were rejected
            return None
        with redone_if_damaged(folder, shard), folder.parquet_file(file) as opened:
            return opened.read(columns=columns)

    with ThreadPoolExecutor(READERS) as pool:
        for start in range(0, len(shards), READERS):
            yield from (table for table in pool.map(read, shards[start : start + READERS]) if table is not None)


def _sum_of_group(
    function: Callable[..., Any], url: str, shards: list[str], columns: list[str], chosen: Chosen, *arguments: Any
) -> Any:
    found = [(table, places) for table, places in read_rows(url, shards, columns, chosen) if len(places)]
    if not found:
        return None
    tables, places = zip(*found, strict=True)
    # one call for the whole group: sums are larger than a shard
    return function(pa.concat_tables(tables), np.concatenate(places), *arguments)


def _added(*sums: Any) -> Any:
    """Add up the sums of groups; a group without rows that count gives None."""
    found = [each for each in sums if each is not None]
    return reduce(operator.add, found) if found else None


def _names(url: str, shards: list[str]) -> Names:
    tables = list(_tables(url, shards, ["key", "number"]))
    keys = [np.array([], np.int64), *(table["key"].to_numpy() for table in tables if table.num_rows)]
    numbers = [np.array([], np.int32), *(table["number"].to_numpy() for table in tables if table.num_rows)]
    return np.concatenate(keys), np.concatenate(numbers)
