"""The kernel distance between two sets of features: KID, where features are Inception's (arXiv 1801.01401)."""

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
    fewest = min(len(one), len(other))
    if not 2 <= subset_size <= fewest:
        raise ValueError(f"subsets of {subset_size} features of {fewest}, wanted 2 to {fewest}: lower the subset size")
    random = np.random.RandomState(seed)
    found = []
    for _ in range(subsets):
        first = one[random.choice(len(one), subset_size, replace=False)]
        second = other[random.choice(len(other), subset_size, replace=False)]
        found.append(_squared_discrepancy(first.astype(np.float64), second.astype(np.float64)))
    return float(np.mean(found)), float(np.std(found))


def _squared_discrepancy(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """MMD² of two samples of n, without bias: no feature is compared with itself."""
    count = len(one)
    own, others, across = _kernel(one, one), _kernel(other, other), _kernel(one, other)
    within = own.sum() - np.trace(own) + others.sum() - np.trace(others)
    return float(within / (count * (count - 1)) - 2 * across.mean())


def _kernel(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(x · y / D + 1)³"""
    kernel: NDArray[np.float64] = (one @ other.T / one.shape[1] + 1) ** 3
    return kernel
