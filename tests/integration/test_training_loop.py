"""A training that was killed anywhere goes on as if nothing had been, to the last bit."""

import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ldm3d.config import AutoencoderConfig, WatchConfig
from pipelines.storage.folder import Folder
from pipelines.storage.shards import TakenOverError, claim
from pipelines.train_autoencoder import training_of
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.loop import Loop
from tests.builders.alone import Alone
from tests.tracking_server import TrackingServer

torch.set_num_threads(1)

STEPS_PER_EPOCH = 5


@pytest.fixture(scope="module")
def config(small_training, tmp_path_factory) -> AutoencoderConfig:
    """Two epochs of five steps, the discriminator from the fourth on."""
    made = small_training(tmp_path_factory.mktemp("training"), 4 * STEPS_PER_EPOCH)
    return replace(
        made,
        loss=replace(made.loss, discriminator_start=3),
        loop=replace(made.loop, epochs=2, checkpoint_every=2, keep_checkpoints=100),
    )


def run(config: AutoencoderConfig, output: Path, stop_at: int | None = None) -> tuple[int, Checkpoints]:
    """The training as a single worker runs it; interrupted when it has taken `stop_at` steps, if that is given."""
    steps = Loop(training_of(replace(config, output=str(output))).job, "run", Alone.until(stop_at)).run()
    return steps, Checkpoints(Folder(f"{output}/checkpoints"))


def losses(checkpoints: Checkpoints, step: int) -> list[dict[str, float]]:
    """What was noted, but for the time and memory that it took."""
    history = checkpoints.load(step).state["history"]
    return [
        {name: value for name, value in record.items() if not name.startswith(("speed/", "memory/"))}
        for record in history
    ]


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


def test_before_a_machine_goes_there_is_one_checkpoint_more_and_training_goes_on(config, undisturbed, tmp_path):
    rare = replace(config, output=str(tmp_path), loop=replace(config.loop, checkpoint_every=1_000))
    assert Loop(training_of(rare).job, "run", Alone.until(leaves_at=7)).run() == 2 * STEPS_PER_EPOCH
    checkpoints = Checkpoints(Folder(f"{tmp_path}/checkpoints"))
    assert checkpoints.steps() == [5, 7, 10]  # two ends of epochs, and that one
    assert_same(checkpoints, undisturbed, 10)


@pytest.fixture(scope="module")
def cut_short(config) -> AutoencoderConfig:
    """It ends in the middle of the second epoch, and so does its learning rate."""
    optimiser = replace(config.optimiser, decay="linear")
    return replace(config, optimiser=optimiser, loop=replace(config.loop, max_steps=7, checkpoint_every=1_000))


def test_a_training_ends_at_its_most_steps_with_validation_pictures_and_a_checkpoint(cut_short, tmp_path):
    steps, checkpoints = run(cut_short, tmp_path)
    assert (steps, checkpoints.steps()) == (7, [5, 7])
    assert [record["step"] for record in losses(checkpoints, 7) if "validation/psnr_db" in record] == [5, 7]
    assert sorted(file.name for file in (tmp_path / "pictures").iterdir()) == [
        "validation-0001.png",
        "validation-0002.png",
    ]
    job = training_of(replace(cut_short, output=str(tmp_path))).job
    rate = job.open_trainee(Alone.until()).state.learning_rate
    assert rate(6) == pytest.approx(0.02 * cut_short.optimiser.learning_rate)
    assert rate(5) > rate(6)


@pytest.mark.parametrize("stop_at", [3, 6])
def test_one_that_is_interrupted_before_goes_on_to_its_most_steps(cut_short, tmp_path, stop_at):
    _, whole = run(cut_short, tmp_path / "whole")
    assert run(cut_short, tmp_path / "run", stop_at)[0] == stop_at
    steps, checkpoints = run(cut_short, tmp_path / "run")
    assert steps == 7
    assert_same(checkpoints, whole, 7)
    assert run(cut_short, tmp_path / "run")[0] == 7  # and it takes none beyond them


def test_more_steps_than_there_are_change_nothing(config, undisturbed, tmp_path):
    steps, checkpoints = run(replace(config, loop=replace(config.loop, max_steps=1_000)), tmp_path)
    assert_same(checkpoints, undisturbed, steps)


class Robbed(Alone):
    """Another run takes the output over at the third step."""

    def report(self, step: int, numbers: dict[str, float]) -> None:
        if step == 3:
            claim(self.board, "new", {})


def test_a_run_that_is_taken_over_writes_nothing_more(config, tmp_path):
    output, job = Folder(str(tmp_path)), training_of(replace(config, output=str(tmp_path))).job
    claim(output, "old", {})
    robbed = Robbed(0, 1, torch.device("cpu"), output, threading.Event(), threading.Event())
    with pytest.raises(TakenOverError, match="run new"):
        Loop(job, "old", robbed).run()
    assert Checkpoints(Folder(f"{tmp_path}/checkpoints")).steps() == [2]
    assert len(json.loads(output.read("history.json"))) == 2
    with pytest.raises(TakenOverError, match="run new"):  # nor when Ray starts its workers again
        Loop(job, "old", Alone.until()).run()


def test_training_learns_and_leaves_pictures_and_curves(config, tmp_path):
    """Without a discriminator, which pictures of 16 x 16 pixels and some dozens of steps are too little for."""
    loop = replace(config.loop, epochs=32, checkpoint_every=1_000, keep_checkpoints=1)
    longer = replace(config, loss=replace(config.loss, adversarial_weight=0), loop=loop)
    steps, checkpoints = run(longer, tmp_path)
    assert "discriminator" not in checkpoints.load(steps).tensors
    epochs = [record for record in losses(checkpoints, steps) if "validation/psnr_db" in record]
    assert len(epochs) == 32
    assert epochs[-1]["validation/psnr_db"] > epochs[0]["validation/psnr_db"] + 1
    assert epochs[-1]["validation/depth_l1"] < 0.8 * epochs[0]["validation/depth_l1"]
    assert json.loads((tmp_path / "history.json").read_text())
    for picture in ("pictures/validation-0032.png", "losses.png"):
        assert (tmp_path / picture).stat().st_size > 1_000
    assert list((tmp_path / "tensorboard").iterdir())


def test_a_watched_training_is_the_same_and_one_run_of_mlflow(config, undisturbed, tmp_path):
    with TrackingServer(tmp_path / "server") as server:
        watched = replace(config, watch=WatchConfig(mlflow=server.url))
        run(watched, tmp_path / "run", stop_at=3)
        assert [each.info.status for each in server.runs()] == ["KILLED"]
        steps, checkpoints = run(watched, tmp_path / "run")
        (made,) = server.runs()
        curve = server.curve(made.info.run_id, "loss/autoencoder")
    assert_same(checkpoints, undisturbed, steps)
    assert made.info.status == "FINISHED"
    assert made.data.params["loop.epochs"] == "2"
    records = [record for record in losses(checkpoints, steps) if "loss/autoencoder" in record]
    assert curve == [(record["step"], record["loss/autoencoder"]) for record in records]
    assert set(server.artifacts()) == {"pictures/validation-0001.png", "pictures/validation-0002.png"}


def test_a_tracking_server_that_is_down_changes_nothing(config, undisturbed, tmp_path, caplog):
    with TrackingServer(tmp_path / "server") as server:
        url = server.url
    began = time.monotonic()
    steps, checkpoints = run(replace(config, watch=WatchConfig(mlflow=url)), tmp_path / "run")
    assert time.monotonic() - began < 30
    assert_same(checkpoints, undisturbed, steps)
    assert "MLflow was not reached" in caplog.text


def test_micro_batches_add_up_to_the_batch(config, undisturbed, tmp_path):
    """Up to the discriminator, whose weight and norms are of a micro-batch."""
    steps, checkpoints = run(replace(config, loop=replace(config.loop, micro_batch=2)), tmp_path)
    before = config.loss.discriminator_start
    found, wanted = (
        [record["loss/autoencoder"] for record in losses(each, steps) if "loss/autoencoder" in record][:before]
        for each in (checkpoints, undisturbed)
    )
    assert found == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_is_of_the_passes_not_of_the_weights(config, undisturbed, tmp_path, precision):
    steps, checkpoints = run(replace(config, loop=replace(config.loop, precision=precision)), tmp_path, stop_at=4)
    assert {value.dtype for value in checkpoints.load(steps).tensors["autoencoder"].values()} == {torch.float32}
    found, wanted = (losses(each, steps)[0]["loss/autoencoder"] for each in (checkpoints, undisturbed))
    assert found != wanted
    assert found == pytest.approx(wanted, rel=2e-2)
