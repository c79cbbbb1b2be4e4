"""Depth of a flat picture by a network that knows such pictures: one view, which is the picture itself."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.panorama_depth import InverseDepth
from ldm3d.immersive.view_alignment import FLAT
from ldm3d.reject import Reason, Rejected

LARGEST = 1_536
"""Pixels along the longer side of what a network sees. Most resize pictures to 384 or 518, and Depth Pro to as many as
these; GLPN and DPT on DINOv2 take them as they are, in memory that grows with their pixels, or with the square."""
LEAST = 32
"""Pixels along the shorter side: networks see patches or steps of up to 32."""
LONGEST = 16
"""Times as long as the other a side may be: beyond, the shorter one becomes less than a patch."""


def estimate_flat_depth(picture: NDArray[np.uint8], inverse_depth: InverseDepth) -> NDArray[np.float32]:
    """Estimate the depth of a flat picture.

        estimate_flat_depth(picture, estimator.inverse_depth)  # estimator: a DepthEstimator

    Args:
        picture: (H, W, 3) uint8, sRGB. One with a side of more than `LARGEST` pixels is shown smaller, and its map
            enlarged.

    Returns:
        (H, W) float32: what the network gives, 1 / z along the axis, larger = nearer. In 1 / m if it is metric; else
        of any scale and shift.

    Raises:
        Rejected: as `check_shape`, or the network's map is not finite, or constant.
    """
    height, width = picture.shape[:2]
    check_shape(height, width)
    share = min(1.0, LARGEST / max(height, width))
    size = (round(width * share), round(height * share))
    seen = picture if share == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    found: NDArray[np.float32] = inverse_depth(seen[None])[0].float().cpu().numpy()
    if not np.isfinite(found).all():
        raise Rejected(Reason.DEPTH_FAILED, "the depth model's map of the picture is not finite")
    if np.ptp(found) <= FLAT * np.abs(found).max():
        raise Rejected(Reason.DEPTH_FAILED, "the depth model sees the same depth everywhere in the picture")
    if share == 1:
        return found
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def check_shape(height: int, width: int) -> None:
    """Check that networks can see a picture of this size.

    Raises:
        Rejected: they cannot.
    """
    short, long = sorted((height, width))
    wanted = None
    if short < LEAST:
        wanted = f"{LEAST} pixels or more in both directions"
    elif long > LONGEST * short:
        wanted = f"no side of more than {LONGEST} times the other"
    if wanted is not None:
        raise Rejected(Reason.TOO_SMALL, f"{width} x {height}, wanted {wanted}: a depth model sees nothing in it")
