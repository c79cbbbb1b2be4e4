"""A batch on its way from noise to latents, a step at a time: what the U-Net is asked, and what its answer changes."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ldm3d.config.drawing import Drawing
from ldm3d.sampling.guidance import embedded_scale, guide, matched
from ldm3d.sampling.start import Start
from ldm3d.sampling.steps import require_steps

Steer = Callable[[Tensor], Tensor]
"""Called in each step with the clean latents, (N, C, h, w) float32, that the prediction leads to. The step then leads
to the latents that it returns."""


@dataclass(frozen=True, eq=False)
class Question:
    """What the U-Net is asked in a step: R rows, which are 2 N with guidance, those of the empty caption first."""

    latents: Tensor
    """(R, C, h, w) float32."""
    timestep: Tensor
    """A scalar."""
    text: Tensor
    """(R, L, D), of the U-Net's type."""
    told_scale: Tensor | None
    """(R, E) for U-Nets that are told the guidance scale."""


class Denoising:
    """N samples between two steps. The U-Net works in its own precision, guidance and scheduler in float32."""

    def __init__(
        self,
        unet: Any,
        scheduler: Any,
        noise: Tensor,
        text: Tensor,
        empty_text: Tensor,
        drawing: Drawing,
        *,
        generators: Sequence[torch.Generator] | None = None,
        start: Start | None = None,
        steer: Steer | None = None,
    ) -> None:
        """Stand before the first step. Arguments are those of `ldm3d.sampling.denoise`.

        Raises:
            ValueError: a setting does not suit this scheduler, or the shapes do not go together.
        """
        _require_fitting(unet, noise, text, start)
        solver: Any = type(scheduler).from_config(scheduler.config)
        self.options = step_options(solver, drawing.eta, generators)
        require_steps(scheduler, drawing.num_inference_steps)
        solver.set_timesteps(drawing.num_inference_steps, device=noise.device)
        if steer:
            _require_steerable(solver)
        self.solver, self.start, self.steer = solver, start, steer

        told_dim = unet.config.time_cond_proj_dim  # None except in U-Nets distilled for guidance
        self.scale, self.rescale = drawing.guidance_scale, drawing.guidance_rescale
        self.guides = self.scale != 1 and told_dim is None
        if self.guides:
            text = torch.cat([matched(empty_text, text), text])
        self.text = text.to(unet.dtype)
        self.told_scale = None if told_dim is None else embedded_scale(self.scale, told_dim, text).to(unet.dtype)

        # from noise alone, or from pictures with the noise of the first step that is taken
        self.noise, self.timesteps, self.taken = noise.float(), solver.timesteps, 0
        self.latents: Tensor = self.noise * solver.init_noise_sigma
        if start:
            self.timesteps = start.steps(solver, drawing.num_inference_steps)
            self.latents = start.noisy(solver, self.noise, self.timesteps[0])
        self.clean = self.latents
        """(N, C, h, w) float32: the clean latents that the last step saw ahead, where the scheduler says them."""

    @property
    def left(self) -> int:
        """Calls of the U-Net that are still to come."""
        return len(self.timesteps) - self.taken

    def question(self) -> Question:
        """Return what the U-Net is asked next."""
        timestep = self.timesteps[self.taken]
        latents = self.solver.scale_model_input(self.latents, timestep)
        doubled = torch.cat([latents, latents]) if self.guides else latents
        return Question(doubled, timestep, self.text, self.told_scale)

    def answer(self, predicted: Tensor) -> None:
        """Take a step along the U-Net's answer, (R, C, h, w) float32."""
        timestep = self.timesteps[self.taken]
        if self.guides:
            empty, conditional = predicted.chunk(2)
            predicted = guide(conditional, empty, self.scale, self.rescale)
        if self.steer:
            predicted = _steered(self.steer, self.solver, predicted, self.latents, timestep)
        stepped = self.solver.step(predicted, timestep, self.latents, **self.options)
        self.taken += 1
        self.clean = _clean(self.solver, stepped)
        self.latents = stepped.prev_sample
        if self.start:
            self.latents = self.start.kept(self.solver, self.noise, self.latents, self.timesteps[self.taken :])


def step_options(solver: Any, eta: float | None, generators: Sequence[torch.Generator] | None) -> dict[str, Any]:
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


def _clean(solver: Any, stepped: Any) -> Tensor:
    """Return the clean latents that a step saw ahead. Solvers of several steps keep them among their model's outputs;
    of others that say none, the latents themselves are the best there is."""
    for said in ("pred_original_sample", "denoised"):
        clean: Tensor | None = getattr(stepped, said, None)
        if clean is not None:
            return clean
    kept = [output for output in getattr(solver, "model_outputs", []) if output is not None]
    predicts_clean = getattr(solver, "predict_x0", None) or "++" in getattr(solver.config, "algorithm_type", "")
    latents: Tensor = kept[-1] if kept and predicts_clean else stepped.prev_sample
    return latents


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
