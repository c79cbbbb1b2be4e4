"""Which rows go because a kept one has their bytes, or looks like them.

Look-alikes have perceptual hashes that differ in few bits, and colours that differ little. What goes depends only on
the set of rows, not on their order: a row goes if a kept row with a smaller key (as an unsigned number) looks like it.
Likeness is not transitive, and is not made so here: of a chain A ~ B ~ C where A and C differ, A and C stay.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ldm3d.duplicates.colours import have_colours_of


def choose_byte_duplicates(keys: NDArray[np.int64], sha256s: Sequence[str | bytes]) -> NDArray[np.int64]:
    """Choose which of N rows go because another has the same bytes; the smallest unsigned key of each group stays.

    Args:
        keys: (N,) int64, each once.
        sha256s: N digests, all hex or all raw.

    Returns:
        (R, 2) int64: the rejected key, and the kept key with the same bytes; sorted by (unsigned) rejected key.
    """
    return first_of_equal(keys, np.asarray(sha256s, dtype="S64"))


def choose_near_duplicates(
    equal: NDArray[np.int64], near: NDArray[np.int64], keys: NDArray[np.int64], colours: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Choose which rows go because a kept one looks like them.

    Args:
        equal: (E, 2) int64, the rows with equal hashes, from `near_hashes`.
        near: (P, 2) int64, the pairs of rows with near hashes, from `near_hashes`; in any order, each at least once.
        keys: (C,) int64, those in `equal` and `near`, each once, in any order.
        colours: (C, 32) uint8, their `coarse_colours`.

    Returns:
        (R, 2) int64: the rejected key, and the smallest kept key that looks like it; sorted by (unsigned) rejected
        key.
    """
    order = np.argsort(keys.astype(np.uint64))
    keys, colours = keys[order], colours[order]
    first_of = dict(equal.tolist())
    near_to = defaultdict(list)
    for one, other in np.unique(near, axis=0).tolist():
        near_to[one].append(other)
        near_to[other].append(one)
    kept: dict[int, list[int]] = {}  # by the first row of a hash: the places of the rows with it that stay
    rejected = []
    for place, key in enumerate(keys.tolist()):
        first = first_of.get(key, key)
        rivals = sorted(rival for hash_of in (first, *near_to.get(first, ())) for rival in kept.get(hash_of, ()))
        alike = have_colours_of(colours[place], colours[rivals]) if rivals else np.zeros(0, np.bool_)
        if alike.any():
            rejected.append((key, keys[rivals[alike.argmax()]]))
        else:
            kept.setdefault(first, []).append(place)
    return np.array(rejected, np.int64).reshape(-1, 2)


def first_of_equal(keys: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """Find the rows whose value also belongs to a row with a smaller (unsigned) key.

    Args:
        keys: (N,) int64, each once.
        values: (N,) of any type that can be sorted.

    Returns:
        (R, 2) int64: the key of the row, the smallest key with its value; sorted by (unsigned) key of the row.
    """
    order = np.argsort(keys.astype(np.uint64))
    keys, values = keys[order], values[order]
    _, first, group = np.unique(values, return_index=True, return_inverse=True)  # `first` belongs to the smallest key
    kept = keys[first][group]
    again: NDArray[np.bool_] = keys != kept
    return np.stack([keys[again], kept[again]], axis=-1)
