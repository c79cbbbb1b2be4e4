"""Latents to images and, where the autoencoder gives it, 16-bit depth."""

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
def decode_latents(vae: Any, latents: Tensor, tile: int | None = None, *, panorama: bool = False) -> Decoded:
    """Decodes in the precision of the autoencoder, a few pictures at a time, whatever their number.

    Where float16 overflows, the picture is decoded again in float32, by a copy of the autoencoder.

    Args:
        vae: an `AutoencoderKL` of 6 or 4 output channels, or 3 of RGB alone, in eval mode.
        latents: (N, C, h, w) as the U-Net knows them; they are divided by the autoencoder's scaling factor.
        tile: pixels; larger pictures are decoded in overlapping squares of this side, one at a time, and mixed as
            colours and depths. What the decoder takes from all of a picture (attention, normalisation) it then takes
            from a tile. None decodes pictures whole.
        panorama: the left and right edges are neighbours (`ldm3d.sampling.panorama`).

    Raises:
        ValueError: the autoencoder gives other channels, or `tile` will not do.
    """
    factor, unscaled = pixel_factor(vae), latents / vae.config.scaling_factor
    if tile is not None:
        require_tile(tile, factor)
    side = max(latents.shape[-2:]) if tile is None else tile // factor
    goes_round = panorama and side < latents.shape[-1]  # tiles do, so that none has both edges beside each other
    with wrapped_around(vae) if panorama and not goes_round else nullcontext():
        if side < max(latents.shape[-2:]):
            planes = blend_tiles(lambda part: _planes(_decode(vae, part)), unscaled, side, factor, ring=goes_round)
        else:
            planes = torch.cat([_planes(_decode(vae, chunk)) for chunk in _chunks(unscaled, factor)])[: len(latents)]
    return _decoded(planes)


def _planes(pixels: Tensor) -> Tensor:
    """(n, 6, 4 or 3, H, W) of the autoencoder -> (n, 4 or 3, H, W) float32, which may be mixed: RGB of 0 to 255, and
    depth of 0 to 65,535. Pictures that are not finite are NaN throughout."""
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
