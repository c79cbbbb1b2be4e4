"""What a run of `generate` works on, checked before anything starts, and its samples, cut into shards.

    _state/samples/00003.parquet       the samples of `FILE_SHARDS` shards, a row group each: key, caption, image_id,
                                       number, seed
    rejects/captions/00000.parquet     the rows of the input without a caption

A shard is a row group at one point of the grid: all points draw the same samples, so they share these files. The
driver keeps the first model in memory and opens further ones one at a time.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Self

import pyarrow as pa
import torch

from ldm3d.config import GenerateConfig, SamplingConfig, SamplingPoint
from ldm3d.rows.captions import Captions
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import Sampler, note_on_few_steps, scheduler_of
from ldm3d.sampling.samples import NotFiniteError, require_finite
from ldm3d.sampling.steps import require_steps
from pipelines.samples.captions import CaptionsInput
from pipelines.samples.generator import Generator
from pipelines.samples.grid import Grid, grid_of
from pipelines.storage.folder import Folder
from pipelines.storage.models import open_model
from pipelines.storage.run import check_folders
from pipelines.storage.shards import Shard
from pipelines.workers.resources import prepare_process

logger = logging.getLogger(__name__)

FILE_SHARDS = 256  # a reader of one shard reads the footer of the whole file
REJECTS = "rejects/captions/00000.parquet"


@dataclass(frozen=True)
class GeneratePlan:
    """Captions and models that have been checked."""

    config: GenerateConfig
    captions: CaptionsInput
    generators: list[Generator]
    """What is known of each model."""
    model: RgbdPipeline
    """The first model, or the only one."""
    grid: Grid
    shards: list[Shard]
    """The shards of every point of the grid, one point after another."""

    @classmethod
    def of(cls, config: GenerateConfig) -> Self:
        """Check captions, models and settings, and plan the shards.

        Raises:
            ValueError: captions, a model or settings cannot be used.
        """
        if config.input is None:
            raise ValueError("--input is missing: give a file of captions, or one caption as --prompt")
        check_folders(config.input, config.output, "generate")
        captions, model = CaptionsInput.of(config.input, config.captions), config.model
        generators, first = [], None
        for name, place in model.named():
            opened = open_model(place, model.revision)
            if note := note_on_few_steps(config.sampling, opened):
                logger.warning("%s: %s", place, note)
            for point in config.sampling.grid():
                _check_steps(opened, config.sampling, point)
            generators.append(Generator.of(name if len(model.model) > 1 else "", place, model.revision, opened))
            first = first or opened
        assert first is not None
        grid = grid_of(generators, config.sampling)
        return cls(config, captions, generators, first, grid, list(_shards(grid, captions.samples, config)))

    def identity(self) -> dict[str, Any]:
        """Return what decides which rows come out; models and captions count by their content."""
        model: Any = {each.name: each.fingerprint for each in self.generators}
        if len(self.generators) == 1:
            model = self.generators[0].fingerprint
        return self.config.identity() | {"stage": "generate", "input": self.captions.about(), "model": model}

    def about_models(self) -> dict[str, Any]:
        """Return what the success marker says about the models: `model`, or several `models` by name."""
        if len(self.generators) == 1:
            return {"model": self.generators[0].about()}
        return {"models": {each.name: each.about() for each in self.generators}}

    def open(self, generator: Generator) -> RgbdPipeline:
        """Load one of the models.

        Raises:
            ValueError: it is gone, or has changed since.
        """
        return self.model if generator == self.generators[0] else generator.open()

    def files(self) -> set[str]:
        """Return the files that `save` writes to the folders of rows."""
        return {REJECTS} if self.captions.rejected else set()

    def save(self) -> None:
        """Write the planned samples and the rejects to the output. Writing them again gives the same files.

        Raises:
            ValueError: the captions have changed since they were checked.
        """
        captions, output = self.captions.read(), Folder(self.config.output)
        for place, groups in enumerate(_files(captions, self.config)):
            output.write_tables(_file(place), groups)
        if captions.rejected.num_rows:
            output.write_tables(REJECTS, [captions.rejects()])


def try_sampler(model: RgbdPipeline, config: GenerateConfig) -> dict[str, Any]:
    """Draw a full batch in one step. Return the device, the precision, and the size [H, W] of a picture.

    Raises:
        ValueError: the batch does not fit the device, settings do not go together, or every sample is NaN or infinite.
    """
    prepare_process()
    settings = config.sampling
    sampler, size = Sampler(model, settings, config.model.precision), settings.batch_size
    point = replace(settings.grid()[0], guidance_scale=max(settings.guidance_scale), num_inference_steps=1)
    try:
        drawn = sampler([settings.negative_prompt] * size, range(size), point)
        require_finite(drawn)
    except NotFiniteError as error:
        raise ValueError(f"in a trial of one step at {point}, {error}") from error
    except torch.OutOfMemoryError as error:
        raise ValueError(f"--sampling.batch-size {size} does not fit the GPU ({error}): lower it") from error
    unet = sampler.pipeline.unet
    return {
        "image_size": list(drawn[0].image.shape[:2]),
        "device": unet.device.type,
        "precision": str(unet.dtype).removeprefix("torch."),
    }


def _check_steps(model: RgbdPipeline, config: SamplingConfig, point: SamplingPoint) -> None:
    """Raise ValueError if the scheduler does not suit the model, or does not take that many steps."""
    scheduler = scheduler_of(config, model.scheduler)
    try:
        require_steps(scheduler, point.num_inference_steps)
    except ValueError as error:
        raise ValueError(
            f"--sampling.num-inference-steps with --sampling.scheduler {point.scheduler}: {error}"
        ) from error


def _shards(grid: Grid, samples: int, config: GenerateConfig) -> Iterator[Shard]:
    size = config.shard_samples
    for point in grid:
        for number, start in enumerate(range(0, samples, size)):
            file, group = divmod(number, FILE_SHARDS)
            yield Shard(f"{point}-{number:05d}", _file(file), group, min(size, samples - start))


def _files(captions: Captions, config: GenerateConfig) -> Iterator[list[pa.Table]]:
    """Yield the row groups of each file."""
    size, count = config.shard_samples, captions.drawn.num_rows * config.captions.per_caption
    for first in range(0, count, size * FILE_SHARDS):
        starts = range(first, min(count, first + size * FILE_SHARDS), size)
        yield [captions.samples(start, start + size, config.captions) for start in starts]


def _file(place: int) -> str:
    return f"_state/samples/{place:05d}.parquet"
