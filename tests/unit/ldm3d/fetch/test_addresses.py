"""Only public addresses are ever contacted, however a URL spells or hides another one.

No test here leaves the machine: the resolver and connect are stubs, and a connect that is not expected is recorded.
"""

import ipaddress
import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ldm3d.config import DownloadConfig
from ldm3d.fetch import Fetcher
from ldm3d.fetch.addresses import AddressPolicy
from ldm3d.fetch.outcome import FetchError
from ldm3d.fetch.resolver import CACHE_S, THREADS_PER_FETCH, Resolver
from ldm3d.reject import Reason

pytestmark = pytest.mark.usefixtures("img2dataset")

PUBLIC = "93.184.215.14"
# fmt: off
REFUSED = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.255.254",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "fe80::1",
    "fe80::1%2", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1", "100::1", "2001:db8::1", "3fff::1",
    "2001::1", "2001:10::1", "2002:7f00:1::", "2002:808:808::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808", "2606:4700::1111%1", "localhost", "127.1",
]
# fmt: on
NUMERIC_SPELLINGS = ["2130706433", "0177.0.0.1", "0x7f.1", "0x7f000001", "127.1", "127.0.0.1", "017700000001"]


def answers(*addresses):
    """What getaddrinfo returns for a name with these addresses."""
    return [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, 0, 0, 0))
        if ":" in address
        else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0))
        for address in addresses
    ]


@pytest.fixture
def contacts(monkeypatch):
    """Addresses that something tried to connect to; every try is refused."""
    tried = []

    def connect(_, address):
        tried.append(address[0])
        raise ConnectionRefusedError("stub")

    monkeypatch.setattr(socket.socket, "connect", connect)
    return tried


@pytest.fixture
def names(monkeypatch):
    """A table from name to addresses, the only DNS. Numbers go to the system's own parser, which asks nobody."""
    table: dict[str, list[str]] = {}
    system = socket.getaddrinfo

    def getaddrinfo(host, port, **options):
        if host in table:
            return answers(*table[host])
        return system(host, port, flags=socket.AI_NUMERICHOST, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return table


@pytest.fixture
def fetch():
    """Fetches one URL to its end, without retries."""
    with Fetcher(DownloadConfig(retries=0, timeout_s=2.0, deadline_s=4.0, threads=2)) as fetcher:
        yield lambda url: next(fetcher.fetch_all([url]))


@pytest.mark.parametrize("address", REFUSED)
def test_special_addresses_are_refused(address):
    assert not AddressPolicy().admits(address)


@pytest.mark.parametrize("address", ["8.8.8.8", PUBLIC, "2606:4700::1111", "64:ff9b::808:808", "172.32.0.1"])
def test_public_addresses_are_admitted(address):
    assert AddressPolicy().admits(address)


@given(st.ip_addresses())
def test_nothing_is_admitted_that_the_standard_library_calls_special(ip):
    if AddressPolicy().admits(str(ip)):
        assert ip.is_global
        assert not any([ip.is_multicast, ip.is_loopback, ip.is_link_local, ip.is_unspecified])


def test_allowing_an_address_allows_no_other_spelling_of_it():
    policy = AddressPolicy(["127.0.0.1"])
    assert policy.admits("127.0.0.1")
    assert not any(policy.admits(other) for other in ("127.0.0.2", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"))


def test_names_on_the_allow_list_are_a_configuration_error():
    with pytest.raises(ValueError, match=r"--download.allow-addresses: .*localhost"):
        AddressPolicy(["localhost"])


@pytest.mark.parametrize("host", NUMERIC_SPELLINGS)
def test_loopback_is_refused_in_every_numeric_spelling(host, fetch, names, contacts):
    assert socket.inet_ntoa(socket.inet_aton(host)) == "127.0.0.1"  # what the system makes of it
    assert fetch(f"http://{host}/x.jpg").reason == Reason.REFUSED_ADDRESS
    assert contacts == []


@pytest.mark.parametrize(
    "address", ["[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[fd00::1]"]
)
def test_private_ipv6_literals_are_refused(address, fetch, names, contacts):
    assert fetch(f"https://{address}:443/x.jpg").reason == Reason.REFUSED_ADDRESS
    assert contacts == []


def test_a_name_with_a_private_address_is_refused(fetch, names, contacts):
    names["rebind.test"] = names["rebind.test."] = ["169.254.169.254"]
    for host in ("rebind.test", "REBIND.test", "rebind.test.", "%72ebind.test"):
        assert fetch(f"http://{host}/latest/meta-data/").reason == Reason.REFUSED_ADDRESS
    assert contacts == []


def test_of_mixed_answers_only_public_addresses_are_tried(fetch, names, contacts):
    names["mixed.test"] = ["10.0.0.1", PUBLIC, "::1", "2606:4700::1111"]
    assert fetch("http://mixed.test/x.jpg").reason == Reason.CONNECTION_FAILED
    assert contacts == [PUBLIC, "2606:4700::1111"]


def test_an_address_with_a_scope_is_refused(monkeypatch, fetch, contacts):
    answer = [(socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2606:4700::1111", 0, 0, 2))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answer)
    assert fetch("http://scoped.test/").reason == Reason.REFUSED_ADDRESS
    assert contacts == []


def test_a_second_answer_does_not_count(monkeypatch, fetch, contacts):
    """DNS rebinding: the first answer is public, and the next, which a connect by name would get, is not."""
    given_out = []

    def getaddrinfo(host, port, **_):
        given_out.append("127.0.0.1" if given_out else PUBLIC)
        return answers(given_out[-1])

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert fetch("http://rebind.test/x.jpg").reason == Reason.CONNECTION_FAILED
    assert contacts == [PUBLIC]
    assert given_out == [PUBLIC]


def test_a_later_lookup_is_checked_afresh(names):
    now = [0.0]
    resolver = Resolver(AddressPolicy(), clock=lambda: now[0])
    names["rebind.test"] = [PUBLIC]
    assert resolver.resolve("rebind.test", lambda: 2.0) == [PUBLIC]
    names["rebind.test"] = ["127.0.0.1"]
    assert resolver.resolve("rebind.test", lambda: 2.0) == [PUBLIC]
    now[0] = CACHE_S
    with pytest.raises(FetchError, match=r"not public: 127\.0\.0\.1"):
        resolver.resolve("rebind.test", lambda: 2.0)
    resolver.close()


def test_a_failed_lookup_is_not_remembered(names):
    resolver = Resolver(AddressPolicy())
    with pytest.raises(socket.gaierror):
        resolver.resolve("late.test", lambda: 2.0)
    names["late.test"] = [PUBLIC]
    assert resolver.resolve("late.test", lambda: 2.0) == [PUBLIC]
    resolver.close()


def test_a_resolver_that_hangs_costs_its_timeout_only(monkeypatch, contacts):
    hang = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: hang.wait(10) and [])
    with Fetcher(DownloadConfig(retries=0, timeout_s=0.2, deadline_s=1.0, threads=2)) as fetcher:
        fetched = next(fetcher.fetch_all(["http://tarpit.test/"]))
    hang.set()
    assert (fetched.reason, fetched.detail) == (Reason.DNS_FAILED, "no answer in 0.2 s")
    assert contacts == []


def test_names_with_silent_servers_cost_others_nothing(monkeypatch, names, contacts):
    """Half of the names have servers that are silent for longer than their fetches wait."""
    silent, system = threading.Event(), socket.getaddrinfo
    monkeypatch.setattr(
        socket,
        "getaddrinfo",
        lambda host, *rest, **more: silent.wait(5) and [] if "silent" in host else system(host, *rest, **more),
    )
    names |= {f"good-{n}.test": [PUBLIC] for n in range(16)}
    urls = [f"http://{kind}-{n}.test/" for n in range(16) for kind in ("silent", "good")]
    with Fetcher(DownloadConfig(retries=0, timeout_s=0.2, deadline_s=1.0, threads=8)) as fetcher:
        fetched = {urls[one.index]: one.reason for one in fetcher.fetch_all(urls)}
    silent.set()
    assert {reason for url, reason in fetched.items() if "good" in url} == {Reason.CONNECTION_FAILED}  # it was reached
    assert {reason for url, reason in fetched.items() if "silent" in url} == {Reason.DNS_FAILED}
    assert len(contacts) == 16


def test_the_wait_for_a_thread_of_ours_is_bounded_and_not_booked_on_the_host(monkeypatch):
    silent, asked = threading.Event(), []
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or (silent.wait(5) and []))
    resolver = Resolver(AddressPolicy(), fetches=1)
    outcomes = []
    for n in range(THREADS_PER_FETCH + 2):
        with pytest.raises(FetchError) as error:
            resolver.resolve(f"{n}.test", lambda: 0.05)
        outcomes.append(error.value.outcome)
    assert [outcome.reason for outcome in outcomes] == [Reason.DNS_FAILED] * len(outcomes)
    assert [outcome.unreachable for outcome in outcomes] == [True] * THREADS_PER_FETCH + [False] * 2
    assert "not asked" in outcomes[-1].detail
    silent.set()
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *_, **__: asked.append(host) or answers(PUBLIC))
    assert resolver.resolve("last.test", lambda: 2.0) == [PUBLIC]
    resolver.close()
    assert asked == [f"{n}.test" for n in range(THREADS_PER_FETCH)] + ["last.test"]  # not what nobody waits for


def test_a_user_name_hides_no_host(fetch, names, contacts):
    for url in (f"http://{PUBLIC}@127.0.0.1/", "http://user:secret@example.test/", rf"http://{PUBLIC}\@127.0.0.1/"):
        assert fetch(url).reason == Reason.REFUSED_URL
    assert contacts == []


@given(st.ip_addresses(v=4))
def test_nat64_is_judged_by_the_address_behind_it(ip):
    behind = ipaddress.IPv6Address((0x64FF9B << 96) | int(ip))
    assert AddressPolicy().admits(str(behind)) == AddressPolicy().admits(str(ip))
