"""The autoencoder that a stage is given, wherever it is."""

from typing import TYPE_CHECKING

from ldm3d.models.source import Source
from ldm3d.models.trained import load_trained_autoencoder
from pipelines.storage.models import model_copy

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
    with model_copy(model, ("vae",), SETTING) as folder:
        return load_trained_autoencoder(Source(f"{SETTING} {model!r}, copied to", folder))
