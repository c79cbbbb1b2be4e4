"""Shards through a graph of Ray Data, each as far as its marker."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.data import Dataset

from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, check_owner, finished
from pipelines.workers.progress import ShardProgress
from pipelines.workers.resources import Pool

logger = logging.getLogger(__name__)

# Shards an execution of Ray Data. Each takes the driver 1 ms before the first one starts, and 12 KB until the last has
# ended; each execution starts its actors anew, which takes about a minute.
WINDOW = 25_000


def stream_shards(
    shards: list[Shard], graph: Callable[[Dataset], Dataset], output: Folder, owner: str
) -> Iterator[Record]:
    """The records of shards, as they are committed.

    Args:
        graph: blocks of one shard each (name, source; row_group, -1 for the whole file) -> rows with `record`, JSON.

    Raises:
        TakenOverError: the output belongs to another run.
    """
    with says_who_took_over(output, owner):
        for start in range(0, len(shards), WINDOW):
            items = [
                {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group}
                for s in shards[start : start + WINDOW]
            ]
            for row in graph(ray.data.from_items(items, override_num_blocks=len(items))).iter_rows():
                yield Record.from_json(row["record"])


def work_off(
    actor: type, work: Any, shards: list[Shard], contracts: tuple[str, str], pool: Pool, *, doing: str
) -> None:
    """The shards that are not done yet, by actors that do all the work of a stage.

    Args:
        actor: made of `work`, called with one shard at a time, gives its record.
        work: what a run's actors are told; has `config` and `owner`.
        contracts: folders of the rows that are kept, and of the others.
        doing: what progress is told of.
    """
    output = Folder(work.config.output)
    records = finished(output, shards, contracts)
    pending = [shard for shard in shards if shard.name not in records]
    logger.info("%d of %d shards to do", len(pending), len(shards))

    def graph(blocks: Dataset) -> Dataset:
        return blocks.map_batches(
            actor, fn_constructor_args=[work], batch_size=1, batch_format="pyarrow", **pool.arguments()
        )

    with ShardProgress(sum(shard.rows for shard in pending), pool.actors or 1, work=doing) as progress:
        for record in stream_shards(pending, graph, output, work.owner):
            progress.add(record)


@contextmanager
def says_who_took_over(output: Folder, owner: str) -> Iterator[None]:
    """Where a task fails for it, the TakenOverError says more than the task that found it out."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        check_owner(output, owner)
        raise
