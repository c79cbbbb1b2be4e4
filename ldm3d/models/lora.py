"""Low-rank updates of the U-Net's attention, by peft (arXiv 2106.09685): added, merged, saved."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ldm3d.config import LoraConfig

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # of every attention, to the latent itself and to the caption


def add_lora(unet: "UNet2DConditionModel", config: LoraConfig, seed: int) -> None:
    """Freezes the U-Net and adds updates that are trained in its place; they change nothing at first.

    Args:
        seed: draws their first weights.
    """
    import peft

    unet.requires_grad_(False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        unet.add_adapter(
            peft.LoraConfig(
                r=config.rank,
                lora_alpha=config.rank if config.alpha is None else config.alpha,
                init_lora_weights="gaussian",
                target_modules=list(TARGETS),
            )
        )


def save_lora(unet: "UNet2DConditionModel", folder: str | Path) -> None:
    """Writes `pytorch_lora_weights.safetensors`, which `load_lora_weights` of diffusers' pipelines reads."""
    import peft
    from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
    from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers

    layers = convert_state_dict_to_diffusers(peft.get_peft_model_state_dict(unet))
    StableDiffusionLoraLoaderMixin.save_lora_weights(folder, unet_lora_layers=layers)


def merge_lora(unet: "UNet2DConditionModel") -> None:
    """Adds the updates to the weights that they are for, and leaves a plain U-Net."""
    unet.fuse_lora()
    unet.unload_lora()
