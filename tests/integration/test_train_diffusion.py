"""The U-Net's training on Ray Train, as a user runs it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ldm3d.config import DiffusionConfig, WatchConfig, WorkersConfig
from pipelines.storage.folder import Folder
from pipelines.train_diffusion import train_diffusion
from pipelines.training.checkpoints import Checkpoints
from tests.tracking_server import TrackingServer

STEPS = 10


@pytest.fixture(scope="module")
def tracking(tmp_path_factory) -> Iterator[TrackingServer]:
    with TrackingServer(tmp_path_factory.mktemp("tracking")) as server:
        yield server


@pytest.fixture(scope="module")
def config(small_diffusion, tmp_path_factory, cluster, tracking) -> DiffusionConfig:
    """An epoch on two workers without GPUs, watched by MLflow."""
    made = small_diffusion(tmp_path_factory.mktemp("diffusion"), 4 * STEPS)
    workers = WorkersConfig(address=cluster, workers=2, gpus=0)
    return replace(
        made,
        workers=workers,
        watch=WatchConfig(mlflow=tracking.url),
        loop=replace(made.loop, epochs=1),
        samples=replace(made.samples, every_epochs=1),
    )


@pytest.fixture(scope="module")
def two(config) -> dict:
    return train_diffusion(config)


def losses(output: str) -> list[float]:
    records = json.loads(Path(output, "history.json").read_text())
    return [value for record in records for name, value in record.items() if "loss" in name]


def test_it_ends_with_a_whole_model_and_samples_and_a_finished_run_does_nothing(config, two):
    assert two["finished"]
    assert two["steps"] == STEPS
    output = Path(config.output)
    assert {path.name for path in (output / "model").iterdir()} == {
        "model_index.json",
        "scheduler",
        "text_encoder",
        "tokenizer",
        "unet",
        "vae",
    }
    assert (output / "pictures/samples-0001.png").stat().st_size > 1_000
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()}
    assert train_diffusion(config) == two
    assert {path: path.stat().st_mtime_ns for path in output.rglob("*") if path.is_file()} == before


def test_mlflow_has_the_losses_the_settings_and_the_samples(config, two, tracking):
    (run,) = [each for each in tracking.runs() if each.info.run_name == "run"]
    assert run.info.status == "FINISHED"
    assert run.data.params["stage"] == "train_diffusion"
    assert [value for _, value in tracking.curve(run.info.run_id, "loss/diffusion")] == losses(config.output)[:-1]
    assert "pictures/samples-0001.png" in tracking.artifacts()


def test_a_finished_run_that_lost_files_of_its_model_writes_them_again(config, two, tmp_path):
    output = shutil.copytree(config.output, tmp_path / "copy")
    lost = output / "model/unet/diffusion_pytorch_model.safetensors"
    before = lost.read_bytes()
    lost.unlink()
    assert train_diffusion(replace(config, output=str(output))) == two
    assert lost.read_bytes() == before


@pytest.mark.parametrize(("workers", "strategy"), [(1, "ddp"), (2, "fsdp")])
def test_one_worker_and_sharded_ones_follow_the_same_curve(config, two, tmp_path, workers, strategy):
    """In float32 parts of a batch add up in another order, which Adam's first steps make more of."""
    other = replace(
        config,
        output=str(tmp_path / "other"),
        workers=replace(config.workers, workers=workers, strategy=strategy),
    )
    assert train_diffusion(other)["finished"]
    assert losses(other.output) == pytest.approx(losses(config.output), rel=1e-3)
    found, expected = (Checkpoints(Folder(f"{run.output}/checkpoints")).load(STEPS).tensors for run in (other, config))
    for name, average in expected["unet_average"].items():
        assert torch.allclose(found["unet_average"][name], average, atol=1e-3)


def test_more_steps_than_the_scheduler_takes_are_refused_before_any_work(config, tmp_path):
    """They would end the training at its first samples."""
    samples = replace(config.samples, num_inference_steps=1_000)
    with pytest.raises(ValueError, match=r"--samples\.num-inference-steps: .* wanted 1 to 999"):
        train_diffusion(replace(config, output=str(tmp_path / "run"), samples=samples))
    assert not (tmp_path / "run/config.json").exists()
