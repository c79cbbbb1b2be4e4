"""Rejects depend on the set of rows alone, and blank pictures are never duplicates of each other."""

import io

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from ldm3d.duplicates import (
    NO_HASH,
    bands,
    choose_byte_duplicates,
    choose_near_duplicates,
    choose_rejects,
    near_duplicate_pairs,
    perceptual_hash,
)
from tests.builders.hashes import hamming


def photo(seed: int, size: int = 256) -> np.ndarray:
    """Something with the spectrum of a photograph: noise at every scale, the larger the stronger."""
    rng = np.random.default_rng(seed)
    layers = [
        cv2.resize(rng.normal(size=(n, n, 3)) / n, (size, size), interpolation=cv2.INTER_CUBIC) for n in (2, 4, 8, 32)
    ]
    picture = sum(layers)
    return np.uint8(255 * (picture - picture.min()) / np.ptp(picture))


def recompressed(image: np.ndarray, quality: int, size: int) -> np.ndarray:
    stream = io.BytesIO()
    Image.fromarray(image).resize((size, size)).save(stream, "JPEG", quality=quality)
    return np.asarray(Image.open(stream))


def int64(values) -> np.ndarray:
    return np.array(values, np.uint64).astype(np.int64)


def brute_force(keys, hashes, max_distance):
    """The rule as documented: in order of unsigned key, a row goes if a kept one looks like it."""
    kept, rejected = [], []
    for key, value in sorted(zip(keys.tolist(), hashes.tolist(), strict=True), key=lambda row: row[0] % 2**64):
        alike = [k for k, v in kept if value != NO_HASH != v and hamming(v, value) <= max_distance]
        if alike:
            rejected.append((key, alike[0]))
        else:
            kept.append((key, value))
    return rejected


@pytest.mark.parametrize("seed", range(20))
def test_the_hash_is_imagehash_phash(seed):
    expected = int(str(imagehash.phash(Image.fromarray(photo(seed)))), 16)
    assert perceptual_hash(photo(seed)) % 2**64 == expected


@pytest.mark.parametrize("seed", range(10))
def test_copies_resized_and_recompressed_stay_near_and_other_pictures_far(seed):
    original = perceptual_hash(photo(seed))
    assert hamming(original, perceptual_hash(recompressed(photo(seed), 60, 200))) <= 3
    assert hamming(original, perceptual_hash(photo(seed + 100))) > 12


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(np.full((64, 64, 3), 255, np.uint8), id="white"),
        pytest.param(np.full((64, 64, 3), [10, 200, 40], np.uint8), id="one colour"),
        pytest.param(np.repeat(np.tile(np.arange(64, dtype=np.uint8), (64, 1))[..., None], 3, axis=-1), id="gradient"),
        pytest.param(np.random.default_rng(0).integers(100, 104, (64, 64, 3), dtype=np.uint8), id="grain"),
    ],
)
def test_a_picture_without_structure_has_no_hash(image):
    assert perceptual_hash(image) == NO_HASH


def test_rows_without_hash_are_never_alike():
    keys, hashes = np.arange(1_000), np.full(1_000, NO_HASH)
    assert len(choose_near_duplicates(keys, hashes, 15)) == 0
    assert len(near_duplicate_pairs(keys, hashes, 15)) == 0


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
def test_the_banded_search_rejects_what_comparing_all_pairs_rejects(rows, max_distance):
    keys, hashes = int64(list(rows)), int64(list(rows.values()))
    assert [tuple(row) for row in choose_near_duplicates(keys, hashes, max_distance).tolist()] == brute_force(
        keys, hashes, max_distance
    )


@settings(deadline=None)
@given(st.lists(_close_hash, max_size=40), st.permutations(range(40)))
def test_the_order_of_the_rows_does_not_matter(values, order):
    keys, hashes = np.arange(len(values)) * 7 - 50, int64(values)
    order = [index for index in order if index < len(values)]
    np.testing.assert_array_equal(
        choose_near_duplicates(keys[order], hashes[order], 3), choose_near_duplicates(keys, hashes, 3)
    )


def test_in_a_chain_the_ends_stay():
    keys, hashes = np.array([1, 2, 3]), np.array([0b0001, 0b0111, 0b11111]) + (7 << 40)
    assert hamming(*hashes[:2].tolist()) == hamming(*hashes[1:].tolist()) == 2
    assert choose_near_duplicates(keys, hashes, 2).tolist() == [[2, 1]]


def test_keys_are_ordered_as_unsigned_numbers():
    assert choose_near_duplicates(np.array([-5, 5]), np.array([9, 9]), 0).tolist() == [[-5, 5]]
    assert choose_byte_duplicates(np.array([-5, 5]), ["ab", "ab"]).tolist() == [[-5, 5]]


def test_a_distributed_search_by_bands_finds_the_same_rejects():
    rng = np.random.default_rng(3)
    keys = rng.permutation(2_000)
    hashes = rng.integers(1, 2**62, 200)[rng.integers(0, 200, 2_000)] ^ (1 << rng.integers(0, 60, 2_000))
    pairs = []
    for column in bands(hashes, 3).T:
        for value in np.unique(column):
            group = column == value
            pairs.append(near_duplicate_pairs(keys[group], hashes[group], 3))
    np.testing.assert_array_equal(choose_rejects(np.concatenate(pairs)), choose_near_duplicates(keys, hashes, 3))


def test_byte_duplicates_leave_the_smallest_key_of_each_group():
    keys = np.array([40, 10, 30, 20, 50])
    assert choose_byte_duplicates(keys, ["a", "b", "a", "b", "c"]).tolist() == [[20, 10], [40, 30]]


def test_no_rows_have_no_duplicates():
    nothing = np.empty(0, np.int64)
    assert choose_near_duplicates(nothing, nothing, 3).shape == (0, 2)
    assert choose_byte_duplicates(nothing, []).shape == (0, 2)


def test_thousands_of_copies_of_one_picture_cost_no_quadratic_time():
    keys = np.arange(100_000)
    rejects = choose_near_duplicates(keys, np.full(100_000, 12_345), 3)
    np.testing.assert_array_equal(rejects, np.stack([keys[1:], np.zeros_like(keys[1:])], axis=-1))
