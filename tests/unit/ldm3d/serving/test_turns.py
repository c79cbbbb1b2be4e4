"""Who shares the next call: nobody waits for the requests of others to end, and nobody is kept waiting for ever."""

from collections import Counter
from dataclasses import dataclass

import pytest

from ldm3d.serving.turns import Turns

SMALL, LARGE = (8, 8, False, True), (32, 32, False, True)


@dataclass(eq=False)
class Waiting:
    """What `Turns` sees of a slot."""

    name: str
    kind: tuple[int, int, bool, bool] = SMALL
    rows: int = 2
    served: float = 0.0


def calls(turns: Turns, count: int) -> list[list[str]]:
    return [[slot.name for slot in turns.take()] for _ in range(count)]


def filled(*slots: Waiting, rows: int = 4) -> Turns:
    turns = Turns(rows)
    for slot in slots:
        turns.add(slot)
    return turns


def test_nobody_there_is_no_call():
    assert filled().take() == []


def test_a_call_takes_as_many_as_it_has_rows_for():
    turns = filled(Waiting("a"), Waiting("b", rows=1), Waiting("c"), Waiting("d", rows=1))
    assert calls(turns, 2) == [["a", "b", "d"], ["c", "a"]]


def test_all_of_a_kind_go_on_at_one_pace():
    turns = filled(*(Waiting(name) for name in "abcde"))
    steps = Counter(name for call in calls(turns, 50) for name in call)
    assert sum(steps.values()) == 100
    assert set(steps.values()) == {20}


def test_a_new_one_joins_the_next_call_and_then_takes_its_turn():
    turns = filled(*(Waiting(name) for name in "abcd"))
    calls(turns, 20)
    turns.add(new := Waiting("new"))
    following = calls(turns, 10)
    assert "new" in following[0] + following[1] + following[2]
    assert sum("new" in call for call in following) == 4  # its share of 20 places for 5
    assert new.served == pytest.approx(14, abs=1)


def test_newcomers_without_end_do_not_stop_an_old_one():
    turns = filled(old := Waiting("old"))
    ends = {}
    for number in range(300):
        if number % 3 == 0:  # of two places in each call, newcomers of four steps take two thirds
            turns.add(young := Waiting(f"new {number}"))
            ends[young] = young.served + 4
        turns.take()
        turns.remove([slot for slot in turns.slots() if slot in ends and slot.served >= ends[slot]])
    assert old.served >= 150


def test_device_time_is_shared_by_need_not_by_kind():
    turns = filled(Waiting("large", LARGE), *(Waiting(name) for name in "abcd"))
    cost = Counter()
    for _ in range(340):
        taken = turns.take()
        cost[taken[0].kind] += turns.cost(taken[0].kind)
    assert cost[SMALL] / cost[LARGE] == pytest.approx(2, rel=0.1)  # they need two calls for each of the large one's


def test_small_pictures_are_not_kept_waiting_by_large_ones():
    turns = filled(*(Waiting(f"large {number}", LARGE) for number in range(2)), Waiting("small"))
    names = [call[0] for call in calls(turns, 200)]
    waits = [len(part.split()) for part in " ".join("s" if name == "small" else "l" for name in names).split("s")]
    assert max(waits[:-1]) <= 2


def test_who_leaves_gives_the_place_back():
    turns = filled(a := Waiting("a"), b := Waiting("b", LARGE))
    turns.remove([a])
    assert calls(turns, 2) == [["b"], ["b"]]
    turns.remove([b])
    assert len(turns) == 0
    assert turns.take() == []
