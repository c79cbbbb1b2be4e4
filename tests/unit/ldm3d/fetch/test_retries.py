"""Failures that may pass are retried, no sooner than the server asks, and within the deadline."""

import email.utils
import time

import pytest

from ldm3d.reject import Reason
from tests.builders.web import good


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_a_passing_failure_is_retried(web, fetch, status):
    fetched = fetch(web.url(f"/again?failures=2&status={status}"))
    assert (fetched.content, fetched.attempts) == (b"better", 3)


def test_retries_are_counted(web, fetch):
    fetched = fetch(web.url("/status?code=500"))
    assert (fetched.reason, fetched.attempts, len(web.asked)) == (Reason.HTTP_ERROR, 3, 3)


def test_a_retry_waits_as_long_as_the_server_asks_or_until_the_date_that_it_names(web, fetcher):
    date = email.utils.formatdate(time.time() + 2, usegmt=True).replace(" ", "%20")
    asked = web.url("/again?failures=2&status=429&Retry-After=1")
    named = web.url(f"/again?failures=2&status=503&Retry-After={date}", "127.0.0.3")
    start, waited = time.monotonic(), {}
    for fetched in fetcher(backoff_s=60).fetch_all([asked, named]):
        assert good(fetched)
        waited[fetched.index] = time.monotonic() - start
    assert waited[0] >= 1
    assert waited[1] >= 0.9  # dates have whole seconds


@pytest.mark.parametrize("value", ["0", "Sun,%2006%20Nov%201994%2008:49:37%20GMT"])
@pytest.mark.parametrize("status", [429, 503])
def test_a_host_that_asks_for_a_pause_of_no_time_is_asked_after_our_own(web, fetch, status, value):
    start = time.monotonic()
    fetched = fetch(web.url(f"/again?failures=2&status={status}&Retry-After={value}"), backoff_s=0.3)
    assert (fetched.content, fetched.attempts) == (b"better", 3)
    assert time.monotonic() - start >= 0.9  # 0.3 s, then twice that


def test_a_host_that_only_ever_asks_for_pauses_of_no_time_does_not_hold_a_batch_up(web, fetcher):
    start = time.monotonic()
    urls = [web.url("/status?code=503&Retry-After=0")] * 40
    fetched = list(fetcher(per_host=1, backoff_s=0.2, retries=0).fetch_all(urls))
    assert time.monotonic() - start < 5  # not 40 pauses
    assert {one.reason for one in fetched} == {Reason.HTTP_ERROR, Reason.RATE_LIMITED}
    assert len(web.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_one_url_that_asks_for_a_pause_costs_the_others_of_its_host_nothing_but_time(web, fetcher, status):
    """The pause is longer than the deadline of a URL. Other hosts are asked meanwhile."""
    odd, good_urls = web.url(f"/status?code={status}&Retry-After=2"), [web.url("/ok")] * 40
    elsewhere = web.url("/ok", "127.0.0.3")
    with_time = fetcher(per_host=2, deadline_s=1.0, retries=0)
    start, took_s = time.monotonic(), {}
    for fetched in with_time.fetch_all([odd, *good_urls, elsewhere]):
        assert good(fetched) or fetched.index == 0
        took_s[fetched.index] = time.monotonic() - start
    assert took_s[41] < 1.5
    assert max(took_s.values()) >= 2
    assert [good(fetched) for fetched in with_time.fetch_all([web.url("/ok")] * 5)] == [True] * 5  # the next shard


def test_a_url_is_fetched_after_a_pause_beyond_its_deadline(web, fetch):
    fetched = fetch(web.url("/again?failures=1&status=429&Retry-After=2"), deadline_s=1.0)
    assert (fetched.content, fetched.attempts) == (b"better", 2)


@pytest.mark.parametrize("status", [429, 503])
def test_a_pause_that_is_too_long_is_not_waited_for(web, fetcher, status):
    urls = [web.url(f"/status?code={status}&Retry-After=3600")] * 5
    fetched = list(fetcher(per_host=1).fetch_all(urls))
    assert {one.reason for one in fetched} == {Reason.RATE_LIMITED}
    assert len(web.asked) == 1  # the rest was spared, and so were we
    assert sorted(one.attempts for one in fetched) == [0, 0, 0, 0, 1]


def test_a_host_that_only_ever_asks_for_pauses_does_not_hold_a_batch_up(web, fetcher):
    start = time.monotonic()
    fetched = list(fetcher(per_host=1, max_pause_s=1.8).fetch_all([web.url("/status?code=429&Retry-After=1")] * 20))
    assert {one.reason for one in fetched} == {Reason.RATE_LIMITED}
    assert time.monotonic() - start < 6


def test_a_connection_that_ends_without_an_answer_is_retried(web, fetch):
    web.raw = b""
    fetched = fetch(web.url("/raw"))
    assert (fetched.reason, fetched.attempts) == (Reason.CONNECTION_FAILED, 3)


def test_a_retry_that_waits_holds_no_thread(web, fetcher):
    urls = [web.url("/again?failures=1&status=500")] + [web.url("/ok", "127.0.0.3")] * 5
    order = [fetched.index for fetched in fetcher(threads=1, backoff_s=0.3).fetch_all(urls)]
    assert order[-1] == 0


def test_retries_do_not_extend_the_deadline(web, fetch):
    start = time.monotonic()
    fetched = fetch(web.url("/slow?s=10"), timeout_s=0.3, deadline_s=0.8, retries=50)
    assert fetched.reason == Reason.TIMEOUT
    assert fetched.attempts in (2, 3)  # a bit over 0.3 s, twice, then the rest
    assert time.monotonic() - start < 3
