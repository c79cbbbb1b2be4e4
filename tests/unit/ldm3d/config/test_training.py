"""Settings of the trainings: what they refuse, and what an output is continued with."""

from dataclasses import replace

import pytest

from jobs.command import parse
from ldm3d.config import (
    AutoencoderConfig,
    DenoisingLossConfig,
    DiffusionConfig,
    DistillConfig,
    Drawing,
    LoopConfig,
    from_json,
    to_json,
)


@pytest.mark.parametrize("steps", [0, -5])
def test_a_training_takes_at_least_one_step(steps):
    with pytest.raises(ValueError, match=rf"--loop\.max-steps is {steps}, wanted 1 or more, or None"):
        LoopConfig(epochs=1, batch_size=8, max_steps=steps)


@pytest.mark.parametrize("kind", [AutoencoderConfig, DiffusionConfig])
def test_the_most_steps_are_a_flag_and_decide_the_weights_only_where_they_are_given(kind):
    given = ["--input", "in", "--output", "out"]
    plain = parse(kind, given).config
    assert plain.loop.max_steps is None
    assert "max_steps" not in plain.identity()["loop"]  # an output that was begun before there was the flag goes on
    short = parse(kind, [*given, "--loop.max-steps", "50"]).config
    assert short.identity()["loop"] == plain.identity()["loop"] | {"max_steps": 50}
    often = replace(plain, loop=replace(plain.loop, checkpoint_every=7))
    assert often.identity() == plain.identity()


def test_a_distillation_is_named_by_its_teacher_and_decides_the_weights_only_then():
    given = ["--input", "in", "--output", "out"]
    plain = parse(DiffusionConfig, given).config
    assert "distill" not in plain.identity()  # an output that was begun before there was the flag goes on
    assert plain.shown == Drawing()
    before = {name: value for name, value in to_json(plain).items() if name != "distill"}
    assert from_json(DiffusionConfig, before) == plain
    distilled = parse(DiffusionConfig, [*given, "--distill.teacher", "runs/teacher"]).config
    assert distilled.identity()["distill"] == {"guidance_scale": 5.0, "solver_steps": 50, "huber": 0.001}
    assert distilled.shown == Drawing(num_inference_steps=4, guidance_scale=1)
    shown = replace(distilled, distill=replace(distilled.distill, num_inference_steps=2))
    assert shown.identity() == distilled.identity()
    assert shown.shown.num_inference_steps == 2


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("teacher", "", "--distill.teacher is '', wanted a model id or path, or None"),
        ("guidance_scale", 0.5, "--distill.guidance-scale is 0.5, wanted 1 or more"),
        ("solver_steps", 0, "--distill.solver-steps is 0, wanted 1 or more"),
        ("num_inference_steps", 51, r"steps is 51, wanted --distill.solver-steps \(50\) or fewer"),
        ("huber", 0.0, "--distill.huber is 0.0, wanted more than 0"),
    ],
)
def test_settings_of_a_distillation_have_ranges(setting, value, message):
    with pytest.raises(ValueError, match=message):
        DistillConfig(**{setting: value})


def test_weights_of_the_denoising_loss_mean_nothing_to_a_distillation():
    with pytest.raises(ValueError, match=r"--loss\.min-snr-gamma is 5\.0, wanted None with --distill\.teacher"):
        DiffusionConfig(
            input="in",
            output="out",
            loss=DenoisingLossConfig(min_snr_gamma=5.0),
            distill=DistillConfig(teacher="runs/teacher"),
        )
