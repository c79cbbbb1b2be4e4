"""Where denoising begins when a picture is given: some of the way from it to noise, everywhere or in a part of it."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Start:
    """Latents to begin with in place of pure noise (SDEdit, arXiv 2108.01073).

    latents: (N, C, h, w) float32 of the pictures, scaled as the U-Net knows them.
    strength: more than 0, 1 at most: the share of the steps that are taken, the last ones. At 1 all are, and next to
        nothing of the picture is left to begin with.
    redrawn: (N, 1, h, w) bool, where latents are drawn anew; elsewhere they end as they were given, and are in every
        step what noise makes of them (RePaint's way to a known region, arXiv 2201.09865). None draws everywhere anew.
    """

    latents: Tensor
    strength: float
    redrawn: Tensor | None = None

    def __post_init__(self) -> None:
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength is {self.strength}, wanted more than 0, 1 at most; 0.8 is usual")

    def steps(self, solver: Any, num_inference_steps: int) -> Tensor:
        """The timesteps that are left of `solver`'s, which is told where it begins.

        Raises:
            ValueError: none is left.
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
        """(N, C, h, w): the pictures' latents with as much of `noise` as there is at a timestep."""
        found: Tensor = solver.add_noise(self.latents, noise, timestep.expand(len(noise)))
        return found

    def kept(self, solver: Any, noise: Tensor, latents: Tensor, following: Tensor) -> Tensor:
        """Latents after a step, with the picture's where nothing is drawn anew.

        Args:
            following: the timesteps that are still to come.
        """
        if self.redrawn is None:
            return latents
        known = self.noisy(solver, noise, following[0]) if len(following) else self.latents
        return torch.where(self.redrawn, latents, known)
