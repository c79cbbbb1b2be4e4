"""Training checkpoints as folders in diffusers layout."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from ldm3d.config import AutoencoderConfig
from ldm3d.models.base import load_autoencoder
from ldm3d.training.reconstructor import Reconstructor
from pipelines.storage import Folder

AUTOENCODER = "vae"


def export_autoencoder(config: AutoencoderConfig, weights: Mapping[str, Tensor], output: Folder) -> None:
    """Write `vae/` of a run's output: `AutoencoderKL.from_pretrained(output, subfolder="vae")` loads it.

    Args:
        weights: of the `Reconstructor`, as its checkpoints hold them.

    Raises:
        RuntimeError: they are of another network.
    """
    vae = load_autoencoder(config.model)
    Reconstructor(vae).load_state_dict(dict(weights))
    with tempfile.TemporaryDirectory() as scratch:
        vae.save_pretrained(scratch)
        for file in sorted(Path(scratch).iterdir()):
            output.write(f"{AUTOENCODER}/{file.name}", file.read_bytes())
