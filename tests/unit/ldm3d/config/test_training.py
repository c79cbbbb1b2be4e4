"""Settings of the trainings: what they refuse, and what an output is continued with."""

from dataclasses import replace

import pytest

from jobs.command import parse
from ldm3d.config import AutoencoderConfig, DiffusionConfig, LoopConfig


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
