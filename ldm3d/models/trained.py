"""A trained autoencoder: the output of `train_autoencoder`, or the one in a whole model."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch

from ldm3d.models.source import Source

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL


def load_trained_autoencoder(source: Source) -> "AutoencoderKL":
    """Load the RGBD autoencoder in `vae/` on the CPU, in evaluation mode; no other part of the model is needed.

    Raises:
        ValueError: it cannot be read, has neither 6 nor 4 channels, or weights are missing or not safetensors.
    """
    wanted = "6 or 4 for RGB and depth: give the output of train_autoencoder, or an LDM3D model"
    check_scaled(source, _config(source, (6, 4), wanted))
    return _load(source, torch.float32)


def load_any_autoencoder(source: Source, dtype: torch.dtype = torch.float32) -> "AutoencoderKL":
    """Load an autoencoder of 6, 4 or 3 channels, however it scales latents: enough to reconstruct pictures.

    Raises:
        ValueError: it cannot be read, has other channels, or weights are missing or not safetensors.
    """
    wanted = "6 or 4 for RGB and depth, or 3 for RGB: give the output of train_autoencoder, LDM3D or Stable Diffusion"
    _config(source, (6, 4, 3), wanted)
    return _load(source, dtype)


def _config(source: Source, channels: tuple[int, ...], wanted: str) -> Mapping[str, Any]:
    """Read the configuration of an autoencoder that has one of these numbers of channels, in as out."""
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    with source.explained("vae"):
        config: Mapping[str, Any] = AutoencoderKL.load_config(
            source.model, subfolder="vae", revision=source.revision or "main"
        )
    kind = config.get("_class_name")
    if kind is None:  # where there is no vae/, diffusers reads the config.json beside it, here that of a stage
        raise ValueError(
            f"{source.name}: there is no vae/ in it, which a training writes when it is done, wanted LDM3D or Stable "
            "Diffusion: give another model, or run that training's command again, which resumes it"
        )
    if kind != "AutoencoderKL":
        raise ValueError(f"{source.name}: its vae is {kind}, wanted AutoencoderKL: give an LDM3D model")
    into, out = config["in_channels"], config["out_channels"]
    if into != out or into not in channels:
        raise ValueError(f"{source.name}: its autoencoder has {into} channels in and {out} out, wanted {wanted}")
    return config


def _load(source: Source, dtype: torch.dtype) -> "AutoencoderKL":
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    vae: AutoencoderKL = source.load(AutoencoderKL, "vae", dtype)
    return vae


def check_scaled(source: Source, vae: Mapping[str, Any]) -> None:
    """Check that an autoencoder of this configuration scales its latents and does not shift them.

    Raises:
        ValueError: it shifts them, or scales each channel differently.
    """
    for name in ("shift_factor", "latents_mean", "latents_std"):
        if vae.get(name) is not None:
            raise ValueError(
                f"{source.name}: its autoencoder has {name} {vae[name]}, wanted latents with a scaling_factor only: "
                "give Stable Diffusion v1.x or 2.x"
            )
