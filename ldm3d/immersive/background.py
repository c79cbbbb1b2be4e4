"""What lies behind: the far side of each tear, continued under the near side, as a second surface.

From the picture's own point of view none of it is seen. A step to the side uncovers some, and this is there then, in
every view the same, while a fill in each view's own pixels would flicker.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive.neighbours import around, beside, by_pixel, limit_at
from ldm3d.immersive.projection import EQUIRECTANGULAR, Projection
from ldm3d.immersive.surface import Surface, check_pictures
from ldm3d.immersive.tears import STEEPEST

REACH = 8.4  # degrees that the far side is continued by: 24 pixels of a panorama of 1,024 columns
ROUNDS = 60  # of smoothing
CLEARLY = 1.02  # times as far is behind, and not the same surface, bent
SEED = 1  # of the rings in which it grows: the pixels that are seen, at the far side of a tear


@dataclass(frozen=True, eq=False)
class Background:
    """What a picture hides: a panorama, which has twice as many columns as rows, or a flat one."""

    picture: NDArray[np.uint8]
    """(H, W, 3): the picture, with the colours of what is hidden where something is."""
    distance: NDArray[np.float64]
    """(H, W), metres, measured as those of the picture; NaN where nothing is hidden."""
    ring: NDArray[np.int64]
    """(H, W): 0 where nothing is hidden, 1 at the far side of a tear, and so on, away from it."""

    def surface(self, front: Surface) -> Surface:
        """Return it as a surface that is sewn to the far sides of the tears of the picture's own."""
        corners = np.full(front.corners.shape, np.nan, np.float32)
        sew(1 / self.distance, self.ring, front.corners, front.wraps, corners)
        return Surface(self.picture, front.rays, corners, front.wraps)


def flood(
    picture: NDArray[np.uint8],
    distance: NDArray[np.floating],
    steepest: float = STEEPEST,
    reach: float = REACH,
    projection: Projection = EQUIRECTANGULAR,
) -> Background:
    """Continue a picture behind what is near.

    Colours and inverse distances grow ring by ring from the far sides of tears, then become a membrane between these
    (harmonic), as inverse distance is on planes: behind a thing with wall on both sides there is wall.

    Args:
        picture: (H, W, 3) uint8; a panorama has twice as many columns as rows.
        distance: (H, W), metres, along the ray of a panorama, along the axis of a flat picture; NaN where there is no
            surface.
        steepest: the angle beyond which a surface is torn, in degrees.
        reach: degrees.
        projection: of the picture.

    Raises:
        ValueError: as `surface_of`, or the reach is below 0.
    """
    check_pictures(picture, distance)
    if not reach >= 0:
        raise ValueError(f"reach is {reach}, wanted degrees from 0")
    height, width = distance.shape
    values = np.concatenate([1 / distance[..., None], picture], axis=-1)
    projection.check(height, width)
    hidden, ring = np.zeros_like(values), np.zeros((height, width), np.int64)
    across, down = (by_pixel(limits) for limits in projection.limits(height, width, steepest))
    along = np.ascontiguousarray(projection.along_rays(values[..., 0]))
    last = SEED + projection.pixels(height, reach)
    grow(values, along, across, down, projection.wraps, last, hidden, ring)
    smooth(values, ring, np.argwhere(ring > SEED), ROUNDS, projection.wraps, hidden)
    is_hidden = ring > SEED
    colours = np.where(is_hidden[..., None], np.clip(np.round(hidden[..., 1:]), 0, 255), picture).astype(np.uint8)
    return Background(colours, np.where(is_hidden, 1 / np.where(is_hidden, hidden[..., 0], 1), np.nan), ring)


def _grow(
    values: NDArray[np.float64],
    along: NDArray[np.float64],
    across: NDArray[np.float64],
    down: NDArray[np.float64],
    wraps: bool,
    last: int,
    hidden: NDArray[np.float64],
    ring: NDArray[np.int64],
) -> None:
    """Fill `hidden`, (H, W, 4): inverse distance and colours, and `ring`, (H, W): when; 0 is never."""
    height, width = ring.shape
    total = np.empty(4)
    for i in range(height):
        for j in range(width):
            for side in range(4):
                row, column = i + (side == 1) - (side == 3), beside(j, side, width, wraps)
                if 0 <= row < height and column >= 0:
                    left = column if side == 2 else j  # a limit is that of a pixel and the next
                    limit = limit_at(across, i, left) if side % 2 == 0 else limit_at(down, min(i, row), j)
                    if along[row, column] > along[i, j] * (1 + limit):
                        ring[i, j] = SEED
                        hidden[i, j] = values[i, j]
    front = np.argwhere(ring == SEED)
    tried = np.zeros(ring.shape, np.int64)
    for now in range(SEED + 1, last + 1):
        grown = np.empty((4 * len(front), 2), np.int64)
        count = 0
        for n in range(len(front)):
            for side in range(4):
                i, j = front[n, 0] + (side == 1) - (side == 3), beside(front[n, 1], side, width, wraps)
                if not 0 <= i < height or j < 0 or ring[i, j] != 0 or tried[i, j] == now:
                    continue
                tried[i, j] = now
                if (
                    mean_before(hidden, ring, i, j, now, wraps, total) * CLEARLY < values[i, j, 0]
                ):  # behind what is seen
                    ring[i, j] = now
                    hidden[i, j] = total
                    grown[count, 0], grown[count, 1] = i, j
                    count += 1
        front = grown[:count]


def _mean_before(hidden: Any, ring: Any, i: int, j: int, now: int, wraps: bool, total: Any) -> float:
    """Put the mean of the neighbours that grew earlier into `total`, (4,), and return its inverse distance."""
    height, width = ring.shape
    total[:] = 0
    count = 0
    for side in range(4):
        row, column = i + (side == 1) - (side == 3), beside(j, side, width, wraps)
        if 0 <= row < height and column >= 0 and 0 < ring[row, column] < now:
            total += hidden[row, column]
            count += 1
    total /= count
    return float(total[0])


def _smooth(
    values: NDArray[np.float64],
    ring: NDArray[np.int64],
    grown: NDArray[np.int64],
    rounds: int,
    wraps: bool,
    hidden: NDArray[np.float64],
) -> None:
    """Make each of the `grown` places, (n, 2), the mean of its neighbours, again and again, behind what is seen."""
    height, width = ring.shape
    for _ in range(rounds):
        for n in range(len(grown)):
            i, j = grown[n]
            for k in range(4):
                total, count = 0.0, 0
                for side in range(4):
                    row, column = i + (side == 1) - (side == 3), beside(j, side, width, wraps)
                    if 0 <= row < height and column >= 0 and ring[row, column] > 0:
                        total += hidden[row, column, k]
                        count += 1
                hidden[i, j, k] = total / count
            hidden[i, j, 0] = min(hidden[i, j, 0], values[i, j, 0])


def _sew(
    inverse: NDArray[np.float64],
    ring: NDArray[np.int64],
    front: NDArray[np.float32],
    wraps: bool,
    corners: NDArray[np.float32],
) -> None:
    """Fill the corners of what is hidden: those that it shares with far sides are theirs, others are means. None is in
    front of what is seen there."""
    height, width = ring.shape
    for i in range(height + 1):
        for j in range(width if wraps else width + 1):
            total, count, seam, limit = 0.0, 0, np.float32(np.inf), np.float32(np.inf)
            for place in range(4):  # of the pixels around this corner, which is their corner 3 - place
                row, column = i - 1 + place // 2, around(j - 1 + place % 2, width, wraps)
                if not 0 <= row < height or column < 0:
                    continue
                if ring[row, column] > SEED:
                    total += inverse[row, column]
                    count += 1
                    limit = min(limit, front[row, column, 3 - place])
                elif ring[row, column] == SEED:
                    seam = min(seam, front[row, column, 3 - place])
            if count == 0:
                continue
            corner: Any = min(seam, limit) if seam < np.inf else min(total / count, limit / CLEARLY)
            for place in range(4):
                row, column = i - 1 + place // 2, around(j - 1 + place % 2, width, wraps)
                if 0 <= row < height and column >= 0 and ring[row, column] > SEED:
                    corners[row, column, 3 - place] = corner


mean_before = njit(inline="always")(_mean_before)
grow, smooth, sew = compiled(_grow), compiled(_smooth), compiled(_sew)
