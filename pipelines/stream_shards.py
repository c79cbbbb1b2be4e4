"""Shards through a graph of Ray Data, each as far as its marker."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import ray
from ray.data import Dataset

from pipelines.commit import Record, Shard, check_owner
from pipelines.storage import Folder

# Shards an execution of Ray Data. Each takes the driver 1 ms before the first one starts, and 12 KB until the last has
# ended; each execution starts its actors anew, which takes about a minute.
WINDOW = 25_000


def stream_shards(
    shards: list[Shard], graph: Callable[[Dataset], Dataset], output: Folder, run: str
) -> Iterator[Record]:
    """The records of shards, as they are committed.

    Args:
        graph: blocks of one shard each (name, source; row_group, -1 for the whole file) -> rows with `record`, JSON.

    Raises:
        TakenOverError: the output belongs to another run.
    """
    with says_who_took_over(output, run):
        for start in range(0, len(shards), WINDOW):
            items = [
                {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group}
                for s in shards[start : start + WINDOW]
            ]
            for row in graph(ray.data.from_items(items, override_num_blocks=len(items))).iter_rows():
                yield Record(**json.loads(row["record"]))


@contextmanager
def says_who_took_over(output: Folder, run: str) -> Iterator[None]:
    """Where a task fails for it, the TakenOverError says more than the task that found it out."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        check_owner(output, run)
        raise
