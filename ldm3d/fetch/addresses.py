"""Which IP addresses may be contacted: the public internet, and nothing that only this machine's network can reach."""

import ipaddress
from collections.abc import Iterable

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# IANA's special-purpose registries, written out because `ipaddress.is_global` changed between patch releases.
_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata service lives here, too
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # a public number, but on Azure it is the host's own control service
        "169.254.0.0/16",  # link-local: most clouds' metadata service
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; another cloud's metadata service
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays, withdrawn
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
# Of IPv6 only 2000::/3 is global unicast. Unspecified, loopback, IPv4-mapped and -compatible, unique local,
# link-local, site-local and multicast addresses lie outside it.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo (hides an IPv4 address), ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4 (hides an IPv4 address), withdrawn
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class AddressPolicy:
    """Judges addresses, not names: a name is judged by the addresses from its one lookup.

    Args:
        allow: IP addresses to admit although they are not public.

    Raises:
        ValueError: an entry of `allow` is not an IP address.
    """

    def __init__(self, allow: Iterable[str] = ()) -> None:
        try:
            self._allow = frozenset(ipaddress.ip_address(address) for address in allow)
        except ValueError as error:
            raise ValueError(
                f"--download.allow-addresses: {error}; wanted IP addresses such as 127.0.0.1, not names"
            ) from error

    def admits(self, address: str) -> bool:
        """Return whether `address`, in the resolver's spelling, may be contacted; with a scope (`fe80::1%2`) never."""
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return "%" not in address and (ip in self._allow or _is_public(ip))


def _is_public(ip: Address) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in _REFUSED_V4)
    if ip in _NAT64:  # how an IPv6-only network reaches IPv4, so judged by the IPv4 address behind it
        return _is_public(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return ip in _UNICAST_V6 and not any(ip in network for network in _REFUSED_V6)
