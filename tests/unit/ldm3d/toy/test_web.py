"""The toy web misbehaves as promised, seen by a plain HTTP client, and is a good server otherwise."""

import http.client
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ldm3d.toy.faults import (
    Content,
    DripBody,
    DripHeaders,
    HangUp,
    HugeBody,
    Recovers,
    Redirect,
    RedirectChain,
    Slow,
    Stall,
    Status,
    Truncated,
)
from ldm3d.toy.web import ToyWeb

BODY = bytes(range(256)) * 4
PICTURE = Content(BODY, "image/jpeg", {"X-Robots-Tag": "noai"})


@pytest.fixture
def web():
    with ToyWeb() as web:
        yield web


def ask(web: ToyWeb, path: str, timeout: float = 5.0) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(*address(web), timeout=timeout)
    connection.request("GET", path)
    return connection.getresponse()


def address(web: ToyWeb) -> tuple[str, int]:
    host, port = web.base_url.removeprefix("http://").split(":")
    return host, int(port)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_content_arrives_whole_with_its_headers(web):
    web.pages["/a"] = PICTURE
    answer = ask(web, "/a")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.headers["Content-Length"] == str(len(BODY))
    assert answer.headers["X-Robots-Tag"] == "noai"
    assert answer.read() == BODY


def test_other_paths_are_not_found(web):
    assert ask(web, "/nothing").status == 404


def test_an_error_lasts(web):
    web.pages["/busy"] = Status(429, {"Retry-After": "1"})
    answers = [ask(web, "/busy") for _ in range(3)]
    assert [answer.status for answer in answers] == [429] * 3
    assert answers[0].headers["Retry-After"] == "1"


def test_a_recovering_page_fails_as_often_as_it_says(web):
    web.pages["/a"] = Recovers(Status(503), 2, PICTURE)
    assert [ask(web, "/a").status for _ in range(4)] == [503, 503, 200, 200]


def test_a_stall_never_answers(web):
    web.pages["/stall"] = Stall()
    with pytest.raises(TimeoutError):
        ask(web, "/stall", timeout=0.2)


def test_a_dripping_body_takes_long_without_a_long_wait(web):
    web.pages["/drip"] = DripBody(BODY, seconds_per_byte=0.01)
    answer = ask(web, "/drip", timeout=2.0)
    started = time.monotonic()
    assert answer.read(20) == BODY[:20]
    assert time.monotonic() - started > 0.15


def test_dripping_headers_never_end(web):
    web.pages["/drip"] = DripHeaders(seconds_per_byte=0.01)
    with socket.create_connection(address(web), timeout=2.0) as connection:
        connection.sendall(b"GET /drip HTTP/1.0\r\n\r\n")
        received = b"".join(connection.recv(16) for _ in range(20))
    assert received.startswith(b"HTTP/1.0 200 OK\r\n")
    assert b"\r\n\r\n" not in received


def test_a_truncated_body_is_shorter_than_declared(web):
    web.pages["/cut"] = Truncated(BODY)
    with pytest.raises(http.client.IncompleteRead) as caught:
        ask(web, "/cut").read()
    assert caught.value.partial == BODY[: len(BODY) // 2]


def test_a_huge_body_is_as_long_as_it_says_and_undeclared(web):
    web.pages["/huge"] = HugeBody(200_000, prefix=b"abcd")
    answer = ask(web, "/huge")
    assert answer.headers["Content-Length"] is None
    assert len(answer.read()) == 200_004


def test_a_hang_up_leaves_no_answer(web):
    web.pages["/gone"] = HangUp()
    with pytest.raises(http.client.RemoteDisconnected):
        ask(web, "/gone")


def test_a_redirect_names_its_target(web):
    web.pages["/away"] = Redirect("file:///etc/hostname")
    answer = ask(web, "/away")
    assert answer.status == 302
    assert answer.headers["Location"] == "file:///etc/hostname"


def test_a_chain_of_redirects_has_as_many_hops_as_it_says(web):
    web.pages["/far"] = RedirectChain(3, PICTURE)
    seen = ["/far"]
    while (answer := ask(web, seen[-1])).status == 302:
        seen.append(answer.headers["Location"])
    assert seen == ["/far", "/far?hop=1", "/far?hop=2", "/far?hop=3"]
    assert answer.read() == BODY


def test_requests_are_counted_by_path_and_in_all(web):
    web.pages["/a"] = PICTURE
    for path in ("/a", "/a?x=1", "/b"):
        ask(web, path)
    assert (web.requests("/a"), web.requests("/b"), web.requests("/c"), web.requests()) == (2, 1, 0, 3)


def test_peak_is_the_most_requests_at_one_time(web):
    web.pages["/slow"] = Slow(0.2, PICTURE)
    web.pages["/a"] = PICTURE
    for _ in range(20):
        ask(web, "/a").read()
    assert web.peak == 1
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: ask(web, "/slow"), range(4)))
    assert [answer.read() for answer in answers] == [BODY] * 4
    assert web.peak == 4


def test_a_request_ends_when_its_client_gives_up(web):
    web.pages["/stall"], web.pages["/drip"] = Stall(), DripBody(BODY, seconds_per_byte=0.01)
    for path in ("/stall", "/drip") * 3:
        with socket.create_connection(address(web)) as connection:
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
            wait_until(lambda: len(web._active) == 1)
        wait_until(lambda: len(web._active) == 0)
    assert web.peak == 1


def test_clients_that_hang_up_disturb_nobody(web, capfd):
    web.pages["/huge"] = HugeBody(50 * 2**20)
    web.pages["/a"] = PICTURE
    for _ in range(5):
        with socket.create_connection(address(web)) as connection:
            connection.sendall(b"GET /huge HTTP/1.0\r\n\r\n")
            connection.recv(10)
    assert ask(web, "/a").read() == BODY
    wait_until(lambda: web.requests("/huge") == 5)
    assert capfd.readouterr().err == ""


def test_stopping_waits_for_no_client():
    before = set(threading.enumerate())
    with ToyWeb({"/stall": Stall(), "/huge": HugeBody(2**30), "/drip": DripBody(BODY)}) as web:
        connections = [socket.create_connection(address(web)) for _ in range(4)]
        for connection, path in zip(connections, ("/stall", "/huge", "/drip"), strict=False):  # the last says nothing
            connection.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
        wait_until(lambda: web.requests() == 3)
        started = time.monotonic()
    assert time.monotonic() - started < 1
    wait_until(lambda: set(threading.enumerate()) <= before)
    for connection in connections:
        connection.close()


def test_a_named_port_can_be_served_again_at_once():
    with ToyWeb({"/a": PICTURE}) as first:
        ask(first, "/a").read()
        port = address(first)[1]
    with ToyWeb({"/a": PICTURE}, port=port) as second:
        assert second.base_url == f"http://127.0.0.1:{port}"
        assert ask(second, "/a").read() == BODY
