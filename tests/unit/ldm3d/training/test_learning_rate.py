"""The learning rate follows its closed form, and works with torch's scheduler."""

import math
from functools import partial
from itertools import pairwise

import pytest
import torch

from ldm3d.config import OptimiserConfig
from ldm3d.training.learning_rate import learning_rate_factor


def factors(total: int, **settings: object) -> list[float]:
    config = OptimiserConfig(**settings)
    return [learning_rate_factor(step, total, config) for step in range(total)]


def test_without_settings_it_is_constant():
    assert set(factors(20)) == {1.0}


def test_warmup_rises_in_equal_steps_and_never_stands_at_zero():
    assert factors(8, warmup_steps=4) == [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]


def test_linear_decay_falls_in_equal_steps_to_two_percent():
    values = factors(14, warmup_steps=4, decay="linear")
    assert values[4] == 1.0
    assert values[-1] == pytest.approx(0.02)
    falls = [a - b for a, b in pairwise(values[4:])]
    assert falls == pytest.approx([0.98 / 9] * 9)


def test_cosine_decay_is_half_a_cosine_down_to_two_percent():
    values = factors(101, decay="cosine")
    assert values[-1] == pytest.approx(0.02)
    assert values == pytest.approx([0.02 + 0.98 * (1 + math.cos(math.pi * step / 100)) / 2 for step in range(101)])


@pytest.mark.parametrize("decay", ["none", "linear", "cosine"])
def test_a_warmup_longer_than_the_run_is_still_a_warmup(decay):
    assert factors(3, warmup_steps=10, decay=decay) == pytest.approx([0.1, 0.2, 0.3])


def test_it_never_rises_again_after_the_last_step():
    assert learning_rate_factor(150, 100, OptimiserConfig(decay="cosine")) == pytest.approx(0.02)


def test_lambda_lr_takes_it():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([weight], lr=2.0)
    schedule = partial(learning_rate_factor, total_steps=3, config=OptimiserConfig(warmup_steps=2, decay="linear"))
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimiser, schedule)
    rates = []
    for _ in range(3):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        scheduler.step()
    assert rates == [1.0, 2.0, 2.0]
