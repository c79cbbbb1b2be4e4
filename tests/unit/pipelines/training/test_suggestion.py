"""What a dry run suggests follows from the paper's training, and from the weights that there are."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from ldm3d.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    DistillConfig,
    EmaConfig,
    LoopConfig,
    LoraConfig,
    ModelConfig,
    WorkersConfig,
)
from ldm3d.models.base import load_autoencoder, load_base
from pipelines.training.autoencoder import AutoencoderTraining
from pipelines.training.diffusion import DiffusionTraining
from pipelines.training.diffusion_start import DiffusionStart
from pipelines.training.suggestion import suggestion
from pipelines.training.weights import Weights, weights_of_autoencoder, weights_of_diffusion

WEIGHTS = Weights(trained=1000, averaged=1000, frozen=500)
LOOP, PLAIN = LoopConfig(epochs=1, batch_size=8), WorkersConfig()


def suggested(stage, rows, loop=LOOP, workers=PLAIN, count=1):
    return suggestion(stage, rows, loop, workers, count, WEIGHTS)


@pytest.mark.parametrize(
    ("stage", "rows", "epochs", "batch", "steps"),
    [
        ("train_autoencoder", 8_233, 83, 8, 85_407),
        ("train_diffusion", 8_233, 178, 32, 45_746),
        ("train_autoencoder", 1_000, 83, 8, 10_375),
        ("train_diffusion", 1_000, 178, 32, 5_518),
        ("train_autoencoder", 100_000, 7, 8, 87_500),
        ("train_diffusion", 100_000, 15, 32, 46_875),
        ("train_diffusion", 20, 178, 16, 178),
        ("train_diffusion", 10_000_000, 1, 32, 312_500),
    ],
)
def test_a_corpus_of_any_size_takes_the_papers_samples_in_at_most_its_epochs(stage, rows, epochs, batch, steps):
    found = suggested(stage, rows)
    assert [found["--loop.epochs"], found["--loop.batch-size"], found["steps"]] == [epochs, batch, steps]
    assert found["computed"]["hours_for_each_second_of_a_step"] == round(steps / 3600, 1)


def test_the_batch_is_one_that_the_lanes_divide():
    assert suggested("train_diffusion", 1_000, replace(LOOP, batch_size=12, lanes=6))["--loop.batch-size"] == 30


def test_the_discriminator_takes_part_after_the_same_share_of_steps_as_in_the_paper():
    assert suggested("train_autoencoder", 8_233)["--loss.discriminator-start"] == 50_001
    assert suggested("train_autoencoder", 1_000)["--loss.discriminator-start"] == round(10_375 * 50_001 / 85_407)
    assert "--loss.discriminator-start" not in suggested("train_diffusion", 1_000)


def test_memory_is_that_of_adam_in_float32_and_only_what_is_trained_is_sharded():
    assert WEIGHTS.bytes_on(1) == 4 * (4 * 1000 + 1000 + 500)
    assert WEIGHTS.bytes_on(2) == 4 * (2000 + 500 + 500)
    sharded = suggested("train_diffusion", 1_000, workers=WorkersConfig(strategy="fsdp"), count=2)
    assert "/ 2 +" in sharded["computed"]["gib_formula"]
    assert "/ 1 +" in suggested("train_diffusion", 1_000, count=2)["computed"]["gib_formula"]


def count(module: torch.nn.Module, *, trained: bool) -> int:
    return sum(weight.numel() for weight in module.parameters() if weight.requires_grad or not trained)


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_weights_of_the_autoencoders_training_are_those_that_it_has(toy_base, weight):
    config = AutoencoderConfig(
        input="in",
        output="out",
        model=ModelConfig(base=str(toy_base)),
        loss=AutoencoderLossConfig(
            adversarial_weight=weight,
            perceptual=replace(AutoencoderLossConfig().perceptual, rgb_weight=0, depth_weight=0),
        ),
    )
    training = AutoencoderTraining(config, 1, SimpleNamespace(), torch.device("cpu"))
    trained = sum(count(each.network, trained=True) for each in training.state.trained.values())
    assert weights_of_autoencoder(config) == Weights(trained=trained, averaged=0, frozen=0)


@pytest.mark.parametrize(
    ("rank", "decay", "text_is_stored", "distils"),
    [(0, 0.99, False, False), (0, 0, True, False), (3, 0.99, False, False), (0, 0.99, False, True)],
)
def test_the_weights_of_the_u_nets_training_are_those_that_it_has(toy_base, rank, decay, text_is_stored, distils):
    base = ModelConfig(base=str(toy_base))
    config = DiffusionConfig(
        input="in",
        output="out",
        model=DiffusionModelConfig(base=str(toy_base)),
        lora=LoraConfig(rank=rank),
        ema=EmaConfig(decay=decay),
        distill=DistillConfig(teacher=str(toy_base) if distils else None),
    )
    vae, text = load_autoencoder(base), load_base(base).text_encoder
    start = DiffusionStart(base, vae, (), text_is_stored, None)
    training = DiffusionTraining(config, start, 1, SimpleNamespace(), torch.device("cpu"))
    trained, every = (count(training.unet, trained=only) for only in (True, False))
    frozen = every - trained + count(vae, trained=False) + (0 if text_is_stored else count(text, trained=False))
    if training.distillation:
        frozen += count(training.distillation.teacher, trained=False)
    assert weights_of_diffusion(config, start) == Weights(trained, trained if decay else 0, frozen)
