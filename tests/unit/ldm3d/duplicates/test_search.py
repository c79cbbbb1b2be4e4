"""Every two rows of near hashes are found, in one search or in groups, and rows without a hash are near to none."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.duplicates.perceptual_hash import NO_HASH
from ldm3d.duplicates.search import bands, near_hashes, near_pairs
from tests.builders.hashes import hamming


def int64(values) -> np.ndarray:
    return np.array(values, np.uint64).astype(np.int64)


def test_hamming_counts_bits_of_negative_hashes_too():
    assert hamming(-1, 0) == 64
    assert hamming(-(2**63), 1) == 2


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=15), st.integers(0, 15))
def test_hashes_within_the_distance_share_a_band(value, flipped, max_distance):
    other = value
    for bit in list(flipped)[:max_distance]:
        other ^= 1 << bit
    a, b = bands(int64([value, other]), max_distance)
    assert (a == b).any()


def test_bands_hold_every_bit_once():
    for distance in range(16):
        hashes = int64([1 << bit for bit in range(64)])
        assert (np.bitwise_count(bands(hashes, distance)).sum(axis=-1) == 1).all()


# Hashes of few distinct values, a few bits apart: chains, ties and equal hashes are common.
_close_hash = st.integers(0, 15).map(lambda n: n * 0x0101_0000_8000_0101)


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**64 - 1), _close_hash, max_size=40), st.integers(0, 8))
def test_the_banded_search_finds_what_comparing_all_pairs_finds(rows, max_distance):
    ordered = sorted((key, value) for key, value in rows.items() if value != NO_HASH)
    expected = [
        (key, other)
        for place, (key, value) in enumerate(ordered)
        for other, other_value in ordered[place + 1 :]
        if hamming(value, other_value) <= max_distance
    ]
    keys, hashes = int64(list(rows)), int64(list(rows.values()))
    assert [tuple(pair) for pair in near_pairs(keys, hashes, max_distance).view(np.uint64).tolist()] == expected


def test_a_search_in_groups_by_bands_finds_the_same_pairs():
    rng = np.random.default_rng(3)
    keys = rng.permutation(2_000)
    hashes = rng.integers(1, 2**62, 200)[rng.integers(0, 200, 2_000)] ^ (1 << rng.integers(0, 60, 2_000))
    pairs = []
    for column in bands(hashes, 3).T:
        for value in np.unique(column):
            group = column == value
            pairs.append(near_pairs(keys[group], hashes[group], 3))
    np.testing.assert_array_equal(np.unique(np.concatenate(pairs), axis=0), near_pairs(keys, hashes, 3))


def test_of_rows_with_one_hash_only_the_first_is_compared():
    keys, hashes = np.array([30, -5, 10, 20]), np.array([9, 9, 9, 11])
    equal, near = near_hashes(keys, hashes, 1)
    assert equal.tolist() == [[30, 10], [-5, 10]]  # keys are ordered as unsigned numbers
    assert near.tolist() == [[10, 20]]


def test_rows_without_hash_are_near_to_none():
    keys, hashes = np.arange(1_000), np.full(1_000, NO_HASH)
    for found in (*near_hashes(keys, hashes, 15), near_pairs(keys, hashes, 15)):
        assert found.shape == (0, 2)
