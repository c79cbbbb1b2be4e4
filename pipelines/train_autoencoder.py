"""Fine-tune the autoencoder on an RGBD corpus, on Ray Train: equation 1 of the paper.

    check    corpus, base model, output, cluster
    train    row groups -> batches of pictures -> AutoencoderTraining -> checkpoints/    (trainer, training_loop)
    finish   vae/ in diffusers layout, losses.png, success marker

Killed anywhere and run again, it goes on from the last checkpoint.
"""

import json
import logging
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ldm3d.config import AutoencoderConfig, to_json
from ldm3d.data.order import GlobalOrder
from ldm3d.data.pictures import decode_rgbd
from ldm3d.models.base import check_base
from ldm3d.training.ranks import mean_over_ranks
from pipelines import preflight
from pipelines.autoencoder_training import AutoencoderTraining, ValidationRows
from pipelines.checkpoints import Checkpoints
from pipelines.export import export_autoencoder
from pipelines.history import History
from pipelines.reader import BatchReader
from pipelines.relabel import check_finished
from pipelines.resources import cluster_size
from pipelines.row_groups import RowGroups
from pipelines.session import connect
from pipelines.storage import Folder
from pipelines.trainer import Worker, fit, worker_count
from pipelines.training_loop import Loop
from pipelines.training_progress import TrainingProgress

logger = logging.getLogger(__name__)

COLUMNS = ("image", "depth")
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Data:
    """What is trained and validated on, and in which order."""

    train: RowGroups
    validation: RowGroups
    order: GlobalOrder

    @classmethod
    def of(cls, config: AutoencoderConfig) -> "Data":
        """
        Raises:
            ValueError: the corpus is not finished, has no such splits, or fewer rows than a batch.
        """
        corpus, loop = Folder(config.input), config.loop
        try:
            check_finished(corpus)
            train, validation = (RowGroups.of(corpus, "rgbd/v1", split, COLUMNS) for split in ("train", "val"))
        except OSError as error:
            raise ValueError(f"--input {config.input!r} cannot be read: {error}") from error
        order = GlobalOrder(
            group_rows=train.rows,
            batch_size=loop.batch_size,
            lanes=loop.lanes,
            shuffle_rows=loop.shuffle_rows,
            seed=loop.seed,
        )
        return cls(train, validation, order)


def train_autoencoder(config: AutoencoderConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Train the autoencoder, or do what is left of it.

    Args:
        config: everything; see `ldm3d.config`.
        dry_run: check and print the plan, write nothing.

    Returns:
        steps, finished, and the numbers of the last validation.

    Raises:
        ValueError: the configuration, corpus, base model, output or cluster will not do; nothing was started.
        DivergedError: losses or gradients were not finite for too many steps in a row.
    """
    config = _with_absolute_paths(config)
    output = Folder(config.output)
    check_base(config.model)
    data = Data.of(config)
    identity = config.identity() | {"data": {"train": data.train.fingerprint, "val": data.validation.fingerprint}}
    begun = preflight.check_output(output, identity)
    if begun and output.exists(preflight.SUCCESS):
        logger.info("%s is finished", output.url)
        return dict(json.loads(output.read(preflight.SUCCESS)))
    connect(config.workers)
    cpus, gpus = cluster_size()
    use_gpus = gpus > 0 and config.workers.gpus > 0
    workers = worker_count(config.workers, config.loop, cpus, gpus)
    total = config.loop.epochs * data.order.steps_per_epoch
    logger.info("%d steps of %d samples on %d workers", total, config.loop.batch_size, workers)
    if dry_run:
        return {"steps": total, "steps_per_epoch": data.order.steps_per_epoch, "workers": workers, **to_json(config)}
    preflight.save_config(output, identity, to_json(config), {}, preflight.code_version())
    with TrainingProgress(total) as progress:
        outcome = fit(partial(_train, config, data, total), config.workers, workers, use_gpus, output, progress.show)
    if outcome.interrupted and outcome.steps < total:
        logger.info("stopped at step %d of %d: the same command goes on from there", outcome.steps, total)
        return {"steps": outcome.steps, "finished": False}
    return _finish(config, output, outcome.steps)


def _train(config: AutoencoderConfig, data: Data, total: int, worker: Worker) -> int:
    """What a worker does."""
    output = Folder(config.output)
    checkpoints = Checkpoints(Folder(f"{output.url}/{CHECKPOINTS}"), config.loop.keep_checkpoints)
    validation = ValidationRows(data.validation, worker.rank, worker.workers)
    loop = Loop(
        config=config.loop,
        total_steps=total,
        steps_per_epoch=data.order.steps_per_epoch,
        read=lambda start, stop: BatchReader(
            data.train, data.order, decode_rgbd, start=start, stop=stop, rank=worker.rank, workers=worker.workers
        ),
        checkpoints=checkpoints,
        reduce=lambda tensor: mean_over_ranks(tensor.to(worker.device)),
        is_first=worker.rank == 0,
        interrupted=worker.stop.is_set,
        open_history=partial(History, output),
        report=worker.report,
    )
    return loop.run(AutoencoderTraining(config, total, validation, worker.device))


def _finish(config: AutoencoderConfig, output: Folder, steps: int) -> dict[str, Any]:
    """Write the model and, last, the success marker."""
    checkpoint = Checkpoints(Folder(f"{output.url}/{CHECKPOINTS}")).load(steps)
    export_autoencoder(config, checkpoint.tensors["autoencoder"], output)
    validation = [record for record in checkpoint.state["history"] if "validation/psnr_db" in record]
    numbers = {name.split("/")[-1]: value for name, value in (validation or [{}])[-1].items() if name != "step"}
    summary = {"steps": steps, "finished": True, "validation": numbers}
    output.write(preflight.SUCCESS, json.dumps(summary, indent=2).encode())
    return summary


def _with_absolute_paths(config: AutoencoderConfig) -> AutoencoderConfig:
    """Workers may run in another folder than the driver."""
    base, weights = Path(config.model.base), Path(config.loss.perceptual.weights)
    model = replace(config.model, base=str(base.absolute())) if base.is_dir() else config.model
    loss = config.loss
    if weights.is_file():
        loss = replace(loss, perceptual=replace(loss.perceptual, weights=str(weights.absolute())))
    return replace(config, input=Folder(config.input).url, output=Folder(config.output).url, model=model, loss=loss)
