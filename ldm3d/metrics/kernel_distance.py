"""The kernel distance between two sets of features: KID, for Inception's (arXiv 1801.01401)."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SUBSETS, SUBSET_SIZE, SEED = 100, 1_000, 2020  # torch-fidelity's


def kernel_distance(
    one: NDArray[np.floating],
    other: NDArray[np.floating],
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> tuple[float, float]:
    """Return mean and standard deviation of unbiased estimates on random subsets, torch-fidelity's for that seed.

    Unlike the Fréchet distance, it does not depend on the number of features.

    Args:
        one, other: (N, D) and (M, D).

    Raises:
        ValueError: a set has fewer features than a subset needs.
    """
    found = [
        discrepancy_and_influences(one[first], other[second])[0]
        for first, second in random_subsets(len(one), len(other), subsets, subset_size, seed)
    ]
    return float(np.mean(found)), float(np.std(found))


def random_subsets(
    count: int, others: int, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = SEED
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield random subsets of two sets of `count` and `others` features: places in either, (subset_size,) each.

    Raises:
        ValueError: a set has fewer features than a subset needs.
    """
    fewest = min(count, others)
    if not 2 <= subset_size <= fewest:
        raise ValueError(f"subsets of {subset_size} features of {fewest}, wanted 2 to {fewest}: lower the subset size")
    random = np.random.RandomState(seed)
    for _ in range(subsets):
        first = random.choice(count, subset_size, replace=False)
        yield first, random.choice(others, subset_size, replace=False)


def discrepancy_and_influences(
    one: NDArray[np.floating], other: NDArray[np.floating]
) -> tuple[float, NDArray[np.float64]]:
    """Return the unbiased MMD² of two samples, (n, D) each, and (n,) the influence of each feature of `one` on it.

    No feature is compared with itself.

    An influence is twice the mean kernel with the rest of its own set, less twice that with the other set. The spread
    of influences divided by √N is the standard error of the distance of N features, with the other set held fixed
    (Serfling 1980, 5.2). It is too large for equal distributions, where the error is of higher order.
    """
    first, second, count = one.astype(np.float64), other.astype(np.float64), len(one)
    own, others, across = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    alone = own.sum(axis=1) - own.diagonal()
    within = alone.sum() + others.sum() - np.trace(others)
    value = float(within / (count * (count - 1)) - 2 * across.mean())
    return value, 2 * (alone / (count - 1) - across.mean(axis=1))


def _kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x · y / D + 1)³"""
    affine: NDArray[np.float64] = one @ other.T / one.shape[1] + 1
    return affine * affine * affine  # numpy's power would take as long as the matrix product
