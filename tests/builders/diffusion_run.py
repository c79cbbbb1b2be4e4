"""Trainings of the U-Net on a worker alone."""

from dataclasses import replace
from pathlib import Path

from ldm3d.config import DiffusionConfig
from pipelines.storage.folder import Folder
from pipelines.train_diffusion import training_of
from pipelines.training.checkpoints import Checkpoint, Checkpoints
from pipelines.training.loop import Loop
from tests.builders.alone import Alone


def run(config: DiffusionConfig, output: Path, stop_at: int | None = None) -> Checkpoint:
    """The last checkpoint of a training; interrupted when it has taken `stop_at` steps, if that is given."""
    steps = Loop(training_of(replace(config, output=str(output))).job, "run", Alone.until(stop_at)).run()
    return Checkpoints(Folder(f"{output}/checkpoints")).load(steps)


def numbers(checkpoint: Checkpoint, name: str) -> list[float]:
    return [record[name] for record in checkpoint.state["history"] if name in record]
