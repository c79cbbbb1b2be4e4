"""The kernel distance between two sets of features: KID, where features are Inception's (arXiv 1801.01401)."""

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
    """The mean of unbiased estimates from random subsets, and their standard deviation.

    It does not depend on how many features there are, as the Fréchet distance does. Subsets of one seed are those of
    torch-fidelity.

    Args:
        one, other: (N, D) and (M, D).

    Raises:
        ValueError: there are fewer features than a subset has.
    """
    found = [
        squared_discrepancy(one[first], other[second])
        for first, second in random_subsets(len(one), len(other), subsets, subset_size, seed)
    ]
    return float(np.mean(found)), float(np.std(found))


def random_subsets(
    count: int, others: int, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = SEED
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Which of so many features each subset is of: (subset_size,) of one set, and of the other.

    Raises:
        ValueError: there are fewer features than a subset has.
    """
    fewest = min(count, others)
    if not 2 <= subset_size <= fewest:
        raise ValueError(f"subsets of {subset_size} features of {fewest}, wanted 2 to {fewest}: lower the subset size")
    random = np.random.RandomState(seed)
    for _ in range(subsets):
        first = random.choice(count, subset_size, replace=False)
        yield first, random.choice(others, subset_size, replace=False)


def squared_discrepancy(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """MMD² of two samples, (n, D) each, without bias: no feature is compared with itself."""
    first, second, count = one.astype(np.float64), other.astype(np.float64), len(one)
    own, others, across = _kernel(first, first), _kernel(second, second), _kernel(first, second)
    within = own.sum() - np.trace(own) + others.sum() - np.trace(others)
    return float(within / (count * (count - 1)) - 2 * across.mean())


def _kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x · y / D + 1)³"""
    affine: NDArray[np.float64] = one @ other.T / one.shape[1] + 1
    return affine * affine * affine  # numpy's power takes as long as the product of matrices
