"""Training checkpoints as folders in diffusers layout."""

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
from pipelines.training.diffusion_start import DiffusionStart, make_unet, scheduler_of

AUTOENCODER = "vae"
LORA = "lora"
# What diffusers opens first of a network and of a whole model.
NETWORK_INDEX, MODEL_INDEX = "config.json", "model_index.json"


def export_autoencoder(config: AutoencoderConfig, weights: Mapping[str, Tensor], output: Folder) -> None:
    """Write `vae/`: `AutoencoderKL.from_pretrained(output, subfolder="vae")` loads it.

    Args:
        weights: of the `Reconstructor`, as its checkpoints hold them.

    Raises:
        RuntimeError: they are of another network.
    """
    vae = load_autoencoder(config.model)
    Reconstructor(vae).load_state_dict(dict(weights))
    with _written(Folder(f"{output.url}/{AUTOENCODER}"), NETWORK_INDEX) as folder:
        vae.save_pretrained(folder)


def unet_weights(tensors: Mapping[str, Mapping[str, Tensor]], *, average: bool = True) -> dict[str, Tensor]:
    """What was trained of the U-Net, from the files of a checkpoint; its average if wanted and there."""
    found = tensors.get(f"{UNET}_average", tensors[UNET]) if average else tensors[UNET]
    return {name: value for name, value in found.items() if name != UPDATES}


def export_model(
    config: DiffusionConfig, start: DiffusionStart, weights: Mapping[str, Tensor], output: Folder
) -> None:
    """Write the whole model, laid out as Intel/ldm3d is. Low-rank updates are merged, and in `lora/` by themselves.

    Args:
        weights: of the U-Net, as far as they were trained.
        output: of the model alone; files of it that are there are replaced.

    Raises:
        RuntimeError: they are of another network.
    """
    unet: Any = make_unet(config, start)
    trained = {name for name, weight in unet.named_parameters() if weight.requires_grad}
    if strange := sorted(trained ^ weights.keys()):
        raise RuntimeError(f"the checkpoint is of another U-Net: {len(strange)} names differ, {strange[0]} first")
    unet.load_state_dict(dict(weights), strict=False)
    text_encoder, tokenizer = load_text(start.model)
    components = Components(start.vae, unet, text_encoder, tokenizer, scheduler_of(config, start.model))
    with tempfile.TemporaryDirectory() as updates, _written(output, MODEL_INDEX) as folder:
        if config.lora.rank:
            save_lora(unet, updates)
            merge_lora(unet)
        save_pipeline(folder, components)
        if config.lora.rank:
            shutil.copytree(updates, folder / LORA)


@contextmanager
def _written(output: Folder, index: str) -> Iterator[Path]:
    """An empty folder on this machine; what is in it in the end goes to the output.

    Args:
        index: the file that readers open first. It goes first of what was there and comes last, so that nobody takes
            a part for the whole.
    """
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch)
        output.delete(index)
        output.delete_drafts()
        files = {str(file.relative_to(scratch)) for file in Path(scratch).rglob("*") if file.is_file()}
        for name in (*sorted(files - {index}), index):
            output.write(name, Path(scratch, name).read_bytes())
