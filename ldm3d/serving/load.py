"""What an engine is doing, and that it has too much to do."""

from dataclasses import dataclass


class BusyError(RuntimeError):
    """There is too much to draw already."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(f"{reason}: try again in {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Load:
    """What an engine is doing, and has done since its start."""

    requests: int
    """That have not ended."""
    wait_s: float
    """Seconds that all of them take, by the speed that was measured."""
    finished: int
    cancelled: int
    failed: int
    calls: int
    """Of the U-Net."""
    steps: int
    """That requests took."""
    wasted_steps: int
    """Of requests that had been cancelled already."""
    filled: float
    """Share of the rows of all calls that belonged to requests; 0 before the first."""


@dataclass
class Counts:
    """What is counted, in the words of `Load`."""

    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    calls: int = 0
    steps: int = 0
    wasted_steps: int = 0
    rows: int = 0
    """Of calls, that belonged to requests."""

    def load(self, requests: int, wait_s: float, rows: int) -> Load:
        """Return it with what is going on, for calls of so many rows."""
        filled = self.rows / (self.calls * rows) if self.calls else 0.0
        return Load(
            requests, wait_s, self.finished, self.cancelled, self.failed, self.calls, self.steps, self.wasted_steps,
            filled,
        )  # fmt: skip
