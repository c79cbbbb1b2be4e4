"""Speed and memory of a training."""

import resource
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from ldm3d.training.flops import count_flops
from pipelines.training.reader import BatchReader

T = TypeVar("T")


class Meter:
    """Measures how fast steps are between two readings, checkpoints included, and the memory that they take.

    Args:
        batch_size: samples a step, over all workers.
        reader: where the loop waits for batches.
        peak_flops: FLOP/s that the worker's device can do; None if unknown.
    """

    def __init__(self, batch_size: int, reader: BatchReader[Any], peak_flops: float | None) -> None:
        self.batch_size, self.reader, self.peak_flops = batch_size, reader, peak_flops
        self._flops: dict[tuple[str, ...], int] = {}
        self.restart(None)

    def measured(self, step: Callable[[], T], networks: Sequence[str]) -> T:
        """Take a step. Operations of the first of its kind are counted, if there is a peak to compare them with.

        Args:
            step: the step.
            networks: names of those that it trains. Steps that train the same ones take the same operations.
        """
        if self.peak_flops is None:
            return step()
        kind = tuple(networks)
        if kind in self._flops:
            result = step()
        else:
            result, self._flops[kind] = count_flops(step)
        self._done += self._flops[kind]
        return result

    def restart(self, step: int | None) -> None:
        """Measure from here on, so that what came before does not count as a step."""
        self._step, self._began, self._waited, self._done = step, time.monotonic(), self.reader.wait_s, 0

    def read(self, step: int) -> dict[str, float]:
        """Return the numbers since the last reading, by name; none at the first."""
        elapsed, waited, before = time.monotonic() - self._began, self.reader.wait_s - self._waited, self._step
        done = self._done
        self.restart(step)
        if before is None or elapsed <= 0:
            return {}
        steps = step - before
        numbers = {
            "speed/samples_per_s": steps * self.batch_size / elapsed,
            "speed/step_s": elapsed / steps,
            "speed/data_wait_share": waited / elapsed,
            "memory/peak_gib": _peak_memory() / 2**30,
        }
        if done and self.peak_flops:
            numbers["speed/mfu"] = done / elapsed / self.peak_flops
        return numbers


def _peak_memory() -> int:
    """Return the peak memory in bytes: of the GPU if one is used, else of the process."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
