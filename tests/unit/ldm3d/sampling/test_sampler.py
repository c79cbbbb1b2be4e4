"""A sample is the same in any company, with any scheduler that settings may name."""

from dataclasses import replace
from types import SimpleNamespace
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler

from ldm3d.config import ModelConfig, SamplingConfig, SamplingPoint
from ldm3d.config.drawing import FEW, PAPER
from ldm3d.models.base import load_base
from ldm3d.models.few_steps import usual_drawing
from ldm3d.models.stable_diffusion import SCHEDULER
from ldm3d.sampling.pipeline import RgbdPipeline
from ldm3d.sampling.sampler import SCHEDULERS, Sampler, note_on_few_steps, scheduler_of

pytestmark = pytest.mark.usefixtures("one_thread")

POINT = SamplingPoint("ddim", 3.0, 2)
NAMES = get_args(get_type_hints(SamplingConfig)["scheduler"])


def sampler(toy_base, precision="fp32", **settings) -> Sampler:
    pipeline = RgbdPipeline(load_base(ModelConfig(base=str(toy_base))))
    return Sampler(pipeline, SamplingConfig(height=16, width=16, batch_size=3, **settings), precision)


def test_a_sample_depends_on_its_caption_and_seed_alone_to_the_bit(toy_base):
    draw = sampler(toy_base)
    every = draw(["a red cube", "a sphere", "a blue cube", "a sphere"], [4, 5, 6, 7], POINT)
    (alone,) = draw(["a sphere"], [7], POINT)
    assert np.array_equal(alone.image, every[3].image)
    assert np.array_equal(alone.depth, every[3].depth)
    assert not np.array_equal(every[1].depth, every[3].depth)


@pytest.mark.parametrize("name", NAMES)
def test_every_scheduler_draws_the_same_sample_in_any_company(toy_base, name):
    draw = sampler(toy_base, scheduler=name)
    assert type(draw.pipeline.scheduler).__name__ == SCHEDULERS[name]
    point = SamplingPoint(name, 3.0, 3)
    together = draw(["a red cube", "a sphere"], [4, 7], point)
    (alone,) = draw(["a sphere"], [7], point)
    assert alone.is_finite
    assert np.array_equal(alone.depth, together[1].depth)


def test_settings_reach_the_pipeline(toy_base):
    plain = sampler(toy_base)(["a sphere"], [7], POINT)[0]
    assert plain.image.shape == (16, 16, 3)
    for change in ({"negative_prompt": "a red cube"}, {"eta": 1.0}, {"guidance_rescale": 0.7}):
        assert not np.array_equal(sampler(toy_base, **change)(["a sphere"], [7], POINT)[0].image, plain.image)
    with pytest.raises(ValueError, match=r"eta is 0\.5, but EulerDiscreteScheduler"):
        sampler(toy_base, scheduler="euler", eta=0.5)(["a sphere"], [7], POINT)


def test_networks_answer_in_the_precision_that_was_asked_for(toy_base):
    assert sampler(toy_base).pipeline.unet.dtype == torch.float32
    half = sampler(toy_base, precision="bf16")
    assert half.pipeline.unet.dtype == half.pipeline.vae.dtype == half.pipeline.text_encoder.dtype == torch.bfloat16
    (exact,), (rounded,) = sampler(toy_base)(["a sphere"], [7], POINT), half(["a sphere"], [7], POINT)
    assert np.abs(exact.image.astype(int) - rounded.image).mean() < 5


def test_a_caption_that_gives_no_numbers_spoils_its_own_samples_alone(toy_base):
    draw, healthy = sampler(toy_base), sampler(toy_base)
    word = draw.pipeline.tokenizer.convert_tokens_to_ids("sphere</w>")
    with torch.no_grad():
        draw.pipeline.text_encoder.get_input_embeddings().weight[word] = float("nan")
    captions, seeds = ["a red cube", "a sphere", "a blue cube"], [4, 5, 6]
    samples, wanted = draw(captions, seeds, POINT), healthy(captions, seeds, POINT)
    assert [sample.is_finite for sample in samples] == [True, False, True]
    assert np.array_equal(samples[2].depth, wanted[2].depth)


def test_models_are_told_apart_by_all_that_decides_what_they_draw(toy_base):
    def fresh() -> RgbdPipeline:
        return RgbdPipeline(load_base(ModelConfig(base=str(toy_base))))

    first = fresh().fingerprint()
    assert fresh().fingerprint() == first
    scaled, trained, predicting = fresh(), fresh(), fresh()
    scaled.vae.register_to_config(scaling_factor=0.5)
    with torch.no_grad():
        next(trained.unet.parameters()).add_(1e-3)
    predicting.scheduler.register_to_config(prediction_type="v_prediction")
    assert len({first, *(each.fingerprint() for each in (scaled, trained, predicting))}) == 4


def velocity(trained_to_noise: bool = False) -> DDIMScheduler:
    return DDIMScheduler(**SCHEDULER, prediction_type="v_prediction", rescale_betas_zero_snr=trained_to_noise)


@pytest.mark.parametrize("name", sorted(set(SCHEDULERS) - {"heun"}))
def test_schedules_that_end_in_pure_noise_are_sampled_from_their_end(toy_base, name):
    """Whether the settings say so or the model does."""
    settings = SamplingConfig(scheduler=name, timestep_spacing="trailing", zero_terminal_snr=True)
    asked = scheduler_of(settings, velocity())
    known = scheduler_of(replace(settings, zero_terminal_snr=False), velocity(trained_to_noise=True))
    for scheduler in (asked, known):
        scheduler.set_timesteps(4)
        assert scheduler.timesteps[0] == 999
        assert scheduler.alphas_cumprod[-1] < 1e-6  # some schedulers keep it above 0
    pipeline = RgbdPipeline(load_base(ModelConfig(base=str(toy_base))))
    pipeline.scheduler = velocity()
    draw = Sampler(pipeline, replace(settings, height=16, width=16), "fp32")
    assert draw(["a sphere"], [7], SamplingPoint(name, 3.0, 4))[0].is_finite


def test_what_cannot_end_in_pure_noise_is_refused():
    with pytest.raises(ValueError, match="predicts epsilon says nothing"):
        scheduler_of(SamplingConfig(zero_terminal_snr=True), DDIMScheduler(**SCHEDULER))
    with pytest.raises(ValueError, match="HeunDiscreteScheduler does not rescale"):
        scheduler_of(SamplingConfig(scheduler="heun"), velocity(trained_to_noise=True))


def distilled(toy_base) -> RgbdPipeline:
    pipeline = RgbdPipeline(load_base(ModelConfig(base=str(toy_base))))
    pipeline.scheduler = LCMScheduler.from_config(pipeline.scheduler.config)
    return pipeline


def test_a_model_for_few_steps_is_drawn_so_and_a_user_who_asks_for_more_is_told(toy_base):
    few, many = distilled(toy_base), RgbdPipeline(load_base(ModelConfig(base=str(toy_base))))
    assert usual_drawing(many.scheduler, many.unet) == PAPER
    assert usual_drawing(few.scheduler, few.unet) == FEW
    told = SimpleNamespace(config=SimpleNamespace(time_cond_proj_dim=256))  # which is told the guidance scale
    assert usual_drawing(few.scheduler, told) == replace(FEW, guidance_scale=PAPER.guidance_scale)
    right = SamplingConfig(scheduler="lcm", num_inference_steps=(4,), guidance_scale=(1.0,))
    assert note_on_few_steps(right, few) is None
    assert note_on_few_steps(replace(right, num_inference_steps=(1, 2, 8)), few) is None
    assert note_on_few_steps(SamplingConfig(), many) is None
    for wrong in (SamplingConfig(), replace(right, scheduler="ddim"), replace(right, guidance_scale=(1.0, 3.0))):
        note = note_on_few_steps(wrong, few)
        assert note is not None
        assert "--sampling.scheduler lcm --sampling.num-inference-steps 4" in note


def test_the_pipeline_draws_such_a_model_in_few_steps_unless_it_is_asked_otherwise(toy_base):
    few, steps = distilled(toy_base), []
    settings = {"seed": 1, "height": 16, "width": 16, "callback": lambda index, *_: steps.append(index)}
    few("a sphere", **settings)
    few("a sphere", num_inference_steps=2, **settings)
    assert steps == [0, 1, 2, 3, 0, 1]
