"""A training that was killed anywhere goes on as if nothing had been, to the last bit."""

import dataclasses
import json
import threading
from functools import partial
from pathlib import Path

import pytest
import torch

from ldm3d.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    LoopConfig,
    ModelConfig,
    OptimiserConfig,
    PerceptualConfig,
)
from ldm3d.data.pictures import decode_rgbd
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_base_model
from pipelines.autoencoder_training import AutoencoderTraining, ValidationRows
from pipelines.checkpoints import Checkpoints
from pipelines.history import History
from pipelines.reader import BatchReader
from pipelines.storage import Folder
from pipelines.train_autoencoder import Data
from pipelines.training_loop import Loop

torch.set_num_threads(1)

STEPS_PER_EPOCH = 5


@pytest.fixture(scope="module")
def config(tmp_path_factory) -> AutoencoderConfig:
    """20 scenes of 16 x 16 pixels in batches of 4, a small base, a discriminator from step 3 on."""
    root = tmp_path_factory.mktemp("training")
    corpus = Folder(str(root / "corpus"))
    for split, seeds in (("train", range(20)), ("val", range(20, 26))):
        rows = scene_rows(seeds, split, size=16)
        corpus.write_tables(f"rgbd/{split}/00000.parquet", [rows.slice(start, 4) for start in range(0, len(rows), 4)])
    corpus.write("_SUCCESS.json", b"{}")
    make_base_model(root / "base")
    return AutoencoderConfig(
        input=corpus.url,
        output=str(root / "run"),
        model=ModelConfig(base=str(root / "base")),
        loss=AutoencoderLossConfig(
            perceptual=PerceptualConfig(rgb_weight=0, depth_weight=0),
            discriminator_start=3,
            discriminator_filters=4,
            discriminator_layers=1,
        ),
        optimiser=OptimiserConfig(learning_rate=1e-3),
        loop=LoopConfig(epochs=2, batch_size=4, lanes=2, shuffle_rows=8, checkpoint_every=2, log_every=1),
    )


def run(config: AutoencoderConfig, output: Path, stop_at: int | None = None) -> tuple[int, Checkpoints]:
    """The loop as a single worker runs it; interrupted when it has taken `stop_at` steps, if that is given."""
    data = Data.of(config)
    folder, stop, device = Folder(str(output)), threading.Event(), torch.device("cpu")
    checkpoints = Checkpoints(Folder(f"{folder.url}/checkpoints"), keep=100)

    def report(step: int, numbers: dict[str, float]) -> None:
        if step == stop_at:
            stop.set()

    total = config.loop.epochs * data.order.steps_per_epoch
    loop = Loop(
        config=config.loop,
        total_steps=total,
        steps_per_epoch=data.order.steps_per_epoch,
        read=lambda start, stop: BatchReader(data.train, data.order, decode_rgbd, start=start, stop=stop),
        checkpoints=checkpoints,
        reduce=lambda tensor: tensor,
        is_first=True,
        interrupted=stop.is_set,
        open_history=partial(History, folder),
        report=report,
    )
    steps = loop.run(AutoencoderTraining(config, total, ValidationRows(data.validation, 0, 1), device))
    return steps, Checkpoints(checkpoints.folder)


def losses(checkpoints: Checkpoints, step: int) -> list[dict[str, float]]:
    """What was noted, but for how long it took."""
    history = checkpoints.load(step).state["history"]
    return [{name: value for name, value in record.items() if "speed/" not in name} for record in history]


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory) -> Checkpoints:
    steps, checkpoints = run(config, tmp_path_factory.mktemp("undisturbed"))
    assert steps == 2 * STEPS_PER_EPOCH
    return checkpoints


def assert_same(found: Checkpoints, wanted: Checkpoints, step: int) -> None:
    assert losses(found, step) == losses(wanted, step)
    got, expected = found.load(step).tensors, wanted.load(step).tensors
    for file, tensors in expected.items():
        assert got[file].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert torch.equal(got[file][name], tensor), f"{file} {name}"


@pytest.mark.parametrize("stop_at", [3, 5])
def test_an_interrupted_run_goes_on_to_the_same_weights_and_losses(config, undisturbed, tmp_path, stop_at):
    steps, _ = run(config, tmp_path, stop_at)
    assert steps == stop_at
    steps, checkpoints = run(config, tmp_path)
    assert steps == 2 * STEPS_PER_EPOCH
    assert_same(checkpoints, undisturbed, steps)


def test_a_killed_run_goes_on_from_its_last_checkpoint(config, undisturbed, tmp_path):
    run(config, tmp_path, stop_at=7)
    (tmp_path / "checkpoints/000000007/state.json").unlink()  # as if it had died while writing it
    steps, checkpoints = run(config, tmp_path)
    assert_same(checkpoints, undisturbed, steps)


def test_training_lowers_the_loss_and_says_so(config, undisturbed, tmp_path):
    longer = dataclasses.replace(config, loop=dataclasses.replace(config.loop, epochs=8))
    steps, checkpoints = run(longer, tmp_path)
    scores = [record["validation/reconstruction"] for record in losses(checkpoints, steps) if len(record) < 9]
    assert len(scores) == 8
    assert scores[-1] < 0.8 * scores[0]
    assert json.loads((tmp_path / "history.json").read_text())
    for picture in ("pictures/validation-0008.png", "losses.png"):
        assert (tmp_path / picture).stat().st_size > 1_000
    assert list((tmp_path / "tensorboard").iterdir())
