"""Every URL comes to its end in time, in whatever phase its server stalls or drips."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ldm3d.fetch.exchange import Exchange
from ldm3d.reject import Reason
from tests.builders.web import good, talker


@pytest.mark.parametrize("phase", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_drip_ends_at_the_deadline_wherever_it_drips(web, fetch, phase):
    web.raw, start = phase, time.monotonic()
    fetched = fetch(web.url("/drip"), deadline_s=0.3)
    assert (fetched.reason, fetched.content) == (Reason.TIMEOUT, b"")
    assert 0.25 < time.monotonic() - start < 3


def test_a_drip_of_interim_answers_ends_at_the_deadline(web, fetch):
    web.raw = b"HTTP/1.1 100 Continue\r\n\r\n" * 50
    assert fetch(web.url("/drip"), deadline_s=0.3).reason == Reason.TIMEOUT


def test_a_drip_in_the_tls_handshake_ends_at_the_deadline(fetch):
    start = time.monotonic()
    with talker(b"\x16\x03\x03\x40\x00\x02", b"x") as port:  # the head of a long handshake record
        assert fetch(f"https://127.0.0.1:{port}/", deadline_s=0.3).reason == Reason.TIMEOUT
    assert time.monotonic() - start < 3


def test_a_connection_that_was_ready_too_late_is_shut_at_once():
    exchange = Exchange(timeout_s=5.0, budget_s=5.0)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        exchange.expire()
        exchange.watch(ours)
        assert theirs.recv(1) == b""
        exchange.close()


def test_the_deadline_holds_when_tls_has_taken_the_connection_over():
    exchange = Exchange(timeout_s=5.0, budget_s=5.0)
    ours, theirs = socket.socketpair()
    exchange.watch(ours)
    with socket.socket(fileno=ours.detach()), theirs:  # what wrapping does to the plain socket
        theirs.settimeout(2.0)
        exchange.expire()
        assert theirs.recv(1) == b""
        exchange.close()


def test_a_stall_costs_one_timeout_an_attempt(web, fetch):
    start = time.monotonic()
    fetched = fetch(web.url("/slow?s=10"), timeout_s=0.2, retries=1)
    assert (fetched.reason, fetched.attempts, len(web.asked)) == (Reason.TIMEOUT, 2, 2)
    assert time.monotonic() - start < 3


def test_queueing_for_a_host_does_not_use_up_the_deadline(web, fetcher):
    urls = [web.url("/slow?s=0.3")] * 4
    assert all(map(good, fetcher(per_host=1, deadline_s=1.0).fetch_all(urls)))


def test_the_wait_for_a_thread_of_ours_costs_no_url_its_deadline(web, fetcher):
    one = fetcher(calls=4, threads=1, per_host=8, timeout_s=0.6, deadline_s=0.6, retries=0, breaker_failures=1)
    urls = [web.url("/slow?s=0.2")] * 2
    with ThreadPoolExecutor(4) as callers:
        calls = list(callers.map(lambda _: list(one.fetch_all(urls)), range(4)))
    assert [(fetched.reason, fetched.detail) for call in calls for fetched in call if not good(fetched)] == []
