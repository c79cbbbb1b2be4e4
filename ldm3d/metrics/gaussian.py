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

    With S = A Aᵀ, the trace of the root is the sum of the roots of the eigenvalues of Aᵀ S' A, which is symmetric: no
    complex numbers, fewer features than dimensions do no harm, and a fraction of the time of the root of S S'.

    Raises:
        ValueError: a set has fewer than two features, or features of another number of dimensions.
    """
    values: Floats = np.asarray(np.linalg.eigvalsh(_between(_factor(one.covariance), one, other)), np.float64)
    return _distance(one, other, values)


@dataclass(frozen=True, eq=False)
class FrechetSlope:
    """How the distance of one set from another changes with the features of the first: its influence function.

    That of x is  2 (m - m') · (x - m) + (x - m)ᵀ (I - T) (x - m) - Tr((I - T) S),  with the optimal transport map
    T = A⁻ᵀ (Aᵀ S' A)^½ A⁻¹ of S = A Aᵀ, which is the derivative of 2 Tr (S S')^½ by S. The distance's standard error
    is the spread of the influences by √N (the delta method): no resampling, and one decomposition serves both.

    distance: `frechet_distance` to rounding. mean: (D,) m. shift: (D,) m - m'. form: (D, D) I - T. level:
    Tr((I - T) S).
    """

    distance: float
    mean: Floats
    shift: Floats
    form: Floats
    level: float

    @classmethod
    def of(cls, one: GaussianSums, other: GaussianSums) -> "FrechetSlope":
        """Of the distance by the features of `one`; `other` is taken as it is.

        In directions in which `one` does not vary, as there are some where it has fewer features than dimensions, T is
        taken for 0.

        Raises:
            ValueError: as `frechet_distance`.
        """
        first = one.covariance
        factor = _factor(first)
        values, axes = np.linalg.eigh(_between(factor, one, other))
        root = _solved(factor, axes * values.clip(min=0) ** 0.25)
        form = np.eye(len(first)) - root @ root.T
        return cls(_distance(one, other, values), one.mean, one.mean - other.mean, form, float((form * first).sum()))

    def influences(self, features: NDArray[np.floating]) -> Floats:
        """(N, D), of the first set -> (N,), of mean 0 over all of it but for N - 1."""
        away = features.astype(np.float64) - self.mean
        found: Floats = 2 * away @ self.shift + ((away @ self.form) * away).sum(axis=1) - self.level
        return found


def _factor(covariance: Floats) -> Floats:
    """A, (D, R), with A Aᵀ = S: Cholesky's where S is regular, else of its eigenvectors, which takes longer.

    R: directions in which features vary by more than rounding.
    """
    least = np.trace(covariance) * len(covariance) * np.finfo(np.float64).eps  # no eigenvalue is above the trace
    try:
        factor: Floats = np.asarray(np.linalg.cholesky(covariance), np.float64)
    except np.linalg.LinAlgError:
        pass
    else:
        if (factor.diagonal() ** 2 > least).all():
            return factor
    values, vectors = np.linalg.eigh(covariance)
    seen = values > least
    return np.asarray(vectors[:, seen] * np.sqrt(values[seen]))


def _solved(factor: Floats, wanted: Floats) -> Floats:
    """The smallest X with Aᵀ X as wanted."""
    if factor.shape[0] == factor.shape[1]:
        return np.asarray(np.linalg.solve(factor.T, wanted), np.float64)
    return np.asarray(factor / np.square(factor).sum(axis=0) @ wanted)  # eigenvectors: columns are orthogonal


def _between(factor: Floats, one: GaussianSums, other: GaussianSums) -> Floats:
    """Aᵀ S' A, (R, R)."""
    if one.total.shape != other.total.shape:
        raise ValueError(
            f"features of {one.total.size} and of {other.total.size} dimensions: take both of one network"
        )
    between: Floats = factor.T @ other.covariance @ factor
    return between


def _distance(one: GaussianSums, other: GaussianSums, values: Floats) -> float:
    """Of the eigenvalues of Aᵀ S' A."""
    shift = one.mean - other.mean
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return float(shift @ shift + traces - 2 * np.sqrt(values.clip(min=0)).sum())
