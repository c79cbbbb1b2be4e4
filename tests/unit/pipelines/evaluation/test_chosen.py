"""The pictures that count, and their order, depend on keys and numbers alone."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evaluation.chosen import Chosen

KEYS = np.array([5, -3, 5, 9, 7, -3], np.int64)
NUMBERS = np.array([1, 0, 0, 0, 0, 1], np.int32)
PAIRS = list(zip(KEYS.tolist(), NUMBERS.tolist(), strict=True))


def pairs(chosen: Chosen) -> list[tuple[int, int]]:
    return list(zip(chosen.keys.tolist(), chosen.numbers.tolist(), strict=True))


@given(order=st.permutations(range(6)), count=st.integers(1, 5))
def test_the_order_they_come_in_does_not_matter_and_a_smaller_count_is_part_of_a_larger(order, count):
    whole = Chosen.of(KEYS[list(order)], NUMBERS[list(order)])
    assert pairs(whole) == pairs(Chosen.of(KEYS, NUMBERS))
    some = pairs(Chosen.of(KEYS[list(order)], NUMBERS[list(order)], count))
    assert some == pairs(whole)[: len(some)]
    assert len({key for key, _ in some}) == min(count, 4)


def test_all_samples_of_a_caption_count_together():
    by_key = {key: [n for k, n in pairs(Chosen.of(KEYS, NUMBERS, 2)) if k == key] for key in (5, -3, 7, 9)}
    assert all(numbers in ([], sorted(n for k, n in PAIRS if k == key)) for key, numbers in by_key.items())


def test_only_given_keys_count():
    assert sorted(pairs(Chosen.of(KEYS, NUMBERS, among=np.array([7, 5, 1])))) == [(5, 0), (5, 1), (7, 0)]
    assert len(Chosen.of(KEYS, NUMBERS, among=np.array([], np.int64))) == 0


def test_each_picture_has_its_place_and_strangers_none():
    chosen = Chosen.of(KEYS, NUMBERS)
    assert chosen.places(KEYS, NUMBERS).tolist() == [pairs(chosen).index(pair) for pair in PAIRS]
    assert chosen.places(np.array([5, 6, -3]), np.array([2, 0, 0], np.int32)).tolist()[:2] == [-1, -1]
    assert Chosen.of(KEYS[:0], NUMBERS[:0]).places(KEYS, NUMBERS).tolist() == [-1] * 6


def test_those_that_were_measured_stay_in_their_order():
    chosen = Chosen.of(KEYS, NUMBERS)
    rest = chosen.only(KEYS[[4, 0, 3]], NUMBERS[[4, 0, 3]])
    assert pairs(rest) == [pair for pair in pairs(chosen) if pair in [PAIRS[4], PAIRS[0], PAIRS[3]]]
