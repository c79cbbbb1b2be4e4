"""The status line of a training: step, losses, speed, time left."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from pipelines.workers.status_line import StatusLine

SHOWN = (
    "loss/",
    "validation/loss",
    "validation/psnr_db",
    "validation/depth_l1",
    "speed/samples_per_s",
    "speed/data_wait_share",
)


class TrainingProgress(StatusLine):
    """Shows the numbers of steps now and then, those of a validation always."""

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(total, stream, clock)
        self.first: tuple[int, float] | None = None

    def show(self, step: int, numbers: dict[str, float]) -> None:
        """Show a step's numbers. If steps are repeated after a restart, the time left is estimated from there."""
        now = self.clock()
        if self.first is None or step < self.first[0]:
            self.first = step, now
        is_validation = any(name.startswith("validation/") for name in numbers)
        self.put(step, self.line(step, numbers, now), always=is_validation)

    def line(self, step: int, numbers: dict[str, float], now: float) -> str:
        """Return the status line."""
        first, began = self.first or (step, now)
        steps, seconds = step - first, now - began
        left = timedelta(seconds=round((self.total - step) * seconds / steps)) if steps > 0 else "?"
        shown = [f"{name.split('/')[-1]} {value:.4g}" for name, value in numbers.items() if name.startswith(SHOWN)]
        return " | ".join([f"step {step:,}/{self.total:,}", *shown, f"{left} left"])
