"""How many weights a training holds on a worker, counted without loading any."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from ldm3d.config import AutoencoderConfig, DiffusionConfig
from ldm3d.models.base import load_text_config, load_unet_config, load_vae_config
from ldm3d.models.lora import TARGETS
from ldm3d.training.discriminator import PatchDiscriminator
from pipelines.training.diffusion_start import DiffusionStart

FLOAT = 4  # bytes: weights, gradients, moments and averages are float32
WITH_ADAM = 4  # numbers for each trained weight: itself, its gradient, two moments


@dataclass(frozen=True)
class Weights:
    """Numbers of weights of all networks of a training."""

    trained: int
    averaged: int
    """Those of the trained ones of which a moving average is kept."""
    frozen: int

    def bytes_on(self, sharded_over: int) -> int:
        """Return the bytes of weights, gradients, Adam's moments and the average on one worker.

        Args:
            sharded_over: workers that share what is trained; 1 where each holds all of it.
        """
        shared = (WITH_ADAM * self.trained + self.averaged) / sharded_over
        return round(FLOAT * (shared + self.frozen))


def weights_of_autoencoder(config: AutoencoderConfig) -> Weights:
    """Count the autoencoder and the discriminator. The frozen network of LPIPS is left out.

    Raises:
        ValueError: the base cannot be read.
    """
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

    loss, channels = config.loss, config.model.channels
    widened = load_vae_config(config.model) | {"in_channels": channels, "out_channels": channels}
    with torch.device("meta"):
        networks: list[Any] = [AutoencoderKL.from_config(widened)]
        if loss.adversarial_weight > 0:
            networks.append(
                PatchDiscriminator(
                    channels, loss.discriminator_filters, loss.discriminator_layers, loss.discriminator_norm
                )
            )
    return Weights(trained=sum(map(_count, networks)), averaged=0, frozen=0)


def weights_of_diffusion(config: DiffusionConfig, start: DiffusionStart) -> Weights:
    """Count the U-Net or its low-rank updates, the autoencoder, the teacher of a distillation, and the text encoder,
    if the loop needs one.

    Raises:
        ValueError: the base cannot be read.
    """
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers import CLIPTextModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel.from_config(load_unet_config(start.model))
        text = None if start.text_is_stored else CLIPTextModel(load_text_config(start.model))
    every, updates = _count(unet), _low_rank(unet.named_modules(), config.lora.rank)
    trained = updates if config.lora.rank else every
    frozen = _count(start.vae) + (_count(text) if text is not None else 0) + (every if config.lora.rank else 0)
    frozen += every if config.distill.teacher is not None else 0
    return Weights(trained=trained, averaged=trained if config.ema.decay > 0 else 0, frozen=frozen)


def _count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def _low_rank(modules: Iterable[tuple[str, nn.Module]], rank: int) -> int:
    """Return the weights of updates of a rank to the attention of a U-Net: two narrow matrices for each layer."""
    layers = [layer for name, layer in modules if name.endswith(TARGETS) and isinstance(layer, nn.Linear)]
    return sum(rank * (layer.in_features + layer.out_features) for layer in layers)
