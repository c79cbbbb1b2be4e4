"""What lies behind, drawn by a model of pictures with depth: patterns and things go on where a fill only has a shade.

flood      what is near is taken away, twice as far as is kept, and the far sides grow in its place  (background)
redraw     the model draws that part again, colour and depth in one
fit        what it drew is shifted to meet the far sides of tears (P. Pérez, M. Gangnet, A. Blake: Poisson Image
           Editing, 2003), in colours and in inverse distance, and put where the flood reached
"""

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ldm3d.immersive.background import CLEARLY, REACH, ROUNDS, SEED, Background, flood, smooth
from ldm3d.immersive.tears import STEEPEST
from ldm3d.rgbd import DEPTH_MAX

Redraw = Callable[
    [NDArray[np.uint8], NDArray[np.uint16], NDArray[np.bool_]], tuple[NDArray[np.uint8], NDArray[np.uint16]]
]
"""Draws part of a panorama again: picture (h, 2 h, 3), relative inverse depth (h, 2 h), larger is nearer, and where,
(h, 2 h) -> picture and depth, of which the rest is not read."""

AWAY = 2  # times the reach: what is near must not be seen beside what is drawn behind it
AROUND = 2  # pixels that are drawn again beside what is hidden, at the size of the drawing, to be compared there


def inpaint(
    picture: NDArray[np.uint8],
    distance: NDArray[np.floating],
    redraw: Redraw,
    *,
    height: int | None = None,
    steepest: float = STEEPEST,
    reach: float = REACH,
) -> Background:
    """Continue a panorama behind what is near, by a model.

    Args:
        picture: (H, 2 H, 3) uint8.
        distance: (H, 2 H), metres; NaN where there is no surface.
        redraw: see `Redraw`; `ldm3d.sampling.redrawing` makes one of a model.
        height: h, that the model draws at; None is H.
        steepest: the angle beyond which a surface is torn, in degrees.
        reach: degrees that are kept of what is behind.

    Raises:
        ValueError: as `flood`, or the height is below 1.
    """
    if height is not None and height < 1:
        raise ValueError(f"height is {height}, wanted pixels from 1, or None for that of the panorama")
    behind = flood(picture, distance, steepest, AWAY * reach)
    ring = np.where(behind.ring > SEED + math.ceil(reach / 180 * len(picture)), 0, behind.ring)
    is_hidden = ring > SEED
    if not is_hidden.any():
        return flood(picture, distance, steepest, reach)

    inverse = 1 / np.where(behind.ring > SEED, behind.distance, distance)  # NaN where there is no surface
    drawn = _redrawn(behind.picture, inverse, behind.ring > SEED, redraw, height or len(picture))
    seen = np.concatenate([1 / distance[..., None], picture], axis=-1)
    values = drawn + _membrane(np.where((ring == SEED)[..., None], seen - drawn, 0), ring)
    values[..., 0] = np.clip(values[..., 0], np.nanmin(inverse), seen[..., 0] / CLEARLY)  # behind what is seen
    colours = np.where(is_hidden[..., None], np.clip(np.round(values[..., 1:]), 0, 255), picture).astype(np.uint8)
    return Background(colours, np.where(is_hidden, 1 / np.where(is_hidden, values[..., 0], 1), np.nan), ring)


def _redrawn(
    picture: NDArray[np.uint8], inverse: NDArray[np.float64], hidden: NDArray[np.bool_], redraw: Redraw, height: int
) -> NDArray[np.float64]:
    """Draw what is hidden, (H, 2 H, 4): inverse distance and colours. Elsewhere it means nothing."""
    low, high = np.nanmin(inverse), np.nanmax(inverse)
    near = (np.nan_to_num(inverse, nan=low) - low) / max(high - low, 1e-12)
    size = (2 * height, height)
    wanted = _grown(cv2.resize(hidden.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0)
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
    depth = np.round(cv2.resize(near, size, interpolation=cv2.INTER_AREA) * DEPTH_MAX).astype(np.uint16)
    colours, depth = redraw(small, depth, wanted)
    both = np.concatenate([depth[..., None] / DEPTH_MAX * (high - low) + low, colours], axis=-1)
    return _enlarged(both, picture.shape[0])


def _grown(wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Add the pixels around, across the seam too."""
    sides = np.pad(wanted, ((0, 0), (AROUND, AROUND)), mode="wrap").astype(np.uint8)
    grown = cv2.dilate(sides, np.ones((2 * AROUND + 1, 2 * AROUND + 1), np.uint8))
    return grown[:, AROUND:-AROUND].astype(bool)


def _enlarged(values: NDArray[np.float64], height: int) -> NDArray[np.float64]:
    """Resize a panorama (h, 2 h, C) to (H, 2 H, C), across the seam."""
    if len(values) == height:
        return values
    sides = np.pad(values, ((0, 0), (1, 1), (0, 0)), mode="wrap")
    beside = math.ceil(height / len(values))
    wide: NDArray[Any] = cv2.resize(sides, (2 * height + 2 * beside, height), interpolation=cv2.INTER_LINEAR)
    return wide[:, beside:-beside]


def _membrane(differences: NDArray[np.float64], ring: NDArray[np.int64]) -> NDArray[np.float64]:
    """Continue differences at the far sides of tears into what is hidden, as a harmonic surface."""
    found = differences.copy()
    order = np.argsort(ring[ring > SEED], kind="stable")
    smooth(
        np.full_like(differences, np.inf), ring, np.argwhere(ring > SEED)[order], ROUNDS, True, found
    )  # around the seam
    return found
