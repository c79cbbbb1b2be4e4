"""A training from its first check to its success marker: what both training stages share, on the driver.

    check    output and identity, cluster, workers
    train    row groups -> batches -> steps -> checkpoints/    (trainer, worker_process, loop)
    finish   the model in diffusers layout, success marker

Kill it at any point and run the same command again: it resumes from the last checkpoint.
"""

import logging
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from ldm3d.config import AutoencoderConfig, DiffusionConfig, WorkersConfig
from pipelines.storage.run import SUCCESS, check_folders, own_marker
from pipelines.storage.shards import check_owner
from pipelines.training.checkpoints import Checkpoint, Checkpoints
from pipelines.training.job import TrainingJob
from pipelines.training.mlflow_run import check_mlflow
from pipelines.training.progress import TrainingProgress
from pipelines.training.suggestion import suggestion
from pipelines.training.trainer import fit
from pipelines.training.weights import Weights
from pipelines.training.worker import worker_count
from pipelines.workers.resources import cluster_size
from pipelines.workers.stage import Stage

logger = logging.getLogger(__name__)


def check_settings(config: AutoencoderConfig | DiffusionConfig, stage: str) -> None:
    """Check what needs neither data nor networks.

    Raises:
        ValueError: input and output overlap, the output cannot be used, or MLflow is asked for and not installed.
    """
    check_folders(config.input, config.output, stage)
    check_mlflow(config.watch)


class TrainingRun(Stage):
    """A training stage.

    Args:
        job: what the workers do.
        identity: all that decides which weights come out, beside the stage and its data.
        model: the folder of the output that the model is written to.
        write_model: writes it, from the last checkpoint.
        count_weights: of the networks, for a dry run.
        about: JSON values that the success marker has beside those of every training.
    """

    def __init__(
        self,
        job: TrainingJob[Any],
        identity: dict[str, Any],
        model: str,
        write_model: Callable[[Checkpoint], None],
        count_weights: Callable[[], Weights],
        about: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.job, self.config, self.model, self.write_model = job, job.config, model, write_model
        self.count_weights, self.about = count_weights, about
        self.identity = {"stage": job.stage, "data": job.data.fingerprint, **identity}

    @property
    def cluster(self) -> WorkersConfig:
        found: WorkersConfig = self.config.workers
        return found

    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        """Return the success marker, None without one. A model that has lost files is written again first."""
        summary = own_marker(self.output)
        if summary is None:
            return None
        if self.output.sizes(self.model) == summary["files"]:
            logger.info("%s is finished", self.output.url)
            return summary
        logger.info("%s: files of the model are missing, or have changed since it was written", self.output.url)
        if dry_run:
            return summary
        self.output.delete(SUCCESS)
        return self._complete(summary["steps"])

    def prepare(self, *, begun: bool) -> dict[str, Any]:
        config = self.config
        cpus, gpus = cluster_size()
        self.use_gpus = gpus > 0 and config.workers.gpus > 0
        self.workers = worker_count(config.workers, config.loop, cpus, gpus)
        logger.info(
            "steps: %d, samples in each: %d, workers: %d", self.job.total_steps, config.loop.batch_size, self.workers
        )
        for note in filter(None, (self.job.note_on_steps(), self.job.note_on_warmup())):
            logger.warning("%s", note)
        return {"workers": self.workers}

    def extent(self) -> dict[str, Any]:
        loop, workers, rows = self.config.loop, self.config.workers, sum(self.job.data.train.rows)
        suggested = {}
        if self.config.preset != "toy":  # whose networks have not learned from millions of pictures before
            weights = self.count_weights()
            suggested["suggestion"] = suggestion(self.job.stage, int(rows), loop, workers, self.workers, weights)
        steps = {"steps": self.job.total_steps, "steps_per_epoch": self.job.steps_per_epoch}
        notes = {"note": self.job.note_on_steps(), "note_on_warmup": self.job.note_on_warmup()}
        return suggested | steps | {name: note for name, note in notes.items() if note}

    def work(self, owner: str) -> dict[str, Any]:
        """Train, then write the model. A training that was told to stop returns `steps` and `finished`, False.

        Raises:
            DivergedError: losses or gradients were not finite for too many steps in a row.
            TakenOverError: another run was started on the same output.
        """
        total = self.job.total_steps
        if done := max(Checkpoints.of(self.output).steps(), default=0):
            logger.info("resuming after step %d of %d, from the last checkpoint", done, total)
        logger.info("starting the workers (%d): it takes a while until their first step", self.workers)
        with TrainingProgress(total) as progress:
            steps = fit(self.job, owner, self.workers, self.use_gpus, progress.show)
        if steps < total:
            logger.info("stopped at step %d of %d: run the same command to resume there", steps, total)
            return {"steps": steps, "finished": False}
        check_owner(self.output, owner)
        return self._complete(steps)

    def _complete(self, steps: int) -> dict[str, Any]:
        """Write the model and, last, the success marker."""
        checkpoint = Checkpoints.of(self.output).load(steps)
        self.write_model(checkpoint)
        found = [_validation(record) for record in checkpoint.state["history"]]
        summary = {
            "steps": steps,
            "finished": True,
            "validation": next(filter(None, reversed(found)), {}),
            "files": self.output.sizes(self.model),
            **self.about,
        }
        self.output.write_json(SUCCESS, summary)
        return summary


def _validation(record: dict[str, Any]) -> dict[str, float]:
    return {name.split("/")[1]: value for name, value in record.items() if name.startswith("validation/")}
