"""Depth of a panorama by a network that knows perspective pictures: of views, aligned where they overlap, and blended.

On the panorama itself such a network is wrong: it takes it for a perspective picture, knows nothing of what lies
beyond its left and right edges, and leaves a step there.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ldm3d.immersive import sphere
from ldm3d.immersive.tangent_views import TangentViews
from ldm3d.immersive.view_alignment import align
from ldm3d.reject import Reason, Rejected

InverseDepth = Callable[[NDArray[np.uint8]], Tensor]
"""(N, S, S, 3) uint8 RGB -> (N, S, S) float, 1 / z along the axis, of any scale and shift in each picture or in 1 / m:
`DepthEstimator.inverse_depth` of `ldm3d.depth`."""

DIRECTIONS = 8_192  # in which views are compared
AT_ONCE = 65_536  # pixels that are blended at a time, which bounds memory


def estimate_depth(
    picture: NDArray[np.uint8],
    inverse_depth: InverseDepth,
    *,
    metric: bool = False,
    views: TangentViews | None = None,
    batch_size: int = 4,
) -> NDArray[np.float32]:
    """Estimate the depth of a panorama.

        estimate_depth(picture, estimator.inverse_depth, metric=estimator.inverts)  # estimator: a DepthEstimator

    Args:
        picture: (H, 2 H, 3) uint8, sRGB.
        metric: the network gives 1 / metre; then views are brought to their common scale only.
        views: `TangentViews()` by default.
        batch_size: views per forward pass.

    Returns:
        (H, 2 H) float32: 1 / distance along the ray, larger = nearer, 0 is infinitely far. In 1 / m if metric; else
        of a scale at which its mean over the sphere is 1.

    Raises:
        ValueError: the picture is no panorama.
        Rejected: the network's maps are not finite, or constant everywhere.
    """
    views = views or TangentViews()
    pictures = views.cut(picture)
    maps = [
        inverse_depth(pictures[first : first + batch_size]).float().cpu().numpy()
        for first in range(0, len(pictures), batch_size)
    ]
    return merge(np.concatenate(maps), views, len(picture), metric=metric)


def merge(
    maps: NDArray[np.floating], views: TangentViews, height: int, *, metric: bool = False
) -> NDArray[np.float32]:
    """Make one map of those of the views of a panorama, for callers that run the network themselves.

    Args:
        maps: (N, S, S), inverse depth of what `views.cut` gave.
        height: H, of the panorama.
        metric: as for `estimate_depth`, as is what is returned and raised.
    """
    if not np.isfinite(maps).all():
        raise Rejected(Reason.DEPTH_FAILED, "the depth model's maps of the panorama's views are not all finite")
    alignment = align(views.look_up(maps, evenly(DIRECTIONS)), metric=metric)
    rays = sphere.directions(height, 2 * height).reshape(-1, 3)
    parts = [
        alignment.blend(views.look_up(maps, rays[first : first + AT_ONCE])) for first in range(0, len(rays), AT_ONCE)
    ]
    return np.concatenate(parts).reshape(height, 2 * height)


def evenly(count: int) -> NDArray[np.float64]:
    """Return unit vectors that lie evenly on the sphere, (count, 3): a spiral, each a golden angle after the other."""
    place = np.arange(count)
    y = 1 - (2 * place + 1) / count
    flat, turn = np.sqrt(1 - y**2), place * np.pi * (3 - np.sqrt(5))
    return np.stack([flat * np.sin(turn), y, -flat * np.cos(turn)], axis=-1)
