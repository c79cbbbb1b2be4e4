"""Keys, samples and splits depend on the URL alone."""

import hashlib

import numpy as np

from ldm3d.config import SelectConfig
from ldm3d.keys import hidden_seed, make_key, positions_of, rank, split_of

KEYS = np.array([make_key(f"http://example.org/{i}.jpg") for i in range(20_000)], np.int64)


def test_a_key_is_the_first_eight_bytes_of_the_hash_of_the_url():
    url = "http://example.org/ü.jpg"
    assert make_key(url).to_bytes(8, "big", signed=True) == hashlib.sha256(url.encode()).digest()[:8]


def test_ranks_are_one_to_one_and_change_with_the_seed():
    assert len(np.unique(rank(KEYS, 0))) == len(KEYS)
    assert (rank(KEYS, 0) != rank(KEYS, 1)).all()


def test_what_is_hidden_has_a_seed_of_its_own():
    seeds = [hidden_seed(seed) for seed in range(1_000)]
    assert len({*seeds, *range(1_000)}) == 2_000
    assert all(0 <= seed < 2**32 for seed in [*seeds, hidden_seed(2**32 - 1)])


def test_splits_have_their_shares():
    splits = split_of(KEYS, SelectConfig(val_fraction=0.2, test_fraction=0.1))
    shares = {name: (splits == name).mean() for name in ("train", "val", "test")}
    # five standard deviations of a binomial share of 20,000
    np.testing.assert_allclose([shares["train"], shares["val"], shares["test"]], [0.7, 0.2, 0.1], atol=0.017)


def test_a_row_keeps_its_split_when_others_come_and_go():
    config = SelectConfig()
    np.testing.assert_array_equal(split_of(KEYS, config)[500:600], split_of(KEYS[500:600], config))


def test_the_split_does_not_follow_the_sampling_order():
    splits = split_of(KEYS, SelectConfig(val_fraction=0.2))
    first = np.argsort(rank(KEYS, 0))[:2_000]
    assert 0.15 < (splits[first] == "val").mean() < 0.25


def test_positions_are_those_in_the_sorted_array():
    keys = np.array([-5, -1, 3, 9])
    assert positions_of(np.array([3, 4, -5, 10, -9]), keys).tolist() == [2, -1, 0, -1, -1]
    assert positions_of(np.array([3]), keys[:0]).tolist() == [-1]
