"""What an HTTP answer means: its status, its headers and how much of its body arrived."""

import http.client
import io
import re
import time
from collections.abc import Set
from email.message import Message
from email.utils import parsedate_to_datetime

from ldm3d.fetch.outcome import FetchError, Outcome
from ldm3d.fetch.urls import redirect_target
from ldm3d.reject import Reason

LONGEST_PAUSE_S = 86_400.0
_READ_BYTES = 2**16
_REDIRECTS = (301, 302, 303, 307, 308)
_TRANSIENT = (408, 425, 429)  # and every 5xx
_REASONS = {
    **dict.fromkeys((404, 410), Reason.HTTP_NOT_FOUND),
    **dict.fromkeys((401, 402, 403, 451), Reason.HTTP_FORBIDDEN),
    429: Reason.RATE_LIMITED,
}


def judge(url: str, answer: http.client.HTTPResponse, agent: str | None, opt_out: Set[str]) -> None:
    """Accept an answer whose body is wanted: a 2xx, as in img2dataset, that does not forbid its use.

    Raises:
        FetchError: any other answer. That includes redirects, which may also forbid the use of what they lead to.
    """
    status, location = answer.status, answer.headers.get("Location")
    redirects = status in _REDIRECTS and location is not None
    if not redirects and not 200 <= status < 300:
        reason = _REASONS.get(status, Reason.HTTP_ERROR)
        transient = status in _TRANSIENT or 500 <= status < 600
        retry_after_s = _retry_after(answer.headers.get("Retry-After")) if status in (429, 503) else None
        raise FetchError(Outcome(reason, f"HTTP {status}", transient=transient, retry_after_s=retry_after_s))
    if opted_out(answer.headers, agent, opt_out):
        raise FetchError(Outcome(Reason.OPTED_OUT, f"X-Robots-Tag on HTTP {status}"))
    reservations = ",".join(answer.headers.get_all("TDM-Reservation", [])).split(",")
    if opt_out and any(reservation.strip() == "1" for reservation in reservations):
        raise FetchError(Outcome(Reason.OPTED_OUT, f"TDM-Reservation on HTTP {status}"))
    if redirects:
        raise FetchError(Outcome(redirect=redirect_target(url, str(location))))


def read_body(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    """Return all of the body, as it was sent.

    Nothing is decompressed: a server that answers `Accept-Encoding: identity` with gzip has not sent an image, and no
    decompression bomb goes off. An empty body is a body.

    Raises:
        FetchError: `too_many_bytes`, as announced or as counted; `truncated`.
    """
    if answer.length is not None and answer.length > max_bytes:
        detail = f"{answer.length} bytes announced, at most {max_bytes} are allowed"
        raise FetchError(Outcome(Reason.TOO_MANY_BYTES, detail))
    if answer.length is None:
        return _read_until_end(answer, max_bytes)
    body = answer.read(answer.length)
    if answer.length:  # http.client counts it down, and is silent when the connection ends before 0
        raise FetchError(Outcome(Reason.TRUNCATED, f"{answer.length} bytes are missing", transient=True))
    return body


def _read_until_end(answer: http.client.HTTPResponse, max_bytes: int) -> bytes:
    body = io.BytesIO()
    while part := answer.read1(_READ_BYTES):
        if body.tell() + len(part) > max_bytes:
            raise FetchError(Outcome(Reason.TOO_MANY_BYTES, f"over {max_bytes} bytes"))
        body.write(part)
    return body.getvalue()


def _retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3: count or date), at most a day; None if invalid."""
    if value is None:
        return None
    if re.fullmatch(r"\d+", value.strip(), re.ASCII):
        return min(float(value), LONGEST_PAUSE_S)
    try:
        wait_s = parsedate_to_datetime(value).timestamp() - time.time()
    except Exception:  # dates fail in many ways, and this one comes from a stranger
        return None
    return min(max(wait_s, 0.0), LONGEST_PAUSE_S)


# Rules that take a value after a colon, not agents (developers.google.com/search/docs/crawling-indexing).
_RULES_WITH_VALUE = {"max-snippet", "max-image-preview", "max-video-preview", "unavailable_after"}
_AGENT = re.compile(r"[\w.*/-]+")


def opted_out(headers: Message, agent: str | None, directives: Set[str]) -> bool:
    """Return whether any X-Robots-Tag line carries one of `directives`, for everyone or for `agent`.

    img2dataset's own check, which also runs, splits a line at its first colon, and so misses the `noai` in
    `noai, max-snippet: 20` and in `otherbot: noindex, ldm3d: noai`. Here an agent's name applies to what follows it,
    up to the next name; what does not parse as a name counts as addressed to everyone.

    Args:
        headers: headers of a final answer or of a redirect.
        agent: our name in lower case, or None.
        directives: forbidding directives in lower case. Where `noindex` is one, so is `none`, which includes it.
    """
    if "noindex" in directives:
        directives = directives | {"none"}
    return any(_forbids(str(line), agent, directives) for line in headers.get_all("X-Robots-Tag", []))


def _forbids(line: str, agent: str | None, directives: Set[str]) -> bool:
    addressed = None
    for rule in line.lower().split(","):
        *names, last = (part.strip() for part in rule.split(":"))
        if names and names[0] not in _RULES_WITH_VALUE and _AGENT.fullmatch(names[0]):
            addressed = names[0]
        is_value = bool(names) and names[-1] in _RULES_WITH_VALUE
        if last in directives and not is_value and addressed in (None, "*", agent):
            return True
    return False
