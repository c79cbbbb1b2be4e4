"""The Fréchet distance between Gaussians fitted to two sets of features: FID, for Inception's (arXiv 1706.08500).

Sets are kept as sums that add up, so that any number of workers can each process a part.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class GaussianSums:
    """Sums over N feature vectors in D dimensions, in float64: on Inception's, raw sums lose 1e-14 of a covariance."""

    count: int
    """N."""
    total: Floats
    """(D,), sum of the vectors."""
    outer: Floats
    """(D, D), sum of their outer products."""

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> "GaussianSums":
        """Sum (N, D) features."""
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
            ValueError: fewer than two features.
        """
        if self.count < 2:
            raise ValueError(f"a covariance of {self.count} features, wanted two or more")
        covariance: Floats = (self.outer - np.outer(self.total, self.mean)) / (self.count - 1)
        return covariance


def frechet_distance(one: GaussianSums, other: GaussianSums) -> float:
    """Return |m - m'|² + Tr S + Tr S' - 2 Tr (S S')^½: 0 up to rounding, of either sign, for equal sets.

    With S = A Aᵀ, the trace of the root is the sum of the roots of the eigenvalues of Aᵀ S' A, which is symmetric.
    This avoids complex numbers, works with fewer features than dimensions, and takes a fraction of the time of a
    matrix root of S S'.

    Raises:
        ValueError: a set has fewer than two features, or the two differ in their number of dimensions.
    """
    values: Floats = np.asarray(np.linalg.eigvalsh(_between(_factor(one.covariance), one, other)), np.float64)
    return _distance(one, other, values)


@dataclass(frozen=True, eq=False)
class FrechetSlope:
    """The influence function of the distance: how it changes with the features of the first set.

    The influence of x is  2 (m - m') · (x - m) + (x - m)ᵀ (I - T) (x - m) - Tr((I - T) S),  where S = A Aᵀ and the
    optimal transport map T = A⁻ᵀ (Aᵀ S' A)^½ A⁻¹ is the derivative of 2 Tr (S S')^½ with respect to S. The standard
    error of the distance is the spread of the influences divided by √N (the delta method): no resampling, and one
    decomposition serves both.
    """

    distance: float
    """`frechet_distance`, up to rounding."""
    mean: Floats
    """(D,), m."""
    shift: Floats
    """(D,), m - m'."""
    form: Floats
    """(D, D), I - T."""
    level: float
    """Tr((I - T) S)."""

    @classmethod
    def of(cls, one: GaussianSums, other: GaussianSums) -> "FrechetSlope":
        """Differentiate the distance with respect to the features of `one`; `other` is held fixed.

        T is 0 in directions in which `one` does not vary, such as those left when it has fewer features than
        dimensions.

        Raises:
            ValueError: as in `frechet_distance`.
        """
        first = one.covariance
        factor = _factor(first)
        values, axes = np.linalg.eigh(_between(factor, one, other))
        root = _solved(factor, axes * values.clip(min=0) ** 0.25)
        form = np.eye(len(first)) - root @ root.T
        return cls(_distance(one, other, values), one.mean, one.mean - other.mean, form, float((form * first).sum()))

    def influences(self, features: NDArray[np.floating]) -> Floats:
        """(N, D) features of the first set -> (N,), of mean 0 over the whole set, but for the N - 1 of covariances."""
        away = features.astype(np.float64) - self.mean
        found: Floats = 2 * away @ self.shift + ((away @ self.form) * away).sum(axis=1) - self.level
        return found


def _factor(covariance: Floats) -> Floats:
    """Return A, (D, R), with A Aᵀ = S: by Cholesky if S is regular, else from its eigenvectors, which takes longer.

    R is the number of directions in which features vary by more than rounding.
    """
    least = np.trace(covariance) * len(covariance) * np.finfo(np.float64).eps  # no eigenvalue exceeds the trace
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
    """Return the smallest X with Aᵀ X = `wanted`."""
    if factor.shape[0] == factor.shape[1]:
        return np.asarray(np.linalg.solve(factor.T, wanted), np.float64)
    return np.asarray(factor / np.square(factor).sum(axis=0) @ wanted)  # from eigenvectors: columns are orthogonal


def _between(factor: Floats, one: GaussianSums, other: GaussianSums) -> Floats:
    """Return Aᵀ S' A, (R, R)."""
    if one.total.shape != other.total.shape:
        raise ValueError(
            f"features of {one.total.size} and of {other.total.size} dimensions: take both from one network"
        )
    between: Floats = factor.T @ other.covariance @ factor
    return between


def _distance(one: GaussianSums, other: GaussianSums, values: Floats) -> float:
    """Compute the distance from the eigenvalues of Aᵀ S' A."""
    shift = one.mean - other.mean
    traces = np.trace(one.covariance) + np.trace(other.covariance)
    return float(shift @ shift + traces - 2 * np.sqrt(values.clip(min=0)).sum())
