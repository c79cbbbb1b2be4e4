"""The loop that both trainings share, on one of its workers: resume, steps, checkpoints, validation, stop.

The step number alone decides what a step reads and draws. So a run that was killed resumes from its last checkpoint as
if it had never stopped, to the bit on the same hardware and number of workers.
"""

import logging
import math
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from ldm3d.training.flops import peak_flops
from pipelines.storage.shards import TakenOverError, check_owner
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.history import History
from pipelines.training.job import TrainingJob
from pipelines.training.meter import Meter
from pipelines.training.mlflow_run import Ending
from pipelines.training.parallel import announced, from_first
from pipelines.training.worker import Worker

logger = logging.getLogger(__name__)

POINTS = 20  # of a curve, at least, however short the training is


class Loop:
    """The loop on one worker. All workers decide the same at the same step, so that none waits for one that has left.

    The first worker reads and writes checkpoints, writes the history, and checks who owns the output; the others only
    list the checkpoints.

    Args:
        job: the same on every worker.
        owner: the run that owns the output.
        worker: this worker.
    """

    def __init__(self, job: TrainingJob[Any], owner: str, worker: Worker) -> None:
        self.job, self.owner, self.worker, self.config = job, owner, worker, job.config.loop
        self.checkpoints = Checkpoints.of(job.output, self.config.keep_checkpoints)
        self.trainee = job.open_trainee(worker)
        self.history: History | None = None  # of the first worker

    def run(self) -> int:
        """Train to the last step, or until a worker is told to stop. Returns the number of steps since training began.

        Raises:
            DivergedError: too many bad steps in a row.
            TakenOverError: another run owns the output by now; nothing more was written.
            OSError: three checkpoints in a row could not be written, or the last one.
        """
        self._require_owner()
        step, records = self._resume()
        if self.worker.is_first:
            self.history = self.job.open_history(records)
        ending: Ending = "FAILED"
        try:
            step = self._train(step)
            self.checkpoints.wait(is_last=True)
            ending = "FINISHED" if step == self.job.total_steps else "KILLED"
            return step
        except TakenOverError:
            if self.history:
                self.history.abandon()
                self.history = None
            raise
        finally:
            if self.worker.is_first:
                self.checkpoints.close()
            if self.history:
                self.history.close(ending)

    def _resume(self) -> tuple[int, list[dict[str, Any]]]:
        """Restore the newest checkpoint. Returns its step, and the records of its history."""
        self._require_same_checkpoint(max(self.checkpoints.steps(), default=0))
        found = self.checkpoints.newest() if self.worker.is_first else None
        about = from_first(found and replace(found, tensors=announced(found.tensors)))
        if about is None:
            return 0, []
        self.trainee.state.restore((found or about).tensors, about.state["judgement"])
        return about.step, about.state["history"]

    def _train(self, step: int) -> int:
        """Take all steps after `step`, or those until a worker is told to stop. Returns the steps done."""
        reader = self.job.open_reader(step, self.worker)
        meter = Meter(
            self.config.batch_size,
            reader,
            peak_flops=None if self.job.config.workers.compile else peak_flops(self.worker.device),
        )
        log_every = min(self.config.log_every, max(1, self.job.total_steps // POINTS))
        was_leaving = False
        for batch in reader:
            losses = meter.measured(partial(self.trainee.step, batch), self.trainee.trains(batch.step))
            step = batch.step + 1
            if step % log_every == 0:
                self._note(step, self._means(losses) | meter.read(step))
            stopping, leaving = self._asked()

            score = None
            if step % self.job.steps_per_epoch == 0 or step == self.job.total_steps:
                score = self._validate(step)
                meter.restart(step)

            # one more checkpoint when a node is about to go; then training continues until it does
            is_due = step % self.config.checkpoint_every == 0 or (leaving and not was_leaving)
            if score is not None or stopping or is_due:
                self._require_owner()
                self._save(step, score)
            was_leaving = leaving
            if stopping:
                break
        return step

    def _require_same_checkpoint(self, step: int) -> None:
        """Check that all workers see the same checkpoints. After a restart the first may be on another machine.

        Args:
            step: of the newest checkpoint that this worker sees.

        Raises:
            RuntimeError: some worker sees another than the first.
        """
        first = from_first(step)
        if self.worker.mean(torch.tensor(float(step != first))) > 0:
            raise RuntimeError(
                f"workers see different checkpoints (the first one that of step {first}, this one that of step "
                f"{step}): --output has to be a folder that all nodes share, or s3://"
            )

    def _require_owner(self) -> None:
        """Check on all workers together that the output is still ours.

        Raises:
            TakenOverError: another run owns the output.
        """
        reason = ""
        if self.worker.is_first:
            try:
                check_owner(self.job.output, self.owner)
            except TakenOverError as error:
                reason = str(error)
            except OSError as error:  # a store that fails now is noticed where something is written
                logger.warning("the owner of the output could not be read: %s", error)
        if self.worker.mean(torch.tensor(float(bool(reason)))) > 0:
            raise TakenOverError(reason or "another run owns the output")

    def _asked(self) -> tuple[bool, bool]:
        """Return whether any worker is told to stop, and whether any is leaving."""
        worker = self.worker
        flags = torch.tensor([float(worker.stop.is_set()), float(worker.leaving.is_set())])
        stopping, leaving = worker.mean(flags).tolist()
        return stopping > 0, leaving > 0

    def _means(self, losses: dict[str, Tensor]) -> dict[str, float]:
        """Return the means of losses over workers."""
        means = self.worker.mean(torch.stack([loss.detach().float().cpu() for loss in losses.values()]))
        return dict(zip(losses, means.tolist(), strict=True))

    def _note(self, step: int, numbers: dict[str, float]) -> None:
        if self.history:
            self.history.add(step, numbers)
            self.worker.report(step, numbers)

    def _validate(self, step: int) -> float:
        """Measure the validation split and note it. Returns the score."""
        epoch = math.ceil(step / self.job.steps_per_epoch)  # the last one may be cut short
        found = self.trainee.validate(epoch, is_last=step == self.job.total_steps)
        self._note(step, {f"validation/{name}": value for name, value in found.numbers.items()})
        if self.history:
            for name, png in found.pictures.items():
                self.history.picture(step, f"{name}-{epoch:04d}", png)
        return found.score

    def _save(self, step: int, score: float | None) -> None:
        """Write a checkpoint. Every worker has to call it; the first alone writes."""
        tensors = self.trainee.state.tensors()
        if self.history:
            self.history.save()
            state = {"judgement": self.trainee.state.judgement(), "history": list(self.history.records)}
            self.checkpoints.save(step, tensors, state, score)
