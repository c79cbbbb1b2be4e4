"""Settings of the stage that encodes a corpus once with the frozen autoencoder."""

from dataclasses import dataclass, field
from typing import Any, Literal

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.checks import require, require_finite, to_json
from ldm3d.config.places import FolderUrl, ModelPlace, OutputUrl


@dataclass(frozen=True, kw_only=True)
class TrainedAutoencoderConfig:
    """The autoencoder that encodes."""

    autoencoder: ModelPlace = "Intel/ldm3d"
    """Output of `train_autoencoder`, local or s3://, or an LDM3D model by path or hub id: any model with a `vae/` of
    6 or 4 channels. The driver reads it and hands it to the actors."""
    revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""

    def __post_init__(self) -> None:
        require(self.autoencoder != "", "model.autoencoder", self.autoencoder, "a path or model id")


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """Whether captions are encoded too, once here instead of in every step of training."""

    base: ModelPlace | None = None
    """Stable Diffusion v1.x or 2.x, or LDM3D, by hub id or path: its text encoder's output for each caption is stored
    with the latent, as float16, 115 KiB a row for v1. None stores captions as text only."""
    revision: str | None = None
    """Commit of a model on the hub; None takes its main branch."""

    def __post_init__(self) -> None:
        require(self.base != "", "text.base", self.base, "a model id or path, or None")


@dataclass(frozen=True, kw_only=True)
class EncodeConfig:
    """How pictures and captions are encoded."""

    batch_size: int = 16
    """Number of pictures, and of captions, per forward pass."""
    precision: Literal["auto", "fp32", "fp16", "bf16"] = "auto"
    """Precision of the autoencoder's forward pass; `auto` is fp16 on a GPU and fp32 on a CPU. What is not finite in
    half precision is encoded again in fp32."""

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "encode.batch_size", self.batch_size, "1 or more")


@dataclass(frozen=True, kw_only=True)
class LatentsConfig:
    """Encode an RGBD corpus: mean and standard deviation of each picture's latent, for training the U-Net."""

    input: FolderUrl
    """A finished RGBD corpus; local or s3://."""
    output: OutputUrl
    """Folder that the latents are written to; local or s3://."""
    flips: bool = False
    """Store the mirror image of each training picture too."""
    model: TrainedAutoencoderConfig = field(default_factory=TrainedAutoencoderConfig)
    text: TextConfig = field(default_factory=TextConfig)
    encode: EncodeConfig = field(default_factory=EncodeConfig)
    cluster: ActorsConfig = field(default_factory=ActorsConfig)
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require_finite(self)

    def identity(self) -> dict[str, Any]:
        """Return the settings that decide which rows come out; the content of corpus and encoders decides the rest."""
        return {name: value for name, value in to_json(self).items() if name in ("flips", "encode")}
