"""The RGBD autoencoder: Stable Diffusion's, with wider first and last convolutions (section 3.1.2 of the paper).

Latents here are the autoencoder's own, and so they are stored. The U-Net sees them times `vae.config.scaling_factor`:
`ldm3d.training.denoising.draw_latents` multiplies, `ldm3d.sampling.decode.decode_latents` divides, nothing else does.
"""

import copy
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL

Channels = Literal[6, 4]


class Posterior(NamedTuple):
    """What the encoder knows of a picture's latent: a normal distribution of every element by itself.

    mean, std: (B, c, h, w), not scaled; c is 4, and h and w are an eighth of the picture's, for Stable Diffusion.
    """

    mean: Tensor
    std: Tensor


def encode(vae: "AutoencoderKL", rgbd: Tensor) -> Posterior:
    """Pictures, (B, C, H, W) [-1, 1] as `ldm3d.rgbd.to_tensor` makes them -> the distribution of their latents."""
    distribution = vae.encode(rgbd).latent_dist
    return Posterior(distribution.mean, distribution.std)


def decode(vae: "AutoencoderKL", latents: Tensor) -> Tensor:
    """Latents, (B, c, h, w) and not scaled -> pictures, (B, C, H, W), about [-1, 1]."""
    rgbd: Tensor = vae.decode(latents).sample
    return rgbd


def widen(
    vae: "AutoencoderKL",
    channels: Channels,
    depth_input: Literal["zero", "rgb_mean"] = "zero",
    depth_output: Literal["rgb_mean", "zero"] = "rgb_mean",
) -> "AutoencoderKL":
    """A copy of an RGB autoencoder that sees and draws depth too. To Stable Diffusion's, 6 channels add 6,915 weights.

    What RGB goes through is kept bit for bit; how the new weights start is a choice.

    Args:
        channels: 6 for [R, G, B, 0, high, low], 4 for [R, G, B, depth].
        depth_input: `zero` starts blind to depth: the latent is the RGB model's (but for the order in which a
            convolution adds up). `rgb_mean` sees depth as it sees grey, which shifts the latents from the first step.
        depth_output: `rgb_mean` starts by drawing the grey of the picture, weights and bias, as depth; `zero` draws 0,
            the middle of depth's range.

    Raises:
        ValueError: `vae` is not an RGB autoencoder.
    """
    seen, drawn = vae.config["in_channels"], vae.config["out_channels"]
    if (seen, drawn) != (3, 3):
        raise ValueError(f"the autoencoder has {seen} channels in and {drawn} out, wanted 3: only RGB is widened")
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
    """`weights` with `new` more entries along `dim`, after those of R, G and B."""
    mean = weights.mean(dim, keepdim=True)
    added = torch.zeros_like(mean) if fill == "zero" else mean
    return nn.Parameter(torch.cat([weights, *[added] * new], dim), requires_grad=weights.requires_grad)
