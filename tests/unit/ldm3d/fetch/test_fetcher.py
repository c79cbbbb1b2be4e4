"""Calls of one fetcher: results at the caller's pace, several at once, and nothing left behind by leaving early."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.builders.web import good


def test_no_more_is_fetched_than_the_caller_takes(web, fetcher):
    results = fetcher(threads=2).fetch_all([web.url("/ok")] * 20)
    next(results)
    time.sleep(0.1)
    assert len(web.asked) <= 2


def test_leaving_early_ends_what_is_under_way(web, fetcher):
    one = fetcher(per_host=2)
    start = time.monotonic()
    results = one.fetch_all([web.url("/ok"), web.url("/slow?s=10"), web.url("/slow?s=10")])
    assert next(results).index == 0
    results.close()
    assert time.monotonic() - start < 2
    assert all(map(good, one.fetch_all([web.url("/ok")] * 3)))  # and its slots are free again


def test_two_calls_at_once_are_refused(web, fetcher):
    one = fetcher()
    results = one.fetch_all([web.url("/ok")] * 2)
    next(results)
    with pytest.raises(RuntimeError, match="`calls`"):
        next(one.fetch_all([web.url("/ok")]))


def test_calls_at_once_share_the_limit_of_a_host_and_all_come_to_their_end(web, fetcher):
    one = fetcher(calls=3, per_host=2)
    urls = [web.url("/slow?s=0.05") for _ in range(10)]
    with ThreadPoolExecutor(3) as callers:
        fetched = list(callers.map(lambda _: list(one.fetch_all(urls)), range(3)))
    assert [sorted(f.index for f in call if good(f)) for call in fetched] == [list(range(10))] * 3
    assert web.peak["127.0.0.1"] == 2


def test_a_call_that_waits_for_a_slow_url_leaves_the_next_one_at_work(web, fetcher):
    one = fetcher(calls=2, per_host=4, timeout_s=5.0, deadline_s=5.0)
    waiting = one.fetch_all([web.url("/ok"), web.url("/slow?s=1.5")])
    assert good(next(waiting))
    start = time.monotonic()
    assert all(map(good, one.fetch_all([web.url("/ok")] * 10)))
    assert time.monotonic() - start < 1.0
    assert good(next(waiting))
