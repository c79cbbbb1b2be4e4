"""The arithmetic of OpenCV's area filter for bytes, compiled by numba when it is first called.

The sums are of floats, so they are made in OpenCV's order: along a row first, from left to right, then down the rows.
A term whose weight is 0 changes no sum, so all outputs of an axis may have as many terms as the one that has most.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ldm3d.compiling import compiled

SLIVER = 1e-3  # of a pixel: what OpenCV does not count
FEW = 3  # terms of an output that is at most twice the size of an input
GREEN, BLUE, PIXEL = np.uint64(1), np.uint64(2), np.uint64(3)  # unsigned: a signed index may count from the end


def _weigh(before: int, after: int, first: int, count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Compute which inputs make each output of an axis: those that it covers, each by the part that is covered.

    Args:
        before, after: pixels of the axis before and after resizing.
        first, count: which outputs are wanted.

    Returns:
        (terms, count) each: places of the inputs, in rising order, and their weights, 0 behind the last.
    """
    scale = 1.0 / (after / before)
    terms = max(FEW, math.ceil(scale) + 1)
    places, weights = np.empty((terms, count), np.int64), np.zeros((terms, count), np.float32)
    for n in range(count):
        start = (first + n) * scale
        end = start + scale
        covered = min(scale, before - start)
        last = min(math.floor(end), before - 1)
        whole = min(math.ceil(start), last)
        term = 0
        if whole - start > SLIVER:
            places[term, n], weights[term, n] = whole - 1, np.float32((whole - start) / covered)
            term += 1
        for place in range(whole, last):
            places[term, n], weights[term, n] = place, np.float32(1.0 / covered)
            term += 1
        if end - last > SLIVER:
            places[term, n], weights[term, n] = last, np.float32(min(min(end - last, 1.0), covered) / covered)
            term += 1
        for rest in range(term, terms):
            places[rest, n] = places[term - 1, n]
    return places, weights


def _resize(
    source: NDArray[np.uint8],
    rows: NDArray[np.int64],
    row_weights: NDArray[np.float32],
    columns: NDArray[np.int64],
    column_weights: NDArray[np.float32],
    made: NDArray[np.uint8],
) -> None:
    """Resize a picture.

    Args:
        source: (H, W * 3).
        rows, row_weights: of `weigh_axis`, (terms, h).
        columns, column_weights: (terms, w).
        made: (h, w * 3), to be filled.
    """
    levels = np.empty(source.shape[1], np.float32)
    places = np.empty(columns.shape, np.uint64)  # where pixels begin
    for term in range(len(columns)):
        for x in range(columns.shape[1]):
            places[term, x] = PIXEL * np.uint64(columns[term, x])
    line, total = np.empty(made.shape[1], np.float32), np.empty(made.shape[1], np.float32)
    summed = -1  # row of the source that `line` holds: the last of an output is often the first of the next
    for y in range(len(made)):
        for term in range(len(rows)):
            weight = row_weights[term, y]
            if weight == 0:
                continue
            if rows[term, y] != summed:
                summed = rows[term, y]
                for x in range(len(levels)):
                    levels[x] = np.float32(source[summed, x])
                if len(places) == FEW:
                    sum_few(levels, places, column_weights, line)
                else:
                    sum_many(levels, places, column_weights, line)
            if term == 0:
                for x in range(len(total)):
                    total[x] = line[x] * weight
            else:
                for x in range(len(total)):
                    total[x] += line[x] * weight
        for x in range(len(total)):
            made[y, x] = np.uint8(np.int32(np.rint(total[x])))


def _sum_few(
    levels: NDArray[np.float32],
    places: NDArray[np.uint64],
    weights: NDArray[np.float32],
    line: NDArray[np.float32],
) -> None:
    """Sum three pixels for each output of a row."""
    for x in range(places.shape[1]):
        a, b, c = places[0, x], places[1, x], places[2, x]
        p, q, r = weights[0, x], weights[1, x], weights[2, x]
        at = PIXEL * np.uint64(x)
        line[at] = levels[a] * p + levels[b] * q + levels[c] * r
        line[at + GREEN] = levels[a + GREEN] * p + levels[b + GREEN] * q + levels[c + GREEN] * r
        line[at + BLUE] = levels[a + BLUE] * p + levels[b + BLUE] * q + levels[c + BLUE] * r


def _sum_many(
    levels: NDArray[np.float32],
    places: NDArray[np.uint64],
    weights: NDArray[np.float32],
    line: NDArray[np.float32],
) -> None:
    """Sum any number of pixels for each output of a row."""
    for x in range(places.shape[1]):
        red = green = blue = np.float32(0)
        for term in range(len(places)):
            place, weight = places[term, x], weights[term, x]
            red += levels[place] * weight
            green += levels[place + GREEN] * weight
            blue += levels[place + BLUE] * weight
        at = PIXEL * np.uint64(x)
        line[at], line[at + GREEN], line[at + BLUE] = red, green, blue


sum_few, sum_many = (njit(inline="always")(each) for each in (_sum_few, _sum_many))
weigh_axis, resize = compiled(_weigh), compiled(_resize)
