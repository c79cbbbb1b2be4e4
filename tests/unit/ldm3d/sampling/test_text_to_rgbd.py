"""Prompts and seeds become samples that do not depend on the company they are drawn in."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ldm3d.sampling import (
    Drawing,
    Prompts,
    Sample,
    decode_latents,
    denoise,
    initial_noise,
    seeded_generators,
    text_to_rgbd,
)
from tests.builders.small_model import Parts, assert_same, parts, prompts_of, texts

torch.set_num_threads(1)

PROMPTS = ["a red ball", "a blue cube", "a green cone", "a hat", "a cat"]
SEEDS = [7, 7, 3, 2**32 - 1, 0]
QUICK = Drawing(num_inference_steps=3, eta=1.0)


@pytest.fixture(scope="module")
def model() -> Parts:
    return parts()


def draw(model: Parts, rows=range(5), height=None, width=None, **settings) -> list[Sample]:
    rows = list(rows)
    prompts = prompts_of([PROMPTS[row] for row in rows], [SEEDS[row] for row in rows], rows)
    drawing = Drawing(**{"num_inference_steps": 3, **settings})
    return text_to_rgbd(model, prompts, drawing, height=height, width=width)


PAPERS = Drawing(num_inference_steps=50, guidance_scale=5.0)


@pytest.mark.parametrize(("asked", "meant"), [((), PAPERS), ((QUICK,), QUICK)])
def test_a_sample_is_the_noise_of_its_seed_denoised_and_decoded(model, asked, meant):
    text, empty = texts()
    generators = seeded_generators(SEEDS)
    noise = initial_noise(generators, (4, 4, 4))
    latents = denoise(model.unet, model.scheduler, noise, text, empty, meant, generators=generators)
    expected = decode_latents(model.vae, latents)
    samples = text_to_rgbd(model, Prompts(PROMPTS, text, empty, SEEDS), *asked)
    assert [(sample.prompt, sample.seed) for sample in samples] == list(zip(PROMPTS, SEEDS, strict=True))
    np.testing.assert_array_equal([sample.image for sample in samples], expected.image)
    np.testing.assert_array_equal([sample.depth for sample in samples], expected.depth)
    assert all(sample.is_finite for sample in samples)


def test_seed_and_prompt_both_matter(model):
    samples = draw(model)
    assert samples[0].seed == samples[1].seed
    assert not np.array_equal(samples[0].image, samples[1].image)
    repeated = prompts_of(PROMPTS[:1] * 2, [1, 2], [0, 0])
    one_prompt = text_to_rgbd(model, repeated, Drawing(num_inference_steps=3))
    assert not np.array_equal(one_prompt[0].image, one_prompt[1].image)


@pytest.mark.parametrize("eta", [None, 1.0])
def test_at_one_batch_size_company_and_order_do_not_change_a_bit(model, eta):
    together = draw(model, batch_size=2, eta=eta)
    assert len(together) == 5
    assert_same(draw(model, range(4, -1, -1), batch_size=2, eta=eta)[::-1], together)
    for row in range(5):
        assert_same(draw(model, [row], batch_size=2, eta=eta), [together[row]])


def test_between_batch_sizes_samples_agree_to_rounding(model):
    """A value that rounds the other way is off by one level in an image, or by 256 in depth if it is the high byte."""
    for ours, theirs in zip(draw(model), draw(model, batch_size=1), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).max() <= 1
        high, low = (np.abs((ours.depth >> s & 255).astype(int) - (theirs.depth >> s & 255)) for s in (8, 0))
        assert max(high.max(), low.max()) <= 1


def test_a_single_negative_prompt_serves_all_and_may_differ_by_sample(model):
    text, empty = texts()
    drawing = Drawing(num_inference_steps=3)
    single = text_to_rgbd(model, Prompts(PROMPTS, text, empty, SEEDS), drawing)
    assert_same(text_to_rgbd(model, Prompts(PROMPTS, text, empty.repeat(5, 1, 1), SEEDS), drawing), single)

    pairs = replace(drawing, batch_size=2)
    each = text_to_rgbd(model, Prompts(PROMPTS, text, text.flip(0), SEEDS), pairs)
    last = text_to_rgbd(model, Prompts(PROMPTS[4:], text[4:], text[:1], SEEDS[4:]), pairs)
    assert_same(last, each[4:])
    assert not np.array_equal(last[0].image, single[4].image)


def test_size_is_what_the_network_was_trained_at_or_as_asked(model):
    assert draw(model, [0])[0].image.shape == (8, 8, 3)
    wide = draw(model, [0], height=12, width=20)[0]
    assert (wide.image.shape, wide.depth.shape) == ((12, 20, 3), (12, 20))
    assert draw(parts(sample_size=(4, 6)), [0])[0].depth.shape == (8, 12)


def test_a_network_in_bfloat16_draws_much_the_same(model):
    half = parts()
    half.unet.bfloat16()
    half.vae.bfloat16()
    for ours, theirs in zip(draw(half), draw(model), strict=True):
        assert np.abs(ours.image.astype(int) - theirs.image).mean() < 4


def test_no_prompts_give_no_samples(model):
    assert draw(model, []) == []


def test_a_diverged_network_gives_marked_samples_not_an_exception():
    model = parts()
    with torch.no_grad():
        model.unet.conv_out.bias.fill_(torch.nan)
    assert [sample.is_finite for sample in draw(model)] == [False] * 5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"height": 7}, "height is 7 pixels, wanted a multiple of 2"),
        ({"width": 0}, "width is 0 pixels"),
        ({"height": -2}, "height is -2"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"num_inference_steps": 0}, "num_inference_steps is 0"),
    ],
)
def test_settings_out_of_range_are_refused(model, settings, message):
    with pytest.raises(ValueError, match=message):
        draw(model, **settings)


def test_networks_that_do_not_go_together_are_refused():
    with pytest.raises(ValueError, match="the autoencoder gives 8"):
        draw(parts(latent_channels=8))
    with pytest.raises(ValueError, match="5 output channels, wanted 6 or 4"):
        draw(parts(pixel_channels=5))
    with pytest.raises(ValueError, match="give height and width"):
        draw(parts(sample_size=None), height=8)
