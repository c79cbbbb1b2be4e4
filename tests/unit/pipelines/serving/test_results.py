"""Results are kept within bounds of bytes and of time."""

import pytest

from pipelines.serving.messages import Result
from pipelines.serving.problem import cancelled
from pipelines.serving.results import LEAST, Results


def result(name: str, size: int) -> Result:
    return Result(name, "toy", "a", panorama=False, width=1, height=1, image=b"x" * size, depth=None, facts={})


def test_the_newest_are_kept_within_the_bytes():
    results = Results(3 * LEAST + 300, 100.0)
    for name in "abcd":
        results.put(name, result(name, 100))
    assert results.get("a") is None
    assert [results.get(name).identity for name in "bcd"] == ["b", "c", "d"]
    assert results.bytes == 3 * (LEAST + 100)


def test_one_that_is_larger_than_all_room_is_kept_alone():
    results = Results(10, 100.0)
    results.put("a", result("a", 5))
    results.put("b", result("b", 50))
    assert (results.get("a"), results.get("b").identity) == (None, "b")


def test_they_are_kept_for_a_while():
    now = [0.0]
    results = Results(10**6, 60.0, lambda: now[0])
    results.put("a", result("a", 5))
    now[0] = 59.0
    results.put("b", cancelled())
    assert results.get("a") is not None
    now[0] = 61.0
    assert (results.get("a"), results.get("b")) == (None, cancelled())
    assert results.bytes == LEAST


@pytest.mark.parametrize("times", [1, 3])
def test_one_that_is_put_again_counts_once(times):
    results = Results(10**6, 60.0)
    for _ in range(times):
        results.put("a", result("a", 5))
    assert results.bytes == LEAST + 5
