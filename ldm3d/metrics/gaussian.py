"""The Fréchet distance between Gaussians of two sets of features; of Inception's it is FID (arXiv 1706.08500).

Sets are kept as sums that add up, so that any number of workers may see a part of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianSums:
    """Of N features of D numbers, in float64: raw sums lose 1e-14 of a covariance of Inception's features.

    count: N. total: (D,), their sum. outer: (D, D), the sum of their outer products.
    """

    count: int
    total: Floats
    outer: Floats

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> "GaussianSums":
        """`features`: (N, D)."""
        wide = features.astype(np.float64)
        return cls(len(wide), wide.sum(axis=0), wide.T @ wide)

    def __add__(self, other: "GaussianSums") -> "GaussianSums":
        return GaussianSums(self.count + other.count, self.total + other.total, self.outer + other.outer)

    @property
    def mean(self) -> Floats:
        """(D,)"""
        return self.total / self.count

    @property
    def covariance(self) -> Floats:
        """(D, D), unbiased: divided by N - 1.

        Raises:
            ValueError: there are fewer than two features.
        """
        if self.count < 2:
            raise ValueError(f"a covariance of {self.count} features, wanted two or more")
        covariance: Floats = (self.outer - np.outer(self.total, self.mean)) / (self.count - 1)
        return covariance


def frechet_distance(one: GaussianSums, other: GaussianSums) -> float:
    """|m - m'|² + Tr S + Tr S' - 2 Tr (S S')^½. Of equal sets 0 to rounding, which may be below 0.

    The trace of the root is the sum of the roots of the eigenvalues of S^½ S' S^½, which is symmetric: no complex
    numbers, fewer features than dimensions do no harm, and three times as fast as the root of S S'.

    Raises:
        ValueError: a set has fewer than two features, or features of another number of dimensions.
    """
    if one.total.shape != other.total.shape:
        raise ValueError(
            f"features of {one.total.size} and of {other.total.size} dimensions: take both of one network"
        )
    shift = one.mean - other.mean
    first, second = one.covariance, other.covariance
    values, vectors = np.linalg.eigh(first)
    root = vectors * np.sqrt(values.clip(min=0))
    products = np.linalg.eigvalsh(root.T @ second @ root).clip(min=0)
    return float(shift @ shift + np.trace(first) + np.trace(second) - 2 * np.sqrt(products).sum())


@dataclass(frozen=True, eq=False)
class FrechetSlope:
    """How the distance of one set from another changes with the features of the first: its influence function.

    That of x is  2 (m - m') · (x - m) + (x - m)ᵀ (I - T) (x - m) - Tr((I - T) S),  with the optimal transport map
    T = S^-½ (S^½ S' S^½)^½ S^-½, which is the derivative of 2 Tr (S S')^½ by S. The distance's standard error is the
    spread of the influences by √N (the delta method): no resampling, and no 2048 x 2048 decomposition more than one.

    mean: (D,) m. shift: (D,) m - m'. form: (D, D) I - T. level: Tr((I - T) S).
    """

    mean: Floats
    shift: Floats
    form: Floats
    level: float

    @classmethod
    def of(cls, one: GaussianSums, other: GaussianSums) -> "FrechetSlope":
        """Of the distance by the features of `one`; `other` is taken as it is.

        In directions in which `one` does not vary, as there are some where it has fewer features than dimensions, T is
        taken for 0.
        """
        first, second = one.covariance, other.covariance
        values, vectors = np.linalg.eigh(first)
        seen = values > values[-1] * len(values) * np.finfo(np.float64).eps
        roots = np.sqrt(values[seen])
        forth, back = vectors[:, seen] * roots, vectors[:, seen] / roots
        inner, axes = np.linalg.eigh(forth.T @ second @ forth)
        transport = (back @ (axes * np.sqrt(inner.clip(min=0))) @ axes.T) @ back.T
        form = np.eye(len(first)) - transport
        return cls(one.mean, one.mean - other.mean, form, float((form * first).sum()))

    def influences(self, features: NDArray[np.floating]) -> Floats:
        """(N, D), of the first set -> (N,), of mean 0 over all of it but for N - 1."""
        away = features.astype(np.float64) - self.mean
        found: Floats = 2 * away @ self.shift + ((away @ self.form) * away).sum(axis=1) - self.level
        return found
