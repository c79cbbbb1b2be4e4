"""Previews: small pictures straight from latents, without the decoder.

The decoder of Stable Diffusion is nearly linear in the large. Colours and depth of a latent are a linear map of its
channels, which is fitted to the model's own decoder, by least squares, on a few pictures that the model draws. It
takes a few kilobytes, and no network.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.decode import decode_latents
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.serving.events import Picture

LATENTS = 2_048  # that the map is fitted to, or some more
PICTURES = 4  # that they come from, or more
STEPS = 8


@dataclass(frozen=True, eq=False)
class PreviewMap:
    """A linear map from latents to colours and depth."""

    weights: NDArray[np.float32]
    """(C + 1, 4), or (C + 1, 3) of a model without depth: from the channels of a latent and 1 to red, green, blue and
    depth, all [0, 1]."""

    @classmethod
    def fit(cls, model: RgbdPipeline) -> Self:
        """Fit the map to a model's decoder, on pictures that it draws in eight steps."""
        size = model.unet.config["sample_size"]
        height, width = (size, size) if isinstance(size, int) else size
        count = max(PICTURES, -(-LATENTS // (height * width)))
        drawn = model(
            [""] * count,
            seed=0,
            output_type="latent",
            num_inference_steps=STEPS,
            guidance_scale=1.0,
            batch_size=PICTURES,
        )
        return cls.fitted(model, drawn.images)

    @classmethod
    def fitted(cls, model: RgbdPipeline, latents: Tensor) -> Self:
        """Fit the map to what the decoder makes of latents, (N, C, h, w) in the U-Net's scale."""
        height, width = latents.shape[-2:]
        decoded = decode_latents(model.vae, latents)
        planes = decoded.image.astype(np.float32) / 255
        if decoded.depth is not None:
            planes = np.concatenate([planes, decoded.depth[..., None].astype(np.float32) / DEPTH_MAX], axis=-1)
        pooled = torch.nn.functional.adaptive_avg_pool2d(torch.from_numpy(planes).movedim(-1, 1), (height, width))
        wanted = pooled.movedim(1, -1).flatten(0, 2).double().numpy()
        weights = np.linalg.lstsq(_channels(latents).astype(np.float64), wanted, rcond=None)[0]
        return cls(weights.astype(np.float32))

    def __call__(self, latents: Tensor) -> Picture:
        """Return the preview of clean latents, (1, C, h, w) in the U-Net's scale."""
        height, width = latents.shape[-2:]
        planes = np.clip(np.nan_to_num(_channels(latents) @ self.weights), 0, 1).reshape(height, width, -1)
        depth = np.rint(planes[..., 3] * DEPTH_MAX).astype(np.uint16) if planes.shape[-1] == 4 else None
        return Picture(np.rint(planes[..., :3] * 255).astype(np.uint8), depth)


def _channels(latents: Tensor) -> NDArray[np.float32]:
    """(N, C, h, w) -> (N h w, C + 1), the last of them 1."""
    rows: NDArray[np.float32] = latents.float().movedim(1, -1).flatten(0, 2).cpu().numpy()
    return np.concatenate([rows, np.ones((len(rows), 1), np.float32)], axis=1)
