"""Distances between all pairs of two sets of features, in blocks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

BLOCK = 1_024  # features; beside 4,096 others a block of distances takes 34 MB


def squared_distances(some: NDArray[np.floating], everything: NDArray[np.floating]) -> Iterator[NDArray[np.float64]]:
    """Yield |x - y|² of each of (M, D) features with all of (N, D), in float64: blocks of columns, (M, up to 1024)."""
    wide = some.astype(np.float64)
    norms = np.square(wide).sum(axis=1)[:, None]
    for start in range(0, len(everything), BLOCK):
        block = everything[start : start + BLOCK].astype(np.float64)
        distances = norms + np.square(block).sum(axis=1) - 2 * wide @ block.T
        yield np.maximum(distances, 0, out=distances)  # rounding may leave -1e-16; NaN stays
