"""Pictures with depth to other pictures with depth, whole (SDEdit) or in part (inpainting)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.data.pictures import Pictures
from ldm3d.models.autoencoder import encode
from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.samples import Canvas, Model, Sample, draw_samples
from ldm3d.sampling.start import Start

STRENGTH = 0.8


def image_to_rgbd(
    model: Model,
    pictures: Pictures,
    prompts: Prompts,
    drawing: Drawing = PAPER,
    *,
    strength: float = STRENGTH,
    redrawn: NDArray[np.bool_] | None = None,
    callback: Callback | None = None,
) -> list[Sample]:
    """Draw a sample for each picture and prompt, in their order.

    A sample depends on its own picture, prompt and seed only, as in `ldm3d.sampling.text_to_rgbd`, and a seed gives
    the same noise there. Pictures are encoded whole, to the mean of their latent's distribution, so nothing else is
    random.

    Args:
        pictures: N, of a size that the autoencoder's factor divides. If there is no depth yet, estimate it
            (`ldm3d.depth.relative`): the model knows image and depth as one.
        strength: above 0, at most 1; see `Start`.
        redrawn: (N, H, W) bool, True where pictures are redrawn; elsewhere image and depth stay, to the bit. The model
            draws whole latents: where one is kept in part, the redrawn part is cut out of it. None redraws everything.
        callback: see `Callback`.

    Raises:
        ValueError: counts, shapes or sizes do not go together, a setting does not suit the model, or the model draws
            no depth.
    """
    canvas = PictureCanvas.of(model, pictures, len(prompts), strength, redrawn)
    return draw_samples(model, prompts, canvas, drawing, callback)


@dataclass(frozen=True)
class PictureCanvas(Canvas):
    """Pictures to start from, a row each."""

    vae: Any
    pictures: Pictures
    strength: float
    redrawn: NDArray[np.bool_] | None

    @classmethod
    def of(
        cls, model: Model, pictures: Pictures, count: int, strength: float, redrawn: NDArray[np.bool_] | None
    ) -> Self:
        """Make the canvas of `count` pictures.

        Raises:
            ValueError: the model draws no depth, pictures are not `count`, or their size or the mask does not fit.
        """
        require_depth(model)
        factor = pixel_factor(model.vae)
        _require_fitting(pictures, count, redrawn, factor)
        height, width = pictures.depth.shape[1:]
        shape = (model.unet.config.in_channels, height // factor, width // factor)
        return cls(shape, model.vae, pictures, strength, redrawn)

    def start(self, rows: Sequence[int]) -> Start:
        latents = self._latents(rows)
        if self.redrawn is None:
            return Start(latents, self.strength)
        mask = _latent_mask(self.redrawn[list(rows)], pixel_factor(self.vae))
        return Start(latents, self.strength, mask.to(latents.device))

    def finish(self, sample: Sample, row: int) -> Sample:
        """Put the picture's own pixels back where nothing was redrawn."""
        if self.redrawn is None:
            return sample
        redrawn, image, depth = self.redrawn[row], self.pictures.image[row].numpy(), self.pictures.depth[row].numpy()
        assert sample.depth is not None
        return replace(
            sample,
            image=np.where(redrawn[..., None], sample.image, image),
            depth=np.where(redrawn, sample.depth, depth),
        )

    @torch.no_grad()
    def _latents(self, rows: Sequence[int]) -> Tensor:
        """(n, C, h, w) float32, in the U-Net's scale."""
        chosen, config = list(rows), self.vae.config
        pictures = Pictures(self.pictures.image[chosen], self.pictures.depth[chosen])
        rgbd = pictures.to_tensor(config.in_channels, self.vae.device)
        latents: Tensor = encode(self.vae, rgbd.to(self.vae.dtype)).mean.float() * config.scaling_factor
        return latents


def _latent_mask(redrawn: NDArray[np.bool_], factor: int) -> Tensor:
    """(n, H, W) -> (n, 1, h, w) bool, True for latents with at least one pixel to be redrawn."""
    pixels = torch.from_numpy(redrawn).float()[:, None]
    return torch.nn.functional.max_pool2d(pixels, factor).bool()


def require_depth(model: Model) -> None:
    """Raise ValueError if the model knows RGB alone."""
    channels = model.vae.config.in_channels
    if channels not in (6, 4):
        raise ValueError(
            f"the autoencoder has {channels} input channels, wanted 6 or 4: a model without depth draws from text "
            "alone; to start from pictures, give an LDM3D"
        )


def _require_fitting(pictures: Pictures, prompts: int, redrawn: NDArray[np.bool_] | None, factor: int) -> None:
    image, depth = tuple(pictures.image.shape), tuple(pictures.depth.shape)
    if len(depth) != 3 or image != (*depth, 3) or depth[0] != prompts:
        raise ValueError(f"image {image} and depth {depth}, wanted (N, H, W, 3) and (N, H, W) for {prompts} prompts")
    if depth[1] % factor or depth[2] % factor:
        size = f"pictures are {depth[2]} x {depth[1]} pixels"
        raise ValueError(f"{size}, wanted multiples of {factor}, the autoencoder's factor: resize or crop them")
    if redrawn is not None and (redrawn.shape != depth or redrawn.dtype != np.bool_):
        raise ValueError(f"redrawn is {redrawn.shape} {redrawn.dtype}, wanted {depth} bool, True where to redraw")
