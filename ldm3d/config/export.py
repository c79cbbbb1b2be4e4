"""Settings for exporting a model from a training run."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import require
from ldm3d.config.places import FolderUrl, OutputUrl


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Export a training checkpoint as a folder in diffusers layout. Training can start from such a folder: pass it to
    `train_diffusion` as `--model.base`, or as `--model.autoencoder` wherever an autoencoder is wanted."""

    input: FolderUrl
    """Output of `train_autoencoder` or `train_diffusion`, finished or not; local or s3://."""
    output: OutputUrl
    """A new folder, or that of an interrupted export; local or s3://."""
    step: int | None = None
    """Step of the checkpoint; None takes the newest complete one."""
    weights: Literal["average", "trained"] = "average"
    """Weights of the U-Net: the moving average, if the run keeps one, or those of the step itself."""
    preset: str | None = None
    """Name of the preset that these settings began with, kept for the stages that read the output. It decides nothing
    here."""

    def __post_init__(self) -> None:
        require(self.step is None or self.step >= 1, "step", self.step, "1 or more, or None")
