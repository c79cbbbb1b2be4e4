"""A training that was killed anywhere goes on as if nothing had been, to the last bit."""

import json
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from ldm3d.config import AutoencoderConfig
from ldm3d.data.pictures import decode_rgbd
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
def config(small_training, tmp_path_factory) -> AutoencoderConfig:
    """Two epochs of five steps, the discriminator from the fourth on."""
    made = small_training(tmp_path_factory.mktemp("training"), 4 * STEPS_PER_EPOCH)
    return replace(
        made,
        loss=replace(made.loss, discriminator_start=3),
        loop=replace(made.loop, epochs=2, checkpoint_every=2),
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


def test_training_learns_and_leaves_pictures_and_curves(config, tmp_path):
    """Without a discriminator, which pictures of 16 x 16 pixels and some dozens of steps are too little for."""
    longer = replace(config, loss=replace(config.loss, adversarial_weight=0), loop=replace(config.loop, epochs=16))
    steps, checkpoints = run(longer, tmp_path)
    assert "discriminator" not in checkpoints.load(steps).tensors
    epochs = [record for record in losses(checkpoints, steps) if "validation/psnr_db" in record]
    assert len(epochs) == 16
    assert epochs[-1]["validation/psnr_db"] > epochs[0]["validation/psnr_db"] + 1
    assert epochs[-1]["validation/depth_l1"] < 0.8 * epochs[0]["validation/depth_l1"]
    assert json.loads((tmp_path / "history.json").read_text())
    for picture in ("pictures/validation-0016.png", "losses.png"):
        assert (tmp_path / picture).stat().st_size > 1_000
    assert list((tmp_path / "tensorboard").iterdir())


def test_micro_batches_add_up_to_the_batch(config, undisturbed, tmp_path):
    """Up to the discriminator, whose weight and norms are of a micro-batch."""
    steps, checkpoints = run(replace(config, loop=replace(config.loop, micro_batch=2)), tmp_path)
    before = config.loss.discriminator_start
    found, wanted = (
        [record["loss/autoencoder"] for record in losses(each, steps) if "loss/autoencoder" in record][:before]
        for each in (checkpoints, undisturbed)
    )
    assert found == pytest.approx(wanted, rel=1e-5)


def test_bfloat16_is_of_the_passes_not_of_the_weights(config, undisturbed, tmp_path):
    steps, checkpoints = run(replace(config, loop=replace(config.loop, precision="bf16")), tmp_path)
    assert {value.dtype for value in checkpoints.load(steps).tensors["autoencoder"].values()} == {torch.float32}
    found, wanted = (losses(each, steps)[0]["loss/autoencoder"] for each in (checkpoints, undisturbed))
    assert found != wanted
    assert found == pytest.approx(wanted, rel=2e-2)
