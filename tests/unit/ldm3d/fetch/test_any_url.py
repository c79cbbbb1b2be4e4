"""Any text at all ends with a reason, and no address but a public one is contacted."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetcher
from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.reject import Reason
from tests.builders.web import QUICK

ANSWERS = ["93.184.215.14", "10.0.0.1", "127.0.0.1", "2606:4700::1111", "::1", "::ffff:127.0.0.1", "169.254.169.254"]
SOME_URLS = st.one_of(
    st.text(),
    st.text().map("http://{}".format),
    st.builds("{}://{}/{}".format, st.sampled_from(["http", "https", "HTTP", "file"]), st.text(), st.text()),
    st.builds("http://{}.test:{}/{}".format, st.text("abc%@[]:\\0x.", max_size=8), st.integers(0, 70_000), st.text()),
)


@pytest.fixture(scope="module")
def stubbed(img2dataset):
    """A fetcher in a world of stubs: every name has some of the answers, every connect is recorded and refused."""
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
@settings(max_examples=200)
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
