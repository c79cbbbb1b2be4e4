"""The autoencoder's training on Ray Train, as a user runs it: two workers, killed, stopped, run again."""

import contextlib
import dataclasses
import json
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from ldm3d.config import AutoencoderConfig, OptimiserConfig, WorkersConfig
from ldm3d.schema import IMAGE
from pipelines.storage.folder import Folder
from pipelines.train_autoencoder import train_autoencoder
from pipelines.training.checkpoints import Checkpoints
from pipelines.training.reader import BadRowError
from tests.integration.driver import start, wait_for, wait_until

STEPS = 240  # about three seconds: enough to be disturbed twice


@pytest.fixture(scope="module")
def config(small_training, tmp_path_factory, cluster) -> AutoencoderConfig:
    """Two workers without GPUs."""
    made = small_training(tmp_path_factory.mktemp("autoencoder"), STEPS)
    return dataclasses.replace(made, workers=WorkersConfig(address=cluster, workers=2, gpus=0))


@pytest.fixture(scope="module")
def two(config) -> dict:
    return train_autoencoder(config)


def weights(output: str) -> dict[str, torch.Tensor]:
    return Checkpoints(Folder(f"{output}/checkpoints")).load(STEPS).tensors["autoencoder"]


def losses(output: str) -> list[float]:
    records = json.loads(Path(output, "history.json").read_text())
    return [record["loss/autoencoder"] for record in records if "loss/autoencoder" in record]


def test_a_dry_run_suggests_what_the_paper_would_do_with_this_many_pictures(config, tmp_path):
    short = dataclasses.replace(config.loop, max_steps=100)
    planned = train_autoencoder(dataclasses.replace(config, output=str(tmp_path / "dry"), loop=short), dry_run=True)
    assert (planned["steps"], planned["steps_per_epoch"], planned["workers"]) == (100, STEPS // 4, 2)
    found = planned["suggestion"]
    assert (found["rows"], found["--loop.epochs"], found["--loop.batch-size"]) == (STEPS, 83, 8)
    assert found["steps"] == 83 * STEPS // 8
    assert "note" not in planned
    assert not (tmp_path / "dry").exists()


def test_a_dry_run_says_that_a_limit_beyond_the_last_epoch_has_no_effect(config, tmp_path):
    long = dataclasses.replace(config.loop, max_steps=100_000)
    planned = train_autoencoder(dataclasses.replace(config, output=str(tmp_path / "dry"), loop=long), dry_run=True)
    assert planned["note"].startswith(f"--loop.max-steps 100000 is more than the {planned['steps']:,} steps of ")


def test_it_ends_with_a_model_that_diffusers_loads_and_pictures_to_look_at(config, two):
    from diffusers import AutoencoderKL

    assert two["finished"]
    assert two["steps"] == STEPS
    vae = AutoencoderKL.from_pretrained(config.output, subfolder="vae")
    assert vae.config.in_channels == 6
    trained = weights(config.output)
    assert all(torch.equal(trained[f"vae.{name}"], value) for name, value in vae.state_dict().items())
    for picture in ("pictures/validation-0001.png", "pictures/validation-0002.png", "losses.png"):
        assert Path(config.output, picture).stat().st_size > 1_000


def test_a_finished_run_says_so_and_does_nothing(config, two):
    before = {path: path.stat().st_mtime_ns for path in Path(config.output).rglob("*") if path.is_file()}
    assert train_autoencoder(config) == two
    assert {path: path.stat().st_mtime_ns for path in Path(config.output).rglob("*") if path.is_file()} == before


def test_other_settings_under_the_same_name_are_refused(config, two):
    other = dataclasses.replace(config, optimiser=OptimiserConfig(learning_rate=2e-3))
    with pytest.raises(ValueError, match=r"--optimiser\.learning-rate was 0\.001, is 0\.002"):
        train_autoencoder(other)


@pytest.mark.parametrize(("workers", "strategy"), [(1, "ddp"), (2, "fsdp")])
def test_one_worker_and_sharded_ones_follow_the_same_curve(config, two, tmp_path, workers, strategy):
    """In float32 parts of a batch add up in another order: 1e-7. A discriminator that begins lies on the kinks of its
    activations, and Adam's first steps are as large for a gradient of nothing as for any: from then on curves part."""
    other = dataclasses.replace(
        config,
        output=str(tmp_path / "other"),
        workers=dataclasses.replace(config.workers, workers=workers, strategy=strategy),
        loop=dataclasses.replace(config.loop, epochs=1),
    )
    assert train_autoencoder(other)["finished"]
    found, expected = losses(other.output), losses(config.output)
    before = config.loss.discriminator_start
    assert found[:before] == pytest.approx(expected[:before], rel=1e-5)
    assert found[: before + 3] == pytest.approx(expected[: before + 3], rel=1e-3)


def newest_checkpoint(output: Path, after: int = 0) -> int:
    """Its step, 0 where there is none beyond `after`."""
    steps = [int(file.parent.name) for file in output.glob("checkpoints/*/state.json")]
    return max((step for step in steps if step > after), default=0)


def test_ctrl_c_ends_it_at_once_as_an_interrupt_and_leaves_nothing_of_ray_train(config, tmp_path):
    output = tmp_path / "interrupted"
    driver = start(config, output)
    wait_until(lambda: newest_checkpoint(output), driver)
    driver.send_signal(signal.SIGINT)
    said, _ = driver.communicate(timeout=60)
    assert said.decode().splitlines()[-1] == "KeyboardInterrupt"
    assert not (output / "_state/ray_train").exists()
    assert not (output / "_SUCCESS.json").exists()


def test_a_picture_that_does_not_decode_ends_it_with_its_place_at_the_second_start(config, tmp_path):
    corpus = Path(shutil.copytree(config.input, tmp_path / "corpus"))
    file = corpus / "rgbd/train/00000.parquet"
    rows = pq.read_table(file)
    images = rows["image"].to_pylist()
    images[3]["bytes"] = b"not a picture"
    rows = rows.set_column(rows.column_names.index("image"), rows.schema.field("image"), pa.array(images, IMAGE))
    Folder(str(corpus)).write_tables("rgbd/train/00000.parquet", [rows])
    with pytest.raises(BadRowError, match=r"rgbd/train/00000\.parquet, row group 0, row 3: "):
        train_autoencoder(dataclasses.replace(config, input=str(corpus), output=str(tmp_path / "run")))


def kill_a_worker() -> None:
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[:1] and "RayTrainWorker" in process.cmdline()[0]:
                process.kill()
                return
    raise AssertionError("no training worker runs")


def test_stopped_then_started_then_robbed_of_a_worker_it_ends_as_if_nothing_had_been(config, two, tmp_path, caplog):
    output = tmp_path / "disturbed"
    driver = start(config, output)
    wait_until(lambda: newest_checkpoint(output), driver)
    driver.send_signal(signal.SIGTERM)
    said, _ = driver.communicate(timeout=240)
    assert driver.returncode == 0, said.decode()[-2000:]
    assert b"'finished': False" in said
    assert not (output / "_SUCCESS.json").exists()

    stopped_at = Checkpoints(Folder(f"{output}/checkpoints")).steps()[-1]

    def rob() -> None:
        wait_for(lambda: newest_checkpoint(output, after=stopped_at) > 0)
        kill_a_worker()

    with ThreadPoolExecutor(1) as other, caplog.at_level("INFO"):
        robbed = other.submit(rob)
        assert train_autoencoder(dataclasses.replace(config, output=str(output)))["finished"]
        robbed.result()
    assert f"resuming after step {stopped_at} of " in caplog.text
    assert losses(str(output)) == losses(config.output)
    expected = weights(config.output)
    assert all(torch.equal(value, expected[name]) for name, value in weights(str(output)).items())
