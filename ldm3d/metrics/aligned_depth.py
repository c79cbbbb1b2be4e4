"""Relative inverse depth against metric depth: aligned by least squares, then scored in metres (paper, section 4.3).

The paper aligns scale and shift of each sample in disparity, on random points where both maps are valid, and inverts.
It gives neither the number of points nor the treatment of pixels that the alignment puts at or beyond infinity. A few
such pixels decide the result: 0.1 % of them turned an RMSE of 1.4 m into 35 m. So both usual rules are reported:
`capped`, as in MiDaS's evaluation, and `literal`, which leaves such pixels out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

POINTS = 1_000  # from 500 on, errors agree to 1 % with those of an alignment on all points
FEWEST = 10  # valid pixels; an alignment on fewer means nothing
MAX_DEPTH_M = 10.0  # the range of ZoeDepth-N, the paper's reference


class DepthErrors(NamedTuple):
    """Errors over the pixels of one sample; NaN if there are none."""

    abs_rel: float
    """Mean of |z' - z| / z."""
    rmse_m: float
    """√ of the mean of (z' - z)², in metres."""
    delta1: float
    """Share of pixels with max(z'/z, z/z') below 1.25."""
    silog: float
    """100 √(Var[ln z' - ln z]), as ZoeDepth's evaluation defines it."""


class AlignedDepth(NamedTuple):
    """How one sample compares with metric depth."""

    capped: DepthErrors
    literal: DepthErrors
    scale: float
    """Factor from disparity to 1 / m; NaN if the sample could not be aligned. Below 0 it swaps near and far; such a
    sample counts all the same."""
    shift: float
    """Added after scaling, 1 / m; NaN if the sample could not be aligned."""
    valid: int
    """Pixels compared."""
    beyond: int
    """Those of them that the alignment put at infinity or behind the camera; left out of `literal`."""
    far: int
    """Those that it put beyond the cap, `beyond` included; `capped` has them at the cap."""


def score_aligned(
    disparity: NDArray[np.generic],
    depth_m: NDArray[np.floating],
    *,
    seed: int,
    points: int = POINTS,
    max_depth_m: float = MAX_DEPTH_M,
) -> AlignedDepth:
    """Compare one sample with metric depth.

    Args:
        disparity: (H, W), relative inverse depth of any scale and shift, larger = nearer, such as a sample's uint16
            depth; invalid where it is below 0 or not finite.
        depth_m: (H, W), metric depth; invalid where it is not above 0, not finite, or beyond the cap, where capped
            depth could never be right.
        seed: seed of the random points, to be derived from the sample's key.
        points: how many points to draw; all valid pixels if there are fewer.
        max_depth_m: the cap.

    Returns:
        NaN and counts if fewer than ten pixels are valid, or disparity is constant over them.

    Raises:
        ValueError: the maps differ in size.
    """
    p, z, valid = comparable(disparity, depth_m, max_depth_m)
    p, z = p[valid], z[valid]
    scale, shift = fit_disparity(p, 1 / z, points, seed) if len(p) >= FEWEST and np.ptp(p) > 0 else (np.nan, np.nan)
    aligned = scale * p + shift
    beyond, far = aligned <= 0, aligned < 1 / max_depth_m
    return AlignedDepth(
        capped=_errors(1 / np.maximum(aligned, 1 / max_depth_m), z),
        literal=_errors(1 / aligned[~beyond], z[~beyond]),
        scale=scale,
        shift=shift,
        valid=len(p),
        beyond=int(beyond.sum()),
        far=int(far.sum()),
    )


def comparable(
    disparity: NDArray[np.generic], depth_m: NDArray[np.floating], max_depth_m: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return disparity and metres as float64, (H, W), and which pixels can be compared, as `score_aligned` says.

    Raises:
        ValueError: the maps differ in size.
    """
    if disparity.shape != depth_m.shape:
        raise ValueError(
            f"disparity {disparity.shape}, depth {depth_m.shape}: resize disparity to the reference's size"
        )
    p, z = disparity.astype(np.float64), depth_m.astype(np.float64)
    valid = np.isfinite(p) & np.isfinite(z)
    valid[valid] = (p[valid] >= 0) & (z[valid] > 0) & (z[valid] <= max_depth_m)
    return p, z, valid


def fit_disparity(
    p: NDArray[np.float64],
    t: NDArray[np.float64],
    points: int,
    seed: int,
    areas: NDArray[np.float64] | None = None,
) -> tuple[float, float]:
    """Fit scale p + shift = t by least squares on random points.

    Args:
        p, t: (N,) disparity, and 1 / depth.
        points: how many to draw; all if there are fewer.
        areas: (N,) above 0, by which points are drawn; all alike if None.
    """
    if points < len(p):
        odds = None if areas is None else areas / areas.sum()
        drawn = np.random.default_rng(seed).choice(len(p), points, replace=False, p=odds)
        p, t = p[drawn], t[drawn]
    (scale, shift), *_ = np.linalg.lstsq(np.stack([p, np.ones_like(p)], axis=1), t)
    return float(scale), float(shift)


def _errors(found: NDArray[np.float64], z: NDArray[np.float64]) -> DepthErrors:
    if not len(z) or not np.isfinite(found).all():
        return DepthErrors(np.nan, np.nan, np.nan, np.nan)
    logs = np.log(found) - np.log(z)
    return DepthErrors(
        abs_rel=float(np.mean(np.abs(found - z) / z)),
        rmse_m=float(np.sqrt(np.mean((found - z) ** 2))),
        delta1=float(np.mean(np.abs(logs) < np.log(1.25))),
        silog=float(100 * logs.std()),
    )
