"""The autoencoder that a stage is given, wherever it is."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ldm3d.models.source import Source
from ldm3d.models.trained import load_trained_autoencoder
from pipelines.storage import Folder

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

SETTING = "model.autoencoder"


def open_autoencoder(model: str, revision: str | None = None) -> "AutoencoderKL":
    """A trained autoencoder in float32, on the CPU.

    Args:
        model: a folder, local or s3://, with the autoencoder in `vae/`; or a hub id.
        revision: of a hub's.

    Raises:
        ValueError: there is none that will do.
    """
    if "://" not in model:
        return load_trained_autoencoder(Source(SETTING, model, revision))
    with tempfile.TemporaryDirectory() as scratch:
        try:
            _copy(Folder(model), "vae", Path(scratch))
        except OSError as error:
            raise ValueError(f"{SETTING} {model!r} cannot be read: {error}") from error
        return load_trained_autoencoder(Source(f"{SETTING} {model!r}, copied to", scratch))


def _copy(folder: Folder, part: str, target: Path) -> None:
    """What diffusers reads of one part of a model: configuration and weights."""
    names = [name for name in folder.sizes(part) if name.endswith((".json", ".safetensors"))]
    if not names:
        raise FileNotFoundError(f"there is no {part}/ in {folder.url}: finish the training that writes it")
    (target / part).mkdir()
    for name in names:
        (target / name).write_bytes(folder.read(name))
