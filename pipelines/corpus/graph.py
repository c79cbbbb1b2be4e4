"""The graph of the corpus stage on Ray Data: shard -> Downloader -> DepthLabeler -> write_shards.

A block is a shard all the way. When a corpus is relabelled, `CorpusReader` takes the place of `Downloader`; where
depth comes from a column of the metadata, `GivenDepth` takes that of `DepthLabeler`.
"""

import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from ray.data import DataContext, Dataset

from ldm3d.config import CorpusConfig
from ldm3d.fetch.duration import longest_fetch_s
from ldm3d.rows.pictures import is_web
from pipelines.corpus.download import Downloader
from pipelines.corpus.given_depth import GivenDepth
from pipelines.corpus.label_depth import DepthLabeler
from pipelines.corpus.plan import FOLDERS
from pipelines.corpus.relabel import CorpusReader
from pipelines.corpus.resources import Resources
from pipelines.corpus.retry import rows_to_retry
from pipelines.corpus.write_shards import write_shards
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, Shard, finished
from pipelines.workers.progress import ShardProgress
from pipelines.workers.resources import Pool
from pipelines.workers.stream_shards import stream_shards

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Actors:
    """The classes of the actors. Benchmarks measure the graph with stand-ins of the same contracts."""

    download: type = Downloader
    label: type = DepthLabeler


@dataclass(frozen=True)
class CorpusGraph:
    """The graph, ready to run."""

    config: CorpusConfig
    resources: Resources
    actors: Actors
    owner: str
    provenance: dict[str, Any]
    """How rows are made, for the metadata of their files."""
    relabels: bool
    """Read rows from the corpus that is the input, and download nothing."""

    def process(self, shards: list[Shard]) -> dict[str, Record]:
        """Process the shards that are not done yet, and try rejects of the others again if the settings say so.
        Returns the records of all shards."""
        records = finished(Folder(self.config.output), shards, FOLDERS)
        pending = [shard for shard in shards if shard.name not in records]
        logger.info("shards left: %d of %d", len(pending), len(shards))
        made = self._stream(pending, retries=False)
        if self.config.retry_rejects:
            again = [shard for shard in shards if shard.name in records and rows_to_retry(records[shard.name])]
            count = sum(rows_to_retry(records[shard.name]) for shard in again)
            logger.info("rejected rows to try again: %d, of %d shards", count, len(again))
            made |= self._stream(again, retries=True)
        return records | made

    def _stream(self, pending: list[Shard], *, retries: bool) -> dict[str, Record]:
        """Process shards, or the rows of them that are to be tried again. Returns their records."""
        output, records = Folder(self.config.output), dict[str, Record]()
        if not pending:
            return records
        if not self.relabels:
            sample = max(pending, key=lambda shard: shard.rows)
            rows = output.read_table(sample.source, columns=["url"], row_group=sample.row_group)
            urls = [url for url in rows["url"].to_pylist() if is_web(url)]
            allow_for_slow_hosts(self.config, urls, self.resources.download)
        graph = partial(self._graph, retries=retries)
        with ShardProgress(sum(shard.rows for shard in pending), self.resources.label.actors or 1) as progress:
            for record in stream_shards(pending, graph, output, self.owner):
                records[record.name] = record
                progress.add(record)
        return records

    def _graph(self, shards: Dataset, *, retries: bool) -> Dataset:
        """Map blocks of one shard each to the records of their shards, committed."""
        config, download = self.config, self.resources.download
        images = shards.map_batches(
            CorpusReader if self.relabels else self.actors.download,
            fn_constructor_args=(
                [config.input] if self.relabels else [config, download.actors, download.cpus, download.calls]
            ),
            fn_constructor_kwargs={"retries": True} if retries else {},
            batch_size=1,
            batch_format="pyarrow",
            **download.arguments(),
        )
        given = config.label.column is not None
        labelled = images.map_batches(
            GivenDepth if given else self.actors.label,
            fn_constructor_args=[config] if given else [config.label, config.cluster.label_cpus],
            batch_size=config.shards.rows,  # Ray joins a smaller block, such as a split's last shard, to the next
            batch_format="pyarrow",
            **self.resources.label.arguments(),
        )
        write = partial(write_shards, config=config, owner=self.owner, provenance=self.provenance, retries=retries)
        return labelled.map_batches(write, batch_size=None, batch_format="pyarrow", **self.resources.write.arguments())


def allow_for_slow_hosts(config: CorpusConfig, urls: list[str], download: Pool) -> None:
    """Raise Ray's no-progress timeout when rate-limited hosts may legitimately delay every shard in flight.

    Args:
        urls: of one shard. Shards are random samples of the metadata, so any other is like it.
    """
    longest_s = longest_fetch_s(urls, config.download, download.actors or 1, download.calls)
    if longest_s > config.cluster.no_progress_timeout_s:
        DataContext.get_current().execution_no_progress_timeout_s = longest_s
        logger.info(
            "the no-progress timeout is %.0f s, the longest that a shard may take within the limits of threads, hosts "
            "and deadlines. Hosts with many URLs are slow: see --download.per-host and --download.deadline-s",
            longest_s,
        )
