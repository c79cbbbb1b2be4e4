"""Redirects are followed hop by hop, each checked like the first URL, and not for ever."""

import pytest

from ldm3d.reject import Reason
from tests.builders.web import BODY, good


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
