"""Text or pictures to denoised latents, for whoever goes on from there: nothing is decoded."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.data.pictures import Pictures
from ldm3d.sampling.image_to_rgbd import beginnings
from ldm3d.sampling.samples import Model, denoised_batches
from ldm3d.sampling.text_to_rgbd import latent_shape


def text_to_latents(
    model: Model,
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    height: int | None = None,
    width: int | None = None,
    batch_size: int | None = None,
    panorama: bool = False,
    **settings: Any,
) -> Tensor:
    """What `text_to_rgbd` decodes: (N, C, h, w) float32, scaled as the U-Net knows them.

    Divided by `vae.config.scaling_factor` they are the autoencoder's own, as `ldm3d.models.autoencoder.decode` and the
    corpus of latents have them. `ldm3d.sampling.decode_latents` divides by itself.

    Args:
        model, text, empty_text, seeds, height, width, batch_size, panorama: see `text_to_rgbd`.
        settings: of `denoise`.

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting is out of range.
    """
    shape = latent_shape(model, height, width)
    fixed: dict[str, Any] = {"shape": shape, "batch_size": batch_size, "panorama": panorama}
    batches = denoised_batches(model, text, empty_text, seeds, start=lambda rows: None, **fixed, **settings)
    return _joined(batches, len(seeds))


def image_to_latents(
    model: Model,
    pictures: Pictures,
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    strength: float = 0.8,
    redrawn: NDArray[np.bool_] | None = None,
    batch_size: int | None = None,
    panorama: bool = False,
    **settings: Any,
) -> Tensor:
    """What `image_to_rgbd` decodes, as `text_to_latents` gives it. Where nothing is drawn anew it is as encoded.

    Args:
        model, pictures, text, empty_text, seeds, strength, redrawn, batch_size, panorama: see `image_to_rgbd`.
        settings: of `denoise`.

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting is out of range.
    """
    shape, start = beginnings(model, pictures, len(seeds), strength, redrawn)
    fixed: dict[str, Any] = {"shape": shape, "batch_size": batch_size, "panorama": panorama}
    return _joined(denoised_batches(model, text, empty_text, seeds, start=start, **fixed, **settings), len(seeds))


def _joined(batches: Iterable[tuple[list[int], Tensor]], count: int) -> Tensor:
    return torch.cat([latents for _, latents in batches])[:count]
