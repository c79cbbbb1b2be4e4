"""What became of one URL, and what an exception during its fetch means."""

import http.client
import socket
import ssl
import urllib.error
from dataclasses import dataclass
from typing import Self

from ldm3d.reject import Reason

MAX_DETAIL = 200  # characters


@dataclass(frozen=True)
class Outcome:
    """The end of one exchange: a body (no reason, no redirect), a redirect to follow, or a reason."""

    reason: Reason | None = None
    detail: str = ""
    content: bytes = b""
    redirect: str = ""
    """Normalised URL of the next hop."""
    transient: bool = False
    """Worth another attempt."""
    unreachable: bool = False
    """No answer came (DNS, connect, TLS, timeout): counts against the host in the circuit breaker."""
    inconclusive: bool = False
    """Our own limits ended it before its host had the time to answer: it says nothing about the host."""
    retry_after_s: float | None = None
    """Seconds for which the server asked to be left alone, if it did."""


class FetchError(Exception):
    """Ends an exchange that yields no body: a failure, or a redirect to follow."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.detail or outcome.redirect)
        self.outcome = outcome


class NotAskedError(FetchError):
    """Our own limits ended the exchange before its host was asked."""


class OutOfTimeError(FetchError):
    """No answer came in the time that we wait for one."""


def classify(error: Exception) -> Outcome:
    """Return what an exception from the guard, sockets, TLS, http.client or urllib means for a URL."""
    text = str(getattr(error, "strerror", None) or error or type(error).__name__)
    match error:
        case FetchError():
            return error.outcome
        case urllib.error.URLError(reason=Exception() as cause):
            return classify(cause)
        case socket.gaierror():
            temporary = error.errno == socket.EAI_AGAIN
            return Outcome(Reason.DNS_FAILED, text, transient=temporary, unreachable=True)
        case TimeoutError():
            return Outcome(Reason.TIMEOUT, text, transient=True, unreachable=True)
        case ssl.SSLError():
            # A peer that hangs up may be back; a bad certificate or no common protocol is the same next time.
            hung_up = isinstance(error, ssl.SSLEOFError)
            return Outcome(Reason.CONNECTION_FAILED, f"TLS: {text}", transient=hung_up, unreachable=True)
        case urllib.error.URLError():
            return Outcome(Reason.REFUSED_URL, text)
        case OSError():
            return Outcome(Reason.CONNECTION_FAILED, text, transient=True, unreachable=True)
        case http.client.IncompleteRead():
            return Outcome(Reason.TRUNCATED, "the connection ended inside a chunk", transient=True)
    return Outcome(Reason.HTTP_ERROR, f"not HTTP: {type(error).__name__}: {text}")


@dataclass(frozen=True)
class Fetched:
    """The end of one URL."""

    index: int
    """Its place in the given sequence."""
    content: bytes
    """The body as sent, if good. It may be empty or not an image: the decoder judges that."""
    reason: str
    """Empty when good, else a `Reason`."""
    detail: str
    """At most 200 printable characters about the reason."""
    attempts: int
    """Exchanges that ended in an answer or a failure, not counting redirects; 0 if nobody was asked."""

    @classmethod
    def of(cls, index: int, outcome: Outcome, attempts: int) -> Self:
        detail = "".join(letter if letter.isprintable() else "?" for letter in outcome.detail[:MAX_DETAIL])
        return cls(index, outcome.content, str(outcome.reason or ""), detail, attempts)
