"""An epoch has each row at most once; batches are the same for any workers, and found without those before."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.data.order import BatchRows, GlobalOrder


def make_order(rows=(5, 32, 1, 7, 32, 32, 11, 2), **changes) -> GlobalOrder:
    settings = {"batch_size": 8, "lanes": 4, "shuffle_rows": 10, "seed": 0} | changes
    return GlobalOrder(group_rows=np.array(rows), **settings)


def epoch(order: GlobalOrder, number: int = 0) -> list[BatchRows]:
    steps = order.steps_per_epoch
    return list(order.batches(number * steps, (number + 1) * steps, range(order.lanes)))


def samples(batches: list[BatchRows]) -> list[tuple[int, int]]:
    return [(int(g), int(r)) for batch in batches for g, r in zip(batch.groups, batch.rows, strict=True)]


def of_lane(order: GlobalOrder, lane: int, number: int = 0) -> list[tuple[int, int]]:
    steps = order.steps_per_epoch
    return samples(list(order.batches(number * steps, (number + 1) * steps, range(lane, lane + 1))))


def assert_same(some: list[BatchRows], others: list[BatchRows]) -> None:
    for one, other in zip(some, others, strict=True):
        for name, mine, theirs in zip(BatchRows._fields, one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs, err_msg=name)


@st.composite
def orders(draw) -> GlobalOrder:
    lanes, share = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    rows = draw(st.lists(st.integers(0, 40), min_size=1, max_size=30))
    rows.append(lanes * share)  # one batch at least
    return make_order(
        rows,
        batch_size=lanes * share,
        lanes=lanes,
        shuffle_rows=draw(st.sampled_from([1, 2, 7, 50, 2_000])),
        seed=draw(st.integers(0, 2**40)),
    )


@settings(max_examples=60)
@given(orders())
def test_an_epoch_takes_each_row_at_most_once_and_leaves_out_less_than_a_batch(order):
    taken = samples(epoch(order))
    every = {(group, row) for group, count in enumerate(order.group_rows) for row in range(count)}
    assert len(set(taken)) == len(taken)
    assert set(taken) <= every
    assert 0 <= len(every) - len(taken) < order.batch_size


@settings(max_examples=60)
@given(orders(), st.data())
def test_any_stretch_is_what_it_is_in_the_whole(order, data):
    whole = epoch(order, 0) + epoch(order, 1) + epoch(order, 2)
    start = data.draw(st.integers(0, len(whole)))
    stop = data.draw(st.integers(start, len(whole)))
    assert_same(list(order.batches(start, stop, range(order.lanes))), whole[start:stop])


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_workers_together_have_the_same_global_batches(workers):
    order = make_order([32] * 20, batch_size=16, lanes=8)
    parts = [order.batches(0, 60, order.lanes_of(rank, workers)) for rank in range(workers)]
    together = [
        BatchRows(batch[0].step, *(np.concatenate(column) for column in list(zip(*batch, strict=True))[1:]))
        for batch in zip(*parts, strict=True)
    ]
    assert_same(together, list(order.batches(0, 60, range(8))))


def test_workers_have_row_groups_of_their_own():
    order = make_order([32] * 100, batch_size=16, lanes=8)
    steps = order.steps_per_epoch
    groups = [
        {group for group, _ in samples(list(order.batches(0, steps, order.lanes_of(rank, 4))))} for rank in range(4)
    ]
    counted = Counter(group for each in groups for group in each)
    assert sum(count > 1 for count in counted.values()) <= 3  # those across a border


def test_positions_number_the_samples_of_a_training():
    order = make_order()
    batches = epoch(order, 0) + epoch(order, 1)
    positions = np.concatenate([batch.positions for batch in batches])
    assert positions.dtype == np.int64
    np.testing.assert_array_equal(positions, np.arange(2 * order.steps_per_epoch * order.batch_size))
    assert [batch.step for batch in batches] == list(range(len(batches)))


def test_every_batch_takes_its_share_from_each_lane():
    order = make_order([32] * 20, batch_size=12, lanes=4)
    lanes = [of_lane(order, lane) for lane in range(4)]
    for step, batch in enumerate(epoch(order)):
        assert samples([batch]) == [row for lane in lanes for row in lane[3 * step : 3 * step + 3]]


def test_epochs_and_seeds_have_orders_and_leftovers_of_their_own():
    order = make_order([3] * 33)  # 99 rows: 3 are left out
    orders = [samples(epoch(order, 0)), samples(epoch(order, 1)), samples(epoch(make_order([3] * 33, seed=1)))]
    assert len(set(map(tuple, orders))) == len(set(map(frozenset, orders))) == 3


def test_the_order_is_for_ever():
    """A change here means that trainings started before it cannot be resumed."""
    order = make_order(seed=7)
    assert samples(epoch(order, 3)[:1]) == [(7, 1), (1, 2), (1, 28), (1, 29), (4, 10), (4, 11), (5, 0), (5, 1)]


def test_rows_move_no_further_than_they_are_shuffled():
    order, reach = make_order([32] * 200, shuffle_rows=100), 100
    unshuffled = make_order([32] * 200, shuffle_rows=1)
    for lane in range(4):
        before = {row: place for place, row in enumerate(of_lane(unshuffled, lane))}
        moved = np.array([place - before[row] for place, row in enumerate(of_lane(order, lane))])
        assert np.abs(moved).max() <= reach
        assert 0.2 * reach < np.abs(moved).mean() < 0.5 * reach  # a third, were it uniform


def test_a_lane_shorter_than_the_shuffle_is_shuffled_whole():
    order = make_order([32] * 25, batch_size=1, lanes=1, shuffle_rows=10**6)
    places = [group * 32 + row for group, row in of_lane(order, 0)]
    assert abs(np.corrcoef(places, range(len(places)))[0, 1]) < 0.1


def test_neighbours_in_the_corpus_seldom_meet_in_a_batch():
    order = make_order([32] * 400, batch_size=32, lanes=8, shuffle_rows=512)
    from_one_group = [32 - len(set(batch.groups.tolist())) for batch in epoch(order)[40:-40]]
    assert np.mean(from_one_group) < 3  # a share of 4 from the 16 row groups or so in reach


@settings(max_examples=60)
@given(orders())
def test_a_visit_is_one_row_group_and_over_after_its_final_row(order):
    batches = [batch for number in range(2) for batch in epoch(order, number)]
    group_of, over = {}, set()
    for batch in batches:
        for visit, group, final in zip(batch.visits, batch.groups, batch.final, strict=True):
            assert visit not in over
            assert group_of.setdefault(visit, group) == group
            if final:
                over.add(visit)
    assert over == set(group_of)


def test_few_row_groups_are_in_use_at_a_time():
    order = make_order([32] * 400, batch_size=4, lanes=2, shuffle_rows=512)
    in_use, most = set(), 0
    for batch in epoch(order):
        in_use |= set(batch.visits.tolist())
        most = max(most, len(in_use))
        in_use -= set(batch.visits[batch.final].tolist())
    assert not in_use
    assert most <= 2 * (512 / 32 + 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": [3, 4]}, r"rows \(7\) than a batch of 8"),
        ({"rows": []}, r"rows \(0\)"),
        ({"lanes": 3}, "lanes 3 does not divide a batch of 8"),
    ],
)
def test_what_cannot_be_ordered_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_order(**changes)


def test_workers_among_whom_the_lanes_do_not_divide_are_refused():
    with pytest.raises(ValueError, match="lanes 4 cannot be divided among 3 workers"):
        make_order().lanes_of(0, 3)
