"""The loop that both trainings share, on one of its workers: resume, steps, checkpoints, validation, stop.

It goes by the step number alone: what a step reads and draws is a function of it. So a run that was killed goes on
from its last checkpoint as if nothing had been, to the bit on the same hardware and number of workers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ldm3d.config import LoopConfig
from ldm3d.training.ranks import Reduce
from pipelines.checkpoints import Checkpoints
from pipelines.history import History
from pipelines.reader import Batch, BatchReader
from pipelines.training_state import TrainingState

T = TypeVar("T")


@dataclass(frozen=True)
class Validation:
    """What a look at the validation split found.

    score: lower is better; picks the checkpoint that is kept as the best.
    numbers: by name, means over the split.
    picture: PNG, or None on workers other than the first.
    """

    score: float
    numbers: dict[str, float]
    picture: bytes | None


class Trainee(Protocol[T]):
    """What a stage brings: a state, a step, a look at the validation split."""

    state: TrainingState

    def step(self, batch: Batch[T]) -> dict[str, Tensor]:
        """Forward, backward, optimiser. Returns this worker's losses, detached scalars."""
        ...

    def validate(self) -> Validation:
        """Every worker calls it after each epoch."""
        ...


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The loop's settings and surroundings, the same on every worker but for `read`, `is_first` and `interrupted`.

    total_steps, steps_per_epoch: of the whole run, and of one pass over the data.
    read: steps [start, stop) -> this worker's batches.
    checkpoints: every worker reads them, the first writes.
    reduce: mean over workers.
    interrupted: whether this worker was asked to stop.
    open_history: numbers so far -> where more go. Called on the first worker.
    report: told the numbers of a step, for people to see. Called on the first worker.
    """

    config: LoopConfig
    total_steps: int
    steps_per_epoch: int
    read: Callable[[int, int], BatchReader[Any]]
    checkpoints: Checkpoints
    reduce: Reduce
    is_first: bool
    interrupted: Callable[[], bool]
    open_history: Callable[[list[dict[str, Any]]], History]
    report: Callable[[int, dict[str, float]], None]

    def run(self, trainee: Trainee[Any]) -> int:
        """Train until the last step, or until a worker is interrupted. Returns the steps done, since the very first.

        Raises:
            DivergedError: too many bad steps in a row.
            OSError: three checkpoints in a row could not be written.
        """
        step, records = self._resume(trainee)
        history = self.open_history(records) if self.is_first else None
        reader = self.read(step, self.total_steps)
        meter = Meter(self.config.batch_size, reader)
        stopping = False
        try:
            for batch in reader:
                losses = trainee.step(batch)
                step = batch.step + 1
                if step % self.config.log_every == 0:
                    self._note(step, self._means(losses) | meter.read(step), history)
                stopping = self._any_interrupted()
                score = None
                if step % self.steps_per_epoch == 0:
                    score = self._validate(step, trainee, history)
                    meter.restart(step)
                if score is not None or stopping or step % self.config.checkpoint_every == 0:
                    self._save(step, trainee, history, score)
                if stopping:
                    break
            return step
        finally:
            if self.is_first:
                self.checkpoints.close()
            if history:
                history.close()

    def _resume(self, trainee: Trainee[Any]) -> tuple[int, list[dict[str, Any]]]:
        """Steps done, and what was noted of them."""
        found = self.checkpoints.newest()
        if found is None:
            return 0, []
        trainee.state.restore(found.tensors, found.state["guard"])
        return found.step, found.state["history"]

    def _any_interrupted(self) -> bool:
        """Whether any worker was; all find out at the same step."""
        return bool(self.reduce(torch.tensor(float(self.interrupted()))) > 0)

    def _means(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Over workers."""
        means = self.reduce(torch.stack([loss.float() for loss in losses.values()]))
        return dict(zip(losses, means.tolist(), strict=True))

    def _note(self, step: int, numbers: dict[str, float], history: History | None) -> None:
        if history:
            history.add(step, numbers)
            self.report(step, numbers)

    def _validate(self, step: int, trainee: Trainee[Any], history: History | None) -> float:
        epoch = step // self.steps_per_epoch
        found = trainee.validate()
        self._note(step, {f"validation/{name}": value for name, value in found.numbers.items()}, history)
        if history and found.picture:
            history.picture(step, f"validation-{epoch:04d}", found.picture)
        return found.score

    def _save(self, step: int, trainee: Trainee[Any], history: History | None, score: float | None) -> None:
        tensors = trainee.state.tensors()
        if history:
            history.save()
            state = {"guard": trainee.state.guard.state_dict(), "history": list(history.records)}
            self.checkpoints.save(step, tensors, state, score)


class Meter:
    """How fast steps come, from one look to the next, checkpoints between them included."""

    def __init__(self, batch_size: int, reader: BatchReader[Any]) -> None:
        self.batch_size, self.reader = batch_size, reader
        self.restart(None)

    def restart(self, step: int | None) -> None:
        """Begin anew after something that is no step."""
        self._step, self._began, self._waited = step, time.monotonic(), self.reader.wait_s

    def read(self, step: int) -> dict[str, float]:
        """Numbers since the last look, by name; none at the first."""
        elapsed, waited, before = time.monotonic() - self._began, self.reader.wait_s - self._waited, self._step
        self.restart(step)
        if before is None or elapsed <= 0:
            return {}
        steps = step - before
        return {
            "speed/samples_per_s": steps * self.batch_size / elapsed,
            "speed/step_s": elapsed / steps,
            "speed/data_wait_share": waited / elapsed,
        }
