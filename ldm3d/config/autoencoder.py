"""Settings for training the autoencoder: equation 1 of the paper, with the constants of latent diffusion's kl-f8."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.checks import require, require_finite, require_least, to_json
from ldm3d.config.places import FolderUrl, ModelPlace, OutputUrl
from ldm3d.config.training import (
    LoopConfig,
    ModelConfig,
    OptimiserConfig,
    WatchConfig,
    WorkersConfig,
    identity_of_loop,
)


@dataclass(frozen=True, kw_only=True)
class PerceptualConfig:
    """LPIPS of the reconstruction."""

    network: Literal["vgg", "alex", "squeeze"] = "vgg"
    """Network whose features are compared; latent diffusion uses VGG-16."""
    weights: ModelPlace = "torchvision"
    """Weights of the backbone: `torchvision` downloads them once, a path loads them, `random` draws them by seed."""
    rgb_weight: float = 1.0
    """Weight of LPIPS on the picture."""
    depth_weight: float = 1.0
    """Weight of LPIPS on the depth."""
    depth: Literal["packed", "grey"] = "packed"
    """What LPIPS sees of depth: its channels as they are, or 16-bit depth as grey. A single channel is always grey."""

    def __post_init__(self) -> None:
        require_least(self, "loss.perceptual", 0, "rgb_weight", "depth_weight")
        require(self.weights != "", "loss.perceptual.weights", self.weights, "torchvision, random or a path")


@dataclass(frozen=True, kw_only=True)
class AutoencoderLossConfig:
    """L1 + LPIPS + KL, later joined by a patch discriminator."""

    perceptual: PerceptualConfig = PerceptualConfig()
    rgb_weight: float = 1.0
    """Weight of the L1 loss on R, G and B."""
    high_weight: float = 1.0
    """Weight of the L1 loss on the high byte of depth, or on a single depth channel."""
    low_weight: float = 1.0
    """Weight of the L1 loss on the low byte: 1/256 of depth, most of the error. 1 is the paper's; less is better."""
    zero_weight: float = 1.0
    """Weight of the L1 loss on the channel that is always zero."""
    kl_weight: float = 1e-6
    """Weight of the KL divergence of the posterior from a unit normal."""
    adversarial_weight: float = 0.5
    """Weight of the adversarial term, on top of the adaptive one; 0 trains without a discriminator."""
    discriminator_start: int = 50_001
    """Number of optimiser steps before the discriminator takes part."""
    discriminator_filters: int = 64
    """Number of channels in the discriminator's first layer."""
    discriminator_layers: int = 3
    """Number of strided layers in the discriminator."""
    discriminator_norm: Literal["batch", "group"] = "batch"
    """Normalisation in the discriminator: `batch`, as in kl-f8, is synchronised across GPUs; `group` sees each picture
    by itself, so that several CPU workers train like one."""

    def __post_init__(self) -> None:
        weights = ("rgb_weight", "high_weight", "low_weight", "zero_weight", "kl_weight", "adversarial_weight")
        require_least(self, "loss", 0, *weights, "discriminator_start")
        require_least(self, "loss", 1, "discriminator_filters", "discriminator_layers")


@dataclass(frozen=True, kw_only=True)
class AutoencoderConfig:
    """Fine-tune the autoencoder on RGBD. Writes checkpoints, pictures of each epoch and the finished model."""

    input: FolderUrl
    """A finished RGBD corpus; local or s3://."""
    output: OutputUrl
    """Folder that the run is written to; local or s3://."""
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: AutoencoderLossConfig = field(default_factory=AutoencoderLossConfig)
    optimiser: OptimiserConfig = field(default_factory=OptimiserConfig)
    loop: LoopConfig = field(default_factory=lambda: LoopConfig(epochs=83, batch_size=8))
    workers: WorkersConfig = field(default_factory=WorkersConfig)
    watch: WatchConfig = field(default_factory=WatchConfig)
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)

    def identity(self) -> dict[str, Any]:
        """Return the settings that, with the contents of corpus and base, determine the weights."""
        left_out = ("input", "output", "workers", "watch", "preset")
        values = {name: value for name, value in to_json(self).items() if name not in left_out}
        values["loop"] = identity_of_loop(values["loop"])
        values["model"] = {name: value for name, value in values["model"].items() if name not in ("base", "revision")}
        return values
