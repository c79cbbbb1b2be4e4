"""Starting noise: a sample's depends on its own seed only.

Each sample has its own generator, which draws float32 on the CPU, so its noise does not depend on batch size, place in
the batch, other samples, device or number of actors. It equals, bit for bit, the noise of a diffusers pipeline that is
given the same generators.

What is made from the noise is another matter. In floating point, a network's output for one sample depends, in its
last bits, on the shape of the batch. Two runs therefore agree bit for bit only where their batches have the same shape
(`Drawing.batch_size`), and to rounding elsewhere.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

SEEDS = 2**32  # torch's CPU generator drops the higher bits: 1 and 2**32 + 1 would be the same sample


def require_seeds(seeds: Sequence[int]) -> None:
    """Raise ValueError if a seed is out of range: each is 0 to 4,294,967,295."""
    for seed in seeds:
        if not 0 <= seed < SEEDS:
            raise ValueError(f"seed {seed} is out of range: want 0 to {SEEDS - 1}, take the remainder by {SEEDS}")


def seeded_generators(seeds: Sequence[int]) -> list[torch.Generator]:
    """Return a generator per sample. Its starting noise is drawn first, then the noise that a scheduler may add in
    each step, so a generator serves one run only.

    Args:
        seeds: 0 to 4,294,967,295 each.

    Raises:
        ValueError: a seed is out of range.
    """
    require_seeds(seeds)
    return [torch.Generator().manual_seed(int(seed)) for seed in seeds]


def initial_noise(
    generators: Sequence[torch.Generator], shape: tuple[int, int, int], device: torch.device | str = "cpu"
) -> Tensor:
    """Draw the starting noise of N samples with latents of the shape (C, h, w): (N, C, h, w) float32 unit normal."""
    return torch.stack([torch.randn(shape, generator=generator) for generator in generators]).to(device)
