"""Headers behind a line that is none count, and interim answers are not the answer: what browsers see."""

import random
import re

import pytest

from ldm3d.fetch.response import unfolded
from ldm3d.reject import Reason
from tests.builders.web import BODY, good

OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: %d\r\n\r\n" % len(BODY)
LINES = {
    "no colon": b"Served by cache\r\n",
    "space before the colon": b"X-Cache : HIT\r\n",
    "no name": b": value\r\n",
    "letters beyond ASCII": "X-Größe: 3\r\n".encode("latin-1"),
    "nothing to continue": b" folded\r\n",
    "a lone carriage return": b"X-A: one\rtwo\r\n",
    "nothing but a carriage return": b"\r\r\n",
}


@pytest.fixture(params=LINES.values(), ids=LINES.keys())
def line(request) -> bytes:
    return request.param


def test_an_opt_out_behind_it_is_seen(web, fetch, line):
    web.raw = OK + line + b"X-Robots-Tag: noai\r\n" + LENGTH + BODY
    assert fetch(web.url("/raw")).reason == Reason.OPTED_OUT


def test_a_redirect_behind_it_is_followed(web, fetch, line):
    web.raw = b"HTTP/1.1 302 Found\r\n" + line + b"Location: /ok\r\nContent-Length: 0\r\n\r\n"
    assert good(fetch(web.url("/raw")))


def test_a_chunked_body_behind_it_is_put_together(web, fetch, line):
    web.raw = OK + line + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
    assert fetch(web.url("/raw")).content == BODY


def test_a_length_behind_it_tells_that_bytes_are_missing(web, fetch, line):
    web.raw = OK + line + b"Content-Length: %d\r\n\r\n" % (len(BODY) + 1_000) + BODY
    assert fetch(web.url("/raw"), retries=0).reason == Reason.TRUNCATED


def test_a_folded_value_stays_one_value(web, fetch):
    web.raw = OK + b"X-Robots-Tag: otherbot: noindex,\r\n  noai\r\n" + LENGTH + BODY
    assert good(fetch(web.url("/raw")))  # both are for the other


@pytest.mark.parametrize("value", [b" chunked ", b"Chunked\t", b"\r\n chunked", b" chunked\r\n \r\n\t"])
def test_space_around_a_value_is_no_part_of_it(web, fetch, value):
    web.raw = OK + b"Transfer-Encoding:" + value + b"\r\n\r\n%x\r\n" % len(BODY) + BODY + b"\r\n0\r\n\r\n"
    assert fetch(web.url("/raw")).content == BODY


@pytest.mark.parametrize("value", [b"nofollow,\r\n noai", b"\r\n\tnoai", b"noai\r\n "])
def test_a_folded_opt_out_is_seen(web, fetch, value):
    web.raw = OK + b"X-Robots-Tag: " + value + b"\r\n" + LENGTH + BODY
    assert fetch(web.url("/raw")).reason == Reason.OPTED_OUT


def test_a_folded_redirect_is_followed(web, fetch):
    web.raw = b"HTTP/1.1 302 Found\r\nLocation:\r\n /ok\r\nContent-Length: 0\r\n\r\n"
    assert good(fetch(web.url("/raw")))


def test_a_value_unfolds_as_the_standard_says():
    """The oracle is the rule as one pattern, which a server can make quadratic, and so is for short values only."""
    fold = re.compile(rb"[ \t]*[\r\n][ \t\r\n]*|[ \t]+$")
    generator = random.Random(1)
    for _ in range(20_000):
        value = bytes(generator.choices(b"ab \t\r\n", k=generator.randrange(12)))
        assert unfolded(value) == fold.sub(b" ", value).strip(b" \t"), value


@pytest.mark.parametrize("blanks", [b" " * 30_000, b"\t" * 30_000, b" \t" * 15_000, b"\r\n " * 10_000])
def test_a_long_run_of_blanks_is_one_fold_at_most(blanks):
    within = b" " if b"\n" in blanks else blanks
    assert unfolded(blanks + b"no" + blanks + b"ai" + blanks) == b"no" + within + b"ai"


def test_an_opt_out_behind_a_long_run_of_blanks_is_seen(web, fetch):
    web.raw = OK + b"X-Robots-Tag: nofollow," + b" " * 60_000 + b"noai\r\n" + LENGTH + BODY
    assert fetch(web.url("/raw")).reason == Reason.OPTED_OUT


def test_the_zeros_of_a_size_that_is_cut_short_are_no_end(web, fetch):
    web.raw = OK + b"Transfer-Encoding: chunked\r\n\r\n0004\r\nhalf\r\n000"
    assert fetch(web.url("/raw"), retries=0).reason == Reason.TRUNCATED
    web.raw += b"\r\n"
    assert fetch(web.url("/raw"), retries=0).content == b"half"


@pytest.mark.parametrize("lines", [b"Content-Length: %d, %d", b"Content-Length: %d,%d\r\nContent-Length: 2"])
def test_a_repeated_length_counts_and_lengths_that_differ_do_not(web, fetch, lines):
    web.raw = OK + lines % (len(BODY), len(BODY)) + b"\r\n\r\n" + BODY
    assert fetch(web.url("/raw")).content == BODY
    web.raw = web.raw[:-1]
    wanted = "" if lines.endswith(b"2") else Reason.TRUNCATED
    assert fetch(web.url("/raw"), retries=0).reason == wanted


def test_a_status_that_is_none_is_named(web, fetch):
    web.raw = b"HTTP/1.1 two hundred\r\n\r\n"
    fetched = fetch(web.url("/raw"), retries=0)
    assert (fetched.reason, fetched.detail) == (Reason.HTTP_ERROR, "not HTTP: BadStatusLine: HTTP/1.1 two hundred??")


@pytest.mark.parametrize("status", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_interim_answers_are_not_the_answer(web, fetch, status):
    web.raw = b"HTTP/1.1 " + status + b"\r\nLink: </a.css>; rel=preload\r\n\r\n" + OK + LENGTH + BODY
    assert fetch(web.url("/raw")).content == BODY


def test_more_lines_than_headers_may_be_are_no_answer(web, fetch):
    web.raw = OK + b"junk\r\n" * 1_000 + LENGTH + BODY
    fetched = fetch(web.url("/raw"), retries=0)
    assert fetched.reason == Reason.HTTP_ERROR
    assert "headers" in fetched.detail


def test_a_line_that_is_too_long_is_no_answer_and_neither_is_one_of_an_interim_answer(web, fetch):
    for begin in (OK, b"HTTP/1.1 103 Early Hints\r\n"):
        web.raw = begin + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n" + OK + LENGTH + BODY
        fetched = fetch(web.url("/raw"), retries=0)
        assert fetched.reason == Reason.HTTP_ERROR
        assert "LineTooLong" in fetched.detail


def test_silence_in_the_headers_is_a_timeout_and_retried(web, fetch):
    web.raw = OK + b"X-A: b\r\n"
    fetched = fetch(web.url("/hold"), timeout_s=0.3, retries=1)
    assert (fetched.reason, fetched.attempts) == (Reason.TIMEOUT, 2)


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        (b"X-Robots-Tag: none\r\n", False),
        (b"X-Robots-Tag: otherbot: none\r\n", True),
        (b"X-Robots-Tag: max-image-preview: none\r\n", True),
        (b"X-Robots-Tag: index, follow, ldm3d: max-image-preview:none\r\n", True),
        (b"X-Robots-Tag: max-image-preview: none, noai\r\n", False),
        (b"TDM-Reservation: 1\r\n", False),
        (b"TDM-Reservation: 0\r\n", True),
        (b"TDM-Reservation: 0\r\nTDM-Reservation: 1\r\n", False),
        (b"TDM-Reservation: 1, 1\r\n", False),
    ],
)
def test_reservations_in_other_words_are_honoured(web, fetch, header, kept):
    web.raw = OK + header + LENGTH + BODY
    fetched = fetch(web.url("/raw"))
    assert good(fetched) if kept else fetched.reason == Reason.OPTED_OUT


def test_whoever_asks_for_no_opt_outs_gets_none(web, fetch):
    web.raw = OK + b"X-Robots-Tag: none\r\nTDM-Reservation: 1\r\n" + LENGTH + BODY
    assert good(fetch(web.url("/raw"), opt_out_headers=()))
