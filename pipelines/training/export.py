"""Training checkpoints, written as folders in diffusers layout."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from ldm3d.config import AutoencoderConfig, DiffusionConfig
from ldm3d.models.base import load_autoencoder, load_text
from ldm3d.models.checkpoint import Components, save_pipeline
from ldm3d.models.lora import merge_lora, save_lora
from ldm3d.training.ema import UPDATES
from ldm3d.training.reconstructor import Reconstructor
from pipelines.storage.folder import Folder
from pipelines.training.diffusion import UNET
from pipelines.training.diffusion_start import DiffusionStart, drawing_scheduler_of, make_unet

AUTOENCODER = "vae"
LORA = "lora"
# The file of a network, and of a whole model, that diffusers opens first.
NETWORK_INDEX, MODEL_INDEX = "config.json", "model_index.json"


def export_autoencoder(config: AutoencoderConfig, weights: Mapping[str, Tensor], output: Folder) -> None:
    """Write `vae/`: `AutoencoderKL.from_pretrained(output, subfolder="vae")` loads it.

    Args:
        weights: of the `Reconstructor`, as in its checkpoints.

    Raises:
        RuntimeError: they are of another network.
    """
    vae = load_autoencoder(config.model)
    Reconstructor(vae).load_state_dict(dict(weights))
    with _written(Folder(f"{output.url}/{AUTOENCODER}"), NETWORK_INDEX) as folder:
        vae.save_pretrained(folder)


def unet_weights(tensors: Mapping[str, Mapping[str, Tensor]], *, average: bool = True) -> dict[str, Tensor]:
    """Return the U-Net's trained weights from the files of a checkpoint; their average if asked for and kept."""
    found = tensors.get(f"{UNET}_average", tensors[UNET]) if average else tensors[UNET]
    return {name: value for name, value in found.items() if name != UPDATES}


def export_model(
    config: DiffusionConfig, start: DiffusionStart, weights: Mapping[str, Tensor], output: Folder
) -> None:
    """Write the whole model, in the layout of Intel/ldm3d. Low-rank updates are merged, and kept apart in `lora/`.

    Args:
        weights: the U-Net's trained weights.
        output: for the model alone; its existing files are replaced.

    Raises:
        RuntimeError: they are of another network.
    """
    unet: Any = make_unet(config, start)
    trained = {name for name, weight in unet.named_parameters() if weight.requires_grad}
    if strange := sorted(trained ^ weights.keys()):
        raise RuntimeError(f"the checkpoint is of another U-Net: names differ ({len(strange)}, {strange[0]} first)")
    unet.load_state_dict(dict(weights), strict=False)
    text_encoder, tokenizer = load_text(start.model)
    scheduler = drawing_scheduler_of(config, start.model)
    components = Components(start.vae, unet, text_encoder, tokenizer, scheduler)
    with tempfile.TemporaryDirectory() as updates, _written(output, MODEL_INDEX) as folder:
        if config.lora.rank:
            save_lora(unet, updates)
            merge_lora(unet)
        save_pipeline(folder, components)
        if config.lora.rank:
            shutil.copytree(updates, folder / LORA)


@contextmanager
def _written(output: Folder, index: str) -> Iterator[Path]:
    """Yield an empty local folder, and copy to the output what was put there.

    Args:
        index: the file that readers open first. The old one is deleted before anything else changes, and the new one
            is written last, so that nobody takes a part for the whole.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
        output.delete(index)
        output.delete_drafts()
        files = {str(file.relative_to(scratch)) for file in Path(scratch).rglob("*") if file.is_file()}
        for name in (*sorted(files - {index}), index):
            output.write(name, Path(scratch, name).read_bytes())
