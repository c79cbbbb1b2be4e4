"""The progress line of a stage: rows/s, busy share of the accelerators, rejects by reason, time left."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from pipelines.storage.shards import Record
from pipelines.workers.resources import DEVICE_CALLS
from pipelines.workers.status_line import StatusLine

REASONS_SHOWN = 4


class ShardProgress(StatusLine):
    """Counts finished shards. Shows a live bar on a terminal, a line every few seconds elsewhere.

    The busy share is the time that the actors spent in their networks over the time that they had. Once there are
    `enough` shards, it and rows/s are measured from the first finished shard on, so that start-up does not count.
    Until then the busy share is not shown, and rows/s are those since the start. A shard counts when it is committed,
    and up to `DEVICE_CALLS` shards of each actor are through the network but not committed yet: four times as many
    finished ones keep the error of the busy share below a quarter.
    """

    def __init__(
        self,
        rows: int,
        actors: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        work: str = "labelling",
    ) -> None:
        super().__init__(rows, stream, clock)
        self.work, self.actors = work, actors
        self.enough = 1 + 4 * DEVICE_CALLS * actors
        self.done = self.kept = self.shards = 0
        self.rejected: Counter[str] = Counter()
        self.began = self.latest = clock()
        self.first: float | None = None
        self.rows_since_first = 0
        self.device_s_since_first = 0.0

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        if self.done and not self.is_live:
            self.put(self.done, self.line(), always=True)

    def add(self, record: Record) -> None:
        """Count one finished shard, and update the line."""
        self.done += record.rows
        self.kept += record.kept
        self.rejected.update(record.rejected)
        self.shards += 1
        self.latest = self.clock()
        if self.first is None:
            self.first = self.latest
        else:
            self.rows_since_first += record.rows
            self.device_s_since_first += record.device_seconds
        self.put(self.done, self.line())

    @property
    def steady_s(self) -> float | None:
        """Seconds from the first finished shard to the latest. None while they are too few to go by."""
        if self.first is None or self.shards < self.enough or self.latest <= self.first:
            return None
        return self.latest - self.first

    @property
    def busy_share(self) -> float | None:
        """Share of the actors' time spent in the network, [0, 1]. None while shards are too few."""
        if self.steady_s is None or not self.device_s_since_first:
            return None
        return min(1.0, self.device_s_since_first / (self.steady_s * self.actors))

    @property
    def rows_per_s(self) -> float:
        """Rows finished in a second, kept and rejected together."""
        if self.steady_s is None:
            return self.done / max(1e-9, self.clock() - self.began)
        return self.rows_since_first / self.steady_s

    def line(self) -> str:
        """Return the line."""
        left = timedelta(seconds=round((self.total - self.done) / max(1e-9, self.rows_per_s))) if self.done else "?"
        common = ", ".join(f"{reason} {count}" for reason, count in self.rejected.most_common(REASONS_SHOWN))
        more = ", ..." if len(self.rejected) > REASONS_SHOWN else ""
        busy = "" if self.busy_share is None else f" | {self.work} busy {self.busy_share:.0%}"
        rejected = f"{self.rejected.total():,} rejected" + (f" ({common}{more})" if common else "")
        return (
            f"{self.done:,}/{self.total:,} rows | {self.rows_per_s:,.1f} rows/s | {self.kept:,} kept | "
            f"{rejected}{busy} | {left} left"
        )
