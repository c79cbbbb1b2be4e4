"""Settings of the denoising loss, equation 2 of the paper, and of what else users of diffusion training expect."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import require


@dataclass(frozen=True, kw_only=True)
class DenoisingLossConfig:
    """Mean squared error of the predicted noise, timesteps uniform."""

    prediction: Literal["checkpoint", "epsilon", "v_prediction"] = "checkpoint"
    """What the U-Net predicts; `checkpoint` does what the base model's scheduler says."""
    min_snr_gamma: float | None = None
    """Weight timesteps by min(SNR, gamma) (arXiv 2303.09556; 5 is usual); None weighs all alike."""
    offset_noise: float = 0.0
    """Standard deviation of a shift that all pixels of a latent channel share, added to the noise (0.1 is usual)."""
    caption_dropout: float = 0.1
    """Share of captions replaced by the empty one, so that classifier-free guidance works."""

    def __post_init__(self) -> None:
        gamma = self.min_snr_gamma
        require(gamma is None or gamma > 0, "loss.min_snr_gamma", gamma, "more than 0, or None")
        require(self.offset_noise >= 0, "loss.offset_noise", self.offset_noise, "0 or more")
        require(0 <= self.caption_dropout < 1, "loss.caption_dropout", self.caption_dropout, "0 to below 1")


@dataclass(frozen=True, kw_only=True)
class EmaConfig:
    """The moving average of the U-Net's weights, which is what samples are drawn with."""

    decay: float = 0.9999
    """Share of the average that a step keeps, once warmed up; 0 keeps no average."""
    warmup: bool = True
    """Begin with a shorter memory: decay min(`decay`, (1 + step) / (10 + step))."""

    def __post_init__(self) -> None:
        require(0 <= self.decay < 1, "ema.decay", self.decay, "0 to below 1")
