"""What a pipeline returns: samples in the form that was asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

import numpy as np
import torch
from PIL import Image

from ldm3d.rgbd import DEPTH_MAX
from ldm3d.sampling.samples import Sample

OutputType = Literal["pil", "np", "pt", "latent"]


@dataclass(frozen=True)
class RgbdOutput:
    """N samples."""

    images: Any
    """`pil`: a list of pictures of mode RGB. `np`: (N, H, W, 3) uint8. `pt`: (N, 3, H, W) float32 [0, 1].

    `latent`: (N, C, h, w) float32 latents of image and depth in one, not decoded, in the U-Net's scale, which is that
    of diffusers' pipelines. Divided by `pipeline.vae.config.scaling_factor` they are in the autoencoder's scale;
    `ldm3d.sampling.decode_latents` divides by itself."""
    depths: Any
    """Relative inverse depth, larger = nearer. `pil`: a list of pictures of mode I;16. `np`: (N, H, W) uint16. `pt`:
    (N, 1, H, W) float32 [0, 1]. None for `latent`, and for a model that draws no depth."""
    seeds: list[int]
    """N; the same prompts with these seeds give these samples."""
    is_finite: list[bool]
    """N; False where the networks gave NaN or infinity, and the sample is void."""

    @property
    def rgb(self) -> Any:
        """`images`, by the name of diffusers' LDM3D pipeline."""
        return self.images

    @property
    def depth(self) -> Any:
        """`depths`, by the name of diffusers' LDM3D pipeline, whose own are in another form."""
        return self.depths

    @classmethod
    def of(cls, samples: Sequence[Sample], kind: Literal["pil", "np", "pt"]) -> Self:
        """Return decoded samples in the form asked for."""
        seeds = [sample.seed for sample in samples]
        images = [sample.image for sample in samples]
        depths = [sample.depth for sample in samples if sample.depth is not None]
        about = seeds, [sample.is_finite for sample in samples]
        if kind == "pil":
            return cls(
                [Image.fromarray(each) for each in images], [Image.fromarray(each) for each in depths] or None, *about
            )
        if kind == "np":
            return cls(np.stack(images), np.stack(depths) if depths else None, *about)
        colour = torch.from_numpy(np.stack(images)).movedim(-1, 1).float() / 255
        if not depths:
            return cls(colour, None, *about)
        return cls(colour, torch.from_numpy(np.stack(depths).astype(np.float32))[:, None] / DEPTH_MAX, *about)


def require_answer(output_type: str, *, return_dict: bool) -> None:
    """Check that the form that is asked for is one that there is.

    Raises:
        ValueError: it is not.
    """
    if output_type not in get_args(OutputType):
        raise ValueError(f"output_type is {output_type!r}, wanted one of {', '.join(get_args(OutputType))}")
    if not return_dict:
        raise ValueError("return_dict is False, wanted True: read images and depths of what is returned")
