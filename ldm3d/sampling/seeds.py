"""The seed of each sample, from what users give: a number, one each, or torch's generators."""

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ldm3d.sampling.noise import SEEDS

Seeds = int | Sequence[int] | np.integer[Any] | NDArray[np.integer[Any]]
"""The seed of the first sample, or one for each."""
Generators = torch.Generator | Sequence[torch.Generator]
"""One for a single sample, or one for each."""

REMEDY = "give seed, a number or one per sample, which stands for torch.Generator().manual_seed(seed)"


def seeds_of(seed: Seeds | None, generator: Generators | None, count: int) -> list[int]:
    """Return a seed for each of `count` samples; drawn at random if neither is given.

    Raises:
        ValueError: both are given, or one that does not say the seeds.
    """
    if generator is not None:
        if seed is not None:
            raise ValueError("seed and generator are both given: want one of them")
        return _of_generators([generator] if isinstance(generator, torch.Generator) else list(generator), count)
    given = np.asarray(secrets.randbelow(SEEDS) if seed is None else seed)
    if not np.issubdtype(given.dtype, np.integer):
        raise ValueError(f"seed is {seed!r}, wanted a whole number from 0 to {SEEDS - 1}, or one for each sample")
    if given.ndim == 0:
        return [(int(given) + index) % SEEDS for index in range(count)]
    return [int(each) for each in given]


def _of_generators(generators: list[torch.Generator], count: int) -> list[int]:
    """Return the seeds that fresh generators were made with. Their own state stays as it is."""
    if len(generators) != count:
        raise ValueError(
            f"generator is given for {len(generators)} of {count} samples, but each has its own: give one per sample, "
            "or seed"
        )
    seeds = []
    for each in generators:
        if each.device.type != "cpu":
            raise ValueError(f"generator is on {each.device}, but noise is drawn on the CPU: {REMEDY}")
        seed = each.initial_seed()
        if not 0 <= seed < SEEDS:
            raise ValueError(f"generator has the seed {seed}, wanted 0 to {SEEDS - 1}: {REMEDY}")
        if not torch.equal(each.get_state(), torch.Generator().manual_seed(seed).get_state()):
            raise ValueError(f"generator has been drawn from, so no seed stands for it: call manual_seed, or {REMEDY}")
        seeds.append(seed)
    return seeds
