"""The forward process of diffusion: how much noise each timestep has, and what the U-Net should predict."""

from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

Prediction = Literal["epsilon", "v_prediction"]


@dataclass(frozen=True)
class NoiseSchedule:
    """z_t = sqrt(a_t) z_0 + sqrt(1 - a_t) epsilon  (Ho et al. 2020, equation 4)."""

    alphas_cumprod: Tensor
    """(T,) float32, a_t."""
    prediction: Prediction
    """What the U-Net predicts: epsilon, or v = sqrt(a_t) epsilon - sqrt(1 - a_t) z_0 (Salimans and Ho 2022)."""

    @classmethod
    def of(
        cls, scheduler: Any, prediction: Literal["checkpoint", "epsilon", "v_prediction"] = "checkpoint"
    ) -> "NoiseSchedule":
        """Return the schedule of a diffusers scheduler; `checkpoint` takes the prediction from its configuration.

        Raises:
            ValueError: the configuration says neither epsilon nor v_prediction.
        """
        kind = scheduler.config.prediction_type if prediction == "checkpoint" else prediction
        if kind not in ("epsilon", "v_prediction"):
            raise ValueError(
                f"the scheduler's prediction_type is {kind!r}, wanted epsilon or v_prediction: set --loss.prediction"
            )
        return cls(scheduler.alphas_cumprod.float(), kind)

    def __len__(self) -> int:
        return len(self.alphas_cumprod)

    def to(self, device: Any) -> "NoiseSchedule":
        """Return the schedule on a device, so that steps need not wait for a copy."""
        return NoiseSchedule(self.alphas_cumprod.to(device), self.prediction)

    def add_noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return z_t, from (B, c, h, w) scaled latents, noise of the same shape and (B,) timesteps."""
        signal, spread = self._amplitudes(timesteps)
        return signal * latents + spread * noise

    def target(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """Return what the U-Net should predict from z_t."""
        if self.prediction == "epsilon":
            return noise
        signal, spread = self._amplitudes(timesteps)
        return signal * noise - spread * latents

    def parts(self, noisy: Tensor, predicted: Tensor, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the clean latents z_0 and the noise that a prediction sees in z_t, (B, c, h, w) each.

        They are what was mixed where the prediction is `target`. An epsilon says nothing about z_0 where a_t is 0.
        """
        signal, spread = self._amplitudes(timesteps)
        if self.prediction == "epsilon":
            return (noisy - spread * predicted) / signal, predicted
        return signal * noisy - spread * predicted, spread * noisy + signal * predicted

    def snr(self, timesteps: Tensor) -> Tensor:
        """Return (B,) signal-to-noise ratios a_t / (1 - a_t)."""
        alphas = self.alphas_cumprod[timesteps]
        return alphas / (1 - alphas)

    def _amplitudes(self, timesteps: Tensor) -> tuple[Tensor, Tensor]:
        alphas = self.alphas_cumprod[timesteps][:, None, None, None]
        return alphas.sqrt(), (1 - alphas).sqrt()
