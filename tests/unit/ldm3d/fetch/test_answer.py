"""What an answer becomes: its bytes unchanged, or a reason. Servers are real, on loopback."""

from collections import Counter

import pytest

from ldm3d.reject import Reason
from tests.builders.web import BODY, good


@pytest.mark.parametrize("path", ["/ok", "/sized"])
def test_a_good_url_gives_the_bytes_that_img2dataset_gives(web, fetch, path):
    fetched = fetch(web.url(path))
    guarded_headers = web.headers[-1]
    from img2dataset.downloader import download_image  # the fetcher has imported it, in the way that contacts nobody

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


def test_a_url_beyond_ascii_reaches_its_server(web, fetch):
    assert good(fetch(web.url("/ok/käse bild.jpg?größe=1")))
    assert web.asked[-1][1] == "/ok/k%C3%A4se%20bild.jpg?gr%C3%B6%C3%9Fe=1"
