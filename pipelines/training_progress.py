"""What a person sees while a training runs: step, losses, speed, time left."""

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

LOG_EVERY_S = 15.0
SHOWN = ("loss/", "validation/psnr_db", "validation/depth_l1", "speed/samples_per_s", "speed/data_wait_share")


class TrainingProgress:
    """Shows the numbers of steps: a live bar on a terminal, a line now and then elsewhere."""

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.total, self.stream, self.clock = total, stream or sys.stderr, clock
        self.logged = self.clock()
        self.first: tuple[int, float] | None = None
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if self.stream.isatty():
            self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=Console(file=self.stream))
            self._task = self._bar.add_task("starting", total=self.total)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, step: int, numbers: dict[str, float]) -> None:
        """Show a step's numbers; those of a validation always get a line."""
        now = self.clock()
        line = self.line(step, numbers, now)
        is_validation = any(name.startswith("validation/") for name in numbers)
        if self._bar:
            self._bar.update(self._task, completed=step, description=line)
        elif is_validation or now - self.logged >= LOG_EVERY_S:
            self.logged = now
            print(line, file=self.stream, flush=True)

    def line(self, step: int, numbers: dict[str, float], now: float) -> str:
        """One line with what people look at."""
        self.first = self.first or (step, now)
        steps, seconds = step - self.first[0], now - self.first[1]
        left = timedelta(seconds=round((self.total - step) * seconds / steps)) if steps > 0 else "?"
        shown = [f"{name.split('/')[-1]} {value:.4g}" for name, value in numbers.items() if name.startswith(SHOWN)]
        return " | ".join([f"step {step:,}/{self.total:,}", *shown, f"{left} left"])
