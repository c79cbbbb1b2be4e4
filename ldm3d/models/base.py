"""The Stable Diffusion or LDM3D checkpoint that training starts from: checked first, then loaded part by part."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from ldm3d.config import ModelConfig
from ldm3d.fingerprint import fingerprint_of_folder
from ldm3d.models.autoencoder import widen
from ldm3d.models.checkpoint import Components
from ldm3d.models.few_steps import KIND, without_few_steps
from ldm3d.models.source import Source
from ldm3d.models.trained import check_scaled

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_lcm import LCMScheduler
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

BASE = "--model.base"  # the flag, for messages
# What `model_index.json` must list: part -> the classes that it may have.
CLASSES = {
    "vae": ("AutoencoderKL",),
    "unet": ("UNet2DConditionModel",),
    "text_encoder": ("CLIPTextModel",),
    "tokenizer": ("CLIPTokenizer", "CLIPTokenizerFast"),
}

# The sample size of Stable Diffusion v1, 512 pixels.
SAMPLE_SIZE = 64

# How Stable Diffusion is sampled, whatever a configuration from 2022 says; diffusers' pipelines correct the same.
CORRECTED = {"clip_sample": False, "steps_offset": 1}


def check_base(model: ModelConfig, setting: str = BASE) -> None:
    """Check that LDM3D can be built from the base. Reads its configuration files, no weights.

    Args:
        setting: the flag that names the base, for messages; here and in the functions below.

    Raises:
        ValueError: the base cannot be read; it is neither Stable Diffusion v1.x or 2.x nor LDM3D; or its autoencoder
            has neither 3 nor `model.channels` channels.
    """
    from diffusers import DiffusionPipeline
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextConfig

    source, revision = _source(model, setting), model.revision or "main"
    with source.explained("model_index.json"):
        index = DiffusionPipeline.load_config(model.base, revision=revision)
    _check_parts(source, index)
    with source.explained("configuration"):
        vae = AutoencoderKL.load_config(model.base, subfolder="vae", revision=revision)
        unet = UNet2DConditionModel.load_config(model.base, subfolder="unet", revision=revision)
        text = CLIPTextConfig.from_pretrained(model.base, subfolder="text_encoder", revision=revision)
    _check_autoencoder(source, vae, model.channels)
    _check_unet(source, unet, latent_channels=vae["latent_channels"], text_width=text.hidden_size)
    if getattr(text, "use_attention_mask", False):
        raise ValueError(
            f"{source.name}: its text_encoder has use_attention_mask, wanted one that reads padding, too: give Stable "
            "Diffusion v1.x or 2.x, or LDM3D"
        )


def fingerprint_of_base(model: ModelConfig) -> str:
    """Return what identifies the base's weights: the content of a folder, the commit of a hub id."""
    folder = Path(model.base)
    if not folder.is_dir():
        return f"{model.base}@{model.revision or 'main'}"
    parts = sorted(part for part in folder.iterdir() if part.is_dir())
    return ",".join(f"{part.name}:{fingerprint_of_folder(part)}" for part in parts)


def load_base(model: ModelConfig, dtype: torch.dtype = torch.float32) -> Components:
    """Load the whole base on the CPU, in evaluation mode. To save memory, load single parts with the functions below.

    Raises:
        ValueError: as `check_base`; or weights are missing or not stored as safetensors. The functions below raise
            the same.
    """
    vae, unet = load_autoencoder(model, dtype), load_unet(model, dtype)
    return Components(vae, unet, *load_text(model, dtype), load_scheduler(model))


def load_autoencoder(model: ModelConfig, dtype: torch.dtype = torch.float32) -> "AutoencoderKL":
    """Load the base's autoencoder, and widen it to `model.channels` if it has three."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    check_base(model)
    vae: AutoencoderKL = _source(model).load(AutoencoderKL, "vae", dtype)
    if vae.config["in_channels"] == model.channels:
        return vae
    return widen(vae, model.channels, model.depth_input, model.depth_output)


def load_unet(model: ModelConfig, dtype: torch.dtype = torch.float32, setting: str = BASE) -> "UNet2DConditionModel":
    """Load the base's U-Net."""
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    check_base(model, setting)
    unet: UNet2DConditionModel = _source(model, setting).load(UNet2DConditionModel, "unet", dtype)
    if _is_halved(unet.config):
        unet.register_to_config(sample_size=SAMPLE_SIZE)
    return unet


def load_unet_config(model: ModelConfig) -> dict[str, Any]:
    """Read the configuration of the base's U-Net, no weights.

    Raises:
        ValueError: it cannot be read.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel

    with _source(model).explained("configuration"):
        return dict(UNet2DConditionModel.load_config(model.base, subfolder="unet", revision=model.revision or "main"))


def load_vae_config(model: ModelConfig) -> dict[str, Any]:
    """Read the configuration of the base's autoencoder, no weights.

    Raises:
        ValueError: it cannot be read.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with _source(model).explained("configuration"):
        return dict(AutoencoderKL.load_config(model.base, subfolder="vae", revision=model.revision or "main"))


def load_text_config(model: ModelConfig) -> "CLIPTextConfig":
    """Read the configuration of the base's text encoder, no weights.

    Raises:
        ValueError: it cannot be read.
    """
    from transformers import CLIPTextConfig

    with _source(model).explained("configuration"):
        return CLIPTextConfig.from_pretrained(model.base, subfolder="text_encoder", revision=model.revision or "main")


def load_text(
    model: ModelConfig, dtype: torch.dtype = torch.float32, setting: str = BASE
) -> tuple["CLIPTextModel", "CLIPTokenizer"]:
    """Load the base's text encoder and its tokenizer, which pads and truncates to the encoder's length."""
    from transformers import CLIPTextModel, CLIPTokenizer

    check_base(model, setting)
    text_encoder: CLIPTextModel = _source(model, setting).load(CLIPTextModel, "text_encoder", dtype)
    with _source(model, setting).explained("tokenizer"):
        tokenizer = CLIPTokenizer.from_pretrained(model.base, subfolder="tokenizer", revision=model.revision or "main")
    tokenizer.model_max_length = text_encoder.config.max_position_embeddings
    return text_encoder, tokenizer


def load_scheduler(model: ModelConfig, setting: str = BASE) -> "DDIMScheduler":
    """Load the base's noise schedule and `prediction_type` (what its U-Net predicts) as a DDIM scheduler."""
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler

    check_base(model, setting)
    with _source(model, setting).explained("scheduler"):
        stored = DDIMScheduler.load_config(model.base, subfolder="scheduler", revision=model.revision)
    if stored.get("_class_name") != "DDIMScheduler":  # whose own default is True; Stable Diffusion's is that of PNDM
        stored = {"set_alpha_to_one": False} | without_few_steps(stored)
    scheduler: DDIMScheduler = DDIMScheduler.from_config(stored, **CORRECTED)
    return scheduler


def load_drawing_scheduler(model: ModelConfig, setting: str = BASE) -> "DDIMScheduler | LCMScheduler":
    """Load the scheduler that a whole model is to be drawn with: LCM for one that was distilled for few steps
    (`train_diffusion --distill.teacher`, latent consistency models), DDIM for any other."""
    from diffusers.schedulers.scheduling_lcm import LCMScheduler

    check_base(model, setting)
    with _source(model, setting).explained("scheduler"):
        stored = LCMScheduler.load_config(model.base, subfolder="scheduler", revision=model.revision)
    if stored.get("_class_name") != KIND:
        return load_scheduler(model, setting)
    distilled: LCMScheduler = LCMScheduler.from_config(stored, **CORRECTED)
    return distilled


def _source(model: ModelConfig, setting: str = BASE) -> Source:
    return Source(setting, model.base, model.revision)


def _is_halved(unet: Mapping[str, Any]) -> bool:
    """Return whether a configuration states half the size that the U-Net was trained at, as many from 2022 do.

    The rule is the one by which diffusers' Stable Diffusion pipelines correct it; loading the U-Net alone does not.
    """
    size, written_by = unet["sample_size"], unet.get("_diffusers_version", "")
    is_old = re.match(r"0\.[0-8]\.", written_by) is not None  # before 0.9
    return is_old and isinstance(size, int) and size < SAMPLE_SIZE


def _check_parts(source: Source, index: Mapping[str, Any]) -> None:
    for part, classes in CLASSES.items():
        got = (index.get(part) or (None, None))[1]
        if got not in classes:
            raise ValueError(
                f"{source.name}: its {part} is {got or 'missing'}, wanted {classes[0]}: "
                "give Stable Diffusion v1.x or 2.x, or LDM3D"
            )


def _check_autoencoder(source: Source, vae: Mapping[str, Any], wanted: int) -> None:
    channels = (vae["in_channels"], vae["out_channels"])
    if channels not in ((3, 3), (wanted, wanted)):
        raise ValueError(
            f"{source.name}: its autoencoder has {channels[0]} channels in and {channels[1]} out, "
            f"wanted 3 (to be widened) or {wanted}: give another model, or other --model.channels"
        )
    check_scaled(source, vae)


def _check_unet(source: Source, unet: Mapping[str, Any], latent_channels: int, text_width: int) -> None:
    got = (unet["in_channels"], unet["out_channels"], unet["cross_attention_dim"])
    if got != (latent_channels, latent_channels, text_width):
        raise ValueError(
            f"{source.name}: its U-Net has {got[0]} channels in, {got[1]} out, and reads text of width "
            f"{got[2]}, wanted {latent_channels}, {latent_channels} and {text_width}: give a text-to-image Stable "
            "Diffusion v1.x or 2.x (not inpainting, depth or XL)"
        )
