"""What the workers of a training are told, and what they open with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa
import torch

from ldm3d.config import AutoencoderConfig, DiffusionConfig, to_json
from pipelines.storage.folder import Folder
from pipelines.training.data import TrainingData
from pipelines.training.history import History
from pipelines.training.mlflow_run import MlflowRun
from pipelines.training.reader import BatchReader
from pipelines.training.trainee import Trainee
from pipelines.training.validation_rows import ValidationRows
from pipelines.training.worker import Worker

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrainingJob(Generic[T]):
    """A training as its workers see it: the same on each of them."""

    stage: str
    """Name of the stage."""
    config: AutoencoderConfig | DiffusionConfig
    data: TrainingData
    decode: Callable[[pa.Table], T]
    """Rows of a batch, as they are read -> what a step takes."""
    make_trainee: Callable[[int, ValidationRows[T], torch.device], Trainee[T]]
    """Steps in all, this worker's validation rows, its device -> the networks there."""

    @property
    def output(self) -> Folder:
        return Folder(self.config.output)

    @property
    def steps_per_epoch(self) -> int:
        return self.data.order.steps_per_epoch

    @property
    def total_steps(self) -> int:
        loop, every = self.config.loop, self.config.loop.epochs * self.steps_per_epoch
        return every if loop.max_steps is None else min(every, loop.max_steps)

    def note_on_steps(self) -> str | None:
        """Say that a limit on steps limits nothing, if that is so: it cannot make a training longer."""
        loop, every = self.config.loop, self.config.loop.epochs * self.steps_per_epoch
        if loop.max_steps is None or loop.max_steps <= every:
            return None
        epochs = f"{loop.epochs} epoch{'s' if loop.epochs > 1 else ''}"
        return (
            f"--loop.max-steps {loop.max_steps} is more than the {every:,} steps of {epochs}, and has no effect: "
            "raise --loop.epochs"
        )

    def note_on_warmup(self) -> str | None:
        """Say that a training ends before its learning rate is reached, if that is so: few pictures make few steps."""
        steps, warmup = self.total_steps, self.config.optimiser.warmup_steps
        if steps > warmup:
            return None
        limit = "--loop.epochs" if self.config.loop.max_steps is None else "--loop.max-steps"
        return (
            f"all {steps:,} steps are within the warm-up of {warmup:,}, so the learning rate stays below its value: "
            f"raise {limit}, or lower --optimiser.warmup-steps"
        )

    def open_trainee(self, worker: Worker) -> Trainee[T]:
        """Load the networks on a worker. Every worker has to call it."""
        loop = self.config.loop
        most_rows = loop.micro_batch or loop.batch_size // worker.workers
        rows = ValidationRows(self.data.validation, self.decode, most_rows, worker.rank, worker.workers)
        return self.make_trainee(self.total_steps, rows, worker.device)

    def open_reader(self, start: int, worker: Worker) -> BatchReader[T]:
        """Open a worker's batches, from step `start` to the last."""
        return BatchReader(
            self.data.train,
            self.data.order,
            self.decode,
            start=start,
            stop=self.total_steps,
            rank=worker.rank,
            workers=worker.workers,
        )

    def open_history(self, records: list[dict[str, Any]]) -> History:
        """Open what numbers are written to, given those so far. The first worker alone calls it."""
        watch = self.config.watch
        if not watch.mlflow:
            return History(self.output, records)
        settings = {name: value for name, value in to_json(self.config).items() if name != "watch"}
        return History(self.output, records, MlflowRun(watch, self.output, {"stage": self.stage, **settings}, records))
