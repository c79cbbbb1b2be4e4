"""The status line of a training: step, losses, speed, time left."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import TextIO

from pipelines.workers.status_line import StatusLine

SHOWN = {  # by name, with units
    "validation/loss": "validation loss {:.4g}",
    "validation/psnr_db": "PSNR {:.4g} dB",
    "validation/depth_l1": "depth L1 {:.4g} of 1",
    "validation/depth_l1_aligned": "depth L1 {:.4g} of 1 after scaling to the label",
    "speed/samples_per_s": "{:.4g} samples/s",
    "speed/data_wait_share": "{:.0%} waiting for data",
}
LOSS = "loss/"  # begins the names of losses


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
        shown = [text for name, value in numbers.items() if (text := _shown(name, value))]
        return " | ".join([f"step {step:,}/{self.total:,}", *shown, f"{left} left"])


def _shown(name: str, value: float) -> str:
    """Write a number for the line, saying what it is; "" for one that is not shown."""
    if name.startswith(LOSS):
        return f"{name.removeprefix(LOSS)} loss {value:.4g}"
    return SHOWN[name].format(value) if name in SHOWN else ""
