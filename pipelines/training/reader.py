"""A worker's batches, read and decoded ahead of training."""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import Generic, TypeVar

import pyarrow as pa

from ldm3d.data.order import BatchRows, GlobalOrder
from pipelines.storage.row_groups import OpenRowGroups, RowGroups
from pipelines.training.batch import Batch

FETCHERS = 8  # row groups fetched at a time
ROWS_AHEAD = 256  # rows requested before they are decoded: an object store sometimes takes a second

T = TypeVar("T")
X = TypeVar("X")


class BadRowError(RuntimeError):
    """A row that does not decode: trying again does not help."""


class BatchReader(Generic[T]):
    """Iterates over the batches [start, stop) of a worker, across epochs. Each iteration begins at `start`.

    Threads fetch row groups and decode batches while the consumer computes; they end with the iterator, whether it is
    exhausted, closed or dropped. A row group stays in memory from the first of its rows to the last: about
    shuffle_rows + ROWS_AHEAD / lanes rows of each of the worker's lanes, encoded as in the file, besides `threads` + 2
    decoded batches.
    """

    wait_s: float
    """Seconds that consumers have waited for batches so far."""
    held: int
    """Row groups currently kept for later batches."""

    def __init__(
        self,
        row_groups: RowGroups,
        order: GlobalOrder,
        decode: Callable[[pa.Table], T],
        *,
        start: int,
        stop: int,
        rank: int = 0,
        workers: int = 1,
        threads: int = 1,
    ) -> None:
        """Prepare to read; nothing is read yet.

        Args:
            order: of these row groups.
            decode: called in threads with the rows of a batch, in their order, with the columns of `row_groups` and
                `position`, int64.
            start, stop: steps of the whole training.
            threads: batches decoded at a time.

        Raises:
            ValueError: the order's lanes cannot be divided among the workers.
        """
        self.row_groups, self.order, self.decode = row_groups, order, decode
        self.start, self.stop, self.threads = start, stop, threads
        self.lanes = order.lanes_of(rank, workers)
        self.wait_s, self.held = 0.0, 0

    def __iter__(self) -> Iterator[Batch[T]]:
        """Read the batches.

        Raises:
            OSError: a row group cannot be read; the message names it.
            BadRowError: a row does not decode; the message names it.
        """
        rows = len(self.lanes) * self.order.batch_size // self.order.lanes
        with _Pool(FETCHERS, "fetch-rows") as fetchers, _Pool(self.threads, "decode-rows") as decoders:
            drawn = self.order.batches(self.start, self.stop, self.lanes)
            fetched = _ahead(self._fetched(drawn, fetchers), math.ceil(ROWS_AHEAD / rows))
            decoded = _ahead((decoders.submit(self._decoded, *each) for each in fetched), self.threads + 1)
            while True:
                began = perf_counter()
                future = next(decoded, None)
                if future is None:
                    return
                batch = future.result()
                self.wait_s += perf_counter() - began
                yield batch

    def _fetched(
        self, drawn: Iterable[BatchRows], fetchers: ThreadPoolExecutor
    ) -> Iterator[tuple[BatchRows, list[Future[pa.Table]]]]:
        """Yield each batch with the row group of each of its rows. A row group is requested once a visit."""
        opened = OpenRowGroups(self.row_groups)
        held: dict[int, Future[pa.Table]] = {}
        for batch in drawn:
            sources = []
            places = zip(batch.visits.tolist(), batch.groups.tolist(), batch.final.tolist(), strict=True)
            for visit, group, final in places:
                if visit not in held:
                    held[visit] = fetchers.submit(opened.read, group)
                sources.append(held[visit])
                if final:
                    del held[visit]
            self.held = len(held)
            yield batch, sources

    def _decoded(self, batch: BatchRows, sources: list[Future[pa.Table]]) -> Batch[T]:
        parts = [source.result().slice(row, 1) for source, row in zip(sources, batch.rows.tolist(), strict=True)]
        rows = pa.concat_tables(parts).append_column("position", pa.array(batch.positions))
        try:
            return Batch(batch.step, batch.positions, self.decode(rows))
        except Exception as error:
            raise BadRowError(f"{self._culprit(batch, rows)}: {error}") from error

    def _culprit(self, batch: BatchRows, rows: pa.Table) -> str:
        """Return the place of the first row that does not decode by itself."""
        for index, (group, row) in enumerate(zip(batch.groups, batch.rows, strict=True)):
            try:
                self.decode(rows.slice(index, 1))
            except Exception:
                return f"{self.row_groups.name(group)}, row {row}"
        return f"the batch of step {batch.step}, whose rows decode one by one"


class _Pool(ThreadPoolExecutor):
    """Threads that drop the work that is left when the `with` ends, instead of finishing it."""

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=False, cancel_futures=True)


def _ahead(items: Iterator[X], count: int) -> Iterator[X]:
    """Yield the same items, but compute each when the one `count` places before it is requested."""
    ready = deque(islice(items, count))
    while ready:
        ready.extend(islice(items, 1))
        yield ready.popleft()
