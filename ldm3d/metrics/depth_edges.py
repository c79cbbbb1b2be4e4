"""How well the edges of a depth map are those of its reference: the boundary F1 of Depth Pro (arXiv 2410.02073).

An edge leads from a pixel to a neighbour, right, left, above or below, that is farther by more than some ratio. F1 is
that of the edges of both maps for a ratio, and the score is its mean over ten ratios from 1.05 to 1.25, weighted by
them. Edges are counted over all neighbours, as the paper's equations say; its code averages the four directions.
Precision is the share of the map's edges that its reference has too, recall the share of the reference's that the map
has: blurred depth loses recall, edges that are not there lose precision.

It does not change with the scale of a map, but does with the shift of inverse depth: align maps first.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATIOS = np.linspace(1.05, 1.25, 10)


class Edges(NamedTuple):
    """How the edges of a depth map agree with those of its reference: means over the ratios, weighted by them.

    0 to 1. A ratio is left out of a mean where that has nothing to count; NaN if all ratios are.
    """

    f1: float
    """Of the ratios for which either map has edges."""
    precision: float
    """Of the ratios for which the map has edges."""
    recall: float
    """Of the ratios for which the reference has edges."""


def edge_f1(
    found: NDArray[np.floating], reference: NDArray[np.floating], areas: NDArray[np.floating] | None = None
) -> float:
    """Return the boundary F1 alone: arguments, range and errors are those of `compare_edges`."""
    return compare_edges(found, reference, areas).f1


def compare_edges(
    found: NDArray[np.floating], reference: NDArray[np.floating], areas: NDArray[np.floating] | None = None
) -> Edges:
    """Compare the edges of two depth maps.

    Args:
        found, reference: (H, W), depth above 0 of any scale each. Pixels at which either is not finite or not above 0
            have no edges.
        areas: (H, W), how much each pixel counts; a pair of neighbours counts as the mean of both. None counts all
            alike.

    Raises:
        ValueError: the maps differ in size.
    """
    if found.shape != reference.shape:
        raise ValueError(f"maps of {found.shape} and {reference.shape}: resize one to the size of the other")
    logs = np.stack([found, reference]).astype(np.float64)
    logs = np.log(np.where((np.isfinite(logs) & (logs > 0)).all(axis=0), logs, np.nan))
    steps = np.concatenate([np.diff(logs, axis=axis).reshape(2, -1) for axis in (1, 2)], axis=1)  # down, across
    known = np.isfinite(steps[0])
    steps, counts = steps[:, known], _of_pairs(np.ones(found.shape) if areas is None else areas)[known]
    # a step up is an edge one way, a step down the other way: an edge is shared if both maps step the same way
    heights = np.abs(steps)
    shared = np.where(steps[0] * steps[1] > 0, heights.min(axis=0), 0)
    common, own, wanted = (_higher(each, counts) for each in (shared, *heights))
    return Edges(_mean(2 * common, own + wanted), _mean(common, own), _mean(common, wanted))


def _mean(common: NDArray[np.float64], edges: NDArray[np.float64]) -> float:
    """Return the mean share of edges that are common, (10,) each by ratio; NaN where there are none."""
    has_edges = edges > 0
    if not has_edges.any():
        return np.nan
    return float(np.average(common[has_edges] / edges[has_edges], weights=RATIOS[has_edges]))


def _of_pairs(areas: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return how much each pair of neighbours counts, in the order of the steps between them."""
    across, down = areas[:, 1:] + areas[:, :-1], areas[1:] + areas[:-1]
    return np.concatenate([down.ravel(), across.ravel()]) / 2


def _higher(heights: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up the counts of the (M,) heights, in logarithms, above each ratio."""
    return np.array([counts[heights > np.log(ratio)].sum() for ratio in RATIOS])
