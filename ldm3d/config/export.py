"""Settings of taking a model out of a training run."""

from dataclasses import dataclass
from typing import Literal

from ldm3d.config.checks import require
from ldm3d.config.places import FolderUrl


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A training checkpoint as a folder in diffusers layout. Training starts from such a folder: `--model.base` of
    `train_diffusion`, `--model.autoencoder` where an autoencoder is wanted."""

    input: FolderUrl
    """Output of `train_autoencoder` or `train_diffusion`, finished or not; local or s3://."""
    output: FolderUrl
    """A new folder, or the one of an export that was interrupted; local or s3://."""
    step: int | None = None
    """Which of the run's checkpoints; None takes the newest that is whole."""
    weights: Literal["average", "trained"] = "average"
    """Of the U-Net: the moving average, where the run keeps one, or what the last step left."""

    def __post_init__(self) -> None:
        require(self.step is None or self.step >= 1, "step", self.step, "1 or more, or None")
