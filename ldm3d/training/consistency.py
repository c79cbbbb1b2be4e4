"""Consistency distillation of a latent diffusion model: a U-Net that leads from any noise to the picture at once.

A trained U-Net, the teacher, defines a path from noise to picture, which DDIM follows in many short steps. The student
learns to give the same picture from every point of a path: at two neighbouring points, of which the teacher leads from
one to the other, its answers should agree (Song et al. 2023, arXiv 2303.01469, algorithm 2; in latents, with guidance
built into the path, Luo et al. 2023, arXiv 2310.04378, algorithm 1).

solver = SolverSteps.of(50, len(schedule))
draws = DenoisingDraws.of(positions, latent_shape, len(solver), config.loss, seed)  # its timesteps number the steps
loss = consistency_loss(student, average, teacher, latents, draws.noise, draws.timesteps, schedule, solver, huber)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ldm3d.training.noise_schedule import NoiseSchedule

Network = Callable[[Tensor, Tensor], Tensor]
"""Maps z_t, (B, c, h, w) float32, and timesteps, (B,) int64, to a prediction of the shape of z_t, float32."""

# Those of diffusers' LCMScheduler, which draws with the student: `timestep_scaling` and `sigma_data`.
TIMESTEP_SCALING, SIGMA_DATA = 10.0, 0.5


@dataclass(frozen=True)
class SolverSteps:
    """The N steps of DDIM that a path is cut into. LCMScheduler with N `original_inference_steps` begins at the same
    timesteps."""

    start: Tensor
    """(N,) int64, rising: the timestep that each step begins at."""
    end: Tensor
    """(N,) int64: the one that it leads to, where the step before begins; 0 for the first."""

    @classmethod
    def of(cls, steps: int, num_timesteps: int) -> "SolverSteps":
        """Cut a noise schedule of T timesteps into steps of equal length, as many timesteps as go into T.

        Raises:
            ValueError: there are more steps than timesteps.
        """
        if not 1 <= steps <= num_timesteps:
            wanted = f"1 to {num_timesteps}, the timesteps of the noise schedule"
            raise ValueError(f"--distill.solver-steps is {steps}, wanted {wanted}")
        start = torch.arange(1, steps + 1) * (num_timesteps // steps) - 1
        return cls(start, torch.cat([torch.zeros(1, dtype=torch.int64), start[:-1]]))

    def __len__(self) -> int:
        return len(self.start)

    def to(self, device: Any) -> "SolverSteps":
        """Return the same steps on a device."""
        return SolverSteps(self.start.to(device), self.end.to(device))


def consistency_loss(
    student: Network,
    target: Network,
    teacher: Network,
    latents: Tensor,
    noise: Tensor,
    steps: Tensor,
    schedule: NoiseSchedule,
    solver: SolverSteps,
    huber: float,
) -> Tensor:
    """Compute how far the student's answers at the two ends of a step of the solver are from each other.

    Args:
        student: gradients reach this network alone.
        target: what the student should agree with: its average, or itself.
        teacher: its prediction, with guidance if that is to be built in.
        latents: (B, c, h, w) float32, scaled.
        noise: (B, c, h, w) float32 N(0, 1).
        steps: (B,) int64, 0 to N - 1: which step of the solver.
        huber: see `pseudo_huber`.

    Returns:
        (B,) float32.
    """
    start, end = solver.start[steps], solver.end[steps]
    noisy = schedule.add_noise(latents, noise, start)
    with torch.no_grad():  # first, so that nobody changes weights between the student's forward and backward pass
        earlier = ddim_step(schedule, noisy, teacher(noisy, start), start, end)
        wanted = consistent(schedule, earlier, target(earlier, end), end)
    return pseudo_huber(consistent(schedule, noisy, student(noisy, start), start) - wanted, huber)


def ddim_step(schedule: NoiseSchedule, noisy: Tensor, predicted: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """Follow the path from z at timesteps `start` to `end`, (B,) int64 (Song et al. 2021, arXiv 2010.02502, equation
    12 with sigma 0)."""
    return schedule.add_noise(*schedule.parts(noisy, predicted, start), end)


def consistent(schedule: NoiseSchedule, noisy: Tensor, predicted: Tensor, timesteps: Tensor) -> Tensor:
    """Return the picture's latents that a student's prediction at z_t says: z_t itself at timestep 0, and nearly the
    clean latents of the prediction elsewhere (arXiv 2310.04378, section 4.1). LCMScheduler calls them `denoised`."""
    skip, out = boundary_scalings(timesteps)
    clean, _ = schedule.parts(noisy, predicted, timesteps)
    return skip * noisy + out * clean


def boundary_scalings(timesteps: Tensor) -> tuple[Tensor, Tensor]:
    """Return c_skip and c_out, (B, 1, 1, 1) float32 each: 1 and 0 at timestep 0 (arXiv 2303.01469, appendix C, with
    the time and its scaling of LCMScheduler)."""
    scaled = TIMESTEP_SCALING * timesteps.float()[:, None, None, None]
    total = scaled.square() + SIGMA_DATA**2
    return SIGMA_DATA**2 / total, scaled / total.sqrt()


def pseudo_huber(error: Tensor, constant: float) -> Tensor:
    """Return sqrt(e^2 + c^2) - c, averaged over the elements of each sample: (B, ...) -> (B,).

    It is about e^2 / 2 c for errors well below the constant, and |e| for larger ones (Song and Dhariwal 2023, arXiv
    2310.14189, section 3.3, there of the norm of a whole sample).
    """
    return ((error.square() + constant**2).sqrt() - constant).flatten(1).mean(1)
