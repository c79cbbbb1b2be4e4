"""Starting noise: a sample's depends on its own seed only.

Batch size, place in the batch, other samples, device and number of actors do not matter: every sample has a generator
of its own, which draws float32 on the CPU. The numbers are those of a diffusers pipeline that is given the same
generators, bit for bit.

What is made from the noise is another matter. In floating point the output of a network for one sample depends, in its
last bits, on the shape of its batch, so two runs agree bit for bit only where the shapes of their batches do
(`text_to_rgbd`'s `batch_size`), and else to rounding.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SEEDS = 2**32  # torch's CPU generator drops the higher bits: 1 and 2**32 + 1 would be the same sample


def seeded_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """A generator per sample: its starting noise comes from it, then the noise of each step where a scheduler draws
    some. So it serves one run.

    Args:
        seeds: 0 to 4,294,967,295 each.

    Raises:
        ValueError: a seed is out of range.
    """
    for seed in seeds:
        if not 0 <= seed < SEEDS:
            raise ValueError(f"seed {seed} is out of range: want 0 to {SEEDS - 1}, take the remainder by {SEEDS}")
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def initial_noise(
    generators: Sequence[torch.Generator], shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """N generators and the shape (C, h, w) of one latent -> (N, C, h, w) float32, unit normal."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]).to(device)
