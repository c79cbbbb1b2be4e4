"""Stable Diffusion v1.4's own size, with random weights, on a CPU: gigabytes and minutes, so marked slow."""

import resource
import shutil
import time

import psutil
import pytest
import torch
from diffusers import DDIMScheduler

from ldm3d.config import (
    AutoencoderConfig,
    AutoencoderLossConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    LoopConfig,
    ModelConfig,
    PerceptualConfig,
    SamplesConfig,
)
from ldm3d.fingerprint import fingerprint_of_network
from ldm3d.models.base import load_autoencoder, load_base, load_unet
from ldm3d.models.checkpoint import Components, save_pipeline
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.toy.corpus import scene_rows
from ldm3d.toy.diffusion_model import make_tokenizer, scene_words
from pipelines import train_autoencoder, train_diffusion
from pipelines.storage.folder import Folder
from tests.builders.alone import Alone
from tests.builders.stable_diffusion import build

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

DTYPE = torch.bfloat16
MEMORY_GIB = 24
STEP_GIB = 19  # of the U-Net: weights, gradients, two moments and the average in float32 are 16 of them
HAS_BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()
PIXELS = 256 if HAS_BF16 else 64  # without instructions for it, convolutions in bfloat16 take 20 times as long
LOOP = LoopConfig(epochs=1, batch_size=1, lanes=1, precision="bf16")


def peak_gib():
    """The most memory that this process has held since it began."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Settings whose base is Stable Diffusion v1.4 in all but its weights and its vocabulary."""
    folder = tmp_path_factory.mktemp("real") / "base"
    torch.manual_seed(0)
    torch.set_default_dtype(DTYPE)
    try:
        vae, unet, text_encoder = build()
    finally:
        torch.set_default_dtype(torch.float32)
    scheduler = DDIMScheduler(**SCHEDULER)
    tokenizer = make_tokenizer(scene_words(), length=77)
    save_pipeline(folder, Components(vae, unet, text_encoder, tokenizer, scheduler))
    del vae, unet, text_encoder
    yield ModelConfig(base=str(folder))
    shutil.rmtree(folder.parent)


def test_it_is_widened_saved_and_loaded_again(base, tmp_path_factory):
    components = load_base(base, DTYPE)
    networks = (components.vae, components.unet, components.text_encoder)
    count = sum(weights.numel() for network in networks for weights in network.parameters())
    assert count == 1_066_242_222
    folder = tmp_path_factory.mktemp("real") / "ldm3d"
    try:
        save_pipeline(folder, components)
        stored = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
        assert 2 * count < stored < 2 * count + 2**20
        saved = ModelConfig(base=str(folder), channels=6)
        assert fingerprint_of_network(load_autoencoder(saved, DTYPE)) == fingerprint_of_network(components.vae)
        assert fingerprint_of_network(load_unet(saved, DTYPE)) == fingerprint_of_network(components.unet)
    finally:
        shutil.rmtree(folder.parent)
    assert peak_gib() < MEMORY_GIB


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """One scene to train on and one to validate with."""
    folder = Folder(str(tmp_path_factory.mktemp("corpus")))
    for split in ("train", "val"):
        folder.write_tables(f"rgbd/{split}/00000.parquet", [scene_rows([0], split, PIXELS)])
    folder.write("_SUCCESS.json", b"{}")
    return folder.url


def parts_of(tensors):
    """A few values of each, to see whether they change."""
    return {name: tensor.detach().flatten()[:64].clone() for name, tensor in tensors.items()}


def assert_changed(tensors, before):
    """All but a few: a gradient may well be exactly 0 in bfloat16."""
    changed = [not torch.equal(part, before[name]) for name, part in parts_of(tensors).items()]
    assert sum(changed) > 0.98 * len(changed)


def take_step(run, capsys):
    """One step of a training as a worker takes it. Asserts that it is fine and leaves no weight as it was."""
    worker = Alone.until()
    trainee, batch = run.job.open_trainee(worker), next(iter(run.job.open_reader(0, worker)))
    trained = trainee.state.trained
    before = {name: parts_of(dict(each.network.named_parameters())) for name, each in trained.items()}
    began = time.monotonic()
    numbers = trainee.step(batch)
    seconds = time.monotonic() - began
    with capsys.disabled():
        print(f"\n{', '.join(trained)}: {seconds:.0f} s at {PIXELS} pixels, {peak_gib():.1f} GiB at most", flush=True)
    assert all(value.isfinite() for value in numbers.values()), numbers
    assert trainee.state.guard.skipped == 0
    for name, each in trained.items():
        assert numbers[f"gradient_norm/{name}"] > 0
        assert_changed(dict(each.network.named_parameters()), before[name])
        assert len(each.optimiser.state) == len(before[name])
        if each.average:
            assert_changed(each.average.average, before[name])
    assert peak_gib() < MEMORY_GIB
    return numbers


def test_the_autoencoder_and_its_discriminator_take_a_step(base, corpus, capsys):
    loss = AutoencoderLossConfig(perceptual=PerceptualConfig(weights="random"), discriminator_start=0)
    config = AutoencoderConfig(input=corpus, output="unused", model=base, loss=loss, loop=LOOP)
    numbers = take_step(train_autoencoder.training_of(config), capsys)
    assert {"loss/autoencoder", "loss/adversarial", "loss/discriminator"} <= numbers.keys()


@pytest.mark.skipif(
    psutil.virtual_memory().available < STEP_GIB * 2**30, reason=f"{STEP_GIB} GiB of memory are not free"
)
def test_the_unet_and_its_average_take_a_step(base, corpus, tmp_path, capsys):
    load_autoencoder(base).save_pretrained(tmp_path / "vae")
    config = DiffusionConfig(
        input=corpus,
        output="unused",
        model=DiffusionModelConfig(base=base.base, autoencoder=str(tmp_path)),
        samples=SamplesConfig(count=0),
        loop=LOOP,
    )
    numbers = take_step(train_diffusion.training_of(config), capsys)
    assert numbers["loss/diffusion"] > 0
