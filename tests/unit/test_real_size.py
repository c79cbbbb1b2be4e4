"""Stable Diffusion v1.4's own size, with random weights, on a CPU: gigabytes and a minute or more, so marked slow."""

import resource
import shutil

import pytest
import torch
from diffusers import DDIMScheduler

from ldm3d.config import ModelConfig
from ldm3d.models import stable_diffusion
from ldm3d.models.base import load_autoencoder, load_base, load_unet
from ldm3d.models.checkpoint import Components, fingerprint, save_pipeline
from ldm3d.toy.diffusion_model import make_tokenizer, scene_words

pytestmark = pytest.mark.slow

DTYPE = torch.bfloat16
MEMORY_GIB = 24


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
        vae, unet, text_encoder = stable_diffusion.build()
    finally:
        torch.set_default_dtype(torch.float32)
    scheduler = DDIMScheduler(**stable_diffusion.SCHEDULER)
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
        assert fingerprint(load_autoencoder(saved, DTYPE)) == fingerprint(components.vae)
        assert fingerprint(load_unet(saved, DTYPE)) == fingerprint(components.unet)
    finally:
        shutil.rmtree(folder.parent)
    assert peak_gib() < MEMORY_GIB
