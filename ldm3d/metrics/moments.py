"""Mean, standard deviation and standard error of a number over pictures, from sums that add up."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Moments:
    """Moments of N finite numbers, in float64."""

    count: int = 0
    """N."""
    mean: float = math.nan
    """NaN if there are no numbers: 0 would pass for a perfect score."""
    squares: float = 0.0
    """Sum of squared distances from the mean: raw sums of squares would cancel."""
    excluded: int = 0
    """Numbers that were not finite, and are left out of all of the above."""

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> "Moments":
        """Summarise (M,) values."""
        wide = values.astype(np.float64)
        finite = wide[np.isfinite(wide)]
        if not len(finite):
            return cls(excluded=len(wide))
        mean = float(finite.mean())
        return cls(len(finite), mean, float(((finite - mean) ** 2).sum()), len(wide) - len(finite))

    def __add__(self, other: "Moments") -> "Moments":
        """Merge two by the method of Chan, Golub and LeVeque (1983)."""
        excluded = self.excluded + other.excluded
        if not (self.count and other.count):
            return replace(self if self.count else other, excluded=excluded)
        count = self.count + other.count
        shift = other.mean - self.mean
        return Moments(
            count,
            self.mean + shift * other.count / count,
            self.squares + other.squares + shift**2 * self.count * other.count / count,
            excluded,
        )

    @property
    def std(self) -> float:
        """Standard deviation, with N - 1; NaN for fewer than two numbers."""
        return math.sqrt(self.squares / (self.count - 1)) if self.count > 1 else math.nan

    @property
    def stderr(self) -> float:
        """Standard error of the mean; NaN for fewer than two numbers."""
        return self.std / math.sqrt(self.count) if self.count > 1 else math.nan
