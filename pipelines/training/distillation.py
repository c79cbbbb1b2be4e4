"""What a distillation adds to the U-Net's training on a worker: the frozen teacher, and the loss against it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ldm3d.config import DiffusionConfig
from ldm3d.sampling.guidance import guide, matched
from ldm3d.training.consistency import SolverSteps, consistency_loss
from ldm3d.training.denoising import DenoisingDraws
from ldm3d.training.noise_schedule import NoiseSchedule
from pipelines.training.optimiser_step import precision_of
from pipelines.training.state import Trained


class Distillation:
    """The teacher, whole on every worker.

    Args:
        teacher: frozen, on the device.
        empty: (1, L, D) embeddings of the empty caption, which guidance leads away from.
    """

    def __init__(
        self, config: DiffusionConfig, teacher: Any, schedule: NoiseSchedule, empty: Tensor, device: torch.device
    ) -> None:
        self.config, self.teacher, self.schedule, self.empty, self.device = config, teacher, schedule, empty, device
        self.solver = SolverSteps.of(config.distill.solver_steps, len(schedule)).to(device)

    def losses(self, trained: Trained, unet: Any, latents: Tensor, text: Tensor, draws: DenoisingDraws) -> Tensor:
        """Return the loss of each sample, (B,). Captions are never dropped: guidance is built in.

        Args:
            trained: the student; its average is what it should agree with, or it itself if no average is kept.
            unet: the module of it to call, wrapped or not.
            latents: (B, c, h, w) float32, scaled.
            text: (B, L, D), of the captions.
            draws: their timesteps number the steps of the solver.
        """

        def target(noisy: Tensor, timesteps: Tensor) -> Tensor:
            with trained.weights_to_use():
                return self._asked(trained.network, noisy, timesteps, text)

        return consistency_loss(
            lambda noisy, timesteps: self._asked(unet, noisy, timesteps, text),
            target,
            lambda noisy, timesteps: self._guided(noisy, timesteps, text),
            latents,
            draws.noise,
            draws.timesteps,
            self.schedule,
            self.solver,
            self.config.distill.huber,
        )

    def _guided(self, noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        """Return the teacher's prediction, asked as `ldm3d.sampling` asks it: one call, without a caption first."""
        scale = self.config.distill.guidance_scale
        if scale == 1:
            return self._asked(self.teacher, noisy, timesteps, text)
        both = torch.cat([matched(self.empty, text), text])
        answer = self._asked(self.teacher, torch.cat([noisy, noisy]), torch.cat([timesteps, timesteps]), both)
        empty, conditional = answer.chunk(2)
        return guide(conditional, empty, scale)

    def _asked(self, unet: Callable[..., Any], noisy: Tensor, timesteps: Tensor, text: Tensor) -> Tensor:
        # a context for each call: autocast keeps copies of weights in half precision until it ends
        with precision_of(self.config.loop, self.device):
            answer: Tensor = unet(noisy, timesteps, encoder_hidden_states=text).sample
        return answer.float()
