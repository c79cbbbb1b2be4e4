"""Drawing samples batch by batch: what it takes, what it gives."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.config.drawing import Drawing
from ldm3d.images import decode_depth, decode_rgb
from ldm3d.sampling.decode import decode_latents, pixel_factor
from ldm3d.sampling.denoise import Callback, denoise
from ldm3d.sampling.denoising import Steer
from ldm3d.sampling.noise import initial_noise, seeded_generators
from ldm3d.sampling.panorama import wrapped_around
from ldm3d.sampling.prompts import Prompts
from ldm3d.sampling.start import Start
from ldm3d.sampling.tiles import require_tile

logger = logging.getLogger(__name__)

REMEDY = (
    "try float32 weights, a lower guidance scale or another scheduler, and check that no weight of the model is NaN"
)


class NotFiniteError(RuntimeError):
    """The networks gave NaN or infinity for every sample."""


class Model(Protocol):
    """The parts of LDM3D or Stable Diffusion that sampling needs, the networks in eval mode and on one device."""

    unet: Any
    """UNet2DConditionModel"""
    vae: Any
    """AutoencoderKL of 6 or 4 channels, or of 3 (RGB alone)"""
    scheduler: Any
    """Any diffusers scheduler; used as a template and left as it is."""


@dataclass(frozen=True)
class Sample:
    """The picture drawn for one prompt and seed."""

    prompt: str
    seed: int
    image: NDArray[np.uint8]
    """H x W x 3 RGB."""
    depth: NDArray[np.uint16] | None
    """H x W relative inverse depth, 65,535 = nearest; None if the model draws no depth."""
    is_finite: bool
    """False where the networks gave NaN or infinity; image and depth are void then."""

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Self:
        """Decode a row of `samples/v1`."""
        depth = None if row["depth"] is None else decode_depth(row["depth"]["bytes"])
        return cls(row["caption"], row["seed"], decode_rgb(row["image"]["bytes"]), depth, is_finite=True)


@dataclass(frozen=True)
class Canvas:
    """What samples are drawn on. This one is blank: noise decides everything. Others start from pictures or steer."""

    shape: tuple[int, int, int]
    """(C, h, w) of one latent."""

    def start(self, rows: Sequence[int]) -> Start | None:
        """Return what a batch of these rows starts from in place of noise alone."""
        return None

    def steer(self, rows: Sequence[int]) -> Steer | None:
        """Return what moves the clean latents of a batch of these rows in each step."""
        return None

    def finish(self, sample: Sample, row: int) -> Sample:
        """Return the decoded sample of a row with what it keeps of the canvas."""
        return sample


def draw_samples(
    model: Model, prompts: Prompts, canvas: Canvas, drawing: Drawing, callback: Callback | None = None
) -> list[Sample]:
    """Draw a sample for each prompt, in their order.

    Raises:
        ValueError: model, shapes and settings do not go together.
    """
    if drawing.tile is not None:
        require_tile(drawing.tile, pixel_factor(model.vae))
    samples: list[Sample] = []
    for batch, latents in _denoised_batches(model, prompts, canvas, drawing, callback):
        decoded = decode_latents(model.vae, latents, drawing.tile, panorama=drawing.panorama)
        depths = [None] * len(batch) if decoded.depth is None else decoded.depth
        drawn = zip(batch.captions, batch.seeds, decoded.image, depths, decoded.is_finite, strict=True)
        samples += [Sample(text, int(seed), image, depth, bool(finite)) for text, seed, image, depth, finite in drawn]
    return [canvas.finish(sample, row) for row, sample in enumerate(samples[: len(prompts)])]


def require_finite(samples: Sequence[Sample]) -> None:
    """Log a warning if samples are void.

    Raises:
        NotFiniteError: all of them are.
    """
    void = [sample.seed for sample in samples if not sample.is_finite]
    if samples and len(void) == len(samples):
        raise NotFiniteError(f"the model gave NaN or infinity for every sample ({len(void)}): {REMEDY}")
    if void:
        logger.warning("the model gave NaN or infinity for the samples of the seeds %s: %s", void, REMEDY)


def denoised_latents(
    model: Model, prompts: Prompts, canvas: Canvas, drawing: Drawing, callback: Callback | None = None
) -> Tensor:
    """Return what `draw_samples` decodes: (N, C, h, w) float32, in the U-Net's scale.

    Divided by `vae.config.scaling_factor` they are in the autoencoder's scale, as in `ldm3d.models.autoencoder.decode`
    and the corpus of latents. `ldm3d.sampling.decode_latents` divides by itself.

    Raises:
        ValueError: model, shapes and settings do not go together.
    """
    batches = _denoised_batches(model, prompts, canvas, drawing, callback)
    return torch.cat([latents for _, latents in batches])[: len(prompts)]


def _denoised_batches(
    model: Model, prompts: Prompts, canvas: Canvas, drawing: Drawing, callback: Callback | None
) -> Iterator[tuple[Prompts, Tensor]]:
    """Yield the prompts of each batch, the last one again where that fills the batch, and their latents."""
    _require_fitting(model)
    for rows in _batches(len(prompts), drawing.batch_size):
        batch = prompts.at(rows)
        generators = seeded_generators(batch.seeds)
        with wrapped_around(model.unet, model.vae) if drawing.panorama else nullcontext():
            latents = denoise(
                model.unet,
                model.scheduler,
                initial_noise(generators, canvas.shape, model.unet.device),
                batch.text,
                batch.empty_text,
                drawing,
                generators=generators,
                start=canvas.start(rows),
                steer=canvas.steer(rows),
                callback=callback,
            )
        yield batch, latents


def _batches(count: int, size: int | None) -> Iterator[list[int]]:
    """Yield rows in batches of one size; the last batch repeats the last row."""
    size = size or max(1, count)
    for start in range(0, count, size):
        yield [min(row, count - 1) for row in range(start, start + size)]


def _require_fitting(model: Model) -> None:
    """Check, before minutes of denoising, that U-Net, autoencoder and codec go together."""
    latent, pixel = model.vae.config.latent_channels, model.vae.config.out_channels
    if model.unet.config.in_channels != latent:
        channels = f"the U-Net takes {model.unet.config.in_channels} channels, the autoencoder gives {latent}"
        raise ValueError(
            f"{channels}: want the same number; a U-Net made for inpainting (9) cannot draw from text alone"
        )
    if pixel not in (6, 4, 3):
        raise ValueError(f"the autoencoder has {pixel} output channels, wanted 6 or 4 of RGBD, or 3 of RGB alone")
