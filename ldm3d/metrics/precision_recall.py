"""Precision and recall of generated pictures (Kynkäänniemi et al. 2019, arXiv 1904.06991).

The manifold of a set is the union of balls around its features, each of which reaches to the third nearest neighbour.
Precision is the share of generated features within the manifold of the real ones: how many look real. Recall is the
share of real features within that of the generated ones: how much of what is real can be drawn.
"""

import numpy as np
from numpy.typing import NDArray

from ldm3d.metrics.pairs import squared_distances

NEIGHBOURS = 3  # the paper's


def precision_recall(one: NDArray[np.floating], real: NDArray[np.floating]) -> tuple[float, float]:
    """Return precision and recall of (N, D) features of generated pictures; NaN for a manifold of fewer than four."""
    precision = is_within(one, real, squared_radii(real, real)).mean()
    return float(precision), float(is_within(real, one, squared_radii(one, one)).mean())


def squared_radii(some: NDArray[np.floating], everything: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the squared distance of each feature to its third nearest neighbour.

    Args:
        some: (M, D), some of `everything`.
        everything: (N, D), finite.

    Returns:
        (M,); NaN if there are fewer than three neighbours.
    """
    nearest = np.full((len(some), NEIGHBOURS + 1), np.nan)  # the nearest is the feature itself, at 0
    for distances in squared_distances(some, everything):
        both = np.concatenate([nearest, distances], axis=1)
        nearest = np.partition(both, NEIGHBOURS, axis=1)[:, : NEIGHBOURS + 1]  # NaN comes last
    return np.asarray(nearest.max(axis=1), np.float64)


def is_within(
    some: NDArray[np.floating], everything: NDArray[np.floating], radii: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Say of each feature whether it is in the manifold of others.

    Args:
        some: (M, D).
        everything: (N, D), the centres of the balls.
        radii: (N,), their `squared_radii`.

    Returns:
        (M,) 1 or 0; NaN for a feature that is not finite, and for all if there is no manifold.
    """
    found, start = np.zeros(len(some), np.bool_), 0
    for distances in squared_distances(some, everything):
        stop = start + distances.shape[1]
        found |= (distances <= radii[start:stop]).any(axis=1)
        start = stop
    defined = np.isfinite(some).all(axis=1) & np.isfinite(radii).any()
    return np.where(defined, found, np.nan)
