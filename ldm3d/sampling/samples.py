"""Samples: what sampling needs, what it gives, and drawing them batch by batch."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.sampling.decode import decode_latents, pixel_factor
from ldm3d.sampling.denoise import denoise
from ldm3d.sampling.noise import initial_noise, seeded_generators
from ldm3d.sampling.panorama import wrapped_around
from ldm3d.sampling.start import Start
from ldm3d.sampling.tiles import require_tile


class Model(Protocol):
    """The parts of LDM3D or Stable Diffusion that sampling needs, the networks in eval mode and on one device."""

    @property
    def unet(self) -> Any:
        """UNet2DConditionModel"""

    @property
    def vae(self) -> Any:
        """AutoencoderKL of 6 or 4 channels, or of 3: of RGB alone"""

    @property
    def scheduler(self) -> Any:
        """Any scheduler of diffusers; a template, it stays as it is."""


@dataclass(frozen=True)
class Sample:
    """What became of one prompt and seed.

    image: H x W x 3 uint8 RGB.
    depth: H x W uint16, relative inverse depth, 65,535 = nearest; None of a model that draws none.
    is_finite: False where the networks gave NaN or infinity; image and depth are void then.
    """

    prompt: str
    seed: int
    image: NDArray[np.uint8]
    depth: NDArray[np.uint16] | None
    is_finite: bool


def draw_samples(
    model: Model,
    prompts: Sequence[str],
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    panorama: bool,
    tile: int | None,
    **settings: Any,
) -> list[Sample]:
    """A sample for each prompt and seed, in their order.

    Args:
        prompts: kept in the samples.
        tile: see `decode_latents`.
        text, empty_text, seeds, panorama, settings: see `denoised_batches`.

    Raises:
        ValueError: counts or shapes do not go together, or a setting is out of range.
    """
    _require_counts(len(prompts), len(text), len(empty_text), len(seeds))
    if tile is not None:
        require_tile(tile, pixel_factor(model.vae))
    samples: list[Sample] = []
    for rows, latents in denoised_batches(model, text, empty_text, seeds, panorama=panorama, **settings):
        made = decode_latents(model.vae, latents, tile, panorama=panorama)
        depths = [None] * len(rows) if made.depth is None else made.depth
        for row, image, depth, finite in zip(rows, made.image, depths, made.is_finite, strict=True):
            samples.append(Sample(prompts[row], int(seeds[row]), image, depth, bool(finite)))
    return samples[: len(prompts)]


def denoised_batches(
    model: Model,
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    shape: tuple[int, int, int],
    batch_size: int | None,
    start: Callable[[list[int]], Start | None],
    panorama: bool,
    **settings: Any,
) -> Iterator[tuple[list[int], Tensor]]:
    """Batch by batch: which rows it is of, the last one again where that fills the batch, and their latents.

    Args:
        model, text, empty_text, seeds, batch_size: see `ldm3d.sampling.text_to_rgbd`.
        shape: (C, h, w) of one latent.
        start: which rows a batch is of -> what it begins with.
        panorama: the left and right edges are neighbours.
        settings: of `denoise`.

    Raises:
        ValueError: counts or shapes do not go together, or a setting is out of range.
    """
    _require_counts(len(seeds), len(text), len(empty_text), len(seeds))
    _require_fitting(model)
    for rows in batches(len(seeds), batch_size):
        generators = seeded_generators([seeds[row] for row in rows])
        with wrapped_around(model.unet, model.vae) if panorama else nullcontext():
            latents = denoise(
                model.unet,
                model.scheduler,
                initial_noise(generators, shape, model.unet.device),
                text[rows],
                empty_text if len(empty_text) == 1 else empty_text[rows],
                generators=generators,
                start=start(rows),
                **settings,
            )
        yield rows, latents


def batches(count: int, size: int | None) -> Iterator[list[int]]:
    """Rows in batches of one size; the last batch repeats the last row.

    Raises:
        ValueError: the size is less than 1.
    """
    if size is not None and size < 1:
        raise ValueError(f"batch_size is {size}, wanted 1 or more, or None for one batch of all")
    size = size or max(1, count)
    for start in range(0, count, size):
        yield [min(row, count - 1) for row in range(start, start + size)]


def _require_counts(prompts: int, text: int, empty_text: int, seeds: int) -> None:
    if not prompts == text == seeds or empty_text not in (1, prompts):
        got = f"{prompts} prompts, {text} rows of text, {empty_text} of empty_text, {seeds} seeds"
        raise ValueError(f"{got}: want one of each for every sample, or a single empty_text for all")


def _require_fitting(model: Model) -> None:
    """Before minutes of denoising: will the autoencoder take what the U-Net gives, and give what the codec takes?"""
    latent, pixel = model.vae.config.latent_channels, model.vae.config.out_channels
    if model.unet.config.in_channels != latent:
        channels = f"the U-Net takes {model.unet.config.in_channels} channels, the autoencoder gives {latent}"
        raise ValueError(f"{channels}: want as many; a U-Net made for inpainting (9) cannot draw from text alone")
    if pixel not in (6, 4, 3):
        raise ValueError(f"the autoencoder has {pixel} output channels, wanted 6 or 4 of RGBD, or 3 of RGB alone")


def joined(batches: Iterable[tuple[list[int], Tensor]], count: int) -> Tensor:
    return torch.cat([latents for _, latents in batches])[:count]
