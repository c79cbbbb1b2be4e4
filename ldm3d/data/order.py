"""The global order of samples: which rows form batch k, computed from the sizes of row groups.

An epoch shuffles the row groups and concatenates their rows. The rows that fill whole batches are cut into lanes of
equal length, and every batch takes the same number of rows from each lane. A worker owns whole lanes, so it reads only
its own row groups, and a batch is the same for any number of workers.

Within a lane, row i gets the key i + u * shuffle_rows with u uniform in [0, 1), and rows are taken in the order of
their keys. So no row moves by more than `shuffle_rows` places, and any stretch of the order is found by sorting the
keys around it, without those before. Row groups come into use and go out of use one by one. If rows were shuffled in
windows instead, a reader would need all row groups of a window at once, and hold two windows to have the next ready.
(At either end of a lane fewer rows are in reach: the first is one of the first 2 * sqrt(shuffle_rows) or so.)
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
_GROUPS, _ROWS = 0, 1  # what random bits are for


class BatchRows(NamedTuple):
    """A worker's b rows of a global batch of b * workers rows, lane after lane."""

    step: int
    """Step of the whole training, from 0."""
    positions: Ints
    """(b,), numbers of the samples in the training: step * batch_size + place in the global batch."""
    groups: Ints
    """(b,), row groups."""
    rows: Ints
    """(b,), rows within their row groups."""
    visits: Ints
    """(b,), one number for all rows of a row group in one lane and epoch, shared by no others."""
    final: NDArray[np.bool_]
    """(b,), True for the last row of a visit: its row group can be released."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalOrder:
    """Batches of all epochs, numbered by step. The rows left over at the end, fewer than a batch, sit out the epoch.

    Raises:
        ValueError: the rows do not fill one batch, or `lanes` does not divide it.
    """

    group_rows: Ints
    """(G,), rows of each row group, listed in the same order whenever a training resumes."""
    batch_size: int
    """Samples per step, over all workers."""
    lanes: int
    """A divisor of `batch_size`."""
    shuffle_rows: int
    """How many places a row can move within its lane; 1 keeps the order."""
    seed: int
    """0 or more."""

    def __post_init__(self) -> None:
        if self.batch_size % self.lanes:
            raise ValueError(f"--loop.lanes {self.lanes} does not divide a batch of {self.batch_size}: give a divisor")
        if self.steps_per_epoch == 0:
            got = f"the data has fewer rows ({int(self.group_rows.sum())}) than a batch of {self.batch_size}"
            raise ValueError(f"{got}: give more data, or lower --loop.batch-size")

    @cached_property
    def steps_per_epoch(self) -> int:
        return int(self.group_rows.sum()) // self.batch_size

    def lanes_of(self, rank: int, workers: int) -> range:
        """Return the lanes of a worker.

        Raises:
            ValueError: the workers cannot have equally many.
        """
        if self.lanes % workers:
            raise ValueError(
                f"--loop.lanes {self.lanes} cannot be divided among {workers} workers: change one of these numbers"
            )
        share = self.lanes // workers
        return range(rank * share, (rank + 1) * share)

    def batches(self, start: int, stop: int, lanes: range) -> Iterator[BatchRows]:
        """Yield the rows of `lanes` in the batches of steps [start, stop), which may span epochs."""
        while start < stop:
            number, first = divmod(start, self.steps_per_epoch)
            end = min(first + stop - start, self.steps_per_epoch)
            yield from _Epoch(self, number).batches(first, end, lanes)
            start += end - first


class _Epoch:
    """One pass over the data. A place is a row's index among all rows after shuffling the row groups."""

    def __init__(self, order: GlobalOrder, number: int) -> None:
        self.order, self.number = order, number
        self.share = order.batch_size // order.lanes  # rows of a lane in a batch
        self.lane_rows = order.steps_per_epoch * self.share
        # not Generator.permutation, whose order may change with numpy; bit streams never do
        self.groups = np.argsort(self._bits(_GROUPS, 0, len(order.group_rows)), kind="stable")
        sizes = order.group_rows[self.groups]
        self.ends = np.cumsum(sizes)  # places
        self.begins = self.ends - sizes

    def batches(self, start: int, stop: int, lanes: range) -> Iterator[BatchRows]:
        """Yield the rows of `lanes` in this epoch's steps [start, stop)."""
        order = self.order
        in_batch = np.arange(lanes.start * self.share, lanes.stop * self.share)
        stride = max(1, order.shuffle_rows // self.share)  # steps computed at a time: about three keys a row
        for first in range(start, stop, stride):
            end = min(first + stride, stop)
            taken = [self._take(lane, first * self.share, end * self.share) for lane in lanes]
            # from lane after lane to step after step, with lane after lane within a step
            columns = []
            for by_lane in zip(*taken, strict=True):
                by_step = [values.reshape(end - first, -1) for values in by_lane]
                columns.append(np.concatenate(by_step, axis=1))
            for index, rows in enumerate(zip(*columns, strict=True)):
                step = self.number * order.steps_per_epoch + first + index
                yield BatchRows(step, step * order.batch_size + in_batch, *rows)

    def _take(self, lane: int, start: int, stop: int) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
        """Return rows [start, stop) in the order of a lane: their groups, rows, visits, final."""
        # places whose rows may be among them
        begin, end = lane * self.lane_rows, (lane + 1) * self.lane_rows
        reach = self.order.shuffle_rows
        low, high = max(begin, begin + start - reach), min(end, begin + stop + reach)
        # extended to whole row groups within the lane, to know the last row of each
        outer = np.searchsorted(self.ends, [low, high - 1], side="right")
        low, high = max(begin, int(self.begins[outer[0]])), min(end, int(self.ends[outer[1]]))
        # keys, and for each row group the row with the largest
        places = np.arange(low, high)
        keys = (places - begin) + reach * self._uniform(_ROWS, low, high)
        at = np.searchsorted(self.ends, places, side="right")
        firsts = np.flatnonzero(np.diff(at, prepend=-1))
        final = keys == np.repeat(np.maximum.reduceat(keys, firsts), np.diff(firsts, append=len(keys)))
        # all places before `low` precede `start` in the order
        taken = np.argsort(keys, kind="stable")[begin + start - low : begin + stop - low]
        group = at[taken]
        visit = (self.number * self.order.lanes + lane) * len(self.groups) + group
        return self.groups[group], places[taken] - self.begins[group], visit, final[taken]

    def _uniform(self, use: int, begin: int, end: int) -> NDArray[np.float64]:
        """Return numbers `begin` to `end` of a stream of uniform [0, 1)."""
        return np.ldexp((self._bits(use, begin, end) >> np.uint64(11)).astype(np.float64), -53)

    def _bits(self, use: int, begin: int, end: int) -> NDArray[np.uint64]:
        """Return numbers `begin` to `end`, 64 random bits each, of the stream for this use in this epoch."""
        key = np.random.SeedSequence([self.order.seed, self.number, use]).generate_state(2, np.uint64)
        skip = begin % 4  # Philox makes four numbers for each value of its counter
        stream = np.random.Philox(key=key, counter=begin // 4)
        return stream.random_raw(end - begin + skip)[skip:]
