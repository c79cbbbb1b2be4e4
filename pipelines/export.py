"""Export the model of a training run, at any of its checkpoints."""

import json
from functools import partial
from typing import Any

from ldm3d.config import AutoencoderConfig, DiffusionConfig, ExportConfig, from_json
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import require_finished
from pipelines.storage.models import write_training_step
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import CONFIG, check_apart
from pipelines.training.checkpoints import Checkpoint, Checkpoints
from pipelines.training.diffusion_start import INPUT, identity_of, start_of
from pipelines.training.export import export_autoencoder, export_model, unet_weights

UNFINISHED = "_unfinished.json"  # in an output while it is being written: names the run that is exported


def export_run(config: ExportConfig, *, dry_run: bool = False) -> dict[str, Any]:
    """Write a new folder: the whole model of a U-Net's training, or `vae/` of an autoencoder's; and its step.

    Kill it at any point and run it again: it writes all of the folder.

    Args:
        config: all settings; see `ldm3d.config`.
        dry_run: check everything, write nothing.

    Returns:
        step, of the checkpoint, and output, the folder.

    Raises:
        ValueError: there is no such run or checkpoint, its settings are of another version of this code, its base,
            autoencoder or input is gone or has changed, or the output holds anything but an unfinished export of this
            run. Raised before anything is written.
        RuntimeError: the checkpoint is of other networks than the settings.
    """
    config = with_absolute_paths(config)
    run, output = Folder(config.input), Folder(config.output)
    check_apart(run.url, output.url)
    settings = _settings(run)
    if config.weights == "trained" and not isinstance(settings, DiffusionConfig):
        raise ValueError(
            "--weights trained is for U-Nets, which have an average too: omit it for an autoencoder, which has none"
        )
    _require_free(output, run)
    checkpoint = _checkpoint(Checkpoints.of(run), config.step)
    if isinstance(settings, DiffusionConfig):
        start = start_of(settings, require_finished(settings.input, INPUT), captions=())
        _require_unchanged(run, identity_of(start))
        weights = unet_weights(checkpoint.tensors, average=config.weights == "average")
        write = partial(export_model, settings, start, weights, output)
    else:
        write = partial(export_autoencoder, settings, checkpoint.tensors["autoencoder"], output)
    if not dry_run:
        output.write(UNFINISHED, _note(run))
        stage = "train_diffusion" if isinstance(settings, DiffusionConfig) else "train_autoencoder"
        write_training_step(output, checkpoint.step, stage, settings.preset)
        write()
        output.delete(UNFINISHED)
    return {"step": checkpoint.step, "output": output.url}


def _require_free(output: Folder, run: Folder) -> None:
    """Check that an export may be written.

    Raises:
        ValueError: the output holds anything but an unfinished export of this run.
    """
    names = set(output.sizes()) - set(output.drafts())
    if UNFINISHED in names and output.read(UNFINISHED) != _note(run):
        raise ValueError(f"--output {output.url!r} holds an unfinished export of another run: give a new folder")
    if names and UNFINISHED not in names:
        raise ValueError(f"--output {output.url!r} is not empty: give a new folder")


def _note(run: Folder) -> bytes:
    return json.dumps({"export_of": run.url}).encode()


def _require_unchanged(run: Folder, start: dict[str, Any]) -> None:
    """Check that a run's base and autoencoder are as they were.

    Raises:
        ValueError: one of them has changed since.
    """
    before = json.loads(run.read(CONFIG))["identity"]
    if changed := [name for name, value in start.items() if before.get(name) != value]:
        raise ValueError(
            f"--input {run.url!r}: the {' and '.join(changed)} of the training has changed since. Restore it, or "
            "export where it is unchanged"
        )


def _settings(run: Folder) -> AutoencoderConfig | DiffusionConfig:
    """Read the settings of a run."""
    try:
        found = json.loads(run.read(CONFIG))["config"]
    except OSError as error:
        raise ValueError(
            f"--input {run.url!r} is not a training run: its {CONFIG} cannot be read ({error}). Give the output of a "
            "training"
        ) from error
    if "loop" not in found:
        raise ValueError(f"--input {run.url!r} was made by another stage: give the output of a training")
    source = f"--input {run.url!r}: its {CONFIG}"
    return (
        from_json(DiffusionConfig, found, source) if "lora" in found else from_json(AutoencoderConfig, found, source)
    )


def _checkpoint(checkpoints: Checkpoints, step: int | None) -> Checkpoint:
    steps = checkpoints.steps()
    if steps and step is not None and step not in steps:
        raise ValueError(f"--step {step} has no checkpoint: give one of {steps}")
    found = checkpoints.newest() if step is None or not steps else checkpoints.load(step)
    if found is None:
        raise ValueError(f"--input: {checkpoints.folder.url} holds no complete checkpoint: run the training first")
    return found
