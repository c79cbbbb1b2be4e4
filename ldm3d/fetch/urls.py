"""One spelling for every URL: what may be requested at all, and how it is written on the wire."""

import ipaddress
import re
import string
from urllib.parse import quote, unquote, urljoin, urlsplit

from ldm3d.fetch.outcome import FetchError, Outcome
from ldm3d.reject import Reason

MAX_CHARS = 8_192
# What precedes the host, in a URL or in something meant as one: without a scheme, or with a slash missing.
_USER = re.compile(r"([^/?#@]*/+)?[^/?#]*@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HOST = re.compile(r"[a-z0-9._-]{1,253}\.?")
# Printable characters except the space stay as they are, `%XX` included, as in urllib itself.
_AS_IS = string.punctuation


def normalise(url: str) -> str:
    """Return the absolute http(s) URL in ASCII, ready for the wire.

    Spaces and non-ASCII characters in path and query become `%XX` of their UTF-8, the host becomes IDNA 2003 (as the
    standard library's resolver call encodes it), outer whitespace and the fragment are dropped.

    Raises:
        FetchError: `refused_url`: another scheme, no host, a user name (a password has no place in a dataset, and
            `http://public@private/` is a disguise), a control character, a port outside 1 to 65,535, or over 8,192
            characters.
    """
    url = url.strip()
    if len(url) > MAX_CHARS:
        raise _refused(f"{len(url)} characters, at most {MAX_CHARS} are allowed")
    if _CONTROL.search(url):
        raise _refused("a control character in the URL")
    if _USER.match(url):
        raise _refused("it holds a user name")
    try:
        return _normalise(url)
    except ValueError as error:  # UnicodeError is one: lone surrogates, hosts that IDNA cannot spell
        raise _refused(f"not a URL: {error}") from error


def redact(url: str) -> str:
    """Return `url` without any user name and password: `http://user:word@host/` -> `http://***@host/`.

    Only URLs that `normalise` refuses are changed, and the result is refused as well.
    """
    user = _USER.match(url)
    return f"{user[1] or ''}***@{url[user.end() :]}" if user else url


def redirect_target(base: str, location: str) -> str:
    """Return the normalised URL that a Location header leads to from `base`. Raises as `normalise` does."""
    if _CONTROL.search(location):
        raise _refused("a control character in the Location header")
    try:
        # http.client decodes headers as Latin-1, so quoting as Latin-1 gives the server its own bytes back.
        target = urljoin(base, quote(location.strip(), safe=_AS_IS, encoding="latin-1"))
    except ValueError as error:
        raise _refused(f"redirect to no URL: {error}") from error
    return normalise(target)


def host_of(url: str) -> str:
    """Return the key for politeness: the host of a normalised URL, as the resolver sees it.

    `a.example.org` and `b.example.org` count as two hosts: names do not tell which of them share a machine.
    """
    return (urlsplit(url).hostname or "").rstrip(".")


def _refused(detail: str) -> FetchError:
    return FetchError(Outcome(Reason.REFUSED_URL, detail))


def _normalise(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"scheme {parts.scheme!r}, only http and https are fetched")
    if parts.port == 0:
        raise ValueError("port 0")
    host = _address(parts.hostname) if "[" in parts.netloc else _name(parts.hostname or "")
    port = f":{parts.port}" if parts.port else ""
    query = f"?{quote(parts.query, safe=_AS_IS)}" if parts.query else ""
    return f"{parts.scheme}://{host}{port}{quote(parts.path or '/', safe=_AS_IS)}{query}"


def _address(host: str | None) -> str:
    address = ipaddress.IPv6Address(host or "")
    if address.scope_id:  # as in `fe80::1%eth0`: it names an interface of this machine
        raise ValueError("an address with a scope")
    return f"[{address}]"


def _name(host: str) -> str:
    # urllib decodes `%XX` in a host before it connects, so it is decoded here, where it can be judged.
    ascii_host = unquote(host, errors="strict").encode("idna").decode("ascii").lower()
    if not _HOST.fullmatch(ascii_host):
        raise ValueError("no host" if not ascii_host else "characters that no host name has")
    return ascii_host
