"""One line about progress: beside a live bar on a terminal, printed every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

LOG_EVERY_S = 15.0


class StatusLine:
    """Shows the line while its context lasts.

    Args:
        total: of what is counted.
        stream: None is stderr.
        clock: seconds, monotonic.
    """

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.stream, self.clock = total, stream or sys.stderr, clock
        self.is_live = self.stream.isatty()
        self._logged = clock()
        self._last = ""
        self._bar: Progress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        if self.is_live:
            self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=Console(file=self.stream))
            self._task = self._bar.add_task("starting", total=self.total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def put(self, done: int, line: str, always: bool = False) -> None:
        """Show the current line. Off a terminal it is printed every 15 s, or at once where `always` is set."""
        now = self.clock()
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=done, description=line)
        elif (always and line != self._last) or now - self._logged >= LOG_EVERY_S:
            self._logged, self._last = now, line
            print(line, file=self.stream, flush=True)
