"""What is left of a URL's deadline for the host that it ends at: little of it says nothing about that host."""

import math
import socket
import threading
from concurrent.futures import Future

import pytest

from ldm3d.config import DownloadConfig
from ldm3d.fetch.dispatcher import Dispatcher
from ldm3d.fetch.outcome import Outcome
from ldm3d.fetch.politeness import Politeness, Standing
from ldm3d.reject import Reason
from tests.builders.web import good

CONFIG = DownloadConfig(timeout_s=10.0, deadline_s=30.0, backoff_s=0.0)
REDIRECT = Outcome(redirect="http://b.test/")
GOOD = Outcome(content=b"good")
SHORT = Outcome(Reason.TIMEOUT, "short", inconclusive=True)
SILENT = Outcome(Reason.TIMEOUT, "silent", transient=True, unreachable=True)


def fetched(ends, config=CONFIG, politeness=None):
    """One URL whose exchanges end as said: an outcome, and its seconds. Returns its end, and what was asked."""
    asked = []

    def begin(url, exchange):
        asked.append(url)
        end = Future()
        end.set_result(ends[len(asked) - 1])
        return end

    politeness = politeness or Politeness(4, 1, 60.0)
    one = Dispatcher(config, politeness, threading.Lock(), begin, window=4, poll_s=math.inf)
    (end,) = one.fetch(["http://a.test/"])
    return end, asked


@pytest.mark.parametrize(("took_s", "reason"), [(28.9, ""), (29.1, Reason.TIMEOUT), (30.5, Reason.TIMEOUT)])
def test_a_host_is_asked_if_a_tenth_of_the_time_for_one_step_is_left(took_s, reason):
    end, asked = fetched([(REDIRECT, took_s), (GOOD, 0.1)])
    assert end.reason == reason
    assert len(asked) == (1 if reason else 2)
    if reason:
        assert end.detail == f"not asked: redirects left {max(0, 30 - took_s):.3g} s of the deadline"


def test_a_retry_for_which_too_little_is_left_ends_as_the_last_attempt_did():
    end, asked = fetched([(SILENT, 29.5)])
    assert (end.reason, end.detail, end.attempts, len(asked)) == (Reason.TIMEOUT, "silent", 1, 1)


def test_a_deadline_below_the_time_for_one_step_is_time_enough():
    end, _ = fetched([(GOOD, 0.1)], DownloadConfig(timeout_s=10.0, deadline_s=0.5))
    assert good(end)


@pytest.mark.parametrize(("outcome", "standing"), [(SHORT, Standing.FREE), (SILENT, Standing.UNAVAILABLE)])
def test_an_exchange_that_was_too_short_leaves_the_record_of_its_host_as_it_is(outcome, standing):
    politeness = Politeness(4, 2, 60.0)
    for failures in (1, 2):
        fetched([(REDIRECT, 25.0), (outcome, 5.0)], politeness=politeness)
        assert politeness.standing("b.test") is (standing if failures == 2 else Standing.FREE)
    politeness.begin("b.test")
    politeness.end("b.test", unreachable=True)
    fetched([(REDIRECT, 25.0), (SHORT, 5.0)], politeness=politeness)
    politeness.begin("b.test")
    politeness.end("b.test", unreachable=True)
    assert politeness.standing("b.test") is Standing.UNAVAILABLE  # two in a row: the short one was no answer


def test_a_target_that_had_no_time_to_answer_is_no_broken_host(web, fetcher):
    target = web.url("/slow", "127.0.0.3")
    one = fetcher(timeout_s=2.0, deadline_s=2.0, breaker_failures=1, retries=0)
    (end,) = one.fetch_all([web.url(f"/late?s=0.8&url={target}%3Fs=10")])
    assert (end.reason, end.detail) == (Reason.TIMEOUT, "the deadline has passed, and little of it was left to ask")
    assert [host for host, _ in web.asked] == ["127.0.0.1", "127.0.0.3"]
    assert all(map(good, one.fetch_all([web.url("/ok", "127.0.0.3")])))


def test_a_name_that_had_no_time_to_be_looked_up_is_no_broken_host(web, fetcher, monkeypatch):
    silent, system = threading.Event(), socket.getaddrinfo

    def getaddrinfo(host, *rest, **more):
        return silent.wait(10) and [] if host == "late.test" else system(host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    one = fetcher(timeout_s=2.0, deadline_s=3.0, breaker_failures=1, retries=0)
    (end,) = one.fetch_all([web.url("/late?s=1.6&url=http://late.test/")])
    assert end.reason == Reason.TIMEOUT
    (direct,) = one.fetch_all(["http://late.test/"])
    silent.set()
    assert direct.reason == Reason.DNS_FAILED  # it was asked, and has had its time
