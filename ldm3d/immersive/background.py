"""What lies behind: the far side of each tear, continued under the near side, as a second surface.

From the panorama's own point of view none of it is seen. A step to the side uncovers some, and this is there then, in
every view the same, while a fill in each view's own pixels would flicker.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive.surface import Surface, check_pictures
from ldm3d.immersive.tears import STEEPEST, panorama_limits

REACH = 8.4  # degrees that the far side is continued by: 24 pixels of a panorama of 1,024 columns
ROUNDS = 60  # of smoothing
CLEARLY = 1.02  # times as far is behind, and not the same surface, bent
SEED = 1  # of the rings in which it grows: the pixels that are seen, at the far side of a tear


@dataclass(frozen=True, eq=False)
class Background:
    """What a panorama hides."""

    picture: NDArray[np.uint8]
    """(H, 2 H, 3): the panorama, with the colours of what is hidden where something is."""
    distance: NDArray[np.float64]
    """(H, 2 H), metres; NaN where nothing is hidden."""
    ring: NDArray[np.int64]
    """(H, 2 H): 0 where nothing is hidden, 1 at the far side of a tear, and so on, away from it."""

    def surface(self, front: Surface) -> Surface:
        """Return it as a surface that is sewn to the far sides of the tears of the panorama's own."""
        corners = np.full(front.corners.shape, np.nan, np.float32)
        sew(1 / self.distance, self.ring, front.corners, corners)
        return Surface(self.picture, front.rays, corners)


def flood(
    picture: NDArray[np.uint8], distance: NDArray[np.floating], steepest: float = STEEPEST, reach: float = REACH
) -> Background:
    """Continue a panorama behind what is near.

    Colours and inverse distances grow ring by ring from the far sides of tears, then become a membrane between these
    (harmonic), as inverse distance is on planes: behind a thing with wall on both sides there is wall.

    Args:
        picture: (H, 2 H, 3) uint8.
        distance: (H, 2 H), metres; NaN where there is no surface.
        steepest: the angle beyond which a surface is torn, in degrees.
        reach: degrees.

    Raises:
        ValueError: as `panorama_surface`, or the reach is below 0.
    """
    check_pictures(picture, distance)
    if not reach >= 0:
        raise ValueError(f"reach is {reach}, wanted degrees from 0")
    height, width = distance.shape
    values = np.concatenate([1 / distance[..., None], picture], axis=-1)
    hidden, ring = np.zeros_like(values), np.zeros((height, width), np.int64)
    grow(values, *panorama_limits(height, width, steepest), SEED + math.ceil(reach / 180 * height), hidden, ring)
    smooth(values, ring, np.argwhere(ring > SEED), ROUNDS, hidden)
    is_hidden = ring > SEED
    colours = np.where(is_hidden[..., None], np.clip(np.round(hidden[..., 1:]), 0, 255), picture).astype(np.uint8)
    return Background(colours, np.where(is_hidden, 1 / np.where(is_hidden, hidden[..., 0], 1), np.nan), ring)


def _grow(
    values: NDArray[np.float64],
    across: NDArray[np.float64],
    down: NDArray[np.float64],
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
                row, column = i + (side == 1) - (side == 3), (j + (side == 0) - (side == 2)) % width
                if 0 <= row < height:
                    limit = across[i] if side % 2 == 0 else down[min(i, row)]
                    if values[row, column, 0] > values[i, j, 0] * (1 + limit):
                        ring[i, j] = SEED
                        hidden[i, j] = values[i, j]
    front = np.argwhere(ring == SEED)
    tried = np.zeros(ring.shape, np.int64)
    for now in range(SEED + 1, last + 1):
        grown = np.empty((4 * len(front), 2), np.int64)
        count = 0
        for n in range(len(front)):
            for side in range(4):
                i, j = front[n, 0] + (side == 1) - (side == 3), (front[n, 1] + (side == 0) - (side == 2)) % width
                if not 0 <= i < height or ring[i, j] != 0 or tried[i, j] == now:
                    continue
                tried[i, j] = now
                if mean_before(hidden, ring, i, j, now, total) * CLEARLY < values[i, j, 0]:  # behind what is seen
                    ring[i, j] = now
                    hidden[i, j] = total
                    grown[count, 0], grown[count, 1] = i, j
                    count += 1
        front = grown[:count]


def _mean_before(hidden: Any, ring: Any, i: int, j: int, now: int, total: Any) -> float:
    """Put the mean of the neighbours that grew earlier into `total`, (4,), and return its inverse distance."""
    height, width = ring.shape
    total[:] = 0
    count = 0
    for side in range(4):
        row, column = i + (side == 1) - (side == 3), (j + (side == 0) - (side == 2)) % width
        if 0 <= row < height and 0 < ring[row, column] < now:
            total += hidden[row, column]
            count += 1
    total /= count
    return float(total[0])


def _smooth(
    values: NDArray[np.float64],
    ring: NDArray[np.int64],
    grown: NDArray[np.int64],
    rounds: int,
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
                    row, column = i + (side == 1) - (side == 3), (j + (side == 0) - (side == 2)) % width
                    if 0 <= row < height and ring[row, column] > 0:
                        total += hidden[row, column, k]
                        count += 1
                hidden[i, j, k] = total / count
            hidden[i, j, 0] = min(hidden[i, j, 0], values[i, j, 0])


def _sew(
    inverse: NDArray[np.float64],
    ring: NDArray[np.int64],
    front: NDArray[np.float32],
    corners: NDArray[np.float32],
) -> None:
    """Fill the corners of what is hidden: those that it shares with far sides are theirs, others are means. None is in
    front of what is seen there."""
    height, width = ring.shape
    for i in range(height + 1):
        for j in range(width):
            total, count, seam, limit = 0.0, 0, np.float32(np.inf), np.float32(np.inf)
            for place in range(4):  # of the pixels around this corner, which is their corner 3 - place
                row, column = i - 1 + place // 2, (j - 1 + place % 2) % width
                if not 0 <= row < height:
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
                row, column = i - 1 + place // 2, (j - 1 + place % 2) % width
                if 0 <= row < height and ring[row, column] > SEED:
                    corners[row, column, 3 - place] = corner


mean_before = njit(inline="always")(_mean_before)
grow, smooth, sew = compiled(_grow), compiled(_smooth), compiled(_sew)
