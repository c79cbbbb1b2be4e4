"""Pictures of a given depth.

A latent holds image and depth in one, so no part of it can be replaced. Instead, in each step, the clean latents that
the prediction leads to are moved down the gradient of the decoder, towards the wanted depth. This is guidance by a
loss on the clean picture, as in arXiv 2209.14687 and 2302.07121, but through the decoder alone, not the U-Net.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.denoising import Steer
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.samples import Canvas, Model, Sample, draw_samples

PULL = 1 / 16  # root mean square of one pull on the latents, whose own is about 1 in the U-Net's scale


def depth_to_rgbd(
    model: Model,
    depth: NDArray[np.uint16],
    prompts: Prompts,
    drawing: Drawing = PAPER,
    *,
    pulls: int = 5,
    callback: Callback | None = None,
) -> list[Sample]:
    """Draw a sample of about the given depth for each depth map and prompt, in their order. The depth of a sample is
    what the decoder makes of its latent.

    Every pull takes a forward and a backward pass of the decoder, in the decoder's own precision, which cannot be
    float16.

    Args:
        model: its scheduler keeps the variance of latents, as DDIM does.
        depth: (N, H, W) relative inverse depth, larger = nearer, over the whole range of 0 to 65,535 as labels are; H
            and W are multiples of the autoencoder's factor.
        drawing: of pictures decoded whole that are no panoramas.
        pulls: number of pulls in each step; more hold the depth closer.
        callback: see `Callback`.

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting does not suit the model.
    """
    if drawing.panorama or drawing.tile is not None:
        raise ValueError(
            f"panorama is {drawing.panorama} and tile is {drawing.tile}, wanted False and None: pictures of a given "
            "depth are neither panoramas nor tiled"
        )
    return draw_samples(model, prompts, DepthCanvas.of(model, depth, len(prompts), pulls), drawing, callback)


@dataclass(frozen=True)
class DepthCanvas(Canvas):
    """Depth maps to be drawn, a row each."""

    vae: Any
    depth: NDArray[np.uint16]
    pulls: int

    @classmethod
    def of(cls, model: Model, depth: NDArray[np.uint16], count: int, pulls: int) -> Self:
        """Make the canvas of `count` depth maps.

        Raises:
            ValueError: there are not `count` maps, or map, model or `pulls` does not fit.
        """
        factor = pixel_factor(model.vae)
        _require_fitting(model, depth, count, pulls, factor)
        shape = (model.unet.config.in_channels, depth.shape[1] // factor, depth.shape[2] // factor)
        return cls(shape, model.vae, depth, pulls)

    def steer(self, rows: Sequence[int]) -> Steer:
        vae, depth = self.vae, self.depth[list(rows)]
        wanted = torch.from_numpy(depth.astype(np.float32) / (DEPTH_MAX / 2) - 1).to(vae.device)
        channel = 4 if vae.config.out_channels == 6 else 3  # the high byte: all of depth but 1/256 of its range

        def pulled(latents: Tensor) -> Tensor:
            for _ in range(self.pulls):
                with torch.enable_grad():
                    moving = latents.detach().requires_grad_()
                    pixels = vae.decode((moving / vae.config.scaling_factor).to(vae.dtype), return_dict=False)[0]
                    loss = (pixels[:, channel].float() - wanted).square().flatten(1).mean(1).sum()
                    (slope,) = torch.autograd.grad(loss, moving)
                size = slope.square().mean((1, 2, 3), keepdim=True).sqrt()
                latents = latents - PULL * slope / size.clamp(min=1e-12)
            return latents

        return pulled


def _require_fitting(model: Model, depth: NDArray[np.uint16], prompts: int, pulls: int, factor: int) -> None:
    channels = model.vae.config.out_channels
    if channels not in (6, 4):
        raise ValueError(f"the autoencoder has {channels} output channels: want 6 or 4, with depth")
    if depth.ndim != 3 or depth.dtype != np.uint16 or len(depth) != prompts:
        raise ValueError(f"depth is {depth.shape} {depth.dtype}, wanted (N, H, W) uint16 for {prompts} prompts")
    if depth.shape[1] % factor or depth.shape[2] % factor:
        size = f"depth is {depth.shape[2]} x {depth.shape[1]} pixels"
        raise ValueError(f"{size}, wanted multiples of {factor}, the autoencoder's factor: resize or crop it")
    if pulls < 1:
        raise ValueError(f"pulls is {pulls}, wanted 1 or more; 5 is usual")
    if model.vae.dtype == torch.float16:
        raise ValueError("the autoencoder is in float16, where gradients overflow: load it in float32 or bfloat16")
