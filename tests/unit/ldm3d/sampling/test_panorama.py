"""A panorama has no seam: turned noise gives the same picture, turned, to rounding."""

import numpy as np
import pytest
import torch

from ldm3d.data.pictures import Pictures
from ldm3d.models.autoencoder import encode
from ldm3d.sampling import Drawing, denoise, image_to_rgbd, text_to_rgbd
from ldm3d.sampling.panorama import wrapped_around
from tests.builders.small_model import Parts, parts, prompts_of, texts

torch.set_num_threads(1)

TURN = 6  # columns of a latent: the U-Net halves once


@pytest.fixture(scope="module")
def model() -> Parts:
    return parts()


def noise() -> torch.Tensor:
    return torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(1))


def latents(model: Parts, start: torch.Tensor) -> torch.Tensor:
    text, empty = texts()
    return denoise(model.unet, model.scheduler, start, text[:2], empty, Drawing(num_inference_steps=5))


@torch.no_grad()
def test_turned_noise_is_denoised_and_decoded_to_the_turned_picture(model):
    with wrapped_around(model.unet, model.vae):
        plain, turned = latents(model, noise()), latents(model, noise().roll(TURN, -1))
        torch.testing.assert_close(turned, plain.roll(TURN, -1), rtol=1e-4, atol=1e-4)
        pixels, others = model.vae.decode(plain).sample, model.vae.decode(plain.roll(TURN, -1)).sample
        torch.testing.assert_close(others, pixels.roll(2 * TURN, -1), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_without_it_the_edges_show(model):
    plain, turned = latents(model, noise()), latents(model, noise().roll(TURN, -1))
    assert (turned - plain.roll(TURN, -1)).abs().max() > 0.01


@torch.no_grad()
def test_a_turned_picture_is_encoded_to_the_turned_latent(model):
    pixels = torch.rand(1, 6, 16, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    with wrapped_around(model.vae):
        plain, turned = encode(model.vae, pixels).mean, encode(model.vae, pixels.roll(2 * TURN, -1)).mean
    torch.testing.assert_close(turned, plain.roll(TURN, -1), rtol=1e-4, atol=1e-4)
    assert (encode(model.vae, pixels).mean - plain).abs().max() > 1e-3


@torch.no_grad()
def test_networks_are_as_before_afterwards_even_if_it_fails(model):
    before = latents(model, noise())
    with pytest.raises(RuntimeError), wrapped_around(model.unet):
        raise RuntimeError
    assert torch.equal(latents(model, noise()), before)
    assert not any("forward" in vars(module) for module in model.unet.modules())


def test_samples_of_any_width_may_be_panoramas(model):
    prompts, size = prompts_of(["a"], [5]), {"height": 16, "width": 32}
    drawings = [Drawing(num_inference_steps=3, panorama=panorama) for panorama in (False, True)]
    flat, round_ = (text_to_rgbd(model, prompts, drawing, **size)[0] for drawing in drawings)
    assert round_.depth.shape == (16, 32)
    assert not np.array_equal(flat.image, round_.image)
    given = Pictures(torch.from_numpy(round_.image)[None], torch.from_numpy(round_.depth)[None])
    first, other = (image_to_rgbd(model, given, prompts, drawing, strength=0.5)[0] for drawing in drawings)
    assert not np.array_equal(first.image, other.image)
