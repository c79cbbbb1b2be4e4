"""The arithmetic of OpenCV's Lanczos resizing of bytes, compiled by numba when it is first called.

Each output is a sum of 8 x 8 inputs, weighted in whole numbers, and rounded once, at the end. So rows and columns may
be summed in any order: here rows first, 16 outputs at a time, into blocks of [column, row], so that the sums of
columns are of vectors, too.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled

TAPS = 8
ROWS = 16  # of a block: a vector of int32
SCALE = 2_048  # of a weight of 1, for rows and for columns
HALF = SCALE * SCALE // 2
SHIFT = 22  # SCALE * SCALE is 2 ** 22


def _weigh(before: int, after: int, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Compute which inputs make each output of an axis.

    The kernel is OpenCV's: for the input at t pixels from the output, (-1)^i sin(pi t / 4) / t^2 up to a factor, in
    its mixture of float and double, so that it rounds to the same whole numbers.

    Args:
        before, after: pixels of the axis before and after resizing.
        first, count: which outputs are wanted.

    Returns:
        (count, 8) each: places of the inputs, clamped to the axis, and their weights in 2,048ths.
    """
    places, weights = np.empty((count, TAPS), np.int64), np.empty((count, TAPS), np.int32)
    turn = np.array([1.0, math.sqrt(0.5), 0.0, -math.sqrt(0.5), -1.0, -math.sqrt(0.5), 0.0, math.sqrt(0.5)])
    kernel = np.empty(TAPS, np.float32)
    step = 1.0 / (after / before)
    for n in range(count):
        centre = np.float32((first + n + 0.5) * step - 0.5)
        whole = math.floor(centre)
        distance = np.float32(centre - np.float32(whole)) + np.float32(3.0)
        angle = -np.float64(distance) * math.pi * 0.25
        sine, cosine = math.sin(angle), math.cos(angle)
        total = np.float32(0.0)
        for i in range(TAPS):
            t = distance - np.float32(i)
            if abs(t) < np.float32(1e-6):
                kernel[i] = np.float32(1e30)
            else:
                y = -np.float64(t) * math.pi * 0.25
                turned = turn[i] * sine + turn[(i - 2) % TAPS] * cosine  # sin(angle + i pi / 4)
                kernel[i] = np.float32((turned if i % 2 == 0 else -turned) / (y * y))
            total += kernel[i]
        scale = np.float32(1.0) / total
        for i in range(TAPS):
            weights[n, i] = np.int32(np.rint(kernel[i] * scale * np.float32(SCALE)))
            places[n, i] = min(max(whole - 3 + i, 0), before - 1)
    return places, weights


def _resize(
    source: NDArray[np.uint8],
    rows: NDArray[np.int64],
    row_weights: NDArray[np.int32],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.int32],
    made: NDArray[np.uint8],
) -> None:
    """Resize a picture.

    Args:
        source: (H, W * 3).
        rows, row_weights: of `weigh_axis`, (h, 8).
        columns, column_weights: (w, 8).
        made: (h, w * 3), to be filled.
    """
    line = np.empty(source.shape[1], np.int32)
    block = np.empty((source.shape[1], ROWS), np.int32)
    tile = np.empty((len(columns) * 3, ROWS), np.uint8)
    for start in range(0, len(rows), ROWS):
        count = min(ROWS, len(rows) - start)
        for n in range(count):
            sum_rows(source, rows[start + n], row_weights[start + n], line)
            for x in range(len(line)):
                block[x, n] = line[x]
        for x in range(len(columns)):
            for channel in range(3):
                sum_columns(block, columns[x], channel, column_weights[x], tile[x * 3 + channel])
        for n in range(count):
            for x in range(len(tile)):
                made[start + n, x] = tile[x, n]


def _sum_rows(
    source: NDArray[np.uint8], places: NDArray[np.int64], weights: NDArray[np.int32], line: NDArray[np.int32]
) -> None:
    """Sum 8 rows of the source."""
    a, b, c, d = source[places[0]], source[places[1]], source[places[2]], source[places[3]]
    e, f, g, h = source[places[4]], source[places[5]], source[places[6]], source[places[7]]
    p, q, r, s = weights[0], weights[1], weights[2], weights[3]
    t, u, v, w = weights[4], weights[5], weights[6], weights[7]
    for x in range(len(line)):
        line[x] = a[x] * p + b[x] * q + c[x] * r + d[x] * s + e[x] * t + f[x] * u + g[x] * v + h[x] * w


def _sum_columns(
    block: NDArray[np.int32],
    places: NDArray[np.int64],
    channel: int,
    weights: NDArray[np.int32],
    made: NDArray[np.uint8],
) -> None:
    """Sum 8 columns of the block, and round."""
    a, b, c, d = (
        block[places[0] * 3 + channel],
        block[places[1] * 3 + channel],
        block[places[2] * 3 + channel],
        block[places[3] * 3 + channel],
    )
    e, f, g, h = (
        block[places[4] * 3 + channel],
        block[places[5] * 3 + channel],
        block[places[6] * 3 + channel],
        block[places[7] * 3 + channel],
    )
    p, q, r, s = weights[0], weights[1], weights[2], weights[3]
    t, u, v, w = weights[4], weights[5], weights[6], weights[7]
    for n in range(ROWS):
        total = a[n] * p + b[n] * q + c[n] * r + d[n] * s + e[n] * t + f[n] * u + g[n] * v + h[n] * w
        level = np.int32((total + HALF) >> SHIFT)
        made[n] = np.uint8(min(max(level, np.int32(0)), np.int32(255)))


sum_rows, sum_columns = (njit(inline="always")(each) for each in (_sum_rows, _sum_columns))
weigh_axis, resize = compiled(_weigh), compiled(_resize)
