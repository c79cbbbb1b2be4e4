"""Denoising that starts from a picture agrees with diffusers' own image-to-image and inpainting pipelines."""

import diffusers
import pytest
import torch
from diffusers import (
    AutoencoderKL,
    StableDiffusionImg2ImgPipeline,
    StableDiffusionInpaintPipeline,
    UNet2DConditionModel,
)

from ldm3d.sampling import Drawing, Start, denoise, initial_noise, seeded_generators
from tests.builders.small_model import parts

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore:__array__ impl:DeprecationWarning")  # of numpy, for diffusers

SCHEDULE = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
SEEDS = [3, 1, 2]
STEPS = 7
SCHEDULERS = [
    ("DDIMScheduler", {"clip_sample": False, "set_alpha_to_one": False}),
    ("DPMSolverMultistepScheduler", {"use_karras_sigmas": True}),
    ("EulerDiscreteScheduler", {}),
    ("HeunDiscreteScheduler", {}),
    ("LCMScheduler", {}),
]


@pytest.fixture(scope="module")
def network() -> UNet2DConditionModel:
    return parts().unet


@pytest.fixture(scope="module")
def clean() -> torch.Tensor:
    return torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(4))


def redrawn() -> torch.Tensor:
    """Redraw the right half."""
    mask = torch.zeros(3, 1, 8, 8, dtype=torch.bool)
    mask[..., 4:] = True
    return mask


def scheduler(name: str, settings: dict):
    return getattr(diffusers, name)(**SCHEDULE, **settings)


def texts() -> tuple[torch.Tensor, torch.Tensor]:
    numbers = torch.randn(4, 5, 16, generator=torch.Generator().manual_seed(9))
    return numbers[1:], numbers[:1]


def ours(network, plan, start: Start) -> torch.Tensor:
    text, empty = texts()
    generators = seeded_generators(SEEDS)
    noise = initial_noise(generators, (4, 8, 8))
    drawing = Drawing(num_inference_steps=STEPS, guidance_scale=5.0)
    return denoise(network, plan, noise, text, empty, drawing, generators=generators, start=start)


def through_diffusers(pipeline_class, network, plan, **settings) -> torch.Tensor:
    """Draw the same with diffusers, which takes a picture of four channels for latents."""
    vae = AutoencoderKL(block_out_channels=[8], norm_num_groups=8, scaling_factor=1.0)
    parts = {"vae": vae, "text_encoder": None, "tokenizer": None, "unet": network, "scheduler": plan}
    parts |= {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = pipeline_class(**parts)
    pipeline.set_progress_bar_config(disable=True)
    text, empty = texts()
    return pipeline(
        prompt_embeds=text,
        negative_prompt_embeds=empty.expand_as(text),
        generator=seeded_generators(SEEDS),
        num_inference_steps=STEPS,
        guidance_scale=5.0,
        output_type="latent",
        **settings,
    ).images


@pytest.mark.parametrize("strength", [0.3, 0.8, 1.0])
@pytest.mark.parametrize(("name", "settings"), SCHEDULERS)
def test_samples_that_begin_with_a_picture_are_those_of_diffusers(network, clean, name, settings, strength):
    found = ours(network, scheduler(name, settings), Start(clean, strength))
    expected = through_diffusers(
        StableDiffusionImg2ImgPipeline, network, scheduler(name, settings), image=clean, strength=strength
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.std()))


@pytest.mark.parametrize(("name", "settings"), SCHEDULERS)
def test_samples_of_a_part_are_those_of_diffusers(network, clean, name, settings):
    found = ours(network, scheduler(name, settings), Start(clean, 0.8, redrawn()))
    expected = through_diffusers(
        StableDiffusionInpaintPipeline,
        network,
        scheduler(name, settings),
        image=clean,
        mask_image=redrawn().float(),
        strength=0.8,
        height=8,
        width=8,
    )
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5 * float(expected.std()))


@pytest.mark.parametrize(("name", "settings"), SCHEDULERS)
def test_what_is_not_drawn_anew_is_kept_to_the_bit_and_the_rest_is_not(network, clean, name, settings):
    mask = redrawn().expand_as(clean)
    found = ours(network, scheduler(name, settings), Start(clean, 0.8, redrawn()))
    assert torch.equal(found[~mask], clean[~mask])
    assert not torch.isclose(found[mask], clean[mask]).any()


def test_the_lower_the_strength_the_closer_to_the_picture(network, clean):
    far = [ours(network, scheduler(*SCHEDULERS[0]), Start(clean, strength)) for strength in (0.15, 0.5, 1.0)]
    distances = [float((found - clean).square().mean()) for found in far]
    assert distances == sorted(distances)
    assert distances[0] < 0.2 * distances[-1]


@pytest.mark.parametrize("strength", [0, -0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(clean, strength):
    with pytest.raises(ValueError, match=rf"strength is {strength}, wanted above 0"):
        Start(clean, strength)


def test_a_strength_that_leaves_no_step_is_refused(network, clean):
    with pytest.raises(ValueError, match=r"strength 0\.1 of 7 steps .*: raise num_inference_steps to 10 "):
        ours(network, scheduler(*SCHEDULERS[0]), Start(clean, 0.1))


def test_latents_of_another_shape_are_refused(network, clean):
    with pytest.raises(ValueError, match=r"start has latents \(3, 4, 4, 8\), wanted those of noise, \(3, 4, 8, 8\)"):
        ours(network, scheduler(*SCHEDULERS[0]), Start(clean[:, :, :4], 0.5))
