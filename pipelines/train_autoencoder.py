"""Fine-tune the autoencoder on an RGBD corpus, on Ray Train: equation 1 of the paper.

The story is in `pipelines/training/`: run.py on the driver, loop.py on the workers.
"""

from functools import partial
from pathlib import Path
from typing import Any

from ldm3d.config import AutoencoderConfig
from ldm3d.data.pictures import decode_rgbd
from ldm3d.models.base import check_base, fingerprint_of_base
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import CORPUS, require_finished
from pipelines.storage.paths import with_absolute_paths
from pipelines.training.autoencoder import AutoencoderTraining
from pipelines.training.checkpoints import Checkpoint
from pipelines.training.data import TrainingData
from pipelines.training.export import AUTOENCODER, export_autoencoder
from pipelines.training.job import TrainingJob
from pipelines.training.run import TrainingRun, check_settings
from pipelines.training.weights import weights_of_autoencoder
from pipelines.workers.stage import run_stage

STAGE, INPUT, MAKERS = "train_autoencoder", "rgbd/v1", ("rebuild_corpus",)
COLUMNS = ("image", "depth")


def train_autoencoder(config: AutoencoderConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Train the autoencoder, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json`: steps, finished (True), validation (the last numbers by name) and files (of the
        model, bytes by name). A training that was told to stop returns steps and finished (False), a dry run what is
        known so far.

    Raises:
        ValueError: invalid configuration, corpus, base model, output or cluster. Raised before any work starts.
        DivergedError: losses or gradients were not finite for too many steps in a row.
        BadRowError: a row of the input does not decode.
        TakenOverError: another run was started on the same output.
        ray.train.TrainingFailedError: workers died more often than `config.workers.max_restarts`.
    """
    config = with_absolute_paths(config)
    check_settings(config, STAGE)
    weights = config.loss.perceptual.weights
    if weights not in ("torchvision", "random") and not Path(weights).is_file():
        raise ValueError(
            f"--loss.perceptual.weights {weights!r} is not a file: give torchvision, random, or a file that exists on "
            "every node"
        )
    require_finished(config.input, CORPUS, MAKERS)  # a wrong path is not to cost a base's download
    check_base(config.model)
    return run_stage(training_of(config), dry_run=dry_run)


def training_of(config: AutoencoderConfig) -> TrainingRun:
    """Open the data of a configuration with absolute paths, and make its training."""
    job = TrainingJob(
        stage=STAGE,
        config=config,
        data=TrainingData.of(config.input, INPUT, COLUMNS, config.loop),
        decode=decode_rgbd,
        make_trainee=partial(AutoencoderTraining, config),
    )
    identity = config.identity() | {"base": fingerprint_of_base(config.model)}
    return TrainingRun(
        job, identity, AUTOENCODER, partial(_write_model, config), partial(weights_of_autoencoder, config)
    )


def _write_model(config: AutoencoderConfig, checkpoint: Checkpoint) -> None:
    export_autoencoder(config, checkpoint.tensors["autoencoder"], Folder(config.output))
