"""Guided denoising: noise to latents, by any diffusers scheduler for discrete-time models."""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ldm3d.config.drawing import PAPER, Drawing
from ldm3d.sampling.start import Start
from ldm3d.sampling.steps import require_steps

Callback = Callable[[int, Tensor, Tensor], Tensor | None]
"""Called after each step with its index from 0, its timestep and the latents; latents that it returns replace them."""

Steer = Callable[[Tensor], Tensor]
"""Called in each step with the clean latents, (N, C, h, w) float32, that the prediction leads to. The step then leads
to the latents that it returns."""


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

    The U-Net works in its own precision, guidance and scheduler in float32.

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
    steps = drawing.num_inference_steps
    _require_fitting(unet, noise, text, start)
    solver: Any = type(scheduler).from_config(scheduler.config)
    options = _step_options(solver, drawing.eta, generators)
    require_steps(scheduler, steps)
    solver.set_timesteps(steps, device=noise.device)
    if steer:
        _require_steerable(solver)
    predict = _Prediction(unet, text, empty_text, drawing.guidance_scale, drawing.guidance_rescale)

    # from noise alone, or from pictures with the noise of the first step that is taken
    noise, timesteps = noise.float(), solver.timesteps
    latents: Tensor = noise * solver.init_noise_sigma
    if start:
        timesteps = start.steps(solver, steps)
        latents = start.noisy(solver, noise, timesteps[0])

    for index, timestep in enumerate(timesteps):
        predicted = predict(solver.scale_model_input(latents, timestep), timestep)
        if steer:
            predicted = _steered(steer, solver, predicted, latents, timestep)
        latents = solver.step(predicted, timestep, latents, **options, return_dict=False)[0]
        if start:
            latents = start.kept(solver, noise, latents, timesteps[index + 1 :])
        replaced = callback(index, timestep, latents) if callback else None
        latents = latents if replaced is None else replaced
    return latents


def guide(conditional: Tensor, empty: Tensor, scale: float, rescale: float = 0.0) -> Tensor:
    """Apply classifier-free guidance (arXiv 2207.12598), rescaled as in arXiv 2305.08891, section 3.4.

    Args:
        conditional, empty: (N, C, h, w) predictions with and without the caption.
        scale: w of empty + w (conditional - empty).
        rescale: phi; 0 leaves the prediction as it is, 1 gives each sample the standard deviation of `conditional`.
    """
    guided = empty + scale * (conditional - empty)
    if rescale == 0:
        return guided
    axes = (1, 2, 3)
    matched = guided * (conditional.std(axes, keepdim=True) / guided.std(axes, keepdim=True))
    return rescale * matched + (1 - rescale) * guided


def _steered(steer: Steer, solver: Any, predicted: Tensor, latents: Tensor, timestep: Tensor) -> Tensor:
    """Return the prediction, of noise or velocity, that leads to the clean latents that `steer` wants."""
    alpha: Tensor = solver.alphas_cumprod[timestep.long().cpu()].to(latents)
    kept, noisy = alpha.sqrt(), (1 - alpha).sqrt()  # latents = kept * clean + noisy * noise
    if solver.config.prediction_type == "epsilon":
        clean = steer((latents - noisy * predicted) / kept)
        return (latents - kept * clean) / noisy
    clean = steer(kept * latents - noisy * predicted)
    noise = (latents - kept * clean) / noisy
    return kept * noise - noisy * clean


class _Prediction:
    """Guided predictions of the U-Net for a batch of captions: one call in each step, on a doubled batch."""

    def __init__(self, unet: Any, text: Tensor, empty_text: Tensor, scale: float, rescale: float) -> None:
        self.unet, self.scale, self.rescale = unet, scale, rescale
        self.dtype = unet.dtype  # kept, as diffusers searches all weights for it
        told_dim = unet.config.time_cond_proj_dim  # None except in U-Nets distilled for guidance
        self.guides = scale != 1 and told_dim is None
        if self.guides:
            text = torch.cat([_matched(empty_text, text), text])
        self.text = text.to(self.dtype)
        self.told_scale = None if told_dim is None else _embedded_scale(scale, told_dim, text).to(self.dtype)

    def __call__(self, latents: Tensor, timestep: Tensor) -> Tensor:
        """(N, C, h, w) float32, a scalar -> (N, C, h, w) float32."""
        doubled = torch.cat([latents, latents]) if self.guides else latents
        predicted: Tensor = self.unet(
            doubled.to(self.dtype),
            timestep,
            encoder_hidden_states=self.text,
            timestep_cond=self.told_scale,
            return_dict=False,
        )[0].float()
        if not self.guides:
            return predicted
        empty, conditional = predicted.chunk(2)
        return guide(conditional, empty, self.scale, self.rescale)


def _matched(empty_text: Tensor, text: Tensor) -> Tensor:
    """Repeat `empty_text` to the shape of `text`."""
    if empty_text.shape[1:] != text.shape[1:] or len(empty_text) not in (1, len(text)):
        shapes = f"empty_text {tuple(empty_text.shape)}, text {tuple(text.shape)}"
        raise ValueError(f"{shapes}: want (1 or N, L, D) and (N, L, D); pad both to the tokenizer's length")
    return empty_text.expand_as(text).to(text)


def _embedded_scale(scale: float, dim: int, text: Tensor) -> Tensor:
    """Return (N, dim) sinusoids of 1000 w, where w = scale - 1 is the scale of arXiv 2310.04378 (0 is no guidance)."""
    from diffusers.models.embeddings import get_timestep_embedding

    w = torch.full((len(text),), (scale - 1) * 1000.0, device=text.device)
    return get_timestep_embedding(w, dim)


def _step_options(solver: Any, eta: float | None, generators: Sequence[torch.Generator] | None) -> dict[str, Any]:
    """Return what `solver.step` takes beside prediction, timestep and latents. Given a list of generators, diffusers
    draws noise sample by sample.

    Raises:
        ValueError: the scheduler draws one noise for a whole batch, or takes no eta.
    """
    takes = inspect.signature(solver.step).parameters
    if type(solver).__name__ == "DPMSolverSDEScheduler":
        remedy = "sample with DPMSolverMultistepScheduler, algorithm_type sde-dpmsolver++"
        raise ValueError(f"DPMSolverSDEScheduler draws one noise for the whole batch, not one per seed: {remedy}")
    if eta is not None and "eta" not in takes:
        raise ValueError(f"eta is {eta}, but {type(solver).__name__} has none: leave it out, or sample with DDIM")
    options: dict[str, Any] = {} if eta is None else {"eta": eta}
    if generators is not None and "generator" in takes:
        options["generator"] = list(generators)
    return options


def _require_steerable(solver: Any) -> None:
    prediction = solver.config.prediction_type
    if solver.init_noise_sigma != 1 or prediction not in ("epsilon", "v_prediction"):
        kind = f"{type(solver).__name__} of prediction_type {prediction}"
        raise ValueError(f"steer is given, but not for {kind}: sample noise or velocity with DDIM or DPM-Solver++")


def _require_fitting(unet: Any, noise: Tensor, text: Tensor, start: Start | None) -> None:
    if start and start.latents.shape != noise.shape:
        raise ValueError(
            f"start has latents {tuple(start.latents.shape)}, wanted those of noise, {tuple(noise.shape)}"
        )
    if noise.shape[1] != unet.config.in_channels:
        raise ValueError(f"noise of {noise.shape[1]} channels, wanted {unet.config.in_channels}: the U-Net's")
    if len(noise) != len(text) or text.shape[2] != unet.config.cross_attention_dim:
        shapes = f"noise {tuple(noise.shape)}, text {tuple(text.shape)}"
        wanted = f"(N, C, h, w) and (N, L, {unet.config.cross_attention_dim})"
        raise ValueError(f"{shapes}: want {wanted}, embedded by the text encoder that the U-Net was trained with")
