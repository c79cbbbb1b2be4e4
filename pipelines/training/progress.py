"""The status line of a training: step, losses, speed, time left."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from ldm3d.results.notation import validated
from pipelines.workers.status_line import StatusLine

SHOWN = {  # by name, with units
    "speed/samples_per_s": "{:.4g} samples/s",
    "speed/data_wait_share": "{:.0%} waiting for data",
}
LOSS, VALIDATION = "loss/", "validation/"  # begin names
MOMENT_S = 5.0
OF_VALIDATION = ("loss", "psnr_db", "depth_l1")  # that the line has room for


class TrainingProgress(StatusLine):
    """Shows the numbers of steps now and then, and those of a validation, unless the one before was a moment ago."""

    def __init__(self, total: int, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(total, stream, clock)
        self.first: tuple[int, float] | None = None
        self.validated: float | None = None  # when a validation was shown last

    def show(self, step: int, numbers: dict[str, float]) -> None:
        """Show a step's numbers. If steps are repeated after a restart, the time left is estimated from there."""
        now = self.clock()
        if self.first is None or step < self.first[0]:
            self.first = step, now
        is_shown = any(name.startswith(VALIDATION) for name in numbers)
        if is_shown and self.validated is not None and step < self.total:
            is_shown = now - self.validated >= MOMENT_S
        self.validated = now if is_shown else self.validated
        self.put(step, self.line(step, numbers, now), always=is_shown)

    def line(self, step: int, numbers: dict[str, float], now: float) -> str:
        """Return the status line."""
        first, began = self.first or (step, now)
        steps, seconds = step - first, now - began
        left = timedelta(seconds=round((self.total - step) * seconds / steps)) if steps > 0 else "?"
        shown = [text for name, value in numbers.items() if (text := _shown(name, value))]
        return " | ".join([f"step {step:,}/{self.total:,}", *shown, f"{left} left"])


def _shown(name: str, value: float) -> str:
    """Write a number for the line, saying what it is; "" for one that is not shown."""
    if name.startswith(LOSS):
        return f"{name.removeprefix(LOSS)} loss {value:.4g}"
    of_validation = name.removeprefix(VALIDATION)
    if name.startswith(VALIDATION) and of_validation in OF_VALIDATION:
        return ("validation " if of_validation == "loss" else "") + validated(of_validation, value)
    return SHOWN[name].format(value) if name in SHOWN else ""
