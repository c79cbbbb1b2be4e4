"""Pictures of a given depth.

The latent holds image and depth in one, so no part of it can be put in place. Instead the clean latents that a step
leads to are moved to where they are decoded to the depth wanted, down the gradient of the decoder (guidance by a loss
of the clean picture, as in arXiv 2209.14687 and 2302.07121, but through the decoder alone: the U-Net is spared).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Steer
from ldm3d.sampling.samples import Model, Sample, batches, draw_samples

PULL = 1 / 16  # how far one pull moves latents: root mean square, the U-Net knows them with about 1


def depth_to_rgbd(
    model: Model,
    depth: NDArray[np.uint16],
    prompts: Sequence[str],
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    pulls: int = 5,
    batch_size: int | None = None,
    **settings: Any,
) -> list[Sample]:
    """A sample for each depth map, prompt and seed, in their order, of about that depth; its own depth is what the
    decoder makes of it.

    Every pull takes a run of the decoder, forth and back, in its own precision: no float16.

    Args:
        depth: (N, H, W) relative inverse depth, larger = nearer, over the whole range of 0 to 65,535 as labels are; H
            and W are multiples of the autoencoder's factor.
        model, prompts, text, empty_text, seeds, batch_size: see `ldm3d.sampling.text_to_rgbd`.
        pulls: in each step; more hold the depth closer.
        settings: of `denoise`: num_inference_steps, guidance_scale, guidance_rescale, eta, callback. The scheduler is
            one whose latents keep their variance, as DDIM's do.

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting is out of range.
    """
    factor = pixel_factor(model.vae)
    _require_fitting(model, depth, len(prompts), pulls, factor)
    shape = (model.unet.config.in_channels, depth.shape[1] // factor, depth.shape[2] // factor)
    samples: list[Sample] = []
    for rows in batches(len(prompts), batch_size):
        samples += draw_samples(
            model,
            [prompts[row] for row in rows],
            text[rows],
            empty_text if len(empty_text) == 1 else empty_text[rows],
            [seeds[row] for row in rows],
            shape=shape,
            batch_size=None,
            start=lambda rows: None,
            panorama=False,
            tile=None,
            steer=_towards(model.vae, depth[rows], pulls),
            **settings,
        )
    return samples[: len(prompts)]


def _towards(vae: Any, depth: NDArray[np.uint16], pulls: int) -> Steer:
    wanted = torch.from_numpy(depth.astype(np.float32) / (DEPTH_MAX / 2) - 1).to(vae.device)
    channel = 4 if vae.config.out_channels == 6 else 3  # the high byte, which is depth but for 1 in 256

    def steer(latents: Tensor) -> Tensor:
        for _ in range(pulls):
            with torch.enable_grad():
                moving = latents.detach().requires_grad_()
                pixels = vae.decode((moving / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]
                off = (pixels[:, channel].float() - wanted).square().flatten(1).mean(1).sum()
                (slope,) = torch.autograd.grad(off, moving)
            size = slope.square().mean((1, 2, 3), keepdim=True).sqrt()
            latents = latents - PULL * slope / size.clamp(min=1e-12)
        return latents

    return steer


def _require_fitting(model: Model, depth: NDArray[np.uint16], prompts: int, pulls: int, factor: int) -> None:
    if model.vae.config.out_channels not in (6, 4):
        raise ValueError(
            f"the autoencoder has {model.vae.config.out_channels} output channels: want 6 or 4, with depth"
        )
    if depth.ndim != 3 or depth.dtype != np.uint16 or len(depth) != prompts:
        raise ValueError(f"depth is {depth.shape} {depth.dtype}, wanted (N, H, W) uint16 for {prompts} prompts")
    if depth.shape[1] % factor or depth.shape[2] % factor:
        size = f"depth is {depth.shape[2]} x {depth.shape[1]} pixels"
        raise ValueError(f"{size}, wanted multiples of {factor}, the autoencoder's factor: resize or crop it")
    if pulls < 1:
        raise ValueError(f"pulls is {pulls}, wanted 1 or more; 5 is usual")
    if model.vae.dtype == torch.float16:
        raise ValueError("the autoencoder is in float16, where gradients overflow: load it in float32 or bfloat16")
