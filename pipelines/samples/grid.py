"""A grid of models and settings: every combination draws every sample."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from ldm3d.config import SamplingConfig, SamplingPoint
from pipelines.samples.generator import Generator
from pipelines.storage.shards import split_and_number


@dataclass(frozen=True)
class GridPoint:
    """One combination of a model and settings."""

    generator: Generator
    settings: SamplingPoint

    @property
    def name(self) -> str:
        """Its name in folders: `ddim-s5-n50`, or `NAME-ddim-s5-n50` with several models."""
        return f"{self.generator.name}-{self.settings.name}" if self.generator.name else self.settings.name

    @property
    def title(self) -> str:
        """How it draws, in words: `ddim, guidance scale 5, 50 steps`."""
        model, settings = self.generator.name, self.settings
        drawn = (
            f"{settings.scheduler}, guidance scale {settings.guidance_scale:g}, {settings.num_inference_steps} steps"
        )
        return f"{model}: {drawn}" if model else drawn

    def facts(self) -> dict[str, Any]:
        """Return what decides its samples, beside their captions and seeds."""
        drawn_by = {"checkpoint": self.generator.fingerprint, "training_step": self.generator.training_step}
        return asdict(self.settings) | drawn_by


Grid = dict[str, GridPoint]
"""Points by name, one model after another, so that actors seldom load another model."""


def grid_of(generators: Iterable[Generator], config: SamplingConfig) -> Grid:
    """Return every point, in the order in which they are drawn."""
    points = [GridPoint(generator, settings) for generator in generators for settings in config.grid()]
    return {point.name: point for point in points}


def point_name(shard: str) -> str:
    """Return the name of the point that a shard belongs to."""
    return split_and_number(shard)[0]
