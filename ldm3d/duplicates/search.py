"""Candidates for look-alikes: rows whose perceptual hashes differ in few bits.

Rows can be searched in groups, provided that a group with one row of a hash has all rows of that hash, and that every
two hashes within the distance share a group (see `bands`): call `near_hashes` for each group, and join the results.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ldm3d.duplicates.choice import first_of_equal
from ldm3d.duplicates.perceptual_hash import NO_HASH


def near_hashes(
    keys: NDArray[np.int64], hashes: NDArray[np.int64], max_distance: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the rows with equal hashes and those with near ones.

    Rows with equal hashes have the same near ones, so only the first of them takes part in the comparison.

    Args:
        keys: (N,) int64, each once.
        hashes: (N,) int64.
        max_distance: 0 to 63 bits.

    Returns:
        (E, 2) int64: the key of a row, the smallest (unsigned) key with its hash; `NO_HASH` equals nothing.
        (P, 2) int64: the `near_pairs` of all other rows.
    """
    hashed = hashes != NO_HASH
    equal = first_of_equal(keys[hashed], hashes[hashed])
    distinct = ~np.isin(keys, equal[:, 0])
    return equal, near_pairs(keys[distinct], hashes[distinct], max_distance)


def bands(hashes: NDArray[np.int64], max_distance: int) -> NDArray[np.uint64]:
    """Cut the bits of each hash into `max_distance + 1` pieces.

    Hashes that differ in at most `max_distance` bits agree in at least one piece (pigeonhole), so only rows that share
    a piece have to be compared. Cut for one bit more, they agree in at least two.

    Args:
        hashes: (N,) int64.
        max_distance: 0 to 63 bits.

    Returns:
        (N, max_distance + 1) uint64; compare pieces within a column only.
    """
    edges = np.linspace(0, 64, max_distance + 2).astype(np.uint64)
    values = hashes.astype(np.uint64)
    columns = []
    for low, high in pairwise(edges):
        width = high - low
        columns.append(values << (np.uint64(64) - high) >> (np.uint64(64) - width))
    return np.stack(columns, axis=-1)


def near_pairs(keys: NDArray[np.int64], hashes: NDArray[np.int64], max_distance: int) -> NDArray[np.int64]:
    """Return all pairs of rows with hashes at most `max_distance` bits apart, neither of them `NO_HASH`.

    Args:
        keys: (N,) int64, each once.
        hashes: (N,) int64.
        max_distance: 0 to 63 bits.

    Returns:
        (P, 2) int64 keys, the smaller (unsigned) first, sorted, each pair once. Rows with equal hashes make
        quadratically many pairs: `near_hashes` takes them out first.
    """
    hashed = hashes != NO_HASH
    unsigned, bits = keys[hashed].astype(np.uint64), hashes[hashed].astype(np.uint64)
    found = [np.empty((0, 2), np.uint64)]
    for band in bands(hashes[hashed], max_distance).T:
        order = np.argsort(band)
        first, offset = np.arange(len(order)), 0
        while len(first):  # each row against the one `offset` places on, while both share the band
            offset += 1
            first = first[first + offset < len(order)]
            left, right = order[first], order[first + offset]
            together = band[left] == band[right]
            first, left, right = first[together], left[together], right[together]
            near = np.bitwise_count(bits[left] ^ bits[right]) <= max_distance
            found.append(np.sort(np.stack([unsigned[left[near]], unsigned[right[near]]], axis=-1), axis=-1))
    return np.unique(np.concatenate(found), axis=0).view(np.int64)
