"""Latents to images and, if the autoencoder gives it, 16-bit depth."""

import copy
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.rgbd import from_tensor, image_from_tensor
from ldm3d.sampling.panorama import wrapped_around
from ldm3d.sampling.tiles import blend_tiles, require_tile

CHUNK_PIXELS = 4 * 512 * 512  # decoded at once: takes 2 to 3 GB in float32 with the decoder of Stable Diffusion


@dataclass(frozen=True)
class Decoded:
    """N pictures."""

    image: NDArray[np.uint8]
    """N x H x W x 3 RGB."""
    depth: NDArray[np.uint16] | None
    """N x H x W relative inverse depth, 65,535 = nearest; None if the autoencoder knows RGB alone."""
    is_finite: NDArray[np.bool_]
    """(N,); False where the decoder gave NaN or infinity even in float32, and the picture is void."""


@torch.no_grad()
def decode_latents(vae: Any, latents: Tensor, tile: int | None = None, *, panorama: bool = False) -> Decoded:
    """Decode latents in the autoencoder's precision, a few pictures at a time.

    A picture that overflows in float16 is decoded again in float32, by a copy of the autoencoder.

    Args:
        vae: an `AutoencoderKL` with 6 or 4 output channels, or 3 for RGB alone, in eval mode.
        latents: (N, C, h, w) in the U-Net's scale; they are divided by the autoencoder's scaling factor.
        tile: pixels; larger pictures are decoded in overlapping squares of this side, one at a time, and blended as
            colours and depths. Attention and normalisation of the decoder then see a tile instead of the picture. None
            decodes pictures whole.
        panorama: the left and right edges are neighbours (`ldm3d.sampling.panorama`).

    Raises:
        ValueError: the autoencoder gives other channels, or `tile` does not suit its factor.
    """
    factor, unscaled = pixel_factor(vae), latents / vae.config.scaling_factor
    if tile is not None:
        require_tile(tile, factor)
    side = max(latents.shape[-2:]) if tile is None else tile // factor
    goes_round = panorama and side < latents.shape[-1]  # the tiles themselves cross the edge
    with wrapped_around(vae) if panorama and not goes_round else nullcontext():
        if side < max(latents.shape[-2:]):
            planes = blend_tiles(lambda part: _planes(_decode(vae, part)), unscaled, side, factor, ring=goes_round)
        else:
            planes = torch.cat([_planes(_decode(vae, chunk)) for chunk in _chunks(unscaled, factor)])[: len(latents)]
    return _decoded(planes)


def _planes(pixels: Tensor) -> Tensor:
    """Turn the autoencoder's (n, 6, 4 or 3, H, W) into (n, 4 or 3, H, W) float32 that may be blended: RGB of 0 to 255,
    and depth of 0 to 65,535. Pictures that are not finite become NaN throughout."""
    finite = pixels.isfinite().flatten(1).all(1)[:, None, None, None]
    known = pixels.where(finite, 0.0)
    if pixels.shape[1] == 3:
        planes = image_from_tensor(known).movedim(-1, 1).float()
    else:
        image, depth = from_tensor(known)
        planes = torch.cat([image.movedim(-1, 1).float(), depth[:, None].float()], 1)
    return planes.where(finite, torch.nan)


def _decoded(planes: Tensor) -> Decoded:
    finite = planes.isfinite().flatten(1).all(1)
    whole = planes.where(finite[:, None, None, None], 0.0).round().cpu().numpy()
    image = np.ascontiguousarray(whole[:, :3].astype(np.uint8).transpose(0, 2, 3, 1))
    depth = whole[:, 3].astype(np.uint16) if whole.shape[1] == 4 else None
    return Decoded(image, depth, finite.cpu().numpy())


def pixel_factor(vae: Any) -> int:
    """Return the pixels per latent, in height as in width: 8 for Stable Diffusion."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))


def _chunks(latents: Tensor, factor: int) -> Iterator[Tensor]:
    """Yield chunks of one size, the last filled up: in floating point a picture depends on the shape of its batch."""
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
