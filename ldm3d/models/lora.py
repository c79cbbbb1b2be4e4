"""Low-rank adaptation (LoRA, arXiv 2106.09685) of the U-Net's attention, by peft: added, merged, saved."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from ldm3d.config import LoraConfig

if TYPE_CHECKING:
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

TARGETS = ("to_q", "to_k", "to_v", "to_out.0")  # in self-attention and in cross-attention to the caption


def add_lora(unet: "UNet2DConditionModel", config: LoraConfig, seed: int) -> None:
    """Freeze the U-Net and add trainable updates, which change nothing at first.

    Args:
        seed: for the updates' initial weights.
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
    """Write `pytorch_lora_weights.safetensors`, for `load_lora_weights` of diffusers' pipelines.

    The file's metadata holds the settings: without them, loaders take alpha for the rank.
    """
    import peft
    from diffusers.loaders.lora_pipeline import StableDiffusionLoraLoaderMixin
    from diffusers.utils.state_dict_utils import convert_state_dict_to_diffusers

    layers = convert_state_dict_to_diffusers(peft.get_peft_model_state_dict(unet))
    (config,) = unet.peft_config.values()
    # sets have another order in each process, and the file would have other bytes
    settings = {name: sorted(value) if isinstance(value, set) else value for name, value in config.to_dict().items()}
    StableDiffusionLoraLoaderMixin.save_lora_weights(
        folder, unet_lora_layers=layers, unet_lora_adapter_metadata=settings
    )


def merge_lora(unet: "UNet2DConditionModel") -> None:
    """Add the updates to the U-Net's weights, which makes it a plain U-Net again."""
    unet.fuse_lora()
    unet.unload_lora()
