"""Draws surfaces into views, on the CPU, compiled by numba: no driver, no context, and any number of threads.

Each pixel of a surface is two triangles. The nearest at the centre of a view's pixel wins; then its picture is read,
between the centres of its pixels. Blocks of pixels that are out of sight are passed over.

All of it is in one file, as what is compiled is kept until its own file changes (`ldm3d.compiling`).
"""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled
from ldm3d.immersive.balls import BLOCK, is_in_sight
from ldm3d.immersive.camera import PERSPECTIVE

EDGE = -1e-5  # of a triangle's area: what lies on the border of two belongs to either, so that no crack is seen


def _draw(
    rays: NDArray[np.float64],
    corners: NDArray[np.float32],
    balls: NDArray[np.float64],
    columns: int,
    camera: NDArray[np.float64],
    layer: int,
    nearness: NDArray[np.float32],
    places: NDArray[np.float32],
    layers: NDArray[np.uint8],
) -> None:
    """Draw one surface.

    Args:
        rays, corners, balls: those of a `Surface`.
        columns: of a view that wraps around; 0 for others.
        camera: its `numbers`.
        layer: number of the surface.
        nearness: (h, w), of what was drawn before, to be changed: 1 / metres, along the axis of a perspective camera,
            along the ray otherwise; 0 where nothing is.
        places: (h, w, 2), to be changed: where in its picture a surface is seen, in pixels.
        layers: (h, w), to be changed: which surface is seen.
    """
    height, width = corners.shape[:2]
    known = np.empty(
        (2, BLOCK + 1)
    )  # inverse distances at the corners whose projections `seen` holds: most are shared
    seen = np.empty((2, BLOCK + 1, 3))
    own, cap = np.empty((4, 5)), np.empty((4, 5))
    for k in range(4):
        own[k, 3], own[k, 4] = k % 2, k // 2
    for top in range(0, height, BLOCK):
        bottom = min(top + BLOCK, height)
        for left in range(0, width, BLOCK):
            right, ball = min(left + BLOCK, width), balls[top // BLOCK, left // BLOCK]
            if not ball[3] >= 0 or (camera[0] == PERSPECTIVE and not is_in_sight(ball, camera, nearness.shape)):
                continue
            known[:] = np.nan
            for i in range(top, bottom):
                for n in range(BLOCK + 1):
                    known[(i + 1) % 2, n] = np.nan
                for j in range(left, right):
                    if not corners[i, j, 0] > 0:  # NaN, too
                        continue
                    for k in range(4):
                        row, column = i + k // 2, j + k % 2
                        inverse = corners[i, j, k]
                        if known[row % 2, column - left] != inverse:
                            known[row % 2, column - left] = inverse
                            project(rays[row, column], inverse, camera, nearness.shape, seen[row % 2, column - left])
                        for axis in range(3):
                            own[k, axis] = seen[row % 2, column - left, axis]
                    if columns:
                        for k in range(4):  # a pole is at every longitude: take that of its neighbour
                            if own[k, 0] != own[k, 0]:
                                own[k, 0] = own[(k + 2) % 4, 0]
                        if is_wide(own, columns):
                            draw_wide(own, cap, i, j, columns, layer, nearness, places, layers)
                            continue
                    fill(own, 0, 2, 1, i, j, columns, layer, nearness, places, layers)
                    fill(own, 1, 2, 3, i, j, columns, layer, nearness, places, layers)


def _project(ray: Any, inverse: float, camera: Any, size: Any, seen: Any) -> None:
    """Find where a point is seen, in pixels, and its nearness; NaN where it is not."""
    x, y, z = ray[0] / inverse - camera[1], ray[1] / inverse - camera[2], ray[2] / inverse - camera[3]
    if camera[0] == PERSPECTIVE:
        ahead = -(camera[10] * x + camera[11] * y + camera[12] * z)
        if ahead < camera[14]:
            seen[0] = np.nan
            return
        seen[2] = 1 / ahead
        seen[0] = size[1] / 2 + camera[13] * (camera[4] * x + camera[5] * y + camera[6] * z) * seen[2]
        seen[1] = size[0] / 2 - camera[13] * (camera[7] * x + camera[8] * y + camera[9] * z) * seen[2]
        seen[0] += camera[13] * camera[15]
        seen[1] -= camera[13] * camera[16]
        return
    # Of the circle of eyes that one sees the point whose line of sight touches the circle.
    flat = math.sqrt(x * x + z * z)
    if flat < 1e-9:
        seen[0], seen[1], seen[2] = np.nan, 0.0 if y > 0 else float(size[0]), 1 / max(abs(y), 1e-9)
        return
    longitude = math.atan2(x, -z)
    if camera[4] != 0:
        latitude = math.atan2(abs(y), flat)
        shrunk = min(max((latitude - camera[5]) / (camera[6] - camera[5]), 0.0), 1.0)
        circle = camera[4] * math.cos(shrunk * math.pi / 2)
        circle = min(max(circle, -0.999 * flat), 0.999 * flat)
        longitude -= math.asin(circle / flat)
        flat = math.sqrt(flat * flat - circle * circle)
    seen[0] = (longitude / (2 * math.pi) + 0.5) * size[1]
    seen[1] = (0.5 - math.atan2(y, flat) / math.pi) * size[0]
    seen[2] = 1 / max(math.sqrt(flat * flat + y * y), 1e-9)


def _fill(
    own: Any, a: int, b: int, c: int, i: int, j: int, columns: int, layer: int, nearness: Any, places: Any, layers: Any
) -> None:
    """Draw a triangle: of `own`, (4, 5), each corner's place in the view, nearness, and place in its pixel."""
    ax, ay, bx, by, cx, cy = own[a, 0], own[a, 1], own[b, 0], own[b, 1], own[c, 0], own[c, 1]
    height, width = nearness.shape
    first, last = math.ceil(min(ax, bx, cx) - 0.5), math.floor(max(ax, bx, cx) - 0.5)
    if columns == 0:
        first, last = max(first, 0), min(last, width - 1)
    upper = max(math.ceil(min(ay, by, cy) - 0.5), 0)
    lower = min(math.floor(max(ay, by, cy) - 0.5), height - 1)
    if first > last or upper > lower:
        return
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if abs(area) < 1e-12:
        return
    # Shares of the corners, by row and column: p of a, q of b, and r, the rest, of c.
    p_across, p_down = (by - cy) / area, (cx - bx) / area
    q_across, q_down = (cy - ay) / area, (ax - cx) / area
    p_start, q_start = ((bx * cy - cx * by) / area, (cx * ay - ax * cy) / area)
    for row in range(upper, lower + 1):
        for column in range(first, last + 1):
            p = p_start + p_across * (column + 0.5) + p_down * (row + 0.5)
            q = q_start + q_across * (column + 0.5) + q_down * (row + 0.5)
            r = 1 - p - q
            if p < EDGE or q < EDGE or r < EDGE:
                continue
            near_p, near_q, near_r = p * own[a, 2], q * own[b, 2], r * own[c, 2]
            found = near_p + near_q + near_r
            at = column % columns if columns else column
            if found > nearness[row, at]:
                nearness[row, at] = found
                if columns == 0:  # what is straight stays straight; in a panorama angles do
                    p, q, r = near_p / found, near_q / found, near_r / found
                places[row, at, 0] = j + p * own[a, 3] + q * own[b, 3] + r * own[c, 3]
                places[row, at, 1] = i + p * own[a, 4] + q * own[b, 4] + r * own[c, 4]
                layers[row, at] = layer


def _shade(
    picture: NDArray[np.uint8],
    corners: NDArray[np.float32],
    wraps: bool,
    layer: int,
    places: NDArray[np.float32],
    layers: NDArray[np.uint8],
    view: NDArray[np.uint8],
) -> None:
    """Read a surface's picture where it is seen, between the centres of pixels, into `view`, (h, w, 3).

    Pixels are mixed with those that they meet at a corner only: across a tear the colours are of something else.
    """
    height, width = picture.shape[:2]
    for row in range(view.shape[0]):
        for column in range(view.shape[1]):
            if layers[row, column] != layer:
                continue
            x, y = places[row, column, 0], places[row, column, 1]
            i, j = min(max(int(y), 0), height - 1), min(max(int(x), 0), width - 1)
            is_right, is_low = x - j > 0.5, y - i > 0.5
            corner = is_right + 2 * is_low
            beside, below = abs(x - j - 0.5), abs(y - i - 0.5)
            left = j + 1 if is_right else j - 1
            left = left % width if wraps else min(max(left, 0), width - 1)
            up = min(max(i + 1 if is_low else i - 1, 0), height - 1)
            meeting = corners[i, j, corner]
            h = left if corners[i, left, corner ^ 1] == meeting else j
            v = up if corners[up, j, corner ^ 2] == meeting else i
            is_met = corners[up, left, corner ^ 3] == meeting
            di, dj = (up, left) if is_met else (i, j)
            for k in range(3):
                own, across = float(picture[i, j, k]), float(picture[i, h, k])
                down, diagonal = float(picture[v, j, k]), float(picture[di, dj, k])
                level = (own * (1 - beside) + across * beside) * (1 - below)
                level += (down * (1 - beside) + diagonal * beside) * below
                view[row, column, k] = np.uint8(level + 0.5)


def _is_wide(own: Any, columns: int) -> bool:
    """Whether a pixel of a surface lies across the seam of a view, or around one of its poles."""
    quarter = columns / 4
    return bool(
        abs(own[1, 0] - own[0, 0]) > quarter
        or abs(own[2, 0] - own[0, 0]) > quarter
        or abs(own[3, 0] - own[0, 0]) > quarter
    )


def _draw_wide(
    own: Any, cap: Any, i: int, j: int, columns: int, layer: int, nearness: Any, places: Any, layers: Any
) -> None:
    """Draw such a pixel: each triangle the shorter way around, or up to the pole that lies in it."""
    for first in range(2):
        last = 1 + 2 * first
        if goes_around(own, first, 2, last, columns):
            for edge in range(3):
                to_pole(own, first, 2, last, edge, columns, nearness.shape[0], cap)
                fill(cap, 0, 1, 2, i, j, columns, layer, nearness, places, layers)
                fill(cap, 0, 2, 3, i, j, columns, layer, nearness, places, layers)
            continue
        own[2, 0] -= columns * np.rint((own[2, 0] - own[first, 0]) / columns)
        own[last, 0] -= columns * np.rint((own[last, 0] - own[2, 0]) / columns)
        fill(own, first, 2, last, i, j, columns, layer, nearness, places, layers)


def _goes_around(own: Any, a: int, b: int, c: int, columns: int) -> bool:
    """Whether the sides of a triangle lead around the axis of a panorama, so that it lies before one of its poles."""
    turn = 0.0
    for one, other in ((a, b), (b, c), (c, a)):
        step = own[other, 0] - own[one, 0]
        turn += step - columns * np.rint(step / columns)
    return bool(abs(turn) > columns / 2)


def _to_pole(own: Any, a: int, b: int, c: int, edge: int, columns: int, rows: int, cap: Any) -> None:
    """Make what lies between a side of such a triangle and the pole, as four corners.

    Args:
        edge: number of the side.
        cap: (4, 5), to be filled: the side's ends, and the pole at their longitudes.
    """
    numbers = (a, b, c)
    flat, up = np.empty((3, 2)), np.empty(3)
    for n in range(3):
        latitude, turn = (0.5 - own[numbers[n], 1] / rows) * np.pi, own[numbers[n], 0] / columns * 2 * np.pi
        flat[n, 0] = np.cos(latitude) * np.sin(turn) / own[numbers[n], 2]
        flat[n, 1] = np.cos(latitude) * np.cos(turn) / own[numbers[n], 2]
        up[n] = np.sin(latitude) / own[numbers[n], 2]
    shares = np.empty(3)  # of the corners, where the axis meets the triangle
    for n in range(3):
        one, other = (n + 1) % 3, (n + 2) % 3
        shares[n] = flat[one, 0] * flat[other, 1] - flat[other, 0] * flat[one, 1]
    shares /= shares.sum()
    height = (shares * up).sum()
    for n in range(2):
        corner = numbers[(edge + n) % 3]
        for part in range(5):
            cap[n, part] = own[corner, part]
        cap[3 - n, 1], cap[3 - n, 2] = 0.0 if height > 0 else float(rows), 1 / max(abs(height), 1e-9)
        for part in range(3, 5):
            cap[3 - n, part] = shares[0] * own[a, part] + shares[1] * own[b, part] + shares[2] * own[c, part]
    cap[1, 0] -= columns * np.rint((cap[1, 0] - cap[0, 0]) / columns)
    cap[3, 0], cap[2, 0] = cap[0, 0], cap[1, 0]


project, fill = njit(inline="always")(_project), njit(inline="always")(_fill)
goes_around, to_pole = njit(_goes_around), njit(_to_pole)
is_wide, draw_wide = njit(inline="always")(_is_wide), njit(_draw_wide)
draw, shade = compiled(_draw), compiled(_shade)
