"""The U-Net's training on one worker, without a cluster: it learns, goes on to the last bit, exports what it made."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
from diffusers import AutoencoderKL
from safetensors.torch import load_file, save_file

from ldm3d.config import (
    DenoisingLossConfig,
    DiffusionConfig,
    EncodeConfig,
    ExportConfig,
    LatentsConfig,
    LoraConfig,
    TextConfig,
    TrainedAutoencoderConfig,
    to_json,
)
from pipelines.encode_latents import encode_latents
from pipelines.export import export_run
from pipelines.storage.folder import Folder
from pipelines.storage.models import training_step_of
from pipelines.storage.run import save_config
from pipelines.train_diffusion import train_diffusion, training_of
from pipelines.training.checkpoints import Checkpoint
from tests.builders.diffusion_run import numbers, run

torch.set_num_threads(1)

STEPS_PER_EPOCH = 5


@pytest.fixture(scope="module")
def config(small_diffusion, tmp_path_factory) -> DiffusionConfig:
    """Two epochs of five steps, on pictures."""
    made = small_diffusion(tmp_path_factory.mktemp("diffusion"), 4 * STEPS_PER_EPOCH)
    return replace(made, loop=replace(made.loop, epochs=2, checkpoint_every=2, keep_checkpoints=100))


@pytest.fixture(scope="module")
def latents(config, cluster, tmp_path_factory) -> str:
    """The pictures, encoded, and their captions."""
    output = str(tmp_path_factory.mktemp("latents") / "latents")
    model = TrainedAutoencoderConfig(autoencoder=config.model.autoencoder)
    encode = EncodeConfig(batch_size=4)
    encode_latents(
        LatentsConfig(
            input=config.input, output=output, model=model, encode=encode, text=TextConfig(base=config.model.base)
        )
    )
    return output


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory) -> Checkpoint:
    return run(config, tmp_path_factory.mktemp("undisturbed"))


def test_the_last_step_draws_samples_wherever_it_lies(config, tmp_path):
    run(replace(config, loop=replace(config.loop, max_steps=3)), tmp_path)  # every second epoch would draw
    assert [file.name for file in (tmp_path / "pictures").iterdir()] == ["samples-0001.png"]


def test_an_interrupted_run_goes_on_to_the_same_weights_average_and_losses(config, undisturbed, tmp_path):
    assert run(config, tmp_path, stop_at=3).step == 3
    found = run(config, tmp_path)
    for name in ("loss/diffusion", "validation/loss"):
        assert numbers(found, name) == numbers(undisturbed, name)
    assert found.tensors.keys() == {"unet", "unet_optimiser", "unet_average"}
    for file, tensors in undisturbed.tensors.items():
        assert all(torch.equal(found.tensors[file][name], tensor) for name, tensor in tensors.items())


def test_training_learns_and_leaves_samples_and_curves(config, tmp_path):
    longer = replace(config, loop=replace(config.loop, epochs=6, checkpoint_every=1_000, keep_checkpoints=1))
    losses = numbers(run(longer, tmp_path), "validation/loss")
    assert len(losses) == 6
    assert losses[-1] < 0.7 * losses[0]
    for picture in ("pictures/samples-0006.png", "losses.png"):
        assert (tmp_path / picture).stat().st_size > 1_000
    assert not (tmp_path / "pictures/samples-0005.png").exists()  # one in two epochs was asked for


def test_latents_and_their_pictures_train_alike(config, undisturbed, latents, tmp_path):
    """Latents are stored in float16, to 2^-11 of each; Adam's first steps make more of the difference."""
    copy = Path(shutil.copytree(latents, tmp_path / "latents"))
    for file in copy.glob("latents/*/*.parquet"):
        # the order of samples follows row groups, of which pictures have smaller ones
        pq.write_table(pq.read_table(file), file, row_group_size=4)
    from_latents = replace(config, input=str(copy), model=replace(config.model, autoencoder=None))
    found = run(from_latents, tmp_path / "run")
    losses, expected = numbers(found, "loss/diffusion"), numbers(undisturbed, "loss/diffusion")
    assert losses[0] == pytest.approx(expected[0], rel=1e-4)
    assert losses == pytest.approx(expected, rel=1e-2)


def test_captions_that_are_stored_encoded_train_as_those_that_are_not(config, latents, tmp_path):
    """Likewise to 2^-11 of each; the second step is taken with weights that are the same but for that."""
    copy = Path(shutil.copytree(latents, tmp_path / "without"))
    about = json.loads((copy / "_SUCCESS.json").read_text())
    (copy / "_SUCCESS.json").write_text(json.dumps(about | {"text": None}))
    found = []
    for name, source in (("stored", latents), ("not", str(copy))):
        wanted = replace(config, input=source, model=replace(config.model, autoencoder=None))
        micro = replace(wanted, loop=replace(wanted.loop, micro_batch=2))
        found.append(numbers(run(micro, tmp_path / name, stop_at=3), "loss/diffusion"))
    assert found[0] != found[1]
    assert found[0] == pytest.approx(found[1], rel=1e-3)


def test_captions_encoded_by_another_text_encoder_are_refused(config, latents, tmp_path):
    base = shutil.copytree(config.model.base, tmp_path / "base")
    words = base / "text_encoder/model.safetensors"
    save_file({name: weight + 1 for name, weight in load_file(words).items()}, words, metadata={"format": "pt"})
    other = replace(config, input=latents, model=replace(config.model, autoencoder=None, base=str(base)))
    with pytest.raises(ValueError, match=r"--model\.base .* text encoder"):
        training_of(other)


def test_micro_batches_add_up_to_the_batch(config, undisturbed, tmp_path):
    found = run(replace(config, loop=replace(config.loop, micro_batch=2)), tmp_path)
    assert numbers(found, "loss/diffusion") == pytest.approx(numbers(undisturbed, "loss/diffusion"), rel=1e-5)


def test_channels_last_is_another_layout_of_the_same_training(config, undisturbed, tmp_path):
    workers = replace(config.workers, channels_last=True)
    found = run(replace(config, workers=workers), tmp_path, stop_at=3)
    assert numbers(found, "loss/diffusion") == pytest.approx(numbers(undisturbed, "loss/diffusion")[:3], rel=1e-3)


@pytest.mark.slow
def test_compiled_networks_train_alike(config, undisturbed, tmp_path):
    found = run(replace(config, workers=replace(config.workers, compile=True)), tmp_path, stop_at=3)
    assert found.tensors["unet"].keys() == undisturbed.tensors["unet"].keys()
    assert numbers(found, "loss/diffusion") == pytest.approx(numbers(undisturbed, "loss/diffusion")[:3], rel=1e-3)


def finished(config: DiffusionConfig, output: Path) -> Checkpoint:
    """One step, and what it leads to."""
    checkpoint = run(config, output, stop_at=1)
    training_of(replace(config, output=str(output))).write_model(checkpoint)
    return checkpoint


def test_the_finished_model_opens_in_diffusers_with_averaged_weights_and_says_what_it_predicts(config, tmp_path):
    from diffusers import StableDiffusionPipeline

    told = replace(config, loss=DenoisingLossConfig(prediction="v_prediction"))
    checkpoint = finished(told, tmp_path)
    pipeline = StableDiffusionPipeline.from_pretrained(tmp_path / "model", safety_checker=None)
    assert pipeline.scheduler.config.prediction_type == "v_prediction"
    assert pipeline.vae.config.in_channels == 6
    average, weights = checkpoint.tensors["unet_average"], checkpoint.tensors["unet"]
    made = pipeline.unet.state_dict()
    assert all(torch.equal(made[name], average[name]) for name in made)
    assert not all(torch.equal(average[name], weights[name]) for name in made)


def test_low_rank_updates_are_all_that_is_stored_and_fit_diffusers(config, tmp_path):
    from diffusers import StableDiffusionPipeline, UNet2DConditionModel

    checkpoint = finished(replace(config, lora=LoraConfig(rank=2)), tmp_path)
    assert {name.split(".")[-3] for name in checkpoint.tensors["unet"]} == {"lora_A", "lora_B"}
    base = StableDiffusionPipeline.from_pretrained(config.model.base, safety_checker=None)
    latent, time, text = torch.randn(1, 4, 8, 8), torch.tensor(10), torch.randn(1, 20, 64)
    with torch.no_grad():
        before = base.unet(latent, time, text).sample
        base.load_lora_weights(str(tmp_path / "model/lora"))
        updated = base.unet(latent, time, text).sample
        merged = UNet2DConditionModel.from_pretrained(tmp_path / "model", subfolder="unet")(latent, time, text).sample
    assert not torch.equal(updated, before)
    assert torch.allclose(merged, updated, atol=1e-5)


def interrupted(config: DiffusionConfig, output: Path) -> tuple[DiffusionConfig, Checkpoint]:
    """A training as a user leaves it after three steps."""
    train = replace(config, output=str(output))
    save_config(Folder(train.output), training_of(train).identity, to_json(train))
    return train, run(train, output, stop_at=3)


def test_any_checkpoint_is_exported_and_starts_another_training(config, tmp_path):
    train, checkpoint = interrupted(config, tmp_path / "run")
    for weights, name in (("average", "unet_average"), ("trained", "unet")):
        output = tmp_path / weights
        found = export_run(ExportConfig(input=train.output, output=str(output), weights=weights))
        assert training_step_of(str(output)) == found["step"]
        assert found == {"step": 3, "output": str(output)}
        exported = load_file(output / "unet/diffusion_pytorch_model.safetensors")
        assert all(torch.equal(value, checkpoint.tensors[name][key]) for key, value in exported.items())
    again = replace(config, model=replace(config.model, base=str(output), autoencoder=str(output)))
    assert training_of(again).job.total_steps == 2 * STEPS_PER_EPOCH
    moved = replace(train, model=replace(train.model, base=str(tmp_path / "average")))
    save_config(Folder(train.output), training_of(train).identity, to_json(moved))
    with pytest.raises(ValueError, match=r"--input .* base"):
        export_run(ExportConfig(input=train.output, output=str(tmp_path / "new")))
    save_config(Folder(train.output), training_of(train).identity, to_json(train))
    with pytest.raises(ValueError, match="is not empty"):
        export_run(ExportConfig(input=train.output, output=str(output)))
    with pytest.raises(ValueError, match=r"--step 4 .*\[2, 3\]"):
        export_run(ExportConfig(input=train.output, output=str(tmp_path / "new"), step=4))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_an_export_that_was_interrupted_is_finished_by_the_same_command(config, tmp_path, monkeypatch):
    train, _ = interrupted(config, tmp_path / "run")
    export_run(ExportConfig(input=train.output, output=str(tmp_path / "whole")))
    output = tmp_path / "model"
    wanted = ExportConfig(input=train.output, output=str(output))
    write = Folder.write
    for count in (1, 5, len(contents(tmp_path / "whole"))):  # files that are written before it is killed
        left = iter(range(count))

        def killed(folder: Folder, name: str, content: bytes, left: Iterator[int] = left) -> None:
            if next(left, None) is None:
                Path(folder.path(f".{name.replace('/', '_')}.{'0' * 32}.tmp")).write_bytes(b"half of it")
                raise KeyboardInterrupt
            write(folder, name, content)

        with monkeypatch.context() as patch:
            patch.setattr(Folder, "write", killed)
            with pytest.raises(KeyboardInterrupt):
                export_run(wanted)
        assert not (output / "model_index.json").exists()
    other, _ = interrupted(config, tmp_path / "other")
    with pytest.raises(ValueError, match="holds an unfinished export of another run"):
        export_run(ExportConfig(input=other.output, output=str(output)))
    export_run(wanted)
    assert contents(output) == contents(tmp_path / "whole")
    with pytest.raises(ValueError, match="is not empty"):
        export_run(wanted)


def test_a_folder_of_somebody_else_is_not_exported_to(config, tmp_path):
    train, _ = interrupted(config, tmp_path / "run")
    (tmp_path / "theirs/unet").mkdir(parents=True)
    (tmp_path / "theirs/unet/config.json").write_text("theirs")
    with pytest.raises(ValueError, match="is not empty: give a new folder"):
        export_run(ExportConfig(input=train.output, output=str(tmp_path / "theirs")))
    assert contents(tmp_path / "theirs") == {"unet/config.json": b"theirs"}


def test_a_measured_scale_is_that_of_the_model(config, latents, tmp_path):
    measured = replace(config, input=latents, model=replace(config.model, autoencoder=None, latent_scale="measured"))
    finished(measured, tmp_path)
    scale = json.loads((Path(latents) / "_SUCCESS.json").read_text())["scaling_factor_measured"]
    assert json.loads((tmp_path / "model/vae/config.json").read_text())["scaling_factor"] == scale
    assert (
        json.loads((tmp_path / "model/unet/config.json").read_text())["sample_size"] == 4
    )  # of 16 pixels, not base's


def test_what_does_not_go_together_is_refused(config, latents, tmp_path):
    def refused(**model: object) -> DiffusionConfig:
        return replace(config, output=str(tmp_path), model=replace(config.model, **model))

    with pytest.raises(ValueError, match=r"--input is a corpus.* --model\.autoencoder"):
        train_diffusion(refused(autoencoder=None))
    with pytest.raises(ValueError, match=r"--model\.latent-scale measured"):
        train_diffusion(refused(latent_scale="measured"))
    other = Path(config.model.autoencoder).parent / "other"
    with pytest.raises(ValueError, match=r"--model\.autoencoder has the fingerprint"):
        train_diffusion(replace(refused(autoencoder=str(other)), input=latents))
    wide = shutil.copytree(config.model.autoencoder, tmp_path.parent / "wide")
    about = json.loads((wide / "vae/config.json").read_text())
    AutoencoderKL.from_config(about | {"latent_channels": 8}).save_pretrained(wide / "vae")
    with pytest.raises(ValueError, match=r"--model\.autoencoder .* 8 channels, .* --model\.base .* takes 4"):
        train_diffusion(refused(autoencoder=str(wide)))
    assert not list(tmp_path.iterdir())
