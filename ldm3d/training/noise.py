"""Random numbers of a sample: a function of the seed, the purpose and the sample's position in the run, nothing else.

Each (seed, purpose, position) is the key of a Philox counter generator (Salmon et al. 2011), whose streams are
independent of each other. So noise does not depend on the rest of the batch, on how many workers share it, on the
device, or on earlier draws, and a resumed run needs its position but no generator state.

A position is any 64-bit integer. In training it is the number of samples that the run has seen before, which no epoch
repeats; in validation, where noise must stay the same, it is the number or the key of the row.

Uniform numbers are bits of the generator, which numpy promises to keep. Normal ones are numpy's ziggurat in float32,
the same on every machine except for one in 4,000, beyond 3.65 sigma, whose last bit depends on the C library's
logarithm. numpy may change that method; a test would then fail.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np
import torch
from torch import Tensor

MAX_SEED = 2**56 - 1


class Purpose(IntEnum):
    """What a number is drawn for. Part of the key: never renumber."""

    POSTERIOR = 0
    NOISE = 1
    OFFSET = 2
    TIMESTEP = 3
    CAPTION = 4


def normal(seed: int, purpose: Purpose, positions: Sequence[int], shape: tuple[int, ...]) -> Tensor:
    """Draw N(0, 1) for N positions: (N, *shape) float32 on the CPU."""
    noise = np.empty((len(positions), *shape), np.float32)
    for row, position in zip(noise, positions, strict=True):
        np.random.Generator(_bits(seed, purpose, position)).standard_normal(dtype=np.float32, out=row)
    return torch.from_numpy(noise)


def uniform(seed: int, purpose: Purpose, positions: Sequence[int]) -> Tensor:
    """Draw uniformly from [0, 1), multiples of 2^-24, for N positions: (N,) float32 on the CPU."""
    bits = [int(_bits(seed, purpose, position).random_raw()) >> 40 for position in positions]
    return torch.tensor(bits, dtype=torch.float32) / 2**24


def _bits(seed: int, purpose: Purpose, position: int) -> np.random.Philox:
    if not 0 <= seed <= MAX_SEED:
        raise ValueError(f"--loop.seed is {seed}, wanted 0 to {MAX_SEED}")
    return np.random.Philox(key=np.array([seed << 8 | purpose, int(position) % 2**64], np.uint64))
