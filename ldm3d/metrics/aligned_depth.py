"""Relative inverse depth against metric depth: aligned by least squares, then scored in metres (paper, section 4.3).

The paper aligns scale and shift of each sample in disparity, on points drawn at random from where both maps are valid,
and inverts. It says neither how many points nor what becomes of pixels that the alignment puts at or beyond infinity.
A few decide the result: 0.1 % of them made an RMSE of 35 m of 1.4 m. So both usual rules are reported: `capped`, as in
MiDaS's evaluation, and `literal`, which leaves such pixels out.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

POINTS = 1_000  # from 500 on, all points of a picture give the same errors to 1 %
FEWEST = 10  # valid pixels; an alignment of fewer says nothing
MAX_DEPTH_M = 10.0  # the range of ZoeDepth-N, the paper's reference


class DepthErrors(NamedTuple):
    """Means over the pixels of one sample, NaN where there are none.

    abs_rel: |z' - z| / z.  rmse_m: √ of (z' - z)², in metres.  delta1: share of max(z'/z, z/z') below 1.25.
    silog: 100 √(Var[ln z' - ln z]), as ZoeDepth's evaluation defines it.
    """

    abs_rel: float
    rmse_m: float
    delta1: float
    silog: float


class AlignedDepth(NamedTuple):
    """How one sample compares.

    scale, shift: what disparity was multiplied by and what was added, for 1 / m; NaN where it could not be aligned. A
        scale below 0 means that near and far were taken for each other; the sample counts all the same.
    valid: pixels that were compared.
    beyond: those of them that alignment put at infinity or behind the camera; left out of `literal`.
    far: those that it put beyond the cap or at `beyond`; at the cap in `capped`.
    """

    capped: DepthErrors
    literal: DepthErrors
    scale: float
    shift: float
    valid: int
    beyond: int
    far: int


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
        disparity: (H, W), relative inverse depth of any scale and shift, larger = nearer; invalid where it is below 0
            or not finite. A sample's uint16 depth is one.
        depth_m: (H, W), metric depth; invalid where it is not above 0, not finite, or beyond the cap: what is capped
            could not be right there.
        seed: of the points, to come from the sample's key.
        points: how many are drawn; all, if there are fewer.
        max_depth_m: the cap.

    Returns:
        NaN and counts where fewer than ten pixels are valid, or disparity is the same in all of them.

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
    p, z = p[valid], z[valid]
    scale, shift = _fit(p, 1 / z, points, seed) if len(p) >= FEWEST and np.ptp(p) > 0 else (np.nan, np.nan)
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


def _fit(p: NDArray[np.float64], t: NDArray[np.float64], points: int, seed: int) -> tuple[float, float]:
    """Scale and shift of least squares: scale p + shift = t, on points drawn at random."""
    if points < len(p):
        drawn = np.random.default_rng(seed).choice(len(p), points, replace=False)
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
