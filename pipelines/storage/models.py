"""Trained models wherever they are stored: opened, and the training step that they are of."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ldm3d.models.source import Source
from ldm3d.models.trained import load_trained_autoencoder
from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.storage.folder import DamagedError, Folder
from pipelines.storage.inputs import readable
from pipelines.storage.paths import INDEX, MODEL
from pipelines.storage.run import SUCCESS, TRAINING_STEP

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


READ = (".json", ".safetensors", ".txt")  # configuration, weights, and the tokenizer's merges
PARTS = ("", "vae", "unet", "text_encoder", "tokenizer", "scheduler")
AUTOENCODER, GENERATOR = "--model.autoencoder", "--model.model"  # flags, for messages


@contextmanager
def local_model(model: str, parts: tuple[str, ...], setting: str) -> Iterator[str]:
    """Yield a hub id or local path as it is, and for a URL a copy of the model, which lasts as long as the context.

    Args:
        parts: the model's folders that must exist; "" stands for the files beside them.
        setting: the setting that names the model, for messages.

    Raises:
        ValueError: the model cannot be read, or lacks a part.
    """
    if "://" not in model:
        yield model
        return
    with tempfile.TemporaryDirectory() as scratch:
        with readable(model, setting):
            folder = Folder(model)
            if folder.exists(f"{MODEL}/{INDEX}") and not folder.exists(INDEX):
                folder = Folder(f"{folder.url}/{MODEL}")  # of a training's output
            for part in parts:
                _copy(folder, part, Path(scratch))
        yield scratch


def _copy(model: Folder, part: str, target: Path) -> None:
    """Copy the files of one part."""
    names = [name for name in model.sizes(part) if name.endswith(READ) and name.rpartition("/")[0] == part]
    if not names:
        lacking = f"{part}/" if part else "model_index.json"
        raise FileNotFoundError(f"there is no {lacking} in {model.url}: finish the training that writes it")
    (target / part).mkdir(exist_ok=True)
    for name in names:
        (target / name).write_bytes(model.read(name))


def write_training_step(output: Folder, step: int, stage: str = "", preset: str | None = None) -> None:
    """Write the step into the folder of a model, and the stage and the preset that it comes from."""
    output.write(TRAINING_STEP, json.dumps({"step": step, "stage": stage, "preset": preset}).encode())


def training_step_of(model: str) -> int | None:
    """Return the training step of an export, or of `model/` in the output of a training. None where it is not known.

    Args:
        model: a folder, local or s3://, or a hub id, whose step is never known.

    Raises:
        ValueError: the file that holds the step is damaged.
    """
    if "://" not in model and not Path(model).is_dir():
        return None
    run, _, name = model.rstrip("/").rpartition("/")
    try:
        exported = _number(Folder(model), TRAINING_STEP, "step")
        return _number(Folder(run or "/"), SUCCESS, "steps") if exported is None and name == MODEL else exported
    except DamagedError as error:
        raise ValueError(
            f"{GENERATOR} {model!r}: {error}: restore or remove that file, which holds the training step"
        ) from error


def _number(folder: Folder, file: str, name: str) -> int | None:
    try:
        found = folder.read_json(file).get(name)
    except (FileNotFoundError, PermissionError):  # some stores deny access to what does not exist
        return None
    return found if isinstance(found, int) else None


def open_autoencoder(model: str, revision: str | None = None) -> "AutoencoderKL":
    """Open a trained autoencoder in float32, on the CPU.

    Args:
        model: a folder, local or s3://, with the autoencoder in `vae/`; or a hub id.
        revision: commit of a model on the hub.

    Raises:
        ValueError: there is none, or it does not have LDM3D's channels.
    """
    with local_model(model, ("vae",), AUTOENCODER) as folder:
        if folder == model:
            return load_trained_autoencoder(Source(AUTOENCODER, model, revision))
        return load_trained_autoencoder(Source(f"{AUTOENCODER} {model!r}, copied to", folder))


def open_model(model: str, revision: str | None = None) -> RgbdPipeline:
    """Open a trained model in float32, on the CPU.

    Args:
        model: a folder in diffusers layout, local or s3://, or a hub id.
        revision: commit of a model on the hub.

    Raises:
        ValueError: there is none, or it cannot draw.
    """
    with local_model(model, PARTS, GENERATOR) as folder:
        if folder == model:
            return RgbdPipeline.from_pretrained(model, revision, setting=GENERATOR)
        return RgbdPipeline.from_pretrained(folder, setting=f"{GENERATOR} {model!r}, copied to")
