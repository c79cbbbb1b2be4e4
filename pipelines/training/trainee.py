"""What a stage brings to the loop: its networks on one worker, their step, their validation."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from torch import Tensor

from pipelines.training.batch import Batch
from pipelines.training.state import TrainingState

T = TypeVar("T")


@dataclass(frozen=True)
class Validation:
    """The result of one pass over the validation split."""

    score: float
    """Lower is better: the checkpoint with the lowest is kept as the best."""
    numbers: dict[str, float]
    """Means over the split, by name."""
    pictures: Mapping[str, bytes]
    """PNGs by name; empty on all workers but the first."""


class Trainee(Protocol[T]):
    """The networks that a stage trains."""

    state: TrainingState

    def trains(self, step: int) -> list[str]:
        """Return the names of the networks that a step trains, counted from 0."""

    def step(self, batch: Batch[T]) -> dict[str, Tensor]:
        """Run forward and backward pass and optimiser. Returns this worker's losses, detached scalars."""

    def validate(self, epoch: int, *, is_last: bool) -> Validation:
        """Measure the validation split. Every worker calls it after each epoch, counted from 1, and after the last
        step, which may lie within one."""
