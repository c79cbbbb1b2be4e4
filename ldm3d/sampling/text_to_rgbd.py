"""Text to RGBD: what training pictures and generation draw samples with."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from ldm3d.sampling.decode import pixel_factor
from ldm3d.sampling.denoise import Callback
from ldm3d.sampling.samples import Model, Sample, denoised_batches, draw_samples, joined


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
    callback: Callback | None = None,
    panorama: bool = False,
    tile: int | None = None,
) -> list[Sample]:
    """A sample for each prompt and seed, in their order. The defaults are the paper's, with DDIM as scheduler.

    A sample depends on its own prompt and seed only. With a given `batch_size` that holds for every bit, in whatever
    order and company samples are drawn (on a CPU; on a GPU as far as its kernels are deterministic); without, or
    between batch sizes, to rounding: see `ldm3d.sampling.noise`.

    Args:
        model: see `Model`.
        prompts: N, kept in the samples; what is drawn is decided by `text`. Repeat one for several samples of it.
        text: (N, L, D) embeddings of the prompts.
        empty_text: (1 or N, L, D) embeddings of the empty caption, or of negative prompts.
        seeds: N, 0 to 4,294,967,295 each.
        height, width: pixels, multiples of the autoencoder's factor; None is what the U-Net was trained at.
        batch_size: samples in each batch, the last one filled up and the surplus thrown away; None puts all into one.
        num_inference_steps, guidance_scale, guidance_rescale, eta, callback: see `denoise`.
        panorama: the left and right edges are neighbours (`ldm3d.sampling.panorama`); usual is twice as wide as high.
        tile: pixels; larger pictures are decoded in squares of this side, to save memory (`decode_latents`).

    Raises:
        ValueError: counts, shapes or sizes do not go together, or a setting is out of range.
    """
    return draw_samples(
        model,
        prompts,
        text,
        empty_text,
        seeds,
        shape=latent_shape(model, height, width),
        batch_size=batch_size,
        start=lambda rows: None,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        guidance_rescale=guidance_rescale,
        eta=eta,
        callback=callback,
        panorama=panorama,
        tile=tile,
    )


def latent_shape(model: Model, height: int | None, width: int | None) -> tuple[int, int, int]:
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
    return joined(batches, len(seeds))
