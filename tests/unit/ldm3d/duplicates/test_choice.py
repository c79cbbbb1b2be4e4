"""Rejects depend on the set of rows alone: on their hashes and their colours."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.duplicates.choice import choose_byte_duplicates, choose_near_duplicates
from ldm3d.duplicates.colours import COLOURS, MAX_APART
from ldm3d.duplicates.perceptual_hash import NO_HASH
from ldm3d.duplicates.search import near_hashes
from tests.builders.hashes import hamming

GREY = np.full(COLOURS, 128, np.uint8)


def int64(values) -> np.ndarray:
    return np.array(values, np.uint64).astype(np.int64)


def colours_of(levels) -> np.ndarray:
    """(N, 32): grey but for one cell, whose Cr is so far from grey."""
    colours = np.tile(GREY, (len(levels), 1))
    colours[:, 6] = 128 + np.array(levels, np.int64)
    return colours


def chosen(keys, hashes, colours, max_distance) -> list[tuple[int, int]]:
    equal, near = near_hashes(keys, hashes, max_distance)
    needed = np.isin(keys, np.concatenate([equal, near]))
    return [tuple(pair) for pair in choose_near_duplicates(equal, near, keys[needed], colours[needed]).tolist()]


def brute_force(keys, hashes, levels, max_distance):
    """The rule as documented: in order of unsigned key, a row goes if a kept one looks like it."""
    kept, rejected = [], []
    rows = zip(keys.tolist(), hashes.tolist(), levels, strict=True)
    for key, value, level in sorted(rows, key=lambda row: row[0] % 2**64):
        alike = [
            k
            for k, v, c in kept
            if value != NO_HASH != v and hamming(v, value) <= max_distance and abs(c - level) <= MAX_APART
        ]
        if alike:
            rejected.append((key, alike[0]))
        else:
            kept.append((key, value, level))
    return rejected


# Hashes and colours of few distinct values, a few bits or levels apart: chains, ties and equal ones are common.
_row = st.tuples(st.integers(0, 15).map(lambda n: n * 0x0101_0000_8000_0101), st.sampled_from([0, 7, 14, 21, -70]))


@settings(deadline=None)
@given(st.dictionaries(st.integers(0, 2**64 - 1), _row, max_size=40), st.integers(0, 8))
def test_the_rejects_are_those_of_comparing_all_rows(rows, max_distance):
    keys, hashes = int64(list(rows)), int64([value for value, _ in rows.values()])
    levels = [level for _, level in rows.values()]
    assert chosen(keys, hashes, colours_of(levels), max_distance) == brute_force(keys, hashes, levels, max_distance)


@settings(deadline=None)
@given(st.lists(_row, max_size=40), st.permutations(range(40)))
def test_the_order_of_the_rows_does_not_matter(rows, order):
    keys, hashes = np.arange(len(rows)) * 7 - 50, int64([value for value, _ in rows])
    colours = colours_of([level for _, level in rows])
    order = [index for index in order if index < len(rows)]
    assert chosen(keys[order], hashes[order], colours[order], 3) == chosen(keys, hashes, colours, 3)


@settings(deadline=None)
@given(st.lists(_row, max_size=40), st.sets(st.integers(0, 39)))
def test_rejects_that_are_gone_already_change_nothing_for_the_others(rows, gone):
    """A pass that was killed halfway has moved some of them."""
    keys, hashes = np.arange(len(rows)), int64([value for value, _ in rows])
    colours = colours_of([level for _, level in rows])
    before = dict(chosen(keys, hashes, colours, 3))
    stays = np.array([key not in before or key not in gone for key in keys.tolist()], np.bool_)
    after = dict(chosen(keys[stays], hashes[stays], colours[stays], 3))
    assert after == {key: kept for key, kept in before.items() if key not in gone}


def test_in_a_chain_the_ends_stay():
    keys, hashes = np.array([1, 2, 3]), np.array([0b0001, 0b0111, 0b11111]) + (7 << 40)
    assert hamming(*hashes[:2].tolist()) == hamming(*hashes[1:].tolist()) == 2
    assert chosen(keys, hashes, colours_of([0, 0, 0]), 2) == [(2, 1)]
    assert chosen(keys, np.full(3, 5), colours_of([0, 10, 20]), 2) == [(2, 1)]


def test_keys_are_ordered_as_unsigned_numbers():
    assert chosen(np.array([-5, 5]), np.array([9, 9]), colours_of([0, 0]), 0) == [(-5, 5)]
    assert choose_byte_duplicates(np.array([-5, 5]), ["ab", "ab"]).tolist() == [[-5, 5]]


def test_byte_duplicates_leave_the_smallest_key_of_each_group():
    keys = np.array([40, 10, 30, 20, 50])
    assert choose_byte_duplicates(keys, ["a", "b", "a", "b", "c"]).tolist() == [[20, 10], [40, 30]]


def test_no_rows_have_no_duplicates():
    nothing = np.empty(0, np.int64)
    assert chosen(nothing, nothing, colours_of([]), 3) == []
    assert choose_byte_duplicates(nothing, []).shape == (0, 2)


def test_thousands_of_copies_of_one_picture_cost_no_quadratic_time():
    keys = np.arange(100_000)
    rejects = chosen(keys, np.full(100_000, 12_345), np.tile(GREY, (100_000, 1)), 3)
    assert rejects == [(key, 0) for key in range(1, 100_000)]
