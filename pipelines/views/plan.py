"""What a run of `depth_fusion` works on, checked before anything starts, and its panoramas, cut into shards.

_state/panoramas/GROUP/00003.parquet    the panoramas of `FILE_SHARDS` shards, a row group each
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

from ldm3d.config import DepthFusionConfig
from ldm3d.config.exports import FORMATS
from ldm3d.fusion.estimate import PanoramaEstimator
from ldm3d.fusion.exports import check_installed
from ldm3d.sampling.image_to_rgbd import require_depth
from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.storage.folder import Folder
from pipelines.storage.models import open_model
from pipelines.storage.run import check_folders
from pipelines.storage.shards import Shard
from pipelines.views.panoramas import Panoramas
from pipelines.workers.resources import Pool, fit_actors

FILE_SHARDS = 256  # a reader of one shard reads the footer of the whole file


@dataclass(frozen=True)
class FusionPlan:
    """Panoramas and models that have been checked."""

    config: DepthFusionConfig
    panoramas: Panoramas
    model: RgbdPipeline | None
    """What redraws them, or what they hide; None if nothing does."""
    depth_model: dict[str, Any] | None
    """What is known of the model that estimates depth where there is no map; None if a map is required."""
    shards: list[Shard]
    """Of every group, one after another."""

    @classmethod
    def of(cls, config: DepthFusionConfig) -> Self:
        """Check panoramas and models, and plan the shards.

        Raises:
            ValueError: they cannot be used.
        """
        if config.input is None:
            raise ValueError("--input is missing: give panoramas; from a --prompt alone one is drawn, here")
        check_folders(config.input, config.output, "depth_fusion")
        check_installed(config.exports.formats or FORMATS)
        panoramas, model = Panoramas.of(config), None
        if config.draws:
            model = open_model(config.model.model[0], config.model.revision)
            require_depth(model)
        depth_model = None if config.depth.model is None else PanoramaEstimator.from_pretrained(config.depth).about
        return cls(config, panoramas, model, depth_model, list(_shards(panoramas, config.shard_panoramas)))

    def identity(self) -> dict[str, Any]:
        """Return what decides which files come out; the model counts by its content."""
        model = {} if self.model is None else {"model": self.model.fingerprint()}
        depth = {} if self.depth_model is None else {"depth_model": self.depth_model["fingerprint"]}
        return self.config.identity() | {"stage": "depth_fusion", "input": self.panoramas.about()} | model | depth

    def about_model(self) -> dict[str, Any] | None:
        """Return what the success marker says about the model; None if it drew nothing."""
        if self.model is None:
            return None
        place = self.config.model
        return {"model": place.model[0], "revision": place.revision, "fingerprint": self.model.fingerprint()}

    def save(self) -> None:
        """Write the planned panoramas to the output. Writing them again gives the same files."""
        output, size = Folder(self.config.output), self.config.shard_panoramas
        for group, table in self.panoramas.groups.items():
            cuts = [table.slice(start, size) for start in range(0, table.num_rows, size)]
            for place, first in enumerate(range(0, len(cuts), FILE_SHARDS)):
                output.write_tables(_file(group, place), cuts[first : first + FILE_SHARDS])


def fit_renderers(config: DepthFusionConfig, cpus: float, gpus: float) -> Pool:
    """Fit the actors to a cluster: those that hold a model to its GPUs, others to its CPUs.

    Raises:
        ValueError: those asked for do not fit in the cluster.
    """
    actors = config.cluster
    if not config.draws and config.depth.model is None:
        actors, gpus = replace(actors, actors=actors.actors or max(1, int(cpus // actors.cpus))), 0.0
    return fit_actors("render", actors, cpus, gpus)


def _shards(panoramas: Panoramas, size: int) -> Iterator[Shard]:
    for group, table in panoramas.groups.items():
        for number, start in enumerate(range(0, table.num_rows, size)):
            place, row_group = divmod(number, FILE_SHARDS)
            rows = min(size, table.num_rows - start)
            yield Shard(f"{group}-{number:05d}", _file(group, place), row_group, rows)


def _file(group: str, place: int) -> str:
    return f"_state/panoramas/{group}/{place:05d}.parquet"
