"""A training worker without a cluster around it."""

import threading
from dataclasses import dataclass

import torch

from pipelines.training.worker import Worker


@dataclass(frozen=True)
class Alone(Worker):
    """The only worker of a training."""

    stop_at: int | None = None
    """Step after which it asks itself to stop."""
    leaves_at: int | None = None
    """Step after which it is told that its machine goes away."""

    @classmethod
    def until(cls, stop_at: int | None = None, leaves_at: int | None = None) -> "Alone":
        return cls(0, 1, torch.device("cpu"), None, threading.Event(), threading.Event(), stop_at, leaves_at)

    def report(self, step: int, numbers: dict[str, float]) -> None:
        if step == self.stop_at:
            self.stop.set()
        if step == self.leaves_at:
            self.leaving.set()
