"""URLs found in the wild get one ASCII spelling, or are refused before anybody is asked."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm3d.fetch.answer import opted_out
from ldm3d.fetch.outcome import FetchError
from ldm3d.fetch.urls import MAX_CHARS, host_of, normalise, redact, redirect_target
from ldm3d.reject import Reason


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://example.test", "http://example.test/"),
        ("HTTP://Example.TEST:8080/A?b=C#part", "http://example.test:8080/A?b=C"),
        ("  https://example.test/a \n", "https://example.test/a"),
        ("http://example.test?q=1", "http://example.test/?q=1"),
        (
            "http://example.test/käse bild.jpg?größe=1 2",
            "http://example.test/k%C3%A4se%20bild.jpg?gr%C3%B6%C3%9Fe=1%202",
        ),
        ("http://example.test/k%C3%A4se%20bild%2F.jpg", "http://example.test/k%C3%A4se%20bild%2F.jpg"),
        ("http://example.test/a|b[1]{2}'(3)\"~", "http://example.test/a|b[1]{2}'(3)\"~"),
        ("http://bücher.test/", "http://xn--bcher-kva.test/"),
        ("http://\uff45xample\u3002test/", "http://example.test/"),  # full-width e, ideographic full stop
        ("http://%65xample.test/", "http://example.test/"),
        ("http://my_bucket.test/", "http://my_bucket.test/"),
        ("http://example.test./", "http://example.test./"),
        ("http://[2606:4700:0::1111]:81/", "http://[2606:4700::1111]:81/"),
    ],
)
def test_urls_have_one_spelling(url, wanted):
    assert normalise(url) == wanted
    assert normalise(wanted) == wanted


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.jpg",
        "//example.test/x.jpg",
        "file:///etc/hostname",
        "ftp://example.test/x.jpg",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http:///x.jpg",
        "http://",
        "http://user@example.test/",
        "http://user:word@example.test/",
        "http://@example.test/",
        "http://example.test:0/",
        "http://example.test:65536/",
        "http://example.test:http/",
        "http://exa mple.test/",
        "http://example%2F.test/",
        "http://example%00.test/",
        "http://a..test/",
        f"http://{'a' * 64}.test/",
        "http://[::1/",
        "http://[v1.x]/",
        "http://[fe80::1%25eth0]/",
        "http://example.test/a\r\nHost: other.test",
        "http://example.test/a\tb",
        "http://example.test/\x00",
        "http://example.test/\ud800",
        "http://\ud800.test/",
        "http://example.test/" + "a" * MAX_CHARS,
    ],
)
def test_what_is_not_a_plain_web_address_is_refused(url):
    with pytest.raises(FetchError) as caught:
        normalise(url)
    assert caught.value.outcome.reason is Reason.REFUSED_URL
    assert not caught.value.outcome.transient


@given(st.text() | st.text().map("http://{}".format) | st.text().map("https://example.test/{}".format))
def test_what_is_let_through_is_ascii_without_space_and_stays_as_it_is(text):
    try:
        url = normalise(text)
    except FetchError:
        return
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert normalise(url) == url
    assert host_of(url)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("http://user:secret@example.test:80/a?b#c", "http://***@example.test:80/a?b#c"),
        ("https://secret@example.test/", "https://***@example.test/"),
        ("http://user:se@cret@example.test/", "http://***@example.test/"),
        ("http://user:secret@[::1/", "http://***@[::1/"),
        ("http://user:secret@ex\u2100mple.test/", "http://***@ex\u2100mple.test/"),
        ("  http://user:secret\n@example.test/", "  http://***@example.test/"),
        ("ftp://user:secret@example.test/", "ftp://***@example.test/"),
        ("//user:secret@example.test/", "//***@example.test/"),
        ("http:/user:secret@example.test/", "http:/***@example.test/"),
        ("http:///user:secret@example.test/", "http:///***@example.test/"),
        ("user:secret@example.test/x.jpg", "***@example.test/x.jpg"),
        ("http://\ud800:secret@", "http://***@"),
    ],
)
def test_a_password_is_struck_out_of_a_url_however_it_is_written(url, wanted):
    assert redact(url) == wanted
    assert redact(wanted) == wanted


@pytest.mark.parametrize(
    "url", ["", "http://", "http://example.test/users/12345@N00/a@2x.jpg?to=a@b.test#@", "http://a/?x=//b:c@d/"]
)
def test_an_at_sign_elsewhere_stays(url):
    assert redact(url) == url


URLISH = st.text("htp:/?#@ab.\\[]%\n ") | st.text()


@given(URLISH | URLISH.map("http://{}".format))
def test_only_what_is_refused_is_redacted_and_what_comes_of_it_is_refused(url):
    changed = redact(url)
    assert redact(changed) == changed
    if changed != url:
        for each in (url, changed):
            with pytest.raises(FetchError):
                normalise(each)


@given(URLISH | URLISH.map("http://{}".format))
def test_what_is_let_through_names_no_user(url):
    try:
        assert "@" not in urlsplit(normalise(url)).netloc
    except FetchError:
        return


def test_why_a_url_is_refused_gives_no_password_away():
    for host in ("example.test", "ex\u2100mple.test", "[::1", "example.test:port"):
        with pytest.raises(FetchError) as caught:
            normalise(f"http://user:secret@{host}/")
        assert "secret" not in caught.value.outcome.detail


@pytest.mark.parametrize(
    ("location", "wanted"),
    [
        ("/b.jpg", "http://example.test/b.jpg"),
        ("b.jpg?x=1", "http://example.test/a/b.jpg?x=1"),
        ("//other.test/b.jpg", "http://other.test/b.jpg"),
        ("https://other.test/b c", "https://other.test/b%20c"),
        ("/käse".encode().decode("latin-1"), "http://example.test/k%C3%A4se"),  # UTF-8, as http.client hands it over
        ("/k\xe4se", "http://example.test/k%E4se"),  # the server's own Latin-1 goes back as it came
    ],
)
def test_redirects_lead_where_the_server_meant(location, wanted):
    assert redirect_target("http://example.test/a/x.jpg", location) == wanted


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://x.test/", "http://u@x.test/", "http://a b/", "/a\r\n b", "http://[x/"]
)
def test_redirects_pass_the_same_check_as_urls(location):
    with pytest.raises(FetchError) as caught:
        redirect_target("http://example.test/", location)
    assert caught.value.outcome.reason is Reason.REFUSED_URL


def test_a_trailing_dot_gives_a_host_no_second_allowance():
    assert host_of("http://example.test./a") == host_of("http://example.test/b") == "example.test"


class Headers:
    def __init__(self, *lines):
        self.lines = list(lines)

    def get_all(self, name, default):
        return self.lines if name == "X-Robots-Tag" else default


@pytest.mark.parametrize(
    "lines",
    [
        ["noai"],
        ["NoAI"],
        ["nofollow, noai"],
        ["nofollow", "noindex"],
        ["ldm3d: noai"],
        ["LDM3D : noai"],
        ["*: noai"],
        ["noai, max-snippet: 20"],
        ["max-image-preview: large, noai"],
        ["unavailable_after: Wed, 25 Jun 2025 15:00:00 GMT, noai"],
        ["otherbot: nofollow, ldm3d: noai"],
        ["otherbot: noindex", "noai"],
        ["no such bot: noai"],
    ],
)
def test_a_forbidding_header_is_understood(lines):
    assert opted_out(Headers(*lines), "ldm3d", {"noai", "noindex"})


@pytest.mark.parametrize(
    "lines", [[], [""], ["nofollow"], ["all"], ["otherbot: noai"], ["otherbot: nofollow, noai"], ["max-snippet: 20"]]
)
def test_a_header_for_others_or_about_other_things_forbids_nothing(lines):
    assert not opted_out(Headers(*lines), "ldm3d", {"noai", "noindex"})
