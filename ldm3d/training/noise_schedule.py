"""The forward process of diffusion: how much noise each timestep has, and what the U-Net has to say about it."""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class NoiseSchedule:
    """z_t = sqrt(a_t) z_0 + sqrt(1 - a_t) epsilon  (Ho et al. 2020, equation 4).

    alphas_cumprod: (T,) float32, a_t.
    prediction: what the U-Net predicts, epsilon or v = sqrt(a_t) epsilon - sqrt(1 - a_t) z_0 (Salimans and Ho 2022).
    """

    alphas_cumprod: Tensor
    prediction: Prediction

    @classmethod
    def of(
        cls, scheduler: Any, prediction: Literal["checkpoint", "epsilon", "v_prediction"] = "checkpoint"
    ) -> "NoiseSchedule":
        """That of a diffusers scheduler; `checkpoint` predicts what its configuration says.

        Raises:
            ValueError: it says something else than epsilon or v_prediction.
        """
        kind = scheduler.config.prediction_type if prediction == "checkpoint" else prediction
        if kind not in ("epsilon", "v_prediction"):
            raise ValueError(
                f"the scheduler's prediction_type is {kind!r}, wanted epsilon or v_prediction: set loss.prediction"
            )
        return cls(scheduler.alphas_cumprod.float(), kind)

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    def to(self, device: Any) -> "NoiseSchedule":
        """The same on a device, once, so that steps need not wait for a copy."""
        return NoiseSchedule(self.alphas_cumprod.to(device), self.prediction)

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """(B, c, h, w) scaled latents, noise of that shape, (B,) timesteps -> z_t."""
        signal, spread = self._amplitudes(timesteps)
        return signal * latents + spread * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """What the U-Net should predict from z_t."""
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._amplitudes(timesteps)
        return signal * noise - spread * latents

    def snr(self, timesteps: Tensor) -> Tensor:
        """(B,) signal-to-noise ratios a_t / (1 - a_t)."""
        alphas = self.alphas_cumprod[timesteps]
        return alphas / (1 - alphas)

    def _amplitudes(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        alphas = self.alphas_cumprod[timesteps][:, None, None, None]
        return alphas.sqrt(), (1 - alphas).sqrt()
