"""The urllib opener that img2dataset's download uses while it is guarded.

It speaks HTTP and HTTPS only, straight to the checked address: no file, data or ftp, and no proxies, which would
resolve names themselves, out of the guard's sight. It does not follow redirects: they end the exchange, and the
fetcher requests the next hop like any other URL, checked, counted, and in its host's queue.
"""

import contextlib
import http.client
import io
import ssl
import urllib.request
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple
from urllib.response import addinfourl

from ldm3d.fetch.answer import judge, read_body
from ldm3d.fetch.connection import Connection, SecureConnection
from ldm3d.fetch.exchange import Exchange
from ldm3d.fetch.outcome import FetchError, NotAskedError, Outcome, OutOfTimeError, classify
from ldm3d.fetch.resolver import Resolver
from ldm3d.reject import Reason

_GUARD: ContextVar["_Guard | None"] = ContextVar("_GUARD", default=None)


@dataclass(frozen=True)
class Rules:
    """What all exchanges of one fetcher share."""

    resolver: Resolver
    tls: ssl.SSLContext
    max_bytes: int
    agent: str | None
    """Our name in X-Robots-Tag lines, in lower case."""
    opt_out: frozenset[str]
    """Directives that forbid use, in lower case."""

    @cached_property
    def opener(self) -> "_Opener":
        """One opener for all exchanges: making one takes longer than parsing an answer's headers."""
        return _Opener(self)


class _Guard(NamedTuple):
    exchange: Exchange
    rules: Rules


def install() -> None:
    """Make the process's urllib opener obey `guarded`. Outside of it, callers get the opener that was there before."""
    before = getattr(urllib.request, "_opener", None)
    if not isinstance(before, _Switch):
        urllib.request.install_opener(_Switch(before or urllib.request.build_opener()))


@contextlib.contextmanager
def guarded(exchange: Exchange, rules: Rules) -> Iterator[None]:
    """Inside, this thread's `urllib.request.urlopen` performs `exchange`, which records the outcome of a failure."""
    token = _GUARD.set(_Guard(exchange, rules))
    try:
        yield
    finally:
        _GUARD.reset(token)


class _Switch(urllib.request.OpenerDirector):
    def __init__(self, otherwise: urllib.request.OpenerDirector) -> None:
        super().__init__()
        self._otherwise = otherwise

    def open(self, *args: Any, **options: Any) -> Any:
        guard = _GUARD.get()
        return (guard.rules.opener if guard else self._otherwise).open(*args, **options)


class _Opener(urllib.request.OpenerDirector):
    """Performs an exchange to its last byte and records how it failed: img2dataset itself keeps only a text."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._max_bytes = rules.max_bytes
        self.add_handler(_Handler(rules))
        self.add_handler(urllib.request.UnknownHandler())

    def open(self, *args: Any, **options: Any) -> addinfourl:
        exchange = _exchange()
        try:
            with super().open(*args, **options) as answer:
                body = read_body(answer, self._max_bytes)
            exchange.patience()  # the watchdog's shutdown ends a body of unknown length just as its server would
            return addinfourl(io.BytesIO(body), answer.headers, answer.url, answer.status)
        except Exception as error:
            exchange.outcome = _outcome(error, exchange)
            raise


class _Handler(urllib.request.AbstractHTTPHandler):
    """Handles both schemes: urllib's own requests, over our connections, to our judge."""

    def __init__(self, rules: Rules) -> None:
        super().__init__()
        self._rules = rules

    http_request = https_request = urllib.request.AbstractHTTPHandler.do_request_

    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(partial(Connection, exchange=_exchange(), resolver=self._rules.resolver), request)

    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        resolver, tls = self._rules.resolver, self._rules.tls
        return self.do_open(partial(SecureConnection, exchange=_exchange(), resolver=resolver, tls=tls), request)

    def http_response(
        self, request: urllib.request.Request, answer: http.client.HTTPResponse
    ) -> http.client.HTTPResponse:
        try:
            judge(request.full_url, answer, self._rules.agent, self._rules.opt_out)
        except FetchError:
            answer.close()
            raise
        return answer

    https_response = http_response


def _outcome(error: Exception, exchange: Exchange) -> Outcome:
    """Return what an error means for the URL of an exchange."""
    outcome = classify(error)
    if isinstance(error, NotAskedError):
        return outcome
    if exchange.expired:  # the error is only how the shutdown looks from here
        outcome = Outcome(Reason.TIMEOUT, "the deadline has passed", unreachable=True)
    if exchange.is_short and (outcome.reason is Reason.TIMEOUT or isinstance(error, OutOfTimeError)):
        return Outcome(Reason.TIMEOUT, "the deadline has passed, and little of it was left to ask", inconclusive=True)
    return outcome


def _exchange() -> Exchange:
    guard = _GUARD.get()
    assert guard is not None
    return guard.exchange
