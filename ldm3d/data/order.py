"""The global order of samples: which rows form batch k, by arithmetic on the sizes of row groups.

An epoch shuffles the row groups and lays their rows end to end. What fills whole batches is cut into lanes, equally
long, and every batch takes as many rows from each lane. A worker owns whole lanes: it reads its own row groups and no
others, and a batch is the same for any number of workers.

Within a lane row i gets the key i + u * shuffle_rows, u uniform in [0, 1), and rows are taken in the order of their
keys. Then no row moves by more than `shuffle_rows` places, so a stretch of the order is found by sorting the keys
around it, whatever came before. Row groups come into use and out of it one by one. Were rows shuffled in windows
instead, a reader would need all row groups of a window at once, and hold two windows to be ready for the next. (At
either end of a lane fewer rows are in reach: its first is one of the first 2 * sqrt(shuffle_rows) or so.)
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
    """A worker's part of a global batch of b * workers rows: lane after lane.

    Attributes:
        step: of the whole training, from 0.
        positions: (b,) int64, step * batch_size + place in the global batch: the number of a sample in the training.
        groups, rows: (b,) int64, the row group, and the row within it.
        visits: (b,) int64, the same number for all rows of one row group in one lane and epoch, and for no others.
        final: (b,) bool, no later row is of this visit: its row group can be let go.
    """

    step: int
    positions: Ints
    groups: Ints
    rows: Ints
    visits: Ints
    final: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class GlobalOrder:
    """Batches of all epochs, numbered by step. Rows that do not fill a batch (fewer than one) sit out an epoch.

    Attributes:
        group_rows: (G,) int64, rows of each row group, listed in the same order whenever a training goes on.
        batch_size: samples per step, over all workers.
        lanes: a divisor of `batch_size`.
        shuffle_rows: how many places a row can move within its lane; 1 leaves them as they are.
        seed: 0 or more.

    Raises:
        ValueError: the rows do not fill one batch, or `lanes` does not divide it.
    """

    group_rows: Ints
    batch_size: int
    lanes: int
    shuffle_rows: int
    seed: int

    def __post_init__(self) -> None:
        if self.batch_size % self.lanes:
            raise ValueError(f"{self.lanes} lanes do not divide a batch of {self.batch_size}: take a divisor of it")
        if self.steps_per_epoch == 0:
            got = f"{int(self.group_rows.sum())} rows, fewer than one batch of {self.batch_size}"
            raise ValueError(f"{got}: give more data, or lower loop.batch_size")

    @cached_property
    def steps_per_epoch(self) -> int:
        return int(self.group_rows.sum()) // self.batch_size

    def lanes_of(self, rank: int, workers: int) -> range:
        """The lanes of a worker.

        Raises:
            ValueError: the lanes cannot be shared out evenly.
        """
        if self.lanes % workers:
            got = f"{self.lanes} lanes do not divide among {workers} workers"
            raise ValueError(f"{got}: take a worker count that divides loop.lanes, or other lanes")
        share = self.lanes // workers
        return range(rank * share, (rank + 1) * share)

    def batches(self, start: int, stop: int, lanes: range) -> Iterator[BatchRows]:
        """The part that `lanes` have in the batches of steps [start, stop), which may lie in several epochs."""
        while start < stop:
            number, first = divmod(start, self.steps_per_epoch)
            end = min(first + stop - start, self.steps_per_epoch)
            yield from _Epoch(self, number).batches(first, end, lanes)
            start += end - first


class _Epoch:
    """One pass over the data. A place is a row's index among all rows, row groups being shuffled."""

    def __init__(self, order: GlobalOrder, number: int) -> None:
        self.order, self.number = order, number
        self.share = order.batch_size // order.lanes  # rows of a lane in a batch
        self.lane_rows = order.steps_per_epoch * self.share
        # not Generator.permutation, which may give another order in a later numpy; bit streams are for ever
        self.groups = np.argsort(self._bits(_GROUPS, 0, len(order.group_rows)), kind="stable")
        self.ends = np.cumsum(order.group_rows[self.groups])  # places
        self.begins = self.ends - order.group_rows[self.groups]

    def batches(self, start: int, stop: int, lanes: range) -> Iterator[BatchRows]:
        """The part of `lanes` in this epoch's steps [start, stop)."""
        order = self.order
        in_batch = np.arange(lanes.start * self.share, lanes.stop * self.share)
        stride = max(1, order.shuffle_rows // self.share)  # steps worked out at a time: about three keys a row
        for first in range(start, stop, stride):
            end = min(first + stride, stop)
            taken = [self._take(lane, first * self.share, end * self.share) for lane in lanes]
            # lane after lane -> step after step, and within a step lane after lane
            columns = [
                np.concatenate([part.reshape(end - first, -1) for part in parts], axis=1)
                for parts in zip(*taken, strict=True)
            ]
            for index, rows in enumerate(zip(*columns, strict=True)):
                step = self.number * order.steps_per_epoch + first + index
                yield BatchRows(step, step * order.batch_size + in_batch, *rows)

    def _take(self, lane: int, start: int, stop: int) -> tuple[Ints, Ints, Ints, NDArray[np.bool_]]:
        """The rows of a lane at [start, stop) of its order: their groups, rows, visits, final."""
        begin, end = lane * self.lane_rows, (lane + 1) * self.lane_rows
        reach = self.order.shuffle_rows
        low, high = max(begin, begin + start - reach), min(end, begin + stop + reach)
        # on to whole row groups, as far as they are in the lane, to know which of their rows is the last
        outer = np.searchsorted(self.ends, [low, high - 1], side="right")
        low, high = max(begin, int(self.begins[outer[0]])), min(end, int(self.ends[outer[1]]))
        places = np.arange(low, high)
        keys = (places - begin) + reach * self._uniform(_ROWS, low, high)
        at = np.searchsorted(self.ends, places, side="right")
        firsts = np.flatnonzero(np.diff(at, prepend=-1))
        final = keys == np.repeat(np.maximum.reduceat(keys, firsts), np.diff(firsts, append=len(keys)))
        # all places before `low` come before `start`
        taken = np.argsort(keys, kind="stable")[begin + start - low : begin + stop - low]
        group = at[taken]
        visit = (self.number * self.order.lanes + lane) * len(self.groups) + group
        return self.groups[group], places[taken] - self.begins[group], visit, final[taken]

    def _uniform(self, use: int, begin: int, end: int) -> NDArray[np.float64]:
        """Numbers `begin` to `end` of a stream of uniform [0, 1)."""
        return np.ldexp((self._bits(use, begin, end) >> np.uint64(11)).astype(np.float64), -53)

    def _bits(self, use: int, begin: int, end: int) -> NDArray[np.uint64]:
        """Numbers `begin` to `end` of a stream of 64 random bits each, one stream for each use in each epoch."""
        key = np.random.SeedSequence([self.order.seed, self.number, use]).generate_state(2, np.uint64)
        skip = begin % 4  # Philox makes four numbers for each value of its counter
        stream = np.random.Philox(key=key, counter=begin // 4)
        return stream.random_raw(end - begin + skip)[skip:]
