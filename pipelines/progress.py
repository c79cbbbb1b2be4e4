"""What a person sees while shards come in: rows/s, busy share of the accelerators, rejects by reason, time left."""

import sys
import time
from collections import Counter
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from pipelines.commit import Record

LOG_EVERY_S = 15.0
REASONS_SHOWN = 4


class ShardProgress:
    """Counts finished shards; a live bar on a terminal, a line now and then elsewhere.

    Busy share is the time that label actors spent in the model over the time that they had, from the first finished
    shard on, so that start-up does not count. Both are of committed shards: over a few shards it says too much.
    """

    def __init__(self, rows: int, label_actors: int, stream: TextIO | None = None) -> None:
        self.rows = rows
        self.label_actors = label_actors
        self.stream = stream or sys.stderr
        self.done = self.kept = 0
        self.rejected: Counter[str] = Counter()
        self.busy_s = 0.0
        self.began = self.logged = time.monotonic()
        self.first: float | None = None
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.stream.isatty():
            columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=self.stream))
            self._task = self._bar.add_task("starting", total=self.rows)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()
        elif self.done:
            print(self.line(), file=self.stream, flush=True)

    def add(self, record: Record) -> None:
        """Count one finished shard, and show it where that is due."""
        self.done += record.rows
        self.kept += record.kept
        self.rejected.update(record.rejected)
        now = time.monotonic()
        if self.first is None:
            self.first = now
        else:
            self.busy_s += record.label_seconds
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=self.done, description=self.line())
        elif now - self.logged >= LOG_EVERY_S:
            self.logged = now
            print(self.line(), file=self.stream, flush=True)

    @property
    def busy_share(self) -> float | None:
        """Share of the label actors' time spent in the model, [0, 1]; None before there is anything to say."""
        steady = time.monotonic() - (self.first or time.monotonic())
        return min(1.0, self.busy_s / (steady * self.label_actors)) if steady > 0 and self.busy_s else None

    def line(self) -> str:
        """One line with everything."""
        elapsed = max(1e-9, time.monotonic() - self.began)
        left = timedelta(seconds=round((self.rows - self.done) * elapsed / max(1, self.done)))
        common = ", ".join(f"{reason} {count}" for reason, count in self.rejected.most_common(REASONS_SHOWN))
        more = ", ..." if len(self.rejected) > REASONS_SHOWN else ""
        busy = "" if self.busy_share is None else f" | labelling busy {self.busy_share:.0%}"
        rejected = f"{self.rejected.total():,} rejected" + (f" ({common}{more})" if common else "")
        return (
            f"{self.done:,}/{self.rows:,} rows | {self.done / elapsed:,.1f} rows/s | {self.kept:,} kept | "
            f"{rejected}{busy} | {left} left"
        )
