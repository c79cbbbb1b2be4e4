"""A worker's batches, read and decoded ahead of training."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ldm3d.data.order import BatchRows, GlobalOrder
from pipelines.storage.row_groups import OpenRowGroups, RowGroups

FETCHERS = 8  # row groups that are fetched at a time
ROWS_AHEAD = 256  # rows that are asked for before they are decoded: an object store takes a second at times

T = TypeVar("T")
X = TypeVar("X")


class BadRowError(RuntimeError):
    """A row that does not decode, and will not the next time."""


class Batch(NamedTuple, Generic[T]):
    """A worker's part of a global batch.

    step: of the whole training, from 0
    positions: (b,) int64, the number of each sample in the whole training, for what is drawn at random
    data: what the decoder made of the rows: named tuples of columns, which may be None
    """

    step: int
    positions: NDArray[np.int64]
    data: T

    def micro_batches(self, size: int | None) -> "list[Batch[T]]":
        """The same samples in batches of that size; None leaves them together."""
        size = size or len(self.positions)
        parts = (slice(start, start + size) for start in range(0, len(self.positions), size))
        return [Batch(self.step, self.positions[part], _rows(self.data, part)) for part in parts]


class BatchReader(Generic[T]):
    """Iterates over the batches [start, stop) of a worker, across epochs. Begins at `start` each time.

    Threads fetch row groups and decode batches while the consumer computes; they end with the iterator, whether it is
    exhausted, closed or dropped. A row group is held from the first of its rows to the last: about shuffle_rows +
    ROWS_AHEAD / lanes rows of each of the worker's lanes, as they are in the file. Beside them `threads` + 2 decoded
    batches.

    Attributes:
        wait_s: seconds that consumers have waited for batches so far.
        held: row groups that are kept for later batches now.
    """

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
        """
        Args:
            order: of these row groups.
            decode: the rows of a batch, in their order, with the columns of `row_groups` and position, int64. Called
                in threads.
            start, stop: steps; one epoch follows the other.
            threads: batches that are decoded at a time.

        Raises:
            ValueError: the order's lanes do not divide among the workers.
        """
        self.row_groups, self.order, self.decode = row_groups, order, decode
        self.start, self.stop, self.threads = start, stop, threads
        self.lanes = order.lanes_of(rank, workers)
        self.wait_s = 0.0
        self.held = 0

    def __iter__(self) -> Iterator[Batch[T]]:
        """
        Raises:
            OSError: a row group cannot be read; says which.
            BadRowError: a row does not decode; says which.
        """
        rows = len(self.lanes) * self.order.batch_size // self.order.lanes
        with _Pool(FETCHERS, "fetch-rows") as fetchers, _Pool(self.threads, "decode-rows") as decoders:
            drawn = self.order.batches(self.start, self.stop, self.lanes)
            fetched = _ahead(self._fetched(drawn, fetchers), -(-ROWS_AHEAD // rows))
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
        """With each batch the row groups that its rows are in; each is asked for once."""
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
        """Where the first row is that does not decode by itself."""
        for index, (group, row) in enumerate(zip(batch.groups, batch.rows, strict=True)):
            try:
                self.decode(rows.slice(index, 1))
            except Exception:
                return f"{self.row_groups.name(group)}, row {row}"
        return f"the batch of step {batch.step}, whose rows decode one by one"


def _rows(columns: Any, part: slice) -> Any:
    """Some rows of a column, or of each column of a named tuple."""
    if isinstance(columns, tuple):
        return type(columns)(*(_rows(column, part) for column in columns))
    return None if columns is None else columns[part]


class _Pool(ThreadPoolExecutor):
    """Threads whose work is dropped when they are no longer needed: nobody waits for what nobody wants."""

    def __exit__(self, *_: object) -> None:
        self.shutdown(wait=False, cancel_futures=True)


def _ahead(items: Iterator[X], count: int) -> Iterator[X]:
    """The same items, each made when the one `count` places before it is asked for."""
    ready = deque(islice(items, count))
    while ready:
        ready.extend(islice(items, 1))
        yield ready.popleft()
