"""The loop that both trainings share, on one of its workers: resume, steps, checkpoints, validation, stop.

It goes by the step number alone: what a step reads and draws is a function of it. So a run that was killed goes on
from its last checkpoint as if nothing had been, to the bit on the same hardware and number of workers.
"""

import logging
import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from ldm3d.config import LoopConfig
from ldm3d.training.flops import count_flops
from ldm3d.training.ranks import Reduce
from pipelines.storage.shards import TakenOverError
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.history import History
from pipelines.training.mlflow_run import Ending
from pipelines.training.parallel import announced, from_first
from pipelines.training.reader import Batch, BatchReader
from pipelines.training.state import TrainingState

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Validation:
    """What a look at the validation split found.

    score: lower is better; picks the checkpoint that is kept as the best.
    numbers: by name, means over the split.
    pictures: PNGs by name; none on workers other than the first.
    """

    score: float
    numbers: dict[str, float]
    pictures: Mapping[str, bytes]


class Trainee(Protocol[T]):
    """What a stage brings: a state, a step, a look at the validation split."""

    state: TrainingState

    def step(self, batch: Batch[T]) -> dict[str, Tensor]:
        """Forward, backward, optimiser. Returns this worker's losses, detached scalars."""
        ...

    def validate(self, epoch: int) -> Validation:
        """Every worker calls it after each epoch, counted from 1."""
        ...


@dataclass(frozen=True, kw_only=True)
class Loop:
    """The loop's settings and surroundings, the same on every worker but for `read`, `is_first` and the two flags.

    total_steps, steps_per_epoch: of the whole run, and of one pass over the data.
    read: steps [start, stop) -> this worker's batches.
    checkpoints: the first worker reads and writes them, the others look what there is.
    reduce: mean over workers.
    check_owner: raises TakenOverError where the output belongs to another run. Called on the first worker.
    interrupted: whether this worker was asked to stop.
    leaving: whether this worker knows that a machine is about to go: one checkpoint more, and on until it goes.
    open_history: numbers so far -> where more go. Called on the first worker.
    report: told the numbers of a step, for people to see. Called on the first worker.
    peak_flops: what the worker's device can do in a second; None where that is not known.
    """

    config: LoopConfig
    total_steps: int
    steps_per_epoch: int
    read: Callable[[int, int], BatchReader[Any]]
    checkpoints: Checkpoints
    reduce: Reduce
    is_first: bool
    check_owner: Callable[[], None]
    interrupted: Callable[[], bool]
    leaving: Callable[[], bool]
    open_history: Callable[[list[dict[str, Any]]], History]
    report: Callable[[int, dict[str, float]], None]
    peak_flops: float | None = None

    def run(self, trainee: Trainee[Any]) -> int:
        """Train until the last step, or until a worker is interrupted. Returns the steps done, since the very first.

        Raises:
            DivergedError: too many bad steps in a row.
            TakenOverError: another run owns the output by now; nothing more was written.
            OSError: three checkpoints in a row could not be written.
        """
        self._require_owner()
        step, records = self._resume(trainee)
        history = self.open_history(records) if self.is_first else None
        reader = self.read(step, self.total_steps)
        meter = Meter(self.config.batch_size, reader, self.peak_flops)
        stopping = has_left = False
        ending: Ending = "FAILED"
        try:
            for batch in reader:
                losses = meter.measured(partial(trainee.step, batch))
                step = batch.step + 1
                if step % self.config.log_every == 0:
                    self._note(step, self._means(losses) | meter.read(step), history)
                stopping, leaving = self._asked()
                score = None
                if step % self.steps_per_epoch == 0:
                    score = self._validate(step, trainee, history)
                    meter.restart(step)
                is_due = step % self.config.checkpoint_every == 0 or (leaving and not has_left)
                if score is not None or stopping or is_due:
                    self._require_owner()
                    self._save(step, trainee, history, score)
                has_left = leaving
                if stopping:
                    break
            self.checkpoints.wait(is_last=True)
            ending = "FINISHED" if step == self.total_steps else "KILLED"
            return step
        except TakenOverError:
            if history:
                history.abandon()
            history = None
            raise
        finally:
            if self.is_first:
                self.checkpoints.close()
            if history:
                history.close(ending)

    def _resume(self, trainee: Trainee[Any]) -> tuple[int, list[dict[str, Any]]]:
        """Steps done, and what was noted of them."""
        self._require_same(max(self.checkpoints.steps(), default=0))
        found = self.checkpoints.newest() if self.is_first else None
        about = from_first(found and replace(found, tensors=announced(found.tensors)))
        if about is None:
            return 0, []
        trainee.state.restore((found or about).tensors, about.state["judgement"])
        return about.step, about.state["history"]

    def _require_same(self, step: int) -> None:
        """
        Args:
            step: of the newest checkpoint that this worker sees.

        Raises:
            RuntimeError: another worker sees another. The first alone reads it; but when workers are started anew, it
                may be on another machine.
        """
        mean, of_squares = self.reduce(torch.tensor([step, step**2], dtype=torch.float64)).tolist()
        if of_squares != mean**2:
            raise RuntimeError(
                f"workers see different checkpoints (this one that of step {step}, the mean is {mean:g}): "
                "the output has to be a folder that all nodes share, or s3://"
            )

    def _require_owner(self) -> None:
        """All workers find out together, as none may wait for another that has left.

        Raises:
            TakenOverError: another run owns the output.
        """
        reason = ""
        if self.is_first:
            try:
                self.check_owner()
            except TakenOverError as error:
                reason = str(error)
            except OSError as error:  # a store that fails now is noticed where something is written
                logger.warning("who owns the output could not be read: %s", error)
        if self.reduce(torch.tensor(float(bool(reason)))) > 0:
            raise TakenOverError(reason or "another run owns the output")

    def _asked(self) -> tuple[bool, bool]:
        """Whether any worker was interrupted, and whether any is leaving; all find out at the same step."""
        interrupted, leaving = self.reduce(torch.tensor([float(self.interrupted()), float(self.leaving())])).tolist()
        return interrupted > 0, leaving > 0

    def _means(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Over workers."""
        means = self.reduce(torch.stack([loss.detach().float().cpu() for loss in losses.values()]))
        return dict(zip(losses, means.tolist(), strict=True))

    def _note(self, step: int, numbers: dict[str, float], history: History | None) -> None:
        if history:
            history.add(step, numbers)
            self.report(step, numbers)

    def _validate(self, step: int, trainee: Trainee[Any], history: History | None) -> float:
        epoch = step // self.steps_per_epoch
        found = trainee.validate(epoch)
        self._note(step, {f"validation/{name}": value for name, value in found.numbers.items()}, history)
        if history:
            for name, png in found.pictures.items():
                history.picture(step, f"{name}-{epoch:04d}", png)
        return found.score

    def _save(self, step: int, trainee: Trainee[Any], history: History | None, score: float | None) -> None:
        tensors = trainee.state.tensors()
        if history:
            history.save()
            state = {"judgement": trainee.state.judgement(), "history": list(history.records)}
            self.checkpoints.save(step, tensors, state, score)


class Meter:
    """How fast steps come, from one look to the next, checkpoints between them included, and what memory they take."""

    def __init__(self, batch_size: int, reader: BatchReader[Any], peak_flops: float | None) -> None:
        self.batch_size, self.reader, self.peak_flops = batch_size, reader, peak_flops
        self._flops: int | None = None
        self.restart(None)

    def measured(self, step: Callable[[], T]) -> T:
        """Take a step. The operations of the first are counted, where they can be compared with something."""
        if self.peak_flops is None or self._flops is not None:
            return step()
        result, self._flops = count_flops(step)
        return result

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
        numbers = {
            "speed/samples_per_s": steps * self.batch_size / elapsed,
            "speed/step_s": elapsed / steps,
            "speed/data_wait_share": waited / elapsed,
            "memory/peak_gib": _peak_memory() / 2**30,
        }
        if self._flops and self.peak_flops:
            numbers["speed/mfu"] = self._flops * steps / elapsed / self.peak_flops
        return numbers


def _peak_memory() -> int:
    """Bytes, of the GPU if one is used, else of the process."""
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
