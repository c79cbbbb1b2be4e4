"""Settings of the autoencoder's training: equation 1 of the paper with the constants of latent diffusion's kl-f8."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.checks import require, require_finite, to_json
from ldm3d.config.places import FolderUrl, ModelPlace
from ldm3d.config.training import PACING, LoopConfig, ModelConfig, OptimiserConfig, WatchConfig, WorkersConfig


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """LPIPS of the reconstruction."""

    network: Literal["vgg", "alex", "squeeze"] = "vgg"
    """Backbone; latent diffusion uses VGG-16."""
    weights: ModelPlace = "torchvision"
    """Backbone weights: `torchvision` downloads them once, a path loads them, `random` draws them from a seed."""
    rgb_weight: float = 1.0
    """Weight of the LPIPS of the picture."""
    depth_weight: float = 1.0
    """Weight of the LPIPS of the depth."""
    depth: Literal["packed", "grey"] = "packed"
    """What LPIPS sees of depth: the channels as they are, or 16-bit depth as grey. A single channel is grey anyway."""

    def __post_init__(self) -> None:
        for name in ("rgb_weight", "depth_weight"):
            require(getattr(self, name) >= 0, f"loss.perceptual.{name}", getattr(self, name), "0 or more")
        require(self.weights != "", "loss.perceptual.weights", self.weights, "torchvision, random or a path")


@dataclass(frozen=True, kw_only=True)
class AutoencoderLossConfig:
    """L1 + LPIPS + KL, and a patch discriminator after a while."""

    perceptual: PerceptualConfig = PerceptualConfig()
    rgb_weight: float = 1.0
    """Weight of the L1 of R, G and B."""
    high_weight: float = 1.0
    """Weight of the L1 of the high byte of depth, or of a single depth channel."""
    low_weight: float = 1.0
    """Weight of the L1 of the low byte. It holds 1/256 of depth but most of the error: 1 is faithful, not best."""
    zero_weight: float = 1.0
    """Weight of the L1 of the channel that is always zero."""
    kl_weight: float = 1e-6
    """Weight of the KL divergence of the posterior from a unit normal."""
    adversarial_weight: float = 0.5
    """Weight of the adversarial term, beside the adaptive one; 0 trains without a discriminator."""
    discriminator_start: int = 50_001
    """Optimiser steps before the discriminator takes part."""
    discriminator_filters: int = 64
    """Channels of the discriminator's first layer."""
    discriminator_layers: int = 3
    """Strided layers of the discriminator."""
    discriminator_norm: Literal["batch", "group"] = "batch"
    """Its norm: `batch` is kl-f8's, synchronised over GPUs; `group` is the one that several CPU workers need to be as
    one, as it sees each picture by itself."""

    def __post_init__(self) -> None:
        weights = ("rgb_weight", "high_weight", "low_weight", "zero_weight", "kl_weight", "adversarial_weight")
        for name in (*weights, "discriminator_start"):
            require(getattr(self, name) >= 0, f"loss.{name}", getattr(self, name), "0 or more")
        for name in ("discriminator_filters", "discriminator_layers"):
            require(getattr(self, name) >= 1, f"loss.{name}", getattr(self, name), "1 or more")


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Fine-tune the autoencoder on RGBD: checkpoints, pictures of each epoch, the finished model."""

    input: FolderUrl
    """A finished RGBD corpus; local or s3://."""
    output: FolderUrl
    """Folder of the run; local or s3://."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: AutoencoderLossConfig = field(default_factory=AutoencoderLossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=83, batch_size=8))
    workers: WorkersConfig = field(default_factory=WorkersConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)

    def __post_init__(self) -> None:
        require_finite(self)

    def identity(self) -> dict[str, Any]:
        """The settings that decide which weights come out; what corpus and base hold decides the rest."""
        left_out = ("input", "output", "workers", "watch")
        values = {name: value for name, value in to_json(self).items() if name not in left_out}
        values["loop"] = {name: value for name, value in values["loop"].items() if name not in PACING}
        values["model"] = {name: value for name, value in values["model"].items() if name not in ("base", "revision")}
        return values
