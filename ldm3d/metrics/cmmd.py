"""CMMD: the maximum mean discrepancy of CLIP's embeddings of pictures (Jayasumana et al. 2024, arXiv 2401.09603).

    1000 (mean k(x, x') + mean k(y, y') - 2 mean k(x, y)),   k(x, y) = exp(-|x - y|² / (2 · 10²))

Means are over all pairs, each embedding with itself included, as in the paper's code: the biased estimator of least
variance (Gretton et al. 2012, equation 5), which is never below 0. Embeddings have unit length, so that all kernels
are within 2 % of 1: sums are of k - 1, whose digits would be lost beside the ones, which cancel.
"""

import numpy as np
from numpy.typing import NDArray

from ldm3d.metrics.pairs import squared_distances

SIGMA, SCALE = 10.0, 1_000.0  # the paper's


def cmmd(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Return the distance of two sets of embeddings of unit length, (N, D) and (M, D)."""
    own, across, others = (mean_kernel(*pair) for pair in ((one, one), (one, other), (other, other)))
    return SCALE * float(own.mean() - 2 * across.mean() + others.mean())


def mean_kernel(some: NDArray[np.floating], everything: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return (M,): the mean of k - 1 of each of (M, D) embeddings with all of (N, D)."""
    total = np.zeros(len(some))
    for distances in squared_distances(some, everything):
        total += np.expm1(distances / (-2 * SIGMA**2)).sum(axis=1)
    return total / len(everything)
