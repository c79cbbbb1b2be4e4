"""Duplicates: rows with the same fetched bytes, and rows whose pictures look alike.

Look-alikes are found by 64-bit perceptual hashes that differ in few bits. What is rejected depends only on the set of
rows, not on their order: a row goes if a kept row with a smaller key (as an unsigned number) looks like it. Likeness
is not transitive, and is not made so here: of a chain A ~ B ~ C where A and C differ, A and C stay.

Rows can be searched in groups, provided that a group with one row of a hash has all rows of that hash, and that every
two look-alikes share a group (see `bands`): call `equal_hashes` and `near_duplicate_pairs` for each group, then join
the results with `settle`.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

NO_HASH = 0  # for a picture without structure; equal to nothing, itself included

_SIDE = 32  # a hash sees 32 x 32 pixels ...
_LOW = 8  # ... and their 8 x 8 lowest frequencies
# One grey level of noise in every pixel moves a coefficient by this much: 4 x sqrt(32 / 2 x 32 / 2).
_ONE_LEVEL = 64.0


def perceptual_hash(image: NDArray[np.uint8]) -> int:
    """Hash a picture: which of the 64 lowest DCT coefficients of the luma lie above their median, as in
    `imagehash.phash`.

    The hashes of a picture and of its resized or recompressed copy differ in few bits. The hash of a flat or nearly
    flat picture would mean nothing, and merge thousands of different pictures into one: if half of the coefficients
    are smaller than one grey level of noise makes them, it is `NO_HASH`.

    Args:
        image: (H, W, 3) uint8 RGB.

    Returns:
        The 64 bits, lowest frequency first, as a signed integer.
    """
    from PIL import Image

    luma = Image.fromarray(image).convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    waves = 2 * np.cos(np.pi / (2 * _SIDE) * np.outer(np.arange(_LOW), 2 * np.arange(_SIDE) + 1))
    coefficients = waves @ np.asarray(luma, np.float64) @ waves.T
    if np.median(np.abs(coefficients)) < _ONE_LEVEL:
        return NO_HASH
    bits = coefficients > np.median(coefficients)
    return int.from_bytes(np.packbits(bits).tobytes(), "big", signed=True)


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


def near_duplicate_pairs(keys: NDArray[np.int64], hashes: NDArray[np.int64], max_distance: int) -> NDArray[np.int64]:
    """Return all pairs of rows that look alike: hashes at most `max_distance` bits apart, neither of them `NO_HASH`.

    Args:
        keys: (N,) int64, each once.
        hashes: (N,) int64.
        max_distance: 0 to 63 bits.

    Returns:
        (P, 2) int64 keys, the smaller (unsigned) first, sorted, each pair once. Rows with equal hashes make
        quadratically many pairs: `choose_near_duplicates` takes them out first.
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


def choose_rejects(pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose which rows of look-alike pairs go: in order of unsigned key, a row goes if a kept one precedes it in a
    pair.

    Args:
        pairs: (P, 2) int64 keys, the smaller (unsigned) first, as `near_duplicate_pairs` returns them; in any order.

    Returns:
        (R, 2) int64: the rejected key, and the smallest kept key that looks like it; sorted by rejected key.
    """
    rejected: dict[int, int] = {}
    ordered = np.unique(pairs.astype(np.uint64)[:, ::-1], axis=0)  # sorted by later key, then by earlier
    for later, earlier in ordered.tolist():
        if earlier not in rejected:
            rejected.setdefault(later, earlier)
    return np.array(list(rejected.items()), np.uint64).reshape(-1, 2).view(np.int64)


def choose_near_duplicates(keys: NDArray[np.int64], hashes: NDArray[np.int64], max_distance: int) -> NDArray[np.int64]:
    """Choose which of N rows go because a kept one looks like them.

    Rows with equal hashes have the same look-alikes, so only the first of them takes part in the comparison.

    Args:
        keys: (N,) int64, each once.
        hashes: (N,) int64.
        max_distance: 0 to 63 bits; at 3 of 64, a picture is a resized or recompressed copy.

    Returns:
        (R, 2) int64: the rejected key, and the kept key that looks like it; sorted by (unsigned) rejected key.
    """
    same = equal_hashes(keys, hashes)
    distinct = ~np.isin(keys, same[:, 0])
    return settle(same, near_duplicate_pairs(keys[distinct], hashes[distinct], max_distance))


def equal_hashes(keys: NDArray[np.int64], hashes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return (R, 2) int64: the key of a row, the smallest (unsigned) key with its hash. `NO_HASH` equals nothing."""
    hashed = hashes != NO_HASH
    return _choose_equal(keys[hashed], hashes[hashed])


def settle(same: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Choose which rows go because a kept one looks like them.

    Args:
        same: (E, 2) int64, what `equal_hashes` found.
        pairs: (P, 2) int64, the `near_duplicate_pairs` of the other rows; in any order, each at least once.

    Returns:
        (E + R, 2) int64: the rejected key, and the kept key that looks like it; sorted by (unsigned) rejected key.
    """
    near = choose_rejects(pairs)
    kept_instead = dict(near.tolist())
    firsts = np.array([kept_instead.get(first, first) for first in same[:, 1].tolist()], np.int64)
    every = np.concatenate([np.stack([same[:, 0], firsts], axis=-1), near])
    return every[np.argsort(every[:, 0].astype(np.uint64))]


def choose_byte_duplicates(keys: NDArray[np.int64], sha256s: Sequence[str | bytes]) -> NDArray[np.int64]:
    """Choose which of N rows go because another has the same bytes; the smallest unsigned key of each group stays.

    Args:
        keys: (N,) int64, each once.
        sha256s: N digests, all hex or all raw.

    Returns:
        (R, 2) int64: the rejected key, and the kept key with the same bytes; sorted by (unsigned) rejected key.
    """
    return _choose_equal(keys, np.asarray(sha256s, dtype="S64"))


def _choose_equal(keys: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the (rejected, kept) keys of rows whose value also belongs to a row with a smaller key."""
    order = np.argsort(keys.astype(np.uint64))
    keys, values = keys[order], values[order]
    _, first, group = np.unique(values, return_index=True, return_inverse=True)  # `first` belongs to the smallest key
    kept = keys[first][group]
    is_rejected: NDArray[np.bool_] = keys != kept
    return np.stack([keys[is_rejected], kept[is_rejected]], axis=-1)
