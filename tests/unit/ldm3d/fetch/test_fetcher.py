"""Every URL comes to its end, in time and with a reason, whatever its server does. Servers are real, on loopback."""

import contextlib
import email.utils
import socket
import threading
import time
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetcher
from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.exchange import Exchange
from ldm3d.reject import Reason

BODY = bytes(range(256)) * 400  # 102,400 bytes
HOSTS = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
QUICK = {
    "timeout_s": 2.0,
    "deadline_s": 5.0,
    "max_bytes": 2 * len(BODY),
    "backoff_s": 0.02,
    "threads": 8,
    "retries": 2,
    "breaker_failures": 100,
    "allow_addresses": ("127.0.0.1", "127.0.0.3"),
}


class Web:
    """Three loopback hosts that do as the path says, and remember who was asked for what, and how much at once."""

    def __init__(self):
        self.raw = b""
        self.asked = []
        self.headers = []
        self.active, self.peak = Counter(), Counter()
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.servers = {}
        for host in HOSTS:
            server = ThreadingHTTPServer((host, 0), Site)
            server.web, server.daemon_threads = self, True
            self.servers[host] = server
            threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()

    def port(self, host):
        return self.servers[host].server_port

    def url(self, path, host="127.0.0.1"):
        return f"http://{host}:{self.port(host)}{path}"

    def asked_for(self, path):
        return [asked for asked in self.asked if asked[1].startswith(path)]

    def close(self):
        self.closing.set()
        for server in self.servers.values():
            server.shutdown()
            server.server_close()


class Site(BaseHTTPRequestHandler):
    """`/name?key=value` does what the method `name` says."""

    def do_GET(self):
        web, host = self.server.web, self.server.server_address[0]
        with web.lock:
            web.asked.append((host, self.path))
            web.headers.append(dict(self.headers))
            web.active[host] += 1
            web.peak[host] = max(web.peak[host], web.active[host])
        parts = urlsplit(self.path)
        values = {key: value[0] for key, value in parse_qs(parts.query).items()}
        with contextlib.suppress(OSError):  # the client has hung up, as it should in most tests
            getattr(self, parts.path.strip("/").split("/")[0])(**values)
        with web.lock:
            web.active[host] -= 1

    def answer(self, status=200, body=BODY, **headers):
        self.send_response(int(status))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def ok(self, **_):
        self.answer()

    def sized(self):
        self.answer(Content_Length=str(len(BODY)))

    def slow(self, s, **_):
        self.server.web.closing.wait(float(s))
        self.answer(body=b"slow")

    def status(self, code, **headers):
        self.answer(code, b"", **headers)

    def tag(self, line):
        self.answer(body=b"tagged", X_Robots_Tag=line)

    def tags(self):
        self.send_response(200)
        self.send_header("X-Robots-Tag", "nofollow")
        self.send_header("X-Robots-Tag", "noai")
        self.end_headers()

    def to(self, url, **headers):
        self.answer(302, b"", Location=url, **headers)

    def round(self, n):
        self.answer(302, b"", Location=f"/round?n={(int(n) + 1) % 3}")

    def far(self, n):
        self.answer(302, b"", Location=f"/far?n={int(n) - 1}" if int(n) else "/ok")

    def again(self, failures, status, **headers):
        """Fails so many times, then succeeds."""
        fails = len(self.server.web.asked_for("/again")) <= int(failures)
        self.answer(status if fails else 200, b"better", **headers)

    def short(self):
        self.answer(body=b"half", Content_Length="8")

    def short_chunk(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(body=b"10\r\nhalf", Transfer_Encoding="chunked")

    def chunks(self):
        self.protocol_version = "HTTP/1.1"
        self.answer(body=b"4\r\nhalf\r\n4\r\nhalf\r\n0\r\n\r\n", Transfer_Encoding="chunked")

    def announces_much(self):
        self.answer(body=b"x", Content_Length=str(3 * len(BODY)))

    def sends_much(self):
        self.answer(body=3 * BODY)

    def empty(self):
        self.answer(body=b"", Content_Length="0")

    def gzip(self):
        self.answer(body=b"\x1f\x8b-not-unpacked", Content_Encoding="gzip")

    def raw(self):
        self.wfile.write(self.server.web.raw)

    def drip(self):
        """The raw answer, and then one byte at a time, for ever."""
        self.raw()
        while not self.server.web.closing.wait(0.02):
            self.wfile.write(b"x")

    def log_message(self, *_):
        pass


@pytest.fixture(scope="module", autouse=True)
def img2dataset():
    """Imported once, by a fetcher, so that no test's clock runs meanwhile."""
    Fetcher(DownloadConfig()).close()


@pytest.fixture
def web():
    web = Web()
    yield web
    web.close()


@pytest.fixture
def fetcher():
    """Makes fetchers with the quick settings, some of them overruled."""
    with contextlib.ExitStack() as stack:
        yield lambda share=1, calls=1, **settings: stack.enter_context(
            Fetcher(DownloadConfig(**QUICK | settings), share, calls)
        )


@pytest.fixture
def fetch(fetcher):
    """One URL to its end."""

    def one(url, **settings):
        (fetched,) = fetcher(**settings).fetch_all([url])
        return fetched

    return one


def good(fetched):
    return fetched.reason == fetched.detail == ""


# Answers


@pytest.mark.parametrize("path", ["/ok", "/sized"])
def test_a_good_url_gives_the_bytes_that_img2dataset_gives(web, fetch, path):
    fetched = fetch(web.url(path))
    guarded_headers = web.headers[-1]
    from img2dataset.downloader import download_image  # already imported by the fetcher, the way that contacts nobody

    _, stream, error = download_image((0, web.url(path)), 2.0, "ldm3d", {"noai"})  # outside the guard, so without it
    assert error is None
    assert fetched.content == stream.getvalue() == BODY
    assert guarded_headers == web.headers[-1]
    assert (fetched.index, fetched.attempts, good(fetched)) == (0, 1, True)


def test_every_index_comes_exactly_once(web, fetcher):
    urls = [web.url("/ok"), "", web.url("/status?code=404"), "file:///etc/hostname", web.url("/short"), web.url("/ok")]
    fetched = list(fetcher().fetch_all(urls * 10))
    assert sorted(one.index for one in fetched) == list(range(60))
    assert Counter(one.reason for one in fetched) == {
        "": 20,
        Reason.REFUSED_URL: 20,
        Reason.HTTP_NOT_FOUND: 10,
        Reason.TRUNCATED: 10,
    }
    assert all(one.content == (BODY if good(one) else b"") for one in fetched)


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (404, Reason.HTTP_NOT_FOUND),
        (410, Reason.HTTP_NOT_FOUND),
        (401, Reason.HTTP_FORBIDDEN),
        (403, Reason.HTTP_FORBIDDEN),
        (451, Reason.HTTP_FORBIDDEN),
        (304, Reason.HTTP_ERROR),
        (302, Reason.HTTP_ERROR),  # without a Location
        (400, Reason.HTTP_ERROR),
        (999, Reason.HTTP_ERROR),
    ],
)
def test_a_final_status_is_asked_for_once(web, fetch, status, reason):
    fetched = fetch(web.url(f"/status?code={status}"), retries=2 if status < 500 else 0)
    assert (fetched.reason, fetched.detail) == (reason, f"HTTP {status}")
    assert len(web.asked) == fetched.attempts == 1


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


def test_bodies_come_as_they_were_sent(web, fetch):
    assert fetch(web.url("/chunks")).content == b"halfhalf"
    assert fetch(web.url("/gzip")).content == b"\x1f\x8b-not-unpacked"
    assert good(empty := fetch(web.url("/empty")))
    assert empty.content == b""


@pytest.mark.parametrize("path", ["/short", "/short_chunk"])
def test_half_a_body_is_no_body(web, fetch, path):
    assert fetch(web.url(path), retries=0).reason == Reason.TRUNCATED


@pytest.mark.parametrize("path", ["/announces_much", "/sends_much"])
def test_a_body_that_is_too_large_is_given_up(web, fetch, path):
    fetched = fetch(web.url(path))
    assert (fetched.reason, fetched.content, fetched.attempts) == (Reason.TOO_MANY_BYTES, b"", 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"\x00\xff" * 100,
        b"HTTP/1.1 banana\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 101 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000,
    ],
)
def test_what_is_not_http_is_said_to_be_so(web, fetch, answer):
    web.raw = answer
    fetched = fetch(web.url("/raw"))
    assert (fetched.reason, fetched.attempts) == (Reason.HTTP_ERROR, 1)
    assert fetched.detail.startswith("not HTTP: ")
    assert len(fetched.detail) <= 200
    assert fetched.detail.isprintable()


def test_a_connection_that_ends_without_an_answer_is_retried(web, fetch):
    web.raw = b""
    fetched = fetch(web.url("/raw"))
    assert (fetched.reason, fetched.attempts) == (Reason.CONNECTION_FAILED, 3)


def test_a_url_beyond_ascii_reaches_its_server(web, fetch):
    assert good(fetch(web.url("/ok/käse bild.jpg?größe=1")))
    assert web.asked[-1][1] == "/ok/k%C3%A4se%20bild.jpg?gr%C3%B6%C3%9Fe=1"


# Time


@pytest.mark.parametrize("phase", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.0 200 OK\r\n\r\n"])
def test_a_drip_ends_at_the_deadline_wherever_it_drips(web, fetch, phase):
    web.raw, start = phase, time.monotonic()
    fetched = fetch(web.url("/drip"), deadline_s=0.3)
    assert (fetched.reason, fetched.content) == (Reason.TIMEOUT, b"")
    assert 0.25 < time.monotonic() - start < 3


def test_a_drip_of_interim_answers_ends_at_the_deadline(web, fetch):
    web.raw = b"HTTP/1.1 100 Continue\r\n\r\n" * 50
    assert fetch(web.url("/drip"), deadline_s=0.3).reason == Reason.TIMEOUT


@contextlib.contextmanager
def talker(greeting, drip):
    """A TCP server that does not speak HTTP: says its greeting to anyone, and then drips."""
    closing = threading.Event()

    def talk(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(greeting)
                    while drip and not closing.wait(0.02):
                        connection.sendall(drip)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=talk, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        closing.set()


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


def test_a_server_without_tls_is_no_https_server(fetch):
    with talker(b"HTTP/1.0 400 Bad Request\r\n\r\n", b"") as port:
        fetched = fetch(f"https://127.0.0.1:{port}/")
    assert (fetched.reason, fetched.attempts) == (Reason.CONNECTION_FAILED, 1)
    assert fetched.detail.startswith("TLS: ")


def test_a_stall_costs_one_timeout_an_attempt(web, fetch):
    start = time.monotonic()
    fetched = fetch(web.url("/slow?s=10"), timeout_s=0.2, retries=1)
    assert (fetched.reason, fetched.attempts, len(web.asked)) == (Reason.TIMEOUT, 2, 2)
    assert time.monotonic() - start < 3


def test_retries_do_not_extend_the_deadline(web, fetch):
    start = time.monotonic()
    fetched = fetch(web.url("/slow?s=10"), timeout_s=0.3, deadline_s=0.8, retries=50)
    assert fetched.reason == Reason.TIMEOUT
    assert fetched.attempts in (2, 3)  # 0.3 s and a bit, twice, and what is left
    assert time.monotonic() - start < 3


def test_queueing_for_a_host_does_not_use_up_the_deadline(web, fetcher):
    urls = [web.url("/slow?s=0.3")] * 4
    assert all(map(good, fetcher(per_host=1, deadline_s=1.0).fetch_all(urls)))


def test_a_closed_port_is_a_failed_connection(fetch):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fetched = fetch(f"http://127.0.0.1:{port}/")
    assert (fetched.reason, fetched.detail, fetched.attempts) == (Reason.CONNECTION_FAILED, "Connection refused", 3)


# Redirects


def test_a_redirect_is_followed_to_another_host(web, fetch):
    fetched = fetch(web.url(f"/to?url={web.url('/ok', '127.0.0.3')}"))
    assert (fetched.content, fetched.attempts) == (BODY, 1)
    assert [host for host, _ in web.asked] == ["127.0.0.1", "127.0.0.3"]


@pytest.mark.parametrize("host", ["127.0.0.2", "2130706434", "0x7f.2"])
def test_a_redirect_to_a_refused_address_contacts_nobody(web, fetch, host):
    fetched = fetch(web.url(f"/to?url=http://{host}:{web.port('127.0.0.2')}/ok"))
    assert fetched.reason == Reason.REFUSED_ADDRESS
    assert {host for host, _ in web.asked} == {"127.0.0.1"}


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "http://u:p@127.0.0.1/"])
def test_a_redirect_to_what_is_no_plain_url_is_refused(web, fetch, target):
    assert fetch(web.url(f"/to?url={target}")).reason == Reason.REFUSED_URL


def test_redirects_in_a_circle_are_noticed(web, fetch):
    fetched = fetch(web.url("/round?n=0"))
    assert (fetched.reason, len(web.asked)) == (Reason.TOO_MANY_REDIRECTS, 3)


def test_redirects_end_after_the_longest_chain_allowed(web, fetch):
    assert good(fetch(web.url("/far?n=3"), max_redirects=4))
    web.asked.clear()
    assert fetch(web.url("/far?n=4"), max_redirects=4).reason == Reason.TOO_MANY_REDIRECTS
    assert len(web.asked) == 5


def test_a_failure_behind_a_redirect_is_retried_where_it_happened(web, fetch):
    fetched = fetch(web.url("/to?url=/again%3Ffailures=1%26status=500"))
    assert fetched.content == b"better"
    assert [path.split("?")[0] for _, path in web.asked] == ["/to", "/again", "/again"]


# Opting out


@pytest.mark.parametrize(
    "path",
    [
        "/tag?line=noai",
        "/tag?line=nofollow,%20NoImageIndex",
        "/tag?line=ldm3d:%20noai",
        "/tag?line=noai,%20max-snippet:%2020",
        "/tag?line=otherbot:%20nofollow,%20ldm3d:%20noai",
        "/tags",
        "/to?url=/ok&X-Robots-Tag=noai",
    ],
)
def test_an_x_robots_tag_is_heeded(web, fetch, path):
    fetched = fetch(web.url(path))
    assert (fetched.reason, fetched.content, len(web.asked)) == (Reason.OPTED_OUT, b"", 1)


@pytest.mark.parametrize("line", ["nofollow", "otherbot:%20noai", "max-snippet:%2020"])
def test_an_x_robots_tag_for_others_forbids_nothing(web, fetch, line):
    assert good(fetch(web.url(f"/tag?line={line}")))


def test_img2datasets_own_check_stays_in_force(web, fetch, monkeypatch):
    monkeypatch.setattr("ldm3d.fetch.answer.opted_out", lambda *_: False)
    assert fetch(web.url("/tag?line=noai")).reason == Reason.OPTED_OUT


# Hosts


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


def test_a_retry_that_waits_holds_no_thread(web, fetcher):
    urls = [web.url("/again?failures=1&status=500")] + [web.url("/ok", "127.0.0.3")] * 5
    order = [fetched.index for fetched in fetcher(threads=1, backoff_s=0.3).fetch_all(urls)]
    assert order[-1] == 0


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


# The caller


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


def test_the_wait_for_a_thread_of_ours_costs_no_url_its_deadline(web, fetcher):
    one = fetcher(calls=4, threads=1, per_host=8, timeout_s=0.3, deadline_s=0.3, retries=0, breaker_failures=1)
    urls = [web.url("/slow?s=0.1")] * 2
    with ThreadPoolExecutor(4) as callers:
        calls = list(callers.map(lambda _: list(one.fetch_all(urls)), range(4)))
    assert [(fetched.reason, fetched.detail) for call in calls for fetched in call if not good(fetched)] == []


def test_other_users_of_urllib_in_the_process_notice_nothing(web, fetch, tmp_path):
    assert good(fetch(web.url("/ok")))
    (tmp_path / "note.txt").write_text("mine")
    assert urllib.request.urlopen((tmp_path / "note.txt").as_uri()).read() == b"mine"
    assert urllib.request.urlopen(web.url("/ok", "127.0.0.2")).read() == BODY


def test_an_opener_that_somebody_installs_later_does_not_lift_the_guard(web, fetcher):
    one = fetcher()
    urllib.request.install_opener(urllib.request.build_opener())
    (fetched,) = one.fetch_all([web.url("/ok", "127.0.0.2")])
    assert fetched.reason == Reason.REFUSED_ADDRESS
    assert web.asked == []


def test_proxies_of_the_environment_are_not_used(web, fetch, monkeypatch):
    monkeypatch.setenv("http_proxy", web.url("/", "127.0.0.3"))
    monkeypatch.setenv("all_proxy", web.url("/", "127.0.0.3"))
    assert good(fetch(web.url("/ok")))
    assert [host for host, _ in web.asked] == ["127.0.0.1"]


# Anything at all

ANSWERS = ["93.184.215.14", "10.0.0.1", "127.0.0.1", "2606:4700::1111", "::1", "::ffff:127.0.0.1", "169.254.169.254"]
SOME_URLS = st.one_of(
    st.text(),
    st.text().map("http://{}".format),
    st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "HTTP", "file"]), st.text(), st.text()),
    st.builds("http://{}.test:{}/{}".format, st.text("abc%@[]:\\0x.", max_size=8), st.integers(0, 70_000), st.text()),
)


@pytest.fixture(scope="module")
def stubbed():
    """A fetcher in a world of stubs: every name has some of the answers, every connect is noted and refused."""
    contacts = []

    def getaddrinfo(host, port, **_):
        few = [address for place, address in enumerate(ANSWERS) if (sum(map(ord, host)) >> place) & 1]
        if not few:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in few]

    def connect(_, address):
        contacts.append(address[0])
        raise ConnectionRefusedError(111, "Connection refused")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", getaddrinfo)
        patch.setattr(socket.socket, "connect", connect)
        settings = QUICK | {"retries": 0, "breaker_failures": 10**9, "allow_addresses": ()}
        with Fetcher(DownloadConfig(**settings)) as fetcher:
            yield fetcher, contacts


@given(urls=st.lists(SOME_URLS, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_text_ends_with_a_reason_and_contacts_public_addresses_only(stubbed, urls):
    fetcher, contacts = stubbed
    contacts.clear()
    fetched = list(fetcher.fetch_all(urls))
    assert sorted(one.index for one in fetched) == list(range(len(urls)))
    for one in fetched:
        assert one.reason in {
            Reason.REFUSED_URL,
            Reason.REFUSED_ADDRESS,
            Reason.DNS_FAILED,
            Reason.CONNECTION_FAILED,
        }
        assert len(one.detail) <= 200
        assert one.detail.isprintable()
        assert one.content == b""
    assert all(map(AddressPolicy().admits, contacts))
