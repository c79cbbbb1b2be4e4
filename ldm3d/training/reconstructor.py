"""The autoencoder in one forward pass."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Reconstruction(NamedTuple):
    """What the losses need from a pass through the autoencoder; a tuple, so that DDP and FSDP find its tensors."""

    pixels: Tensor
    """(B, C, H, W), about [-1, 1]."""
    mean: Tensor
    """(B, c, h, w) float32, of the posterior."""
    log_variance: Tensor
    """(B, c, h, w) float32, of the posterior."""
    features: Tensor | None
    """(B, f, H, W), the input of the decoder's last layer, detached; None if gradients are off."""


class Reconstructor(nn.Module):
    """Encodes, draws from the posterior, and decodes.

    Wrap this module in DDP or FSDP, or compile it, and call that. Calling `encode` or `decode` of the autoencoder
    inside would bypass the wrapper, and gradients would not be averaged.

    Args:
        vae: a diffusers AutoencoderKL.
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self._features: Tensor | None = None
        # here and not in `forward`: torch.compile ignores hooks that are added later
        vae.decoder.conv_out.register_forward_pre_hook(self._keep_features)

    def forward(self, pixels: Tensor, noise: Tensor) -> Reconstruction:
        """Reconstruct (B, C, H, W) `pixels` in [-1, 1].

        Args:
            noise: (B, c, h, w), from N(0, 1); zeros give the posterior's mean.
        """
        posterior = self.vae.encode(pixels).latent_dist
        mean = posterior.mean.float().clone()  # not a view: FSDP warns about outputs that are
        log_variance = posterior.logvar.float()
        latents = mean + torch.exp(log_variance / 2) * noise
        decoded = self.vae.decode(latents).sample
        features, self._features = self._features, None
        return Reconstruction(decoded, mean, log_variance, features)

    def _keep_features(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self._features = inputs[0].detach()
