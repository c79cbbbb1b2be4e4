"""What a person sees while shards come in: rows/s, busy share of the accelerators, rejects by reason, time left."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

from pipelines.storage.shards import Record
from pipelines.workers.resources import LABEL_CALLS
from pipelines.workers.status_line import StatusLine

REASONS_SHOWN = 4


class ShardProgress:
    """Counts finished shards; a live bar on a terminal, a line now and then elsewhere.

    Busy share is the time that label actors spent in the model over the time that they had. It, rows/s and time left
    are taken from the first finished shard on, so that start-up does not count, once there are `enough` shards: they
    count when they are committed, and up to `LABEL_CALLS` an actor are labelled but not yet that, so four times as
    many keep the error of the busy share below a quarter. Before, it is not shown, and the others are of all the time.
    """

    def __init__(
        self,
        rows: int,
        actors: int,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
        work: str = "labelling",
    ) -> None:
        self.work = work
        self.rows = rows
        self.actors = actors
        self.enough = 1 + 4 * LABEL_CALLS * actors
        self.clock = clock
        self.status = StatusLine(rows, stream, clock)
        self.done = self.kept = self.shards = 0
        self.rejected: Counter[str] = Counter()
        self.began = self.latest = clock()
        self.first: float | None = None
        self.rows_since_first = 0
        self.device_s_since_first = 0.0

    def __enter__(self) -> Self:
        self.status.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.status.__exit__(kind, error, trace)
        if self.done and not self.status.is_live:
            self.status.show(self.done, self.line(), always=True)

    def add(self, record: Record) -> None:
        """Count one finished shard, and show it where that is due."""
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
        self.status.show(self.done, self.line())

    @property
    def steady_s(self) -> float | None:
        """Seconds from the first finished shard to the latest; None before they are enough to go by."""
        if self.first is None or self.shards < self.enough or self.latest <= self.first:
            return None
        return self.latest - self.first

    @property
    def busy_share(self) -> float | None:
        """Share of the label actors' time spent in the model, [0, 1]; None before there is anything to say."""
        if self.steady_s is None or not self.device_s_since_first:
            return None
        return min(1.0, self.device_s_since_first / (self.steady_s * self.actors))

    @property
    def rows_per_s(self) -> float:
        """Rows finished in a second, kept or rejected."""
        if self.steady_s is None:
            return self.done / max(1e-9, self.clock() - self.began)
        return self.rows_since_first / self.steady_s

    def line(self) -> str:
        """One line with everything."""
        left = timedelta(seconds=round((self.rows - self.done) / max(1e-9, self.rows_per_s))) if self.done else "?"
        common = ", ".join(f"{reason} {count}" for reason, count in self.rejected.most_common(REASONS_SHOWN))
        more = ", ..." if len(self.rejected) > REASONS_SHOWN else ""
        busy = "" if self.busy_share is None else f" | {self.work} busy {self.busy_share:.0%}"
        rejected = f"{self.rejected.total():,} rejected" + (f" ({common}{more})" if common else "")
        return (
            f"{self.done:,}/{self.rows:,} rows | {self.rows_per_s:,.1f} rows/s | {self.kept:,} kept | "
            f"{rejected}{busy} | {left} left"
        )
