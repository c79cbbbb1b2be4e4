"""Pictures of a given depth are drawn, by guidance through the decoder."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, EulerDiscreteScheduler

from ldm3d.sampling import Drawing, Sample, depth_to_rgbd, text_to_rgbd
from ldm3d.sampling.denoise import denoise
from tests.builders.small_model import Parts, assert_same, parts, prompts_of, texts

torch.set_num_threads(1)

SEEDS = [7, 3, 2**32 - 1]
DRAWING = Drawing(num_inference_steps=4, guidance_scale=2.0)


@pytest.fixture(params=[6, 4])
def model(request) -> Parts:
    return parts(pixel_channels=request.param)


def depths(model: Parts) -> np.ndarray:
    """Take the depth of samples of other seeds: with random weights, the decoder cannot draw just any depth."""
    drawn = text_to_rgbd(model, prompts_of(list("abc"), [11, 12, 13]), DRAWING, height=8, width=12)
    return np.stack([sample.depth for sample in drawn])


def draw(model: Parts, depth: np.ndarray, rows=(0, 1, 2), batch_size=None, **settings) -> list[Sample]:
    chosen = list(rows)
    prompts = prompts_of([str(row) for row in chosen], [SEEDS[row] for row in chosen], chosen)
    return depth_to_rgbd(model, depth[chosen], prompts, replace(DRAWING, batch_size=batch_size), **settings)


def off(samples: list[Sample], depth: np.ndarray) -> float:
    return float(
        np.mean([np.abs(sample.depth.astype(float) - one).mean() for sample, one in zip(samples, depth, strict=True)])
    )


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_samples_have_the_depth_that_is_given_the_closer_the_more_pulls(model, prediction):
    wanted = depths(model)
    model.scheduler.register_to_config(prediction_type=prediction)
    free = text_to_rgbd(model, prompts_of(list("012"), SEEDS), DRAWING, height=8, width=12)
    once, often = draw(model, wanted, pulls=1), draw(model, wanted, pulls=20)
    assert [(sample.seed, sample.depth.shape) for sample in once] == [(seed, (8, 12)) for seed in SEEDS]
    assert off(often, wanted) < off(once, wanted) < off(free, wanted)
    assert off(often, wanted) < 0.7 * off(free, wanted)


def test_every_depth_is_held_by_its_own_sample_whatever_the_batch(model):
    wanted = depths(model)
    together = draw(model, wanted, batch_size=2)
    assert_same(draw(model, wanted, rows=[2, 1, 0], batch_size=2)[::-1], together)
    assert_same(draw(model, wanted, rows=[2], batch_size=2), together[2:])


def test_where_nothing_is_moved_steering_changes_nothing(model):
    text, empty = texts()
    noise = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    for scheduler in (model.scheduler, DPMSolverMultistepScheduler.from_config(model.scheduler.config)):
        for prediction in ("epsilon", "v_prediction"):
            scheduler.register_to_config(prediction_type=prediction)
            plain = denoise(model.unet, scheduler, noise, text[:2], empty, DRAWING)
            steered = denoise(model.unet, scheduler, noise, text[:2], empty, DRAWING, steer=lambda clean: clean)
            torch.testing.assert_close(steered, plain, rtol=1e-3, atol=1e-3)


def test_no_gradient_is_left_in_the_autoencoder(model):
    draw(model, depths(model))
    assert all(parameter.grad is None for parameter in model.vae.parameters())


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        (lambda depth: depth[:2], {}, r"depth is \(2, 8, 12\) uint16, wanted \(N, H, W\) uint16 for 3 prompts"),
        (lambda depth: depth.astype(float), {}, "float64, wanted"),
        (lambda depth: depth[:, :7], {}, "depth is 12 x 7 pixels, wanted multiples of 2"),
        (lambda depth: depth, {"pulls": 0}, "pulls is 0, wanted 1 or more"),
        (lambda depth: depth, {"drawing": Drawing(panorama=True)}, "panorama is True and tile is None, wanted False"),
        (
            lambda depth: depth,
            {"drawing": Drawing(tile=16)},
            "panorama is False and tile is 16, wanted False and None",
        ),
    ],
)
def test_what_does_not_fit_is_refused(change, settings, message):
    given = change(np.zeros((3, 8, 12), np.uint16))
    with pytest.raises(ValueError, match=message):
        depth_to_rgbd(parts(), given, prompts_of(list("abc"), SEEDS), **settings)


def test_a_model_without_depth_is_refused():
    with pytest.raises(ValueError, match="3 output channels: want 6 or 4"):
        depth_to_rgbd(parts(pixel_channels=3), np.zeros((1, 8, 8), np.uint16), prompts_of(["a"], [1]))


def test_schedulers_and_precisions_that_cannot_are_refused():
    model = parts()
    wanted = np.zeros((3, 8, 12), np.uint16)
    model.scheduler = EulerDiscreteScheduler.from_config(model.scheduler.config)
    with pytest.raises(ValueError, match="EulerDiscreteScheduler of prediction_type epsilon"):
        draw(model, wanted)
    model.vae.half()
    with pytest.raises(ValueError, match="float16"):
        draw(model, wanted)
