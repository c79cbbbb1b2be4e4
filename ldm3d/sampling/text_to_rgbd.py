"""Text to RGBD: what training pictures and generation draw samples with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.sampling.decode import decode_latents, pixel_factor
from ldm3d.sampling.denoise import denoise
from ldm3d.sampling.latents import initial_noise, seeded_generators


class Model(Protocol):
    """The parts of an LDM3D that sampling needs, the networks in eval mode and on one device."""

    @property
    def unet(self) -> Any:
        """UNet2DConditionModel"""

    @property
    def vae(self) -> Any:
        """AutoencoderKL of 6 or 4 channels"""

    @property
    def scheduler(self) -> Any:
        """Any scheduler of diffusers; a template, it stays as it is."""


@dataclass(frozen=True)
class Sample:
    """What became of one prompt and seed.

    image: H x W x 3 uint8 RGB.
    depth: H x W uint16, relative inverse depth, 65,535 = nearest.
    is_finite: False where the networks gave NaN or infinity; image and depth are void then.
    """

    prompt: str
    seed: int
    image: NDArray[np.uint8]
    depth: NDArray[np.uint16]
    is_finite: bool


def text_to_rgbd(
    model: Model,
    prompts: Sequence[str],
    text: Tensor,
    empty_text: Tensor,
    seeds: Sequence[int],
    *,
    height: int | None = None,
    width: int | None = None,
    batch_size: int | None = None,
    num_inference_steps: int = 50,
    guidance_scale: float = 5.0,
    guidance_rescale: float = 0.0,
    eta: float | None = None,
) -> list[Sample]:
    """A sample for each prompt and seed, in their order. The defaults are the paper's, with DDIM as scheduler.

    A sample depends on its own prompt and seed only. With a given `batch_size` that holds for every bit, in whatever
    order and company samples are drawn (on a CPU; on a GPU as far as its kernels are deterministic); without, or
    between batch sizes, to rounding: see `ldm3d.sampling.latents`.

    Args:
        model: see `Model`.
        prompts: N, kept in the samples; what is drawn is decided by `text`. Repeat one for several samples of it.
        text: (N, L, D) embeddings of the prompts.
        empty_text: (1 or N, L, D) embeddings of the empty caption, or of negative prompts.
        seeds: N, 0 to 4,294,967,295 each.
        height, width: pixels, multiples of the autoencoder's factor; None is what the U-Net was trained at.
        batch_size: samples in each batch, the last one filled up and the surplus thrown away; None puts all into one.
        num_inference_steps, guidance_scale, guidance_rescale, eta: see `denoise`.

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting is out of range.
    """
    _require_counts(len(prompts), len(text), len(empty_text), len(seeds))
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, wanted 1 or more, or None for one batch of all")
    _require_fitting(model)
    shape = _latent_shape(model, height, width)
    samples: list[Sample] = []
    for rows in _batches(len(prompts), batch_size):
        generators = seeded_generators([seeds[row] for row in rows])
        latents = denoise(
            model.unet,
            model.scheduler,
            initial_noise(generators, shape, model.unet.device),
            text[rows],
            empty_text if len(empty_text) == 1 else empty_text[rows],
            guidance_scale=guidance_scale,
            guidance_rescale=guidance_rescale,
            num_inference_steps=num_inference_steps,
            eta=eta,
            generators=generators,
        )
        made = decode_latents(model.vae, latents)
        for row, image, depth, finite in zip(rows, made.image, made.depth, made.is_finite, strict=True):
            samples.append(Sample(prompts[row], int(seeds[row]), image, depth, bool(finite)))
    return samples[: len(prompts)]


def _batches(count: int, size: int | None) -> Iterator[list[int]]:
    """Rows in batches of one size; the last batch repeats the last row."""
    size = size or max(1, count)
    for start in range(0, count, size):
        yield [min(row, count - 1) for row in range(start, start + size)]


def _latent_shape(model: Model, height: int | None, width: int | None) -> tuple[int, int, int]:
    """(C, h, w) of one latent."""
    factor, trained = pixel_factor(model.vae), model.unet.config.sample_size
    if (height is None or width is None) and trained is None:
        raise ValueError("the U-Net does not say what size it was trained at: give height and width, in pixels")
    default = (trained, trained) if isinstance(trained, int) else trained
    height = default[0] * factor if height is None else height
    width = default[1] * factor if width is None else width
    for name, pixels in (("height", height), ("width", width)):
        if pixels < factor or pixels % factor:
            raise ValueError(f"{name} is {pixels} pixels, wanted a multiple of {factor}, the autoencoder's factor")
    return model.unet.config.in_channels, height // factor, width // factor


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
    if pixel not in (6, 4):
        raise ValueError(f"the autoencoder has {pixel} output channels, wanted 6 or 4: widen it first")
