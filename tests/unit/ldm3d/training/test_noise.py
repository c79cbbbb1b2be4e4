"""Noise belongs to a sample: batch, order, worker and earlier draws do not matter."""

import numpy as np
import pytest
import torch

from ldm3d.training.noise import MAX_SEED, Purpose, normal, uniform

torch.set_num_threads(1)


def test_a_samples_noise_does_not_depend_on_its_batch():
    whole = normal(1, Purpose.NOISE, range(8), (4, 3, 3))
    torch.manual_seed(7)
    np.random.seed(7)
    parts = [normal(1, Purpose.NOISE, [position], (4, 3, 3)) for position in (6, 2, 0)]
    assert torch.equal(torch.cat(parts), whole[[6, 2, 0]])
    assert torch.equal(uniform(1, Purpose.CAPTION, [5, 3]), uniform(1, Purpose.CAPTION, range(8))[[5, 3]])


def test_seeds_purposes_and_positions_each_draw_their_own():
    keys = [(0, Purpose.NOISE, 0), (1, Purpose.NOISE, 0), (0, Purpose.POSTERIOR, 0), (0, Purpose.NOISE, 1)]
    keys += [(0, Purpose.NOISE, -1), (0, Purpose.NOISE, 2**62), (MAX_SEED, Purpose.CAPTION, 0)]
    drawn = torch.stack([normal(seed, purpose, [position], (512,))[0] for seed, purpose, position in keys])
    correlation = torch.corrcoef(drawn) - torch.eye(len(keys))
    assert correlation.abs().max() < 5 / 512**0.5  # five standard errors of uncorrelated noise


def test_noise_is_unit_normal():
    noise = normal(0, Purpose.NOISE, range(64), (4, 32, 32)).double()
    assert noise.mean().abs() < 5 / noise.numel() ** 0.5
    assert (noise.var() - 1).abs() < 5 * (2 / noise.numel()) ** 0.5
    assert (noise.square().square().mean() - 3).abs() < 5 * (96 / noise.numel()) ** 0.5  # kurtosis


def test_uniform_numbers_fill_the_unit_interval():
    drawn = uniform(0, Purpose.TIMESTEP, range(4_000))
    counts = torch.histc(drawn, bins=20, min=0, max=1)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert ((counts - 200).square() / 200).sum() < 44  # chi-square of 19 degrees, p = 0.001


def test_the_numbers_are_these_on_every_machine():
    """If this fails after an update of numpy, resumed runs will continue with other noise: say so in the changelog."""
    bits = uniform(3, Purpose.TIMESTEP, [0, 1, 10**12]) * 2**24
    assert bits.tolist() == [3091639, 1038355, 4115577]
    noise = normal(3, Purpose.NOISE, [0], (4,))[0]
    assert noise.tolist() == [0.02912585437297821, 0.013222538866102695, 1.0230598449707031, -1.3687974214553833]


def test_a_seed_out_of_range_is_refused():
    for seed in (-1, MAX_SEED + 1):
        with pytest.raises(ValueError, match=r"loop\.seed"):
            uniform(seed, Purpose.CAPTION, [0])
