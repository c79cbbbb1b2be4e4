"""Depth of panoramas against metric distance: by area on the sphere, where a row counts as its latitude's cosine.

Aligned as depth of flat pictures is (`ldm3d.metrics.aligned_depth`): scale and shift in disparity, on random points,
then capped. Counted by pixels, floor and ceiling would decide much: the upper and the lower sixth of a panorama's rows
are a third of its pixels, and an eighth of what is around.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ldm3d.metrics.aligned_depth import FEWEST, MAX_DEPTH_M, POINTS, comparable, fit_disparity
from ldm3d.metrics.depth_edges import Edges, compare_edges

NOTHING = (math.nan,) * 10  # of a panorama that cannot be compared


class PanoramaDepth(NamedTuple):
    """How the depth of one panorama compares with metric distance; NaN where it cannot be compared.

    z' is the distance that its depth is aligned to, z the reference, and means are by area.
    """

    abs_rel: float
    """Mean of |z' - z| / z, which is also called MARE."""
    rmse_m: float
    """√ of the mean of (z' - z)², in metres."""
    delta1: float
    """Share of the area with max(z'/z, z/z') below 1.25."""
    delta2: float
    """Below 1.25²."""
    delta3: float
    """Below 1.25³."""
    edge_f1: float
    """The boundary F1 of `ldm3d.metrics.depth_edges`, across the seam too, by area."""
    edge_precision: float
    """The share of its edges that the reference has; NaN as well if it has none."""
    edge_recall: float
    """The share of the reference's edges that it has; NaN as well if the reference has none."""
    scale: float
    """Factor from disparity to 1 / m. Below 0 it swaps near and far; such a sample counts all the same."""
    shift: float
    """Added after scaling, 1 / m."""
    valid: int
    """Pixels compared."""
    far: int
    """Those of them that the alignment put beyond the cap, and that are taken to be at it."""


def row_areas(height: int) -> NDArray[np.float64]:
    """Return what a pixel of each row covers, (H,), in units of one at the equator: the cosine of its latitude."""
    return np.cos(((np.arange(height) + 0.5) / height - 0.5) * np.pi)


def score_panorama(
    disparity: NDArray[np.generic],
    distance_m: NDArray[np.floating],
    *,
    seed: int,
    points: int = POINTS,
    max_depth_m: float = MAX_DEPTH_M,
) -> PanoramaDepth:
    """Compare one panorama with metric distance.

    Args:
        disparity: (H, 2 H), relative inverse distance of any scale and shift, larger = nearer, such as a sample's
            uint16 depth; invalid where it is below 0 or not finite.
        distance_m: (H, 2 H), metres along the ray; invalid where it is not above 0, not finite, or beyond the cap.
        seed: seed of the random points, to be derived from the sample's key.
        points: how many points to draw, by area; all valid pixels if there are fewer.
        max_depth_m: the cap.

    Returns:
        NaN and counts if fewer than ten pixels are valid, or disparity is constant over them.

    Raises:
        ValueError: the maps differ in size.
    """
    p, z, valid = comparable(disparity, distance_m, max_depth_m)
    areas = np.broadcast_to(row_areas(p.shape[0])[:, None], p.shape)
    count = int(valid.sum())
    if count < FEWEST or np.ptp(p[valid]) == 0:
        return PanoramaDepth(*NOTHING, valid=count, far=0)
    scale, shift = fit_disparity(p[valid], 1 / z[valid], points, seed, areas[valid])
    inverse = scale * p + shift
    aligned = 1 / np.maximum(inverse, 1 / max_depth_m)
    return PanoramaDepth(
        *_errors(aligned[valid], z[valid], areas[valid]),
        *_edges(np.where(valid, aligned, np.nan), z, areas),
        scale=scale,
        shift=shift,
        valid=count,
        far=int((inverse[valid] < 1 / max_depth_m).sum()),
    )


def _errors(
    found: NDArray[np.float64], z: NDArray[np.float64], areas: NDArray[np.float64]
) -> tuple[float, float, float, float, float]:
    def mean(values: NDArray[Any]) -> float:
        return float(np.average(values, weights=areas))

    logs = np.abs(np.log(found / z))
    first, second, third = (mean(logs < power * np.log(1.25)) for power in (1, 2, 3))
    return mean(np.abs(found - z) / z), float(np.sqrt(mean((found - z) ** 2))), first, second, third


def _edges(found: NDArray[np.float64], z: NDArray[np.float64], areas: NDArray[np.float64]) -> Edges:
    """Compare edges after the first column was put behind the last one, too."""
    maps = (np.concatenate([each, each[:, :1]], axis=1) for each in (found, z, areas))
    return compare_edges(*maps)
