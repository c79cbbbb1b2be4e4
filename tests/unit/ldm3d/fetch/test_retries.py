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


@pytest.mark.parametrize("status", [429, 503])
def test_a_wait_beyond_the_deadline_is_not_begun(web, fetcher, status):
    urls = [web.url(f"/status?code={status}&Retry-After=3600")] * 5
    fetched = list(fetcher(per_host=1).fetch_all(urls))
    assert {one.reason for one in fetched} == {Reason.RATE_LIMITED}
    assert len(web.asked) == 1  # the rest was spared, and so were we
    assert sorted(one.attempts for one in fetched) == [0, 0, 0, 0, 1]


def test_a_host_that_only_ever_asks_for_pauses_does_not_hold_a_batch_up(web, fetcher):
    start = time.monotonic()
    fetched = list(fetcher(per_host=1, deadline_s=1.8).fetch_all([web.url("/status?code=429&Retry-After=1")] * 20))
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
