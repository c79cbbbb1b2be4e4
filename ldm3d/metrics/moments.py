"""Mean, spread and error of a number over pictures, from sums that add up."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Of N numbers, in float64. Those that are not finite are not among them.

    count: N. mean. squares: the sum of squares of their distances from the mean: raw sums of squares would cancel.
    excluded: numbers that were not finite.
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    excluded: int = 0

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> "Moments":
        """`values`: (M,)"""
        wide = values.astype(np.float64)
        finite = wide[np.isfinite(wide)]
        if not len(finite):
            return cls(excluded=len(wide))
        mean = float(finite.mean())
        return cls(len(finite), mean, float(((finite - mean) ** 2).sum()), len(wide) - len(finite))

    def __add__(self, other: "Moments") -> "Moments":
        """Chan, Golub and LeVeque's (1983) way to merge them."""
        count = self.count + other.count
        if count == 0:
            return Moments(excluded=self.excluded + other.excluded)
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * other.count / count,
            self.squares + other.squares + shift**2 * self.count * other.count / count,
            self.excluded + other.excluded,
        )

    @property
    def std(self) -> float:
        """With N - 1; NaN of fewer than two."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else math.nan

    @property
    def stderr(self) -> float:
        """Of the mean; NaN of fewer than two."""
        return self.std / math.sqrt(self.count) if self.count > 1 else math.nan
