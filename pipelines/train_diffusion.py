"""Fine-tune the U-Net on the latents of a trained autoencoder, on Ray Train: equation 2 of the paper.

The story is in `pipelines/training/`: run.py on the driver, loop.py on the workers.
"""

from dataclasses import replace
from functools import partial
from typing import Any

from ldm3d.config import DiffusionConfig
from ldm3d.data.captioned import decode_captioned
from ldm3d.data.latents import decode_latents_rows
from ldm3d.data.pictures import decode_rgbd
from ldm3d.sampling.steps import require_steps
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import require_finished
from pipelines.storage.paths import MODEL, with_absolute_paths
from pipelines.storage.row_groups import OpenRowGroups, RowGroups
from pipelines.training.checkpoints import Checkpoint
from pipelines.training.data import TrainingData
from pipelines.training.diffusion import DiffusionTraining
from pipelines.training.diffusion_start import INPUT, DiffusionStart, drawing_scheduler_of, identity_of, start_of
from pipelines.training.export import export_model, unet_weights
from pipelines.training.job import TrainingJob
from pipelines.training.run import TrainingRun, check_settings
from pipelines.training.weights import weights_of_diffusion
from pipelines.workers.stage import run_stage

STAGE = "train_diffusion"
LATENTS = ("key", "caption", "mean", "std")
PICTURES = ("key", "caption", "image", "depth")


def train_diffusion(config: DiffusionConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Train the U-Net, or resume where an earlier run stopped.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything and return the plan, write nothing.

    Returns:
        What is in `_SUCCESS.json`: steps, finished (True), validation (the last numbers by name), files (of the model,
        bytes by name) and captions (that samples were drawn of). A training that was told to stop returns steps and
        finished (False), a dry run what is known so far.

    Raises:
        ValueError: invalid configuration, input, base model, autoencoder, output or cluster. Raised before any work
            starts.
        DivergedError: losses or gradients were not finite for too many steps in a row.
        BadRowError: a row of the input does not decode.
        TakenOverError: another run was started on the same output.
        ray.train.TrainingFailedError: workers died more often than `config.workers.max_restarts`.
    """
    config = with_absolute_paths(config)
    check_settings(config, STAGE)
    return run_stage(training_of(config), dry_run=dry_run)


def training_of(config: DiffusionConfig) -> TrainingRun:
    """Open data, base and autoencoder of a configuration with absolute paths, and make its training."""
    about = require_finished(config.input, INPUT, ("encode_latents", "rebuild_corpus"))
    is_encoded = "latent_shape" in about
    columns: tuple[str, ...] = LATENTS if is_encoded else PICTURES
    if about.get("text"):
        columns += ("text",)
    data = TrainingData.of(config.input, "latents/v1" if is_encoded else "rgbd/v1", columns, config.loop)
    start = start_of(config, about, _captions(config, data.validation))
    _check_samples(config, start)
    job = TrainingJob(
        stage=STAGE,
        config=config,
        data=data,
        decode=partial(decode_captioned, decode=decode_latents_rows if is_encoded else decode_rgbd),
        make_trainee=partial(DiffusionTraining, config, start),
    )
    return TrainingRun(
        job,
        config.identity() | identity_of(start),
        MODEL,
        partial(_write_model, config, start),
        partial(weights_of_diffusion, config, start),
        {"captions": list(start.captions)},
    )


def _check_samples(config: DiffusionConfig, start: DiffusionStart) -> None:
    """Raise ValueError if samples cannot be drawn in as many steps: else the first sheet would end the training."""
    if start.captions:
        section = "samples" if config.distill.teacher is None else "distill"
        try:
            require_steps(drawing_scheduler_of(config, start.model), config.shown.num_inference_steps)
        except ValueError as error:
            raise ValueError(f"--{section}.num-inference-steps: {error}") from error


def _captions(config: DiffusionConfig, validation: RowGroups) -> tuple[str, ...]:
    """Return the captions to draw samples for: those of the settings, else the first of the validation split."""
    if config.samples.captions:
        return config.samples.captions
    captions: list[str] = []
    opened = OpenRowGroups(replace(validation, columns=("caption",)))
    for group in range(len(validation.rows)):
        if len(captions) >= config.samples.count:
            break
        captions += opened.read(group)["caption"].to_pylist()
    return tuple(captions[: config.samples.count])


def _write_model(config: DiffusionConfig, start: DiffusionStart, checkpoint: Checkpoint) -> None:
    export_model(config, start, unet_weights(checkpoint.tensors), Folder(f"{config.output}/{MODEL}"))
