"""Latents to images and, where the autoencoder gives it, 16-bit depth."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.rgbd import from_tensor, image_from_tensor

CHUNK_PIXELS = 4 * 512 * 512  # decoded at once: 2 to 3 GB in float32 with the decoder of Stable Diffusion


@dataclass(frozen=True)
class Decoded:
    """N pictures.

    image: N x H x W x 3 uint8 RGB.
    depth: N x H x W uint16, relative inverse depth, 65,535 = nearest; None of an autoencoder of RGB alone.
    is_finite: (N,) bool; where it is False the decoder gave NaN or infinity even in float32, and the picture is void.
    """

    image: NDArray[np.uint8]
    depth: NDArray[np.uint16] | None
    is_finite: NDArray[np.bool_]


@torch.no_grad()
def decode_latents(vae: Any, latents: Tensor) -> Decoded:
    """Decodes in the precision of the autoencoder, a few pictures at a time, whatever their number.

    Where float16 overflows, the picture is decoded again in float32, by a copy of the autoencoder.

    Args:
        vae: an `AutoencoderKL` of 6 or 4 output channels, or 3 of RGB alone, in eval mode.
        latents: (N, C, h, w) as the U-Net knows them; they are divided by the autoencoder's scaling factor.

    Raises:
        ValueError: the autoencoder gives other channels.
    """
    parts = [_decode(vae, chunk) for chunk in _chunks(latents / vae.config.scaling_factor, pixel_factor(vae))]
    pixels = torch.cat(parts)[: len(latents)]
    finite = pixels.isfinite().flatten(1).all(1)
    pixels = pixels.where(finite[:, None, None, None], 0.0)
    if pixels.shape[1] == 3:
        return Decoded(image_from_tensor(pixels).cpu().numpy(), None, finite.cpu().numpy())
    image, depth = from_tensor(pixels)
    return Decoded(image.cpu().numpy(), depth.cpu().numpy(), finite.cpu().numpy())


def pixel_factor(vae: Any) -> int:
    """Pixels per latent in height and in width: 8 for Stable Diffusion."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def _chunks(latents: Tensor, factor: int) -> Iterator[Tensor]:
    """Chunks of one size, the last one filled up: in floating point a picture depends on the shape of its batch."""
    pixels = latents.shape[-2] * latents.shape[-1] * factor**2
    size = min(max(1, CHUNK_PIXELS // pixels), len(latents))
    for start in range(0, len(latents), size):
        chunk = latents[start : start + size]
        yield torch.cat([chunk, chunk[-1:].expand(size - len(chunk), -1, -1, -1)])


def _decode(vae: Any, latents: Tensor) -> Tensor:
    """(n, C, h, w) unscaled -> (n, 6, 4 or 3, H, W) float32, about [-1, 1]."""
    pixels: Tensor = vae.decode(latents.to(vae.dtype), return_dict=False)[0].float()
    finite = pixels.isfinite().flatten(1).all(1)
    if finite.all():
        return pixels
    with torch.autocast(latents.device.type, enabled=False):
        again = copy.deepcopy(vae).float().decode(latents.float(), return_dict=False)[0]
    return pixels.where(finite[:, None, None, None], again)
