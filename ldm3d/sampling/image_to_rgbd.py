"""Pictures with depth to other pictures with depth, whole (SDEdit) or in a part (inpainting)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.data.pictures import Pictures
from ldm3d.models.autoencoder import encode
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.samples import Model, Sample, denoised_batches, draw_samples, joined
from ldm3d.sampling.start import Start


def image_to_rgbd(
    model: Model,
    pictures: Pictures,
    prompts: Sequence[str],
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    strength: float = 0.8,
    redrawn: NDArray[np.bool_] | None = None,
    batch_size: int | None = None,
    num_inference_steps: int = 50,
    guidance_scale: float = 5.0,
    guidance_rescale: float = 0.0,
    eta: float | None = None,
    callback: Callback | None = None,
    panorama: bool = False,
    tile: int | None = None,
) -> list[Sample]:
    """A sample for each picture, prompt and seed, in their order.

    A sample depends on its own picture, prompt and seed only, as in `ldm3d.sampling.text_to_rgbd`. The noise of a seed
    is the same there. Pictures are encoded to the mean of their latent's distribution, so nothing else is drawn.

    Args:
        model: see `Model`.
        pictures: N, of a size that the autoencoder's factor divides. Where there is no depth yet, estimate it
            (`ldm3d.depth.relative`): the model knows image and depth as one.
        prompts, text, empty_text, seeds: N, see `ldm3d.sampling.text_to_rgbd`.
        strength: more than 0, 1 at most; see `Start`.
        redrawn: (N, H, W) bool, where pictures are drawn anew; image and depth stay elsewhere, to the bit. The model
            draws whole latents: what is drawn anew of one that is kept in part is cut out of it. None draws all anew.
        batch_size, num_inference_steps, guidance_scale, guidance_rescale, eta, callback, panorama,
            tile: see `ldm3d.sampling.text_to_rgbd`. Pictures are encoded whole.

    Raises:
        ValueError: counts, shapes or sizes do not go together, a setting is out of range, or the model draws no depth.
    """
    require_depth(model)
    shape, start = beginnings(model, pictures, len(prompts), strength, redrawn)
    samples = draw_samples(
        model,
        prompts,
        text,
        empty_text,
        seeds,
        shape=shape,
        batch_size=batch_size,
        start=start,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
        eta=eta,
        callback=callback,
        panorama=panorama,
        tile=tile,
    )
    if redrawn is None:
        return samples
    return [_composed(sample, pictures, row, redrawn[row]) for row, sample in enumerate(samples)]


def beginnings(
    model: Model, pictures: Pictures, count: int, strength: float, redrawn: NDArray[np.bool_] | None
) -> tuple[tuple[int, int, int], Callable[[list[int]], Start]]:
    """The shape (C, h, w) of a picture's latent, and what a batch of rows begins with.

    Raises:
        ValueError: pictures are not `count`, or do not go with the autoencoder or the mask.
    """
    factor = pixel_factor(model.vae)
    _require_fitting(pictures, count, redrawn, factor)
    height, width = pictures.depth.shape[1:]

    def start(rows: list[int]) -> Start:
        latents = _latents(model, Pictures(pictures.image[rows], pictures.depth[rows]))
        mask = None if redrawn is None else _latent_mask(redrawn[rows], factor).to(latents.device)
        return Start(latents, strength, mask)

    return (model.unet.config.in_channels, height // factor, width // factor), start


@torch.no_grad()
def _latents(model: Model, pictures: Pictures) -> Tensor:
    """(n, C, h, w) float32, scaled as the U-Net knows them."""
    rgbd = pictures.to_tensor(model.vae.config.in_channels, model.vae.device)
    latents: Tensor = encode(model.vae, rgbd.to(model.vae.dtype)).mean.float() * model.vae.config.scaling_factor
    return latents


def _latent_mask(redrawn: NDArray[np.bool_], factor: int) -> Tensor:
    """(n, H, W) -> (n, 1, h, w) bool: latents that have a pixel to be drawn anew."""
    pixels = torch.from_numpy(redrawn).float()[:, None]
    return torch.nn.functional.max_pool2d(pixels, factor).bool()


def _composed(sample: Sample, pictures: Pictures, row: int, redrawn: NDArray[np.bool_]) -> Sample:
    image, depth = pictures.image[row].numpy(), pictures.depth[row].numpy()
    assert sample.depth is not None
    return replace(
        sample,
        image=np.where(redrawn[..., None], sample.image, image),
        depth=np.where(redrawn, sample.depth, depth),
    )


def require_depth(model: Model) -> None:
    """
    Raises:
        ValueError: the model is of RGB alone.
    """
    channels = model.vae.config.in_channels
    if channels not in (6, 4):
        raise ValueError(
            f"the autoencoder has {channels} input channels, wanted 6 or 4: a model without depth draws from text "
            "alone, give an LDM3D to begin with pictures"
        )


def _require_fitting(pictures: Pictures, prompts: int, redrawn: NDArray[np.bool_] | None, factor: int) -> None:
    image, depth = tuple(pictures.image.shape), tuple(pictures.depth.shape)
    if len(depth) != 3 or image != (*depth, 3) or depth[0] != prompts:
        raise ValueError(f"image {image} and depth {depth}, wanted (N, H, W, 3) and (N, H, W) for {prompts} prompts")
    if depth[1] % factor or depth[2] % factor:
        size = f"pictures are {depth[2]} x {depth[1]} pixels"
        raise ValueError(f"{size}, wanted multiples of {factor}, the autoencoder's factor: resize or crop them")
    if redrawn is not None and (redrawn.shape != depth or redrawn.dtype != np.bool_):
        raise ValueError(f"redrawn is {redrawn.shape} {redrawn.dtype}, wanted {depth} bool, True where to draw anew")


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
    return joined(denoised_batches(model, text, empty_text, seeds, start=start, **fixed, **settings), len(seeds))
