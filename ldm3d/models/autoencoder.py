"""The RGBD autoencoder: Stable Diffusion's, with wider first and last convolutions (section 3.1.2 of the paper).

Latents here, and latents on disk, are as the autoencoder makes them, not scaled. The U-Net sees them multiplied by
`vae.config.scaling_factor`: only `ldm3d.training.denoising.draw_latents` multiplies, and only
`ldm3d.sampling.decode.decode_latents` divides.
"""

import copy
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

Channels = Literal[6, 4]


class Posterior(NamedTuple):
    """What the encoder knows about a picture's latent: an independent normal distribution for each element."""

    mean: Tensor
    """(B, c, h, w), not scaled. For Stable Diffusion c is 4, and h and w are an eighth of the picture's."""
    std: Tensor
    """The same shape, not scaled."""


def encode(vae: "AutoencoderKL", rgbd: Tensor) -> Posterior:
    """Encode pictures, (B, C, H, W) in [-1, 1] as from `ldm3d.rgbd.to_tensor`, to distributions of their latents."""
    distribution = vae.encode(rgbd).latent_dist
    return Posterior(distribution.mean, distribution.std)


def decode(vae: "AutoencoderKL", latents: Tensor) -> Tensor:
    """Decode latents, (B, c, h, w) and not scaled, to pictures, (B, C, H, W) in about [-1, 1]."""
    rgbd: Tensor = vae.decode(latents).sample
    return rgbd


def widen(
    vae: "AutoencoderKL",
    channels: Channels,
    depth_input: Literal["zero", "rgb_mean"] = "zero",
    depth_output: Literal["rgb_mean", "zero"] = "rgb_mean",
) -> "AutoencoderKL":
    """Return a copy of an RGB autoencoder that also reads and writes depth.

    The weights for RGB are kept bit for bit; the arguments choose how the new ones start. In Stable Diffusion's
    autoencoder, 6 channels add 6,915 weights.

    Args:
        channels: 6 for [R, G, B, 0, high, low], 4 for [R, G, B, depth].
        depth_input: `zero` starts blind to depth: latents are the RGB model's (up to the summation order of a
            convolution). `rgb_mean` treats depth as grey, which shifts the latents from the first step.
        depth_output: `rgb_mean` starts by writing the grey of the picture as depth (weights and bias); `zero` writes
            0, the middle of depth's range.

    Raises:
        ValueError: `vae` is not an RGB autoencoder.
    """
    into, out = vae.config["in_channels"], vae.config["out_channels"]
    if (into, out) != (3, 3):
        raise ValueError(f"the autoencoder has {into} channels in and {out} out, wanted 3: give one for RGB")
    wide = copy.deepcopy(vae)
    new = channels - 3
    conv_in, conv_out = wide.encoder.conv_in, wide.decoder.conv_out
    assert conv_out.bias is not None
    conv_in.weight = _grown(conv_in.weight, new, dim=1, fill=depth_input)
    conv_in.in_channels = channels
    conv_out.weight = _grown(conv_out.weight, new, dim=0, fill=depth_output)
    conv_out.bias = _grown(conv_out.bias, new, dim=0, fill=depth_output)
    conv_out.out_channels = channels
    wide.register_to_config(in_channels=channels, out_channels=channels)
    return wide


@torch.no_grad()
def _grown(weights: Tensor, new: int, dim: int, fill: Literal["zero", "rgb_mean"]) -> nn.Parameter:
    """Append `new` entries to `weights` along `dim`, after those for R, G and B."""
    mean = weights.mean(dim, keepdim=True)
    added = torch.zeros_like(mean) if fill == "zero" else mean
    return nn.Parameter(torch.cat([weights, *[added] * new], dim), requires_grad=weights.requires_grad)
