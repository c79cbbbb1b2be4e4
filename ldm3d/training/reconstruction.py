"""How far a reconstruction is from its RGBD picture: L1 and LPIPS, as in latent diffusion's kl-f8.

With x and y in [-1, 1], a sample's loss is the sum over channels and pixels of |x - y| + LPIPS, not the mean (Esser et
al. 2021 and Rombach et al. 2022; their code's learned log-variance stays zero, as no optimiser has it, and is left out
here). LPIPS takes three channels, so RGB and depth have an LPIPS each, which counts for the channels it covers: with
weights of 1 the loss is that of two pictures, each balanced as kl-f8 balances one.

Twice the channels double the sum, so the KL, of 4 x 64 x 64 latents as before, weighs half as much as in kl-f8. The
adversarial weight is adaptive and keeps its balance.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from ldm3d.config import AutoencoderLossConfig, PerceptualConfig

Distance = Callable[[Tensor, Tensor], Tensor]
"""Two batches of (B, 3, H, W) pictures in [-1, 1] -> (B,) distances."""

RGB_CHANNELS = 3


@dataclass(frozen=True)
class ReconstructionTerms:
    """The terms of each sample, float32."""

    loss: Tensor
    """(B,), the sum over channels and pixels."""
    l1: Tensor
    """(B, C), mean absolute error of each channel, unweighted."""
    perceptual_rgb: Tensor
    """(B,), LPIPS, unweighted; 0 if its weight is 0."""
    perceptual_depth: Tensor
    """(B,), as for RGB."""


def reconstruction_terms(
    reconstruction: Tensor, target: Tensor, perceptual: Distance | None, config: AutoencoderLossConfig
) -> ReconstructionTerms:
    """Compare (B, C, H, W) pictures in [-1, 1], C = 6 or 4. `perceptual` may be None if both its weights are 0."""
    _, channels, height, width = target.shape
    l1 = (reconstruction.float() - target.float()).abs().mean((2, 3))
    rgb, depth = _perceptual_terms(reconstruction.float(), target.float(), perceptual, config.perceptual)
    weighted = (
        (l1 * channel_weights(config, channels).to(l1)).sum(1)
        + RGB_CHANNELS * config.perceptual.rgb_weight * rgb
        + (channels - RGB_CHANNELS) * config.perceptual.depth_weight * depth
    )
    return ReconstructionTerms(height * width * weighted, l1, rgb, depth)


def kl_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, variance) || N(0, 1)) in nats, summed over each sample: (B, ...) twice -> (B,) float32."""
    mean, log_variance = mean.float(), log_variance.float()
    return (mean.square() + log_variance.exp() - 1 - log_variance).flatten(1).sum(1) / 2


def channel_weights(config: AutoencoderLossConfig, channels: int) -> Tensor:
    """Return the (C,) weights of the L1, in the order of `ldm3d.rgbd.to_tensor`.

    Raises:
        ValueError: an RGBD picture has neither 6 nor 4 channels.
    """
    depth = {6: [config.zero_weight, config.high_weight, config.low_weight], 4: [config.high_weight]}
    if channels not in depth:
        raise ValueError(f"an RGBD picture has {channels} channels, wanted 6 or 4 (ldm3d.rgbd.to_tensor)")
    return torch.tensor([config.rgb_weight] * RGB_CHANNELS + depth[channels])


def grey_depth(pixels: Tensor) -> Tensor:
    """Return depth as a grey picture, [-1, 1] for [0, 65,535]: (B, C, H, W) -> (B, 3, H, W), three equal channels.

    It is `ldm3d.rgbd.from_tensor` without rounding and clamping, so that gradients pass: for high and low bytes in
    [-1, 1] it is (256 high + low) / 257.
    """
    grey = pixels[:, 3:] if pixels.shape[1] == 4 else (256 * pixels[:, 4:5] + pixels[:, 5:6]) / 257
    return grey.expand(-1, 3, -1, -1)


def _perceptual_terms(
    reconstruction: Tensor, target: Tensor, perceptual: Distance | None, config: PerceptualConfig
) -> tuple[Tensor, Tensor]:
    """Return LPIPS of RGB and of depth, (B,) each, in one pass through the network."""

    def pictures(pixels: Tensor) -> Tensor:
        batches = []
        if config.rgb_weight > 0:
            batches.append(pixels[:, :RGB_CHANNELS])
        if config.depth_weight > 0:
            packed = config.depth == "packed" and pixels.shape[1] == 6
            batches.append(pixels[:, RGB_CHANNELS:] if packed else grey_depth(pixels))
        return torch.cat(batches)

    unseen = torch.zeros(len(target), device=target.device)
    if config.rgb_weight == config.depth_weight == 0:
        return unseen, unseen
    if perceptual is None:
        raise ValueError("--loss.perceptual has a weight above 0, but there is no network: make a Perceptual")
    distances = perceptual(pictures(reconstruction), pictures(target)).split(len(target))
    return (
        distances[0] if config.rgb_weight > 0 else unseen,
        distances[-1] if config.depth_weight > 0 else unseen,
    )
