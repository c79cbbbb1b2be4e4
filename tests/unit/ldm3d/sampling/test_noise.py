"""A sample's starting noise depends on its own seed only."""

import numpy as np
import pytest
import torch
from diffusers.utils.torch_utils import randn_tensor

from ldm3d.sampling import initial_noise, seeded_generators

SHAPE = (4, 8, 8)


def noise(*seeds: int) -> torch.Tensor:
    return initial_noise(seeded_generators(seeds), SHAPE)


def test_neighbours_and_order_do_not_matter():
    together = noise(3, 1, 2**32 - 1)
    assert torch.equal(together, torch.cat([noise(3), noise(1), noise(2**32 - 1)]))
    assert torch.equal(together.flip(0), noise(2**32 - 1, 1, 3))


def test_noise_is_that_of_a_diffusers_pipeline_with_the_same_generators():
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    assert torch.equal(noise(5, 6), randn_tensor((2, *SHAPE), generator=generators, dtype=torch.float32))


def test_noise_is_unit_normal_and_seeds_are_independent():
    values = noise(*range(400))
    assert values.dtype == torch.float32
    assert abs(values.mean()) < 0.01
    assert abs(values.std() - 1) < 0.01
    correlations = torch.corrcoef(values.flatten(1)[:50]).fill_diagonal_(0)
    assert correlations.abs().max() < 0.35  # 5.6 standard errors of 256 numbers


@pytest.mark.parametrize("seed", [-1, 2**32, 2**63])
def test_seeds_that_torch_would_take_for_others_are_refused(seed):
    with pytest.raises(ValueError, match=f"seed {seed}"):
        seeded_generators([1, seed])


def test_torch_drops_the_higher_bits_of_a_seed():
    """This is why they are refused: if it ever fails, larger seeds can be allowed."""
    low, high = torch.Generator().manual_seed(7), torch.Generator().manual_seed(7 + 2**32)
    assert torch.equal(torch.randn(100, generator=low), torch.randn(100, generator=high))


def test_seeds_may_be_numpy_integers():
    assert torch.equal(noise(*np.array([4, 5])), noise(4, 5))
