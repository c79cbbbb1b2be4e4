"""Streaming shards through a Ray Data graph that commits each of them."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import ray
from ray.data import Dataset

from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, check_owner, finished
from pipelines.workers.progress import ShardProgress
from pipelines.workers.resources import Pool

logger = logging.getLogger(__name__)

# Shards in one execution of Ray Data. Each shard costs the driver 1 ms before the first one starts, and 12 KB until
# the last one ends. Each execution starts its own actors, which takes about a minute.
WINDOW = 25_000


Graph = Callable[[Dataset], Dataset]
"""Maps blocks of one item each to rows with `record`, the JSON of a `Record`."""


def stream_records(items: Iterable[dict[str, Any]], graph: Graph, output: Folder, owner: str) -> Iterator[Record]:
    """Yield the records of shards as they are committed.

    Args:
        items: what the graph makes shards of.

    Raises:
        TakenOverError: the output belongs to another run.
    """
    left = iter(items)
    # https://github.com/ray-project/ray/issues/53727: the driver holds those arguments for as long as it lives
    logger.info('an error line of Ray, "constructor arguments in the object store", may follow: it can be ignored')
    with says_who_took_over(output, owner):
        while window := list(islice(left, WINDOW)):
            for row in graph(ray.data.from_items(window, override_num_blocks=len(window))).iter_rows():
                yield Record.from_json(row["record"])


def stream_shards(shards: list[Shard], graph: Graph, output: Folder, owner: str) -> Iterator[Record]:
    """Stream shards: an item has name, source, and row_group, -1 for the whole file. Raises as `stream_records`."""
    items = (
        {"name": s.name, "source": s.source, "row_group": -1 if s.row_group is None else s.row_group} for s in shards
    )
    return stream_records(items, graph, output, owner)


def on_actors(actor: type, job: Any, pool: Pool) -> Graph:
    """Return the graph of a stage whose actors do all the work.

    Args:
        actor: a class that is made from `job` and, called with one item, commits its shards and returns their records.
    """

    def graph(blocks: Dataset) -> Dataset:
        return blocks.map_batches(
            actor, fn_constructor_args=[job], batch_size=1, batch_format="pyarrow", **pool.arguments()
        )

    return graph


def process_shards(
    actor: type, job: Any, shards: list[Shard], folders: tuple[str, str], pool: Pool, *, doing: str
) -> None:
    """Process the shards that are not done yet, with actors that do all the work of a stage.

    Args:
        actor: see `on_actors`.
        job: what the actors of a run are told; has `config` and `owner`.
        folders: those of kept and of rejected rows.
        doing: what the progress line calls the work.
    """
    output = Folder(job.config.output)
    records = finished(output, shards, folders)
    pending = [shard for shard in shards if shard.name not in records]
    logger.info("shards left: %d of %d", len(pending), len(shards))
    with ShardProgress(sum(shard.rows for shard in pending), pool.actors or 1, work=doing) as progress:
        for record in stream_shards(pending, on_actors(actor, job, pool), output, job.owner):
            progress.add(record)


@contextmanager
def says_who_took_over(output: Folder, owner: str) -> Iterator[None]:
    """Raise TakenOverError in place of the task error that it caused: it says more."""
    try:
        yield
    except ray.exceptions.RayTaskError:
        check_owner(output, owner)
        raise
