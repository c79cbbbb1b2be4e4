"""Settings for training the U-Net: equation 2 of the paper, and the usual options of diffusion training."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ldm3d.config.checks import require, require_finite, require_least, to_json, without_unset
from ldm3d.config.distill import DistillConfig
from ldm3d.config.drawing import FEW, Drawing
from ldm3d.config.places import FolderUrl, ModelPlace, OutputUrl
from ldm3d.config.training import LoopConfig, OptimiserConfig, WatchConfig, WorkersConfig, identity_of_loop


@dataclass(frozen=True, kw_only=True)
class DiffusionModelConfig:
    """Where training starts: a base, whose U-Net is trained, and an autoencoder trained beforehand."""

    base: ModelPlace = "CompVis/stable-diffusion-v1-4"
    """Stable Diffusion v1.x or 2.x in diffusers layout, or an LDM3D checkpoint, by hub id or path."""
    revision: str | None = None
    """Commit of the base on the hub; None takes the main branch."""
    autoencoder: ModelPlace | None = None
    """Output of `train_autoencoder`, or any model with a `vae/` of 6 or 4 channels, by path or hub id. None takes the
    one that encoded the latents."""
    latent_scale: Literal["checkpoint", "measured"] = "checkpoint"
    """Factor that latents are multiplied by: the one in the autoencoder's configuration (0.18215), or 1 / their
    measured standard deviation, for an autoencoder that was not fine-tuned from Stable Diffusion's."""

    def __post_init__(self) -> None:
        require(self.base != "", "model.base", self.base, "a model id or path")
        require(self.autoencoder != "", "model.autoencoder", self.autoencoder, "a model id or path, or None")


@dataclass(frozen=True, kw_only=True)
class DenoisingLossConfig:
    """Mean squared error of the predicted noise, at uniformly drawn timesteps."""

    prediction: Literal["checkpoint", "epsilon", "v_prediction"] = "checkpoint"
    """What the U-Net predicts; `checkpoint` follows the base model's scheduler."""
    zero_terminal_snr: bool = False
    """Rescale the noise schedule to end in pure noise, and sample with trailing steps (arXiv 2305.08891, sections 3.1
    and 3.3); with `v_prediction` only. Very dark and very bright pictures can then be drawn."""
    min_snr_gamma: float | None = None
    """Weight timesteps by min(SNR, gamma) (arXiv 2303.09556; 5 is usual); None weights all alike. Pure noise has an
    SNR of 0, and so a weight of 0."""
    offset_noise: float = 0.0
    """Standard deviation of a constant offset per latent channel, added to the noise (0.1 is usual)."""
    caption_dropout: float = 0.1
    """Share of captions replaced by the empty one, which classifier-free guidance requires."""

    def __post_init__(self) -> None:
        zero, wanted = self.zero_terminal_snr, "False with epsilon, which says nothing about pure noise"
        require(not zero or self.prediction != "epsilon", "loss.zero_terminal_snr", zero, wanted)
        gamma = self.min_snr_gamma
        require(gamma is None or gamma > 0, "loss.min_snr_gamma", gamma, "more than 0, or None")
        require(self.offset_noise >= 0, "loss.offset_noise", self.offset_noise, "0 or more")
        require(0 <= self.caption_dropout < 1, "loss.caption_dropout", self.caption_dropout, "0 to below 1")


@dataclass(frozen=True, kw_only=True)
class EmaConfig:
    """Moving average of the U-Net's weights, with which samples are drawn."""

    decay: float = 0.9999
    """Share of the average that each step keeps, once warmed up; 0 keeps no average."""
    warmup: bool = True
    """Start with a shorter memory: decay min(`decay`, (1 + step) / (10 + step))."""

    def __post_init__(self) -> None:
        require(0 <= self.decay < 1, "ema.decay", self.decay, "0 to below 1")


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    """Low-rank updates of the U-Net's attention (arXiv 2106.09685) instead of new weights."""

    rank: int = 0
    """Rank of the updates to queries, keys, values and outputs; 0 trains every weight of the U-Net instead."""
    alpha: int | None = None
    """Updates are multiplied by alpha / rank; None sets alpha to the rank."""

    def __post_init__(self) -> None:
        require(self.rank >= 0, "lora.rank", self.rank, "0 or more")
        require(self.alpha is None or self.alpha > 0, "lora.alpha", self.alpha, "1 or more, or None")


@dataclass(frozen=True, kw_only=True)
class SamplesConfig:
    """Pictures that show progress, always of the same captions and starting noise."""

    captions: tuple[str, ...] = ()
    """Captions to draw; if none are given, the first ones of the validation split."""
    count: int = 8
    """Number of captions to take from the validation split; 0 draws none."""
    every_epochs: int = 1
    """Number of epochs between pictures; the last step draws them, too."""
    num_inference_steps: int = Drawing.num_inference_steps
    """Number of DDIM steps."""
    guidance_scale: float = Drawing.guidance_scale
    """How strongly predictions are pushed away from those without a caption; 1 is no guidance."""

    def __post_init__(self) -> None:
        require_least(self, "samples", 0, "count", "guidance_scale")
        require_least(self, "samples", 1, "every_epochs", "num_inference_steps")


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig:
    """Fine-tune the U-Net on the latents of a frozen autoencoder. Writes checkpoints, samples and the model."""

    input: FolderUrl
    """Output of `encode_latents`, or a finished RGBD corpus, which is then encoded in every step; local or s3://."""
    output: OutputUrl
    """Folder that the run is written to; local or s3://."""
    model: DiffusionModelConfig = field(default_factory=DiffusionModelConfig)
    loss: DenoisingLossConfig = field(default_factory=DenoisingLossConfig)
    ema: EmaConfig = field(default_factory=EmaConfig)
    lora: LoraConfig = field(default_factory=LoraConfig)
    distill: DistillConfig = field(default_factory=DistillConfig)
    samples: SamplesConfig = field(default_factory=SamplesConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=178, batch_size=32))
    workers: WorkersConfig = field(default_factory=WorkersConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)
        gamma, distils = self.loss.min_snr_gamma, self.distill.teacher is not None
        wanted = "None with --distill.teacher, whose loss has no such weights"
        require(gamma is None or not distils, "loss.min_snr_gamma", gamma, wanted)

    @property
    def shown(self) -> Drawing:
        """How samples that show progress are drawn."""
        if self.distill.teacher is not None:
            return replace(FEW, num_inference_steps=self.distill.num_inference_steps)
        wanted = self.samples
        return Drawing(num_inference_steps=wanted.num_inference_steps, guidance_scale=wanted.guidance_scale)

    def identity(self) -> dict[str, Any]:
        """Return the settings that, with the contents of input, base or teacher, and autoencoder, determine the
        weights."""
        left_out = ("input", "output", "workers", "watch", "samples", "model", "preset", "distill")
        values = {name: value for name, value in to_json(self).items() if name not in left_out}
        values["loss"] = without_unset(values["loss"], zero_terminal_snr=False)
        values["loop"] = identity_of_loop(values["loop"])
        distill = self.distill
        if distill.teacher is not None:
            names = ("guidance_scale", "solver_steps", "huber")
            values["distill"] = {name: getattr(distill, name) for name in names}
        return values
