"""Where denoising starts when a picture is given: part of the way from it to noise, everywhere or within a mask."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Start:
    """Latents to start from in place of pure noise (SDEdit, arXiv 2108.01073)."""

    latents: Tensor
    """(N, C, h, w) float32 of the pictures, in the U-Net's scale."""
    strength: float
    """Share of the steps that are taken, the last ones: above 0, at most 1. At 1 all are taken, and almost nothing of
    the picture is left to start from."""
    redrawn: Tensor | None = None
    """(N, 1, h, w) bool, True where latents are redrawn. Elsewhere they are, after each step, the given ones with the
    noise of that step, and end as they were given (the treatment of known regions in RePaint, arXiv 2201.09865). None
    redraws everything."""

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength is {self.strength}, wanted above 0 and at most 1; 0.8 is usual")

    def steps(self, solver: Any, num_inference_steps: int) -> Tensor:
        """Return the timesteps of `solver` that are taken, and tell it where it begins.

        Raises:
            ValueError: none is taken.
        """
        taken = int(num_inference_steps * self.strength)
        if taken < 1:
            raise ValueError(
                f"strength {self.strength} of {num_inference_steps} steps leaves none: raise num_inference_steps to "
                f"{round(1 / self.strength + 0.5)} or more, or strength"
            )
        first = (num_inference_steps - taken) * solver.order
        if hasattr(solver, "set_begin_index"):
            solver.set_begin_index(first)
        timesteps: Tensor = solver.timesteps[first:]
        return timesteps

    def noisy(self, solver: Any, noise: Tensor, timestep: Tensor) -> Tensor:
        """Return the pictures' latents, (N, C, h, w), with as much of `noise` as there is at a timestep."""
        found: Tensor = solver.add_noise(self.latents, noise, timestep.expand(len(noise)))
        return found

    def kept(self, solver: Any, noise: Tensor, latents: Tensor, following: Tensor) -> Tensor:
        """Return the latents after a step, with the pictures' own where nothing is redrawn.

        Args:
            following: the timesteps still to come.
        """
        if self.redrawn is None:
            return latents
        known = self.noisy(solver, noise, following[0]) if len(following) else self.latents
        return torch.where(self.redrawn, latents, known)
