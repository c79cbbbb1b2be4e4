"""A training from its first check to its success marker: what both stages share.

    check    output and identity, cluster, workers
    train    row groups -> batches -> steps -> checkpoints/    (trainer, training_loop)
    finish   the model in diffusers layout, success marker

Killed anywhere and run again, it goes on from the last checkpoint.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

import pyarrow as pa
import ray

from ldm3d.config import AutoencoderConfig, DiffusionConfig, to_json
from ldm3d.training.flops import peak_flops
from ldm3d.training.ranks import mean_over_ranks
from pipelines.storage.folder import Folder
from pipelines.storage.run import SUCCESS, begin, check_apart, check_output, own_marker
from pipelines.storage.shards import check_owner
from pipelines.training.checkpoints import Checkpoint, Checkpoints
from pipelines.training.data import TrainingData
from pipelines.training.history import History
from pipelines.training.loop import Loop, Trainee
from pipelines.training.mlflow_run import MlflowRun, check_mlflow
from pipelines.training.progress import TrainingProgress
from pipelines.training.reader import BatchReader
from pipelines.training.trainer import Worker, fit, worker_count
from pipelines.training.validation_rows import ValidationRows
from pipelines.workers.resources import cluster_size
from pipelines.workers.session import connect

logger = logging.getLogger(__name__)

CHECKPOINTS = "checkpoints"
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Generic[T]):
    """What is particular to a stage. All of it goes to the workers.

    stage: its name. identity: what, beside stage and data, decides which weights come out; a run goes on only with the
    same.
    decode: the rows of a batch, as they are read -> what a step takes.
    trainee: steps in all, validation rows, worker -> the networks there.
    model: the folder of the output that the model goes to. finish: writes it, from the last checkpoint.
    """

    config: AutoencoderConfig | DiffusionConfig
    stage: str
    identity: dict[str, Any]
    data: TrainingData
    decode: Callable[[pa.Table], T]
    trainee: Callable[[int, ValidationRows[T], Worker], Trainee[T]]
    model: str
    finish: Callable[[Checkpoint], None]

    @property
    def total_steps(self) -> int:
        return self.config.loop.epochs * self.data.order.steps_per_epoch

    def run(self, *, dry_run: bool) -> dict[str, Any]:
        """Train, or do what is left of it.

        Returns:
            steps, finished, and the numbers of the last validation; the plan where it is a dry run.

        Raises:
            ValueError: the output or the cluster will not do; nothing was started.
            DivergedError: losses or gradients were not finite for too many steps in a row.
            TakenOverError: another run was started on the same output.
        """
        config, output, total = self.config, Folder(self.config.output), self.total_steps
        check_apart(config.input, config.output)
        identity = {"stage": self.stage, "data": self.data.fingerprint, **self.identity}
        if check_output(output, identity) and (summary := self._summary(output, dry_run)):
            return summary
        check_mlflow(config.watch)
        connect(config.workers)
        cpus, gpus = cluster_size()
        workers = worker_count(config.workers, config.loop, cpus, gpus)
        plan = {"steps": total, "steps_per_epoch": self.data.order.steps_per_epoch, "workers": workers}
        logger.info("%d steps of %d samples on %d workers", total, config.loop.batch_size, workers)
        if dry_run:
            return plan | {"config": to_json(config)}
        name = begin(output, identity, to_json(config), {})
        use_gpus = gpus > 0 and config.workers.gpus > 0
        run = ray.put(self)  # once for all workers: networks may be part of it
        with TrainingProgress(total) as progress:
            steps = fit(partial(_on_worker, run, name), config.workers, workers, use_gpus, output, progress.show)
        if steps < total:
            logger.info("stopped at step %d of %d: the same command goes on from there", steps, total)
            return {"steps": steps, "finished": False}
        check_owner(output, name)
        return self._finished(output, steps)

    def on_worker(self, name: str, worker: Worker) -> int:
        """Train on one of the workers, from the newest checkpoint on. Returns the steps done since the very first.

        Args:
            name: of the run, which is to own the output.
        """
        output, loop = Folder(self.config.output), self.config.loop
        rank, workers = worker.rank, worker.workers
        training = Loop(
            config=loop,
            total_steps=self.total_steps,
            steps_per_epoch=self.data.order.steps_per_epoch,
            read=lambda start, stop: BatchReader(
                self.data.train, self.data.order, self.decode, start=start, stop=stop, rank=rank, workers=workers
            ),
            checkpoints=Checkpoints(_checkpoints(output), loop.keep_checkpoints),
            reduce=lambda tensor: mean_over_ranks(tensor.to(worker.device)),
            is_first=rank == 0,
            check_owner=partial(check_owner, output, name),
            interrupted=worker.stop.is_set,
            leaving=worker.leaving.is_set,
            open_history=partial(self._history, output),
            report=worker.report,
            peak_flops=None if self.config.workers.compile else peak_flops(worker.device),
        )
        most_rows = loop.micro_batch or loop.batch_size // workers
        validation = ValidationRows(self.data.validation, self.decode, most_rows, rank, workers)
        return training.run(self.trainee(self.total_steps, validation, worker))

    def _history(self, output: Folder, records: list[dict[str, Any]]) -> History:
        """Where numbers go from here on, of which these are there."""
        watch = self.config.watch
        settings = {name: value for name, value in to_json(self.config).items() if name != "watch"}
        mlflow = MlflowRun(watch, output, {"stage": self.stage, **settings}, records) if watch.mlflow else None
        return History(output, records, mlflow)

    def _summary(self, output: Folder, dry_run: bool) -> dict[str, Any] | None:
        """What the success marker says; None without one. A model that has lost files is written again."""
        summary = own_marker(output)
        if summary is None:
            return None
        if output.sizes(self.model) == summary["files"]:
            logger.info("%s is finished", output.url)
            return summary
        logger.info("%s was finished, but files of its model are missing or changed since", output.url)
        if dry_run:
            return summary
        output.delete(SUCCESS)
        return self._finished(output, summary["steps"])

    def _finished(self, output: Folder, steps: int) -> dict[str, Any]:
        """Write the model and, last, the success marker."""
        checkpoint = Checkpoints(_checkpoints(output)).load(steps)
        self.finish(checkpoint)
        found = [_validation(record) for record in checkpoint.state["history"]]
        summary = {
            "steps": steps,
            "finished": True,
            "validation": next(filter(None, reversed(found)), {}),
            "files": output.sizes(self.model),
        }
        output.write_json(SUCCESS, summary)
        return summary


def _on_worker(run: Any, name: str, worker: Worker) -> int:
    training: TrainingRun[Any] = ray.get(run)
    return training.on_worker(name, worker)


def _checkpoints(output: Folder) -> Folder:
    return Folder(f"{output.url}/{CHECKPOINTS}")


def _validation(record: dict[str, Any]) -> dict[str, float]:
    return {name.split("/")[1]: value for name, value in record.items() if name.startswith("validation/")}
