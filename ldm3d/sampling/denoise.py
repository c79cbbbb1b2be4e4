"""Guided denoising: noise to latents, by any diffusers scheduler for discrete-time models."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.sampling.denoising import Denoising, Question, Steer
from ldm3d.sampling.start import Start

Callback = Callable[[int, Tensor, Tensor], Tensor | None]
"""Called after each step with its index from 0, its timestep and the latents; latents that it returns replace them."""


@torch.no_grad()
def denoise(
    unet: Any,
    scheduler: Any,
    noise: Tensor,
    text: Tensor,
    empty_text: Tensor,
    drawing: Drawing = PAPER,
    *,
    generators: Sequence[torch.Generator] | None = None,
    start: Start | None = None,
    callback: Callback | None = None,
    steer: Steer | None = None,
) -> Tensor:
    """Turn noise into latents, one batch at a time.

    The U-Net works in its own precision, guidance and scheduler in float32. With guidance it is called once in each
    step, on a doubled batch.

    Args:
        unet: a `UNet2DConditionModel` in eval mode. One distilled for guidance (latent consistency models) is told the
            scale instead.
        scheduler: any of diffusers; decides method, noise schedule and prediction type. Used as a template and left as
            it is.
        noise: (N, C, h, w) unit normal; schedulers that start at another variance scale it themselves.
        text: (N, L, D) embeddings of the captions.
        empty_text: (1 or N, L, D) embeddings of the empty caption, or of negative prompts.
        drawing: steps, guidance and eta are used here; the rest is for the caller.
        generators: one per sample, for schedulers that add noise in each step. Pass those that drew `noise`: they
            continue from there, while fresh ones of the same seeds would draw it again. None takes torch's global one.
        start: pictures to start from; None starts from `noise` alone.
        callback: see `Callback`.
        steer: see `Steer`; for schedulers that keep the variance of latents, as DDIM does.

    Returns:
        (N, C, h, w) float32 latents, in the U-Net's scale.

    Raises:
        ValueError: a setting does not suit this scheduler, or the shapes do not go together.
    """
    denoising = Denoising(
        unet, scheduler, noise, text, empty_text, drawing, generators=generators, start=start, steer=steer
    )
    dtype = unet.dtype  # kept, as diffusers searches all weights for it
    for index, timestep in enumerate(denoising.timesteps):
        denoising.answer(_asked(unet, dtype, denoising.question()))
        replaced = callback(index, timestep, denoising.latents) if callback else None
        denoising.latents = denoising.latents if replaced is None else replaced
    return denoising.latents


def _asked(unet: Any, dtype: torch.dtype, question: Question) -> Tensor:
    """Return the U-Net's answer, (R, C, h, w) float32."""
    answer: Tensor = unet(
        question.latents.to(dtype),
        question.timestep,
        encoder_hidden_states=question.text,
        timestep_cond=question.told_scale,
        return_dict=False,
    )[0].float()
    return answer
