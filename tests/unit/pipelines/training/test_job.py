"""What a training says of its length before it begins."""

from types import SimpleNamespace

import pytest

from ldm3d.config import AutoencoderConfig, LoopConfig, OptimiserConfig
from pipelines.training.job import TrainingJob


def job(warmup_steps: int = 0, **loop) -> TrainingJob:
    """A training of 12 steps an epoch."""
    optimiser = OptimiserConfig(warmup_steps=warmup_steps)
    config = AutoencoderConfig(input="in", output="out", optimiser=optimiser, loop=LoopConfig(batch_size=8, **loop))
    data = SimpleNamespace(order=SimpleNamespace(steps_per_epoch=12))
    return TrainingJob(stage="train_autoencoder", config=config, data=data, decode=None, make_trainee=None)


def test_a_limit_beyond_the_last_epoch_is_told():
    assert job(epochs=10, max_steps=500).note_on_steps() == (
        "--loop.max-steps 500 is more than the 120 steps of 10 epochs, and has no effect: raise --loop.epochs"
    )
    assert "the 12 steps of 1 epoch," in job(epochs=1, max_steps=13).note_on_steps()


@pytest.mark.parametrize("most", [None, 50, 120])
def test_a_limit_that_limits_or_that_is_the_end_is_not(most):
    training = job(epochs=10, max_steps=most)
    assert training.note_on_steps() is None
    assert training.total_steps == (most or 120)


def test_a_training_that_ends_within_its_warmup_is_told():
    assert job(epochs=10, warmup_steps=120).note_on_warmup() == (
        "all 120 steps are within the warm-up of 120, so the learning rate stays below its value: "
        "raise --loop.epochs, or lower --optimiser.warmup-steps"
    )
    assert job(epochs=10, warmup_steps=119).note_on_warmup() is None
    assert job(epochs=10, max_steps=12, warmup_steps=100).note_on_warmup().startswith("all 12 steps")
    assert job(epochs=1).note_on_warmup() is None
