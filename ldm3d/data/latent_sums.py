"""The scale of latents, from sums that can be added up over shards."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class LatentSums:
    """Sums over the elements of latents."""

    elements: int = 0
    total: float = 0.0
    """Sum of means."""
    squares: float = 0.0
    """Sum of mean² + std²."""

    @classmethod
    def of(cls, mean: NDArray[np.float16], std: NDArray[np.float16]) -> "LatentSums":
        """Sum over posteriors: two arrays of the same shape."""
        wide_mean, wide_std = mean.astype(np.float64), std.astype(np.float64)
        return cls(mean.size, float(wide_mean.sum()), float((wide_mean**2 + wide_std**2).sum()))

    def __add__(self, other: "LatentSums") -> "LatentSums":
        return LatentSums(self.elements + other.elements, self.total + other.total, self.squares + other.squares)

    @property
    def std(self) -> float | None:
        """Standard deviation of draws from the posteriors, over all elements: √(E[mean² + std²] − E[mean]²).

        Its inverse scales draws to unit variance, as in latent diffusion (arXiv 2112.10752). None if there are no
        elements.
        """
        if not self.elements:
            return None
        return math.sqrt(max(0.0, self.squares / self.elements - (self.total / self.elements) ** 2))
