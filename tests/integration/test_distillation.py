"""A trained U-Net becomes one for few steps, on one worker: it learns, goes on to the last bit, says how it draws."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler, StableDiffusionPipeline

from ldm3d.config import (
    DenoisingLossConfig,
    DiffusionConfig,
    DistillConfig,
    EmaConfig,
    ExportConfig,
    LoraConfig,
    to_json,
)
from ldm3d.sampling.pipeline import RgbdPipeline
from pipelines.export import export_run
from pipelines.storage.folder import Folder
from pipelines.storage.run import save_config
from pipelines.train_diffusion import train_diffusion, training_of
from pipelines.training.checkpoints import Checkpoint
from tests.builders.diffusion_run import numbers, run

torch.set_num_threads(1)

STEPS_PER_EPOCH = 5


@pytest.fixture(scope="module")
def teaching(small_diffusion, tmp_path_factory) -> DiffusionConfig:
    """The training of the teacher: eight epochs of five steps, of velocity."""
    made = small_diffusion(tmp_path_factory.mktemp("diffusion"), 4 * STEPS_PER_EPOCH)
    loop = replace(made.loop, epochs=8, checkpoint_every=2, keep_checkpoints=100)
    return replace(made, loop=loop, loss=DenoisingLossConfig(prediction="v_prediction"))


@pytest.fixture(scope="module")
def teacher(teaching, tmp_path_factory) -> Path:
    """Its model."""
    output = tmp_path_factory.mktemp("teacher")
    checkpoint = run(teaching, output)
    training_of(replace(teaching, output=str(output))).write_model(checkpoint)
    return output / "model"


@pytest.fixture(scope="module")
def config(teaching, teacher) -> DiffusionConfig:
    distill = DistillConfig(teacher=str(teacher), guidance_scale=3.0, solver_steps=10, num_inference_steps=2)
    ema, loop = EmaConfig(decay=0.5), replace(teaching.loop, epochs=2)
    return replace(teaching, distill=distill, loss=DenoisingLossConfig(), ema=ema, loop=loop)


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory) -> tuple[Checkpoint, Path]:
    output = tmp_path_factory.mktemp("undisturbed")
    return run(config, output), output


def test_one_step_of_the_student_comes_nearer_to_many_of_the_teacher_than_one_of_the_teacher(
    config, teacher, tmp_path
):
    """That is what it is for. Nothing would be the nearest of all that know neither path nor picture: zero is not."""
    longer = replace(
        config,
        output=str(tmp_path),
        distill=replace(config.distill, solver_steps=4),
        loop=replace(config.loop, epochs=8, checkpoint_every=1_000),
    )
    training_of(longer).write_model(run(longer, tmp_path))
    assert (tmp_path / "pictures/samples-0008.png").stat().st_size > 1_000
    teaching, student = (RgbdPipeline.from_pretrained(str(each)) for each in (teacher, tmp_path / "model"))

    def drawn(pipeline: RgbdPipeline, **settings: float) -> torch.Tensor:
        return pipeline(["a red cube", "a blue sphere"] * 4, seed=1, output_type="latent", **settings).images

    teaching.scheduler = DDIMScheduler.from_config(teaching.scheduler.config, timestep_spacing="trailing")
    path = drawn(teaching, num_inference_steps=4, guidance_scale=3.0)
    teaching.scheduler = student.scheduler
    before = drawn(teaching, num_inference_steps=1, guidance_scale=3.0)
    after = drawn(student, num_inference_steps=1)
    away = [(each - path).abs().mean() for each in (after, before, torch.zeros_like(path))]
    assert away[0] < 0.8 * away[1]
    assert away[0] < 0.95 * away[2]


def test_an_interrupted_run_goes_on_to_the_same_weights_average_and_losses(config, undisturbed, tmp_path):
    assert run(config, tmp_path, stop_at=3).step == 3
    found, (expected, _) = run(config, tmp_path), undisturbed
    for name in ("loss/diffusion", "validation/loss"):
        assert numbers(found, name) == numbers(expected, name)
    assert found.tensors.keys() == {"unet", "unet_optimiser", "unet_average"}
    for file, tensors in expected.tensors.items():
        assert all(torch.equal(found.tensors[file][name], tensor) for name, tensor in tensors.items())


def test_micro_batches_add_up_to_the_batch(config, undisturbed, tmp_path):
    found = run(replace(config, loop=replace(config.loop, micro_batch=2)), tmp_path, stop_at=3)
    assert numbers(found, "loss/diffusion") == pytest.approx(numbers(undisturbed[0], "loss/diffusion")[:3], rel=1e-3)


def test_guidance_and_the_target_change_the_loss(config, undisturbed, tmp_path):
    expected = numbers(undisturbed[0], "loss/diffusion")
    unguided = replace(config, distill=replace(config.distill, guidance_scale=1.0))
    assert numbers(run(unguided, tmp_path / "unguided", stop_at=1), "loss/diffusion")[0] != expected[0]
    alone = numbers(run(replace(config, ema=EmaConfig(decay=0.0)), tmp_path / "alone", stop_at=2), "loss/diffusion")
    assert alone[0] == expected[0]  # the average begins as the student
    assert alone[1] != expected[1]


def test_the_model_says_how_it_is_drawn_and_diffusers_draws_the_same(config, undisturbed):
    checkpoint, output = undisturbed
    training_of(replace(config, output=str(output))).write_model(checkpoint)
    theirs = StableDiffusionPipeline.from_pretrained(output / "model", safety_checker=None)
    assert isinstance(theirs.scheduler, LCMScheduler)
    assert theirs.scheduler.config.original_inference_steps == 10
    assert theirs.scheduler.config.prediction_type == "v_prediction"
    ours = RgbdPipeline.from_pretrained(str(output / "model"))
    found = ours("a red cube", seed=3, output_type="latent").images
    told = {"num_inference_steps": 4, "guidance_scale": 1.0}
    assert torch.equal(found, ours("a red cube", seed=3, output_type="latent", **told).images)
    generator = torch.Generator().manual_seed(3)
    expected = theirs("a red cube", generator=generator, output_type="latent", **told).images
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
    ours.save_pretrained(output / "saved")
    for name in ("scheduler/scheduler_config.json", "model_index.json"):
        assert (output / "saved" / name).read_text() == (output / "model" / name).read_text()


def test_low_rank_updates_are_all_that_is_trained(config, tmp_path):
    found = run(replace(config, lora=LoraConfig(rank=2)), tmp_path, stop_at=2)
    assert {name.split(".")[-3] for name in found.tensors["unet"]} == {"lora_A", "lora_B"}
    training_of(replace(config, lora=LoraConfig(rank=2), output=str(tmp_path))).write_model(found)
    assert (tmp_path / "model/lora/pytorch_lora_weights.safetensors").stat().st_size > 1_000


def test_an_export_of_it_draws_in_few_steps_too(config, tmp_path):
    train = replace(config, output=str(tmp_path / "run"))
    save_config(Folder(train.output), training_of(train).identity, to_json(train))
    run(train, tmp_path / "run", stop_at=2)
    export_run(ExportConfig(input=train.output, output=str(tmp_path / "export")))
    about = json.loads((tmp_path / "export/scheduler/scheduler_config.json").read_text())
    assert about["_class_name"] == "LCMScheduler"


def test_what_does_not_go_together_is_refused(config, teaching, undisturbed, tmp_path):
    def refused(**changes: object) -> DiffusionConfig:
        return replace(config, output=str(tmp_path), **changes)

    with pytest.raises(ValueError, match=r"--loss\.prediction: .* epsilon, but --distill\.teacher .* v_prediction"):
        train_diffusion(refused(loss=DenoisingLossConfig(prediction="epsilon")))
    with pytest.raises(ValueError, match=r"--loss\.zero-terminal-snr: .* True, but --distill\.teacher"):
        train_diffusion(refused(loss=DenoisingLossConfig(zero_terminal_snr=True)))
    with pytest.raises(ValueError, match=r"--distill\.solver-steps is 2000, wanted 1 to 1000"):
        train_diffusion(refused(distill=replace(config.distill, solver_steps=2_000)))
    with pytest.raises(ValueError, match=r"--distill\.teacher '.*gone': its model_index\.json did not load"):
        train_diffusion(refused(distill=replace(config.distill, teacher=str(tmp_path / "gone"))))
    checkpoint, output = undisturbed
    training_of(replace(config, output=str(output))).write_model(checkpoint)
    again = replace(config.distill, teacher=str(output / "model"))
    with pytest.raises(ValueError, match=r"--distill\.teacher .* is itself distilled"):
        train_diffusion(refused(distill=again))
    assert not list(tmp_path.iterdir())
