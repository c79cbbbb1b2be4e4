"""Fine-tune the autoencoder on an RGBD corpus, on Ray Train: equation 1 of the paper."""

from functools import partial
from pathlib import Path
from typing import Any

from ldm3d.config import AutoencoderConfig
from ldm3d.data.pictures import Pictures, decode_rgbd
from ldm3d.models.base import check_base, fingerprint_of_base
from pipelines.storage.folder import Folder
from pipelines.storage.paths import with_absolute_paths
from pipelines.training.autoencoder import AutoencoderTraining
from pipelines.training.checkpoints import Checkpoint
from pipelines.training.data import TrainingData
from pipelines.training.export import AUTOENCODER, export_autoencoder
from pipelines.training.run import TrainingRun
from pipelines.training.trainer import Worker
from pipelines.training.validation_rows import ValidationRows

COLUMNS = ("image", "depth")


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
    config = with_absolute_paths(config)
    check_base(config.model)
    weights = config.loss.perceptual.weights
    if weights not in ("torchvision", "random") and not Path(weights).is_file():
        raise ValueError(
            f"loss.perceptual.weights {weights!r} is no file: give torchvision, random, or a file that every node has"
        )
    return plan(config).run(dry_run=dry_run)


def plan(config: AutoencoderConfig) -> TrainingRun[Pictures]:
    """The training of a configuration whose paths are absolute."""
    data = TrainingData.of(config.input, "rgbd/v1", COLUMNS, config.loop)
    return TrainingRun(
        config=config,
        stage="train_autoencoder",
        identity=config.identity() | {"base": fingerprint_of_base(config.model)},
        data=data,
        decode=decode_rgbd,
        trainee=partial(_trainee, config),
        model=AUTOENCODER,
        finish=partial(_finish, config),
    )


def _trainee(
    config: AutoencoderConfig, total_steps: int, validation: ValidationRows[Pictures], worker: Worker
) -> AutoencoderTraining:
    return AutoencoderTraining(config, total_steps, validation, worker.device)


def _finish(config: AutoencoderConfig, checkpoint: Checkpoint) -> None:
    export_autoencoder(config, checkpoint.tensors["autoencoder"], Folder(config.output))
