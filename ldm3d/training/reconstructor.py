"""The autoencoder in one forward pass."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Reconstruction(NamedTuple):
    """What the losses need of a pass through the autoencoder; a tuple, so that DDP and FSDP find its tensors.

    pixels: (B, C, H, W), about [-1, 1].
    mean, log_variance: (B, c, h, w) float32, of the posterior.
    features: (B, f, H, W), what the last layer of the decoder was given; detached. None where gradients are off.
    """

    pixels: Tensor
    mean: Tensor
    log_variance: Tensor
    features: Tensor | None


class Reconstructor(nn.Module):
    """Encode, draw from the posterior, decode.

    This is the module to wrap in DDP or FSDP, or to compile, and to call: `encode` and `decode` of an autoencoder
    inside a wrapper go past it, and its gradients are then not averaged.

    Args:
        vae: a diffusers AutoencoderKL.
    """

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae
        self._features: Tensor | None = None
        # once, and not in `forward`: torch.compile does not look for hooks that come later
        vae.decoder.conv_out.register_forward_pre_hook(self._keep_features)

    def forward(self, pixels: Tensor, noise: Tensor) -> Reconstruction:
        """(B, C, H, W) of [-1, 1] and (B, c, h, w) of N(0, 1), or of zeros for the posterior's mean."""
        posterior = self.vae.encode(pixels).latent_dist
        mean = posterior.mean.float().clone()  # not a view: FSDP warns of outputs that are
        log_variance = posterior.logvar.float()
        latents = mean + torch.exp(log_variance / 2) * noise
        decoded = self.vae.decode(latents).sample
        features, self._features = self._features, None
        return Reconstruction(decoded, mean, log_variance, features)

    def _keep_features(self, _layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if torch.is_grad_enabled():
            self._features = inputs[0].detach()
