"""One step of the U-Net: equation 2 of the paper with uniform timesteps, and the usual options.

draws = DenoisingDraws.of(positions, latent_shape, len(schedule), config.loss, seed)     # anywhere, on the CPU
latents = draw_latents(mean, std, draws.posterior, scaling_factor)
embeddings = drop_captions(embeddings, empty, draws.captions, config.loss.caption_dropout)
loss = denoising_loss(unet, latents, embeddings, draws.noise, draws.timesteps, schedule, config.loss).mean()
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from ldm3d.config import DenoisingLossConfig
from ldm3d.training.noise import Purpose, normal, uniform
from ldm3d.training.noise_schedule import NoiseSchedule


@dataclass(frozen=True)
class DenoisingDraws:
    """The random numbers of B samples of a step."""

    posterior: Tensor
    """(B, c, h, w) float32 N(0, 1), to draw the latent."""
    noise: Tensor
    """(B, c, h, w) float32 N(0, 1), to be predicted; includes offset noise."""
    timesteps: Tensor
    """(B,) int64, uniform."""
    captions: Tensor
    """(B,) float32, uniform in [0, 1); small ones drop the caption."""

    @classmethod
    def of(
        cls,
        positions: Sequence[int],
        shape: tuple[int, int, int],
        num_timesteps: int,
        config: DenoisingLossConfig,
        seed: int,
    ) -> "DenoisingDraws":
        """Draw for samples at `positions` of the run (`ldm3d.training.noise`), with latents of `shape` (c, h, w)."""
        noise = normal(seed, Purpose.NOISE, positions, shape)
        if config.offset_noise > 0:
            noise += config.offset_noise * normal(seed, Purpose.OFFSET, positions, (shape[0], 1, 1))
        return cls(
            posterior=normal(seed, Purpose.POSTERIOR, positions, shape),
            noise=noise,
            timesteps=(uniform(seed, Purpose.TIMESTEP, positions) * num_timesteps).long(),
            captions=uniform(seed, Purpose.CAPTION, positions),
        )

    def to(self, device: Any) -> "DenoisingDraws":
        """Return the same numbers on a device."""
        return DenoisingDraws(*(getattr(self, field.name).to(device, non_blocking=True) for field in fields(self)))


def draw_latents(mean: Tensor, std: Tensor, noise: Tensor, scaling_factor: float) -> Tensor:
    """Draw latents from the posterior, scaled to about unit variance, to train the U-Net on.

    All are (B, c, h, w): `mean` and `std` of any floating dtype, `noise` float32 N(0, 1) -> float32.
    """
    return (mean.float() + std.float() * noise) * scaling_factor


def drop_captions(embeddings: Tensor, empty: Tensor, draws: Tensor, share: float) -> Tensor:
    """Replace a share of embeddings by that of the empty caption, for guidance (Ho and Salimans 2021).

    Args:
        embeddings: (B, L, D), of the captions.
        empty: (L, D) or (1, L, D), of "".
        draws: (B,) uniform [0, 1).
        share: probability that a caption is dropped.
    """
    return torch.where((draws < share)[:, None, None], empty, embeddings)


def denoising_loss(
    unet: Callable[..., Any],
    latents: Tensor,
    embeddings: Tensor,
    noise: Tensor,
    timesteps: Tensor,
    schedule: NoiseSchedule,
    config: DenoisingLossConfig,
) -> Tensor:
    """Compute the weighted mean squared error of the U-Net's prediction for each sample.

    Equation 2 has the squared norm instead of the mean over elements; Adam is invariant to that factor.

    Args:
        unet: a diffusers UNet2DConditionModel, wrapped or not.
        latents: (B, c, h, w) float32, scaled.
        embeddings: (B, L, D), of the captions.
        noise: (B, c, h, w) float32.
        timesteps: (B,) int64, 0 to T - 1.

    Returns:
        (B,) float32.
    """
    noisy = schedule.add_noise(latents, noise, timesteps)
    predicted = unet(noisy, timesteps, encoder_hidden_states=embeddings).sample
    error: Tensor = (predicted.float() - schedule.target(latents, noise, timesteps)).square().flatten(1).mean(1)
    if config.min_snr_gamma is None:
        return error
    return min_snr_weight(schedule, timesteps, config.min_snr_gamma) * error


def min_snr_weight(schedule: NoiseSchedule, timesteps: Tensor, gamma: float) -> Tensor:
    """Return (B,) weights of Min-SNR-gamma (Hang et al. 2023, section 3.4): min(SNR, gamma) for the error of z_0.

    The error of epsilon is SNR times that of z_0, and the error of v is SNR + 1 times: their weights are
    min(SNR, gamma) / SNR and min(SNR, gamma) / (SNR + 1).
    """
    snr = schedule.snr(timesteps)
    if schedule.prediction == "epsilon":
        return (gamma / snr).clamp(max=1)  # 1 if the schedule ends in pure noise, where SNR is 0
    return snr.clamp(max=gamma) / (snr + 1)
