"""Hosts are asked for no more at once than allowed, do not delay each other, and are left alone when silent."""

import time
from collections import Counter

import pytest

from ldm3d.reject import Reason
from tests.builders.web import good


@pytest.mark.parametrize(("per_host", "share", "limit"), [(3, 1, 3), (4, 2, 2), (2, 5, 1)])
def test_a_host_is_never_asked_for_more_than_its_share_at_once(web, fetcher, per_host, share, limit):
    urls = [web.url("/slow?s=0.05") for _ in range(12)]
    assert all(map(good, fetcher(share, per_host=per_host).fetch_all(urls)))
    assert web.peak["127.0.0.1"] == limit


def test_the_limit_holds_for_hosts_that_redirects_lead_to(web, fetcher):
    urls = [web.url(f"/to?url={web.url('/slow', '127.0.0.3')}%3Fs=0.05%26n={n}") for n in range(8)]
    fetched = list(fetcher(per_host=2).fetch_all(urls))
    assert len(fetched) == 8
    assert web.peak["127.0.0.3"] <= 2


def test_a_slow_host_does_not_delay_another(web, fetcher):
    slow = [web.url("/slow?s=0.6") for _ in range(4)]
    fast = [web.url("/ok", "127.0.0.3") for _ in range(40)]
    order = [fetched.index for fetched in fetcher(per_host=2).fetch_all(slow + fast)]
    last_fast = max(order.index(index) for index in range(len(slow), len(order)))
    assert last_fast < order.index(2)  # the second pair of slow ones, 1.2 s in, although it was first in line


def test_a_host_that_never_answers_is_left_alone(web, fetcher):
    silent = fetcher(timeout_s=0.4, retries=0, per_host=1, breaker_failures=2, breaker_cooldown_s=60)
    fetched = list(silent.fetch_all([web.url("/slow?s=10")] * 6 + [web.url("/ok", "127.0.0.3")]))
    assert Counter(one.reason for one in fetched) == {Reason.TIMEOUT: 2, Reason.HOST_UNAVAILABLE: 4, "": 1}
    assert len(web.asked_for("/slow")) == 2
    (later,) = silent.fetch_all([web.url("/ok")])  # what was learnt about a host holds for the next batch
    assert (later.reason, later.attempts) == (Reason.HOST_UNAVAILABLE, 0)
    assert later.detail == "not asked: 2 exchanges in a row went unanswered, so the host is left alone"


def test_a_host_that_recovers_is_asked_again(web, fetcher):
    recovering = fetcher(timeout_s=0.5, retries=0, breaker_failures=1, breaker_cooldown_s=0.2)
    assert [one.reason for one in recovering.fetch_all([web.url("/slow?s=10")])] == [Reason.TIMEOUT]
    time.sleep(0.2)
    assert all(map(good, recovering.fetch_all([web.url("/ok")] * 4)))
