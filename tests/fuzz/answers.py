"""HTTP answers as servers, caches and proxies give them, and what each means; and a server that gives them."""

import contextlib
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from ldm3d.reject import Reason
from tests.fuzz.pictures import broken

BODY = bytes(range(256)) * 4
GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY
MAX_BYTES, MAX_PAUSE_S = 4_096, 0.2
SEPARATORS = (b":", b": ", b":\t", b":   ", b" : ", b"\t:")
NAMES = (b"Server", b"X-Cache", b"Set-Cookie", b"Date", b"Content-Type", b"Content-Encoding", b"Vary", b"Via")
VALUES = (
    b"",
    b"HIT",
    b"image/png",
    b"text/html",
    b"gzip",
    b"a: b",
    b"\xff\xfe",
    "größe".encode(),
    b'"x',
    b"noai",
    b"1",
)
NONSENSE = (  # lines that are none; they hide nothing
    b"Served by cache",
    b": no name",
    b":",
    b"=?utf-8?q?x?=",
    "X-Größe: 3".encode("latin-1"),
    b"X (a): b",
    b"a\0b: c",
    b"<html>",
    b"From nobody",
    b"\x85",
    b"X-A: one\rtwo",
    b"\r\r",
)
OPT_OUTS = (b"noai", b"NoAI", b"all, noimageai", b"nofollow,noindex", b"ldm3d: noai", b"*: noai", b"none", b",noai,")
OPT_OUTS += (b"otherbot: nofollow, LDM3D: noai", b"noai, max-snippet: 20", b"max-image-preview: large, noindex")
OTHERS = (b"all", b"nofollow", b"otherbot: noai", b"max-snippet: 20", b"max-image-preview: none", b"", b"noai-please")
OTHERS += (b"unavailable_after: 25 Jun 2010 15:00:00 PST", b"otherbot: noindex, nofollow", b":", b"::,,:")
INTERIM = (b"100 Continue", b"102 Processing", b"103 Early Hints", b"199 Whatever", b"103")
STATUSES = {200: "", 201: "", 206: "", 299: "", 300: Reason.HTTP_ERROR, 304: Reason.HTTP_ERROR}
STATUSES |= {
    400: Reason.HTTP_ERROR,
    401: Reason.HTTP_FORBIDDEN,
    404: Reason.HTTP_NOT_FOUND,
    410: Reason.HTTP_NOT_FOUND,
}
STATUSES |= {418: Reason.HTTP_ERROR, 451: Reason.HTTP_FORBIDDEN, 500: Reason.HTTP_ERROR, 999: Reason.HTTP_ERROR}
LONG = (b"1", b"  600 ", b"9" * 400, b"Fri, 31 Dec 2100 23:59:59 GMT", b"Friday, 31-Dec-68 23:59:59 GMT")  # waits
SHORT = (b"0", b"", b"soon", b"-5", b"1.5", b"1e3", b"Sun, 06 Nov 1994 08:49:37 GMT", b"Sun Nov  6 08:49:37 1994")
SHORT += (b"99 Foo 2024 99:99:99 GMT", b"Fri, 31 Dec 99999 00:00:00 GMT", "٣".encode(), b"1, 600")
TARGETS = (b"/good", b"good", b"  /good ", b"/good#part", b"?to=/../good", b"./x/../good", b"/g\xf6\xf6d", b"/go od")
NO_TARGETS = (b"file:///etc/passwd", b"http://[::1", b"//user@host/", b"http://x:99999/", b"ftp://a/b")
NO_TARGETS += (b"javascript:alert(1)", b"http://a\0b/", b"/" + b"x" * 9_000)


FOLDS = (b"", b"", b"\r\n folded", b"\n\tfolded: twice\r\n \r\n  more")


@dataclass(frozen=True)
class Answer:
    """What a server sends."""

    content: bytes
    wanted: str | None
    """The reason that its URL ends with, "" for `BODY`; None for any end."""


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    answer = draw(st.one_of(_bodies(), _bodies(), _opt_outs(), _redirects(), _failures()))
    if draw(st.integers(0, 3)) == 0:
        content = draw(broken(draw(broken(answer.content))))
        return Answer(content, None)
    return answer


@st.composite
def _bodies(draw: st.DrawFn) -> Answer:
    status = draw(st.sampled_from((200, 200, 201, 206, 299)))
    lines, body, wanted = draw(_framed())
    return Answer(draw(_message(status, lines)) + body, wanted)


@st.composite
def _framed(draw: st.DrawFn) -> tuple[list[bytes], bytes, str]:
    """Headers that say where the body ends, the body on the wire, and what comes of it."""
    how = draw(st.sampled_from(("length", "end", "chunks", "cut length", "cut chunks", "much", "much on the wire")))
    length = draw(
        _field(b"Content-Length", str(len(BODY)).encode() + draw(st.sampled_from((b"", b" ", b"\t ", b", 1024"))))
    )
    if how in ("length", "cut length"):
        missing = draw(st.integers(1, len(BODY))) if how == "cut length" else 0
        return [length], BODY[: len(BODY) - missing], Reason.TRUNCATED if missing else ""
    if how == "end":
        odd = draw(st.sampled_from((b"", b"abc", b"-1", b"12 34", b"1e3", b"1, 2")))
        lines = draw(st.sampled_from(([], [draw(_field(b"Content-Length", odd))])))
        return lines, BODY, ""
    if how == "much":
        return [draw(_field(b"Content-Length", b"9" * draw(st.sampled_from((5, 20)))))], BODY, Reason.TOO_MANY_BYTES
    if how == "much on the wire":
        return [], BODY * 5, Reason.TOO_MANY_BYTES
    coding = draw(st.sampled_from((b"chunked", b"Chunked", b"chunked ", b"\tchunked\t")))
    lines, body = [draw(_field(b"Transfer-Encoding", coding))], draw(_chunks())
    if draw(st.booleans()):
        lines.append(length)  # to be ignored: RFC 9112, 6.3
    if how == "chunks":
        return lines, body, ""
    return lines, body[: draw(st.integers(0, len(BODY)))], Reason.TRUNCATED


@st.composite
def _chunks(draw: st.DrawFn) -> bytes:
    end, at = b"\r\n", 0
    parts: list[bytes] = []
    while at < len(BODY):
        piece = BODY[at : at + draw(st.sampled_from((1, 100, 255, 1_000)))] if len(parts) < 5 else BODY[at:]
        at += len(piece)
        size = draw(st.sampled_from(("%x", "%X", "000%x"))) % len(piece)
        parts += [size.encode() + draw(st.sampled_from((b"", b";a=b", b' ; a="b"', b" "))) + end, piece + end]
    trailer = draw(st.sampled_from((b"", b"X-Sum: 1" + end, b"X-Robots-Tag: noai" + end)))
    return b"".join([*parts, b"0" + end, trailer, end])


@st.composite
def _opt_outs(draw: st.DrawFn) -> Answer:
    forbids = draw(st.booleans())
    tdm = draw(st.integers(0, 4)) == 0
    if tdm:
        value = draw(st.sampled_from((b"1", b" 1 "))) if forbids else draw(st.sampled_from((b"0", b"", b"yes")))
        lines = [draw(_field(b"TDM-Reservation", value))]
    else:
        lines = [draw(_field(b"X-Robots-Tag", line)) for line in draw(st.lists(st.sampled_from(OTHERS), max_size=2))]
        if forbids:
            at = draw(st.integers(0, len(lines)))
            lines.insert(at, draw(_field(b"X-Robots-Tag", draw(st.sampled_from(OPT_OUTS)))))
    if draw(st.integers(0, 3)) == 0:
        return Answer(draw(_message(302, [*lines, b"Location: /good"])), Reason.OPTED_OUT if forbids else "")
    framing, body, wanted = draw(_framed())
    return Answer(draw(_message(200, lines + framing)) + body, Reason.OPTED_OUT if forbids else wanted)


@st.composite
def _redirects(draw: st.DrawFn) -> Answer:
    status = draw(st.sampled_from((301, 302, 303, 307, 308)))
    kind = draw(st.sampled_from(("good", "bad", "none", "round")))
    location = {
        "good": st.sampled_from(TARGETS),
        "bad": st.sampled_from(NO_TARGETS),
        "none": st.none(),
        "round": st.sampled_from((b"", b"#x", b"/start")),
    }[kind]
    wanted = {"good": "", "bad": Reason.REFUSED_URL, "none": Reason.HTTP_ERROR, "round": Reason.TOO_MANY_REDIRECTS}
    value = draw(location)
    lines = [] if value is None else [draw(_field(b"Location", value))]
    return Answer(draw(_message(status, lines)), wanted[kind])


@st.composite
def _failures(draw: st.DrawFn) -> Answer:
    if draw(st.booleans()):
        status = draw(st.sampled_from([status for status, reason in STATUSES.items() if reason]))
        return Answer(draw(_message(status, [])), STATUSES[status])
    status, waits = draw(st.sampled_from((429, 503))), draw(st.booleans())
    field = draw(_field(b"Retry-After", draw(st.sampled_from(LONG if waits else SHORT))))
    wanted = Reason.RATE_LIMITED if waits or status == 429 else Reason.HTTP_ERROR
    return Answer(draw(_message(status, [field])), wanted)


@st.composite
def _field(draw: st.DrawFn, name: bytes, value: bytes) -> bytes:
    name = draw(st.sampled_from((name, name.lower(), name.upper())))
    return name + draw(st.sampled_from(SEPARATORS)) + value


@st.composite
def _message(draw: st.DrawFn, status: int, lines: list[bytes]) -> bytes:
    """A status and headers, among others, with interim answers in front of it."""
    end = draw(st.sampled_from((b"\r\n", b"\r\n", b"\n")))
    version = draw(st.sampled_from((b"HTTP/1.1 ", b"HTTP/1.1 ", b"HTTP/1.0 ", b"HTTP/1.1  ")))
    phrase = draw(st.sampled_from((b"", b" ", b" OK", b" Very: good", " größe".encode())))
    every = list(lines)
    for _ in range(draw(st.integers(0, 4))):
        every.insert(draw(st.integers(0, len(every))), draw(_other()))
    begin = []
    for _ in range(draw(st.sampled_from((0, 0, 0, 1, 3)))):
        begin += [b"HTTP/1.1 " + draw(st.sampled_from(INTERIM)), *draw(st.lists(_other(), max_size=2)), b""]
    return end.join([*begin, version + str(status).encode() + phrase, *every, b"", b""])


@st.composite
def _other(draw: st.DrawFn) -> bytes:
    """A header that means nothing here, perhaps folded; or a line that is none."""
    if draw(st.booleans()):
        return draw(st.sampled_from(NONSENSE))
    field = draw(_field(draw(st.sampled_from(NAMES)), draw(st.sampled_from(VALUES))))
    blanks = draw(st.sampled_from((b" ", b"\t", b" \t"))) * draw(st.sampled_from((0, 0, 1, 300, 10_000)))
    return field + blanks + draw(st.sampled_from((b"x", *FOLDS)))


class Site:
    """Servers on as many addresses of loopback, each of which gives one answer to all but the path /good."""

    def __init__(self, addresses: list[str]) -> None:
        self.contents: Mapping[str, bytes] = {}
        first = socket.create_server((addresses[0], 0), backlog=64)
        self.port = first.getsockname()[1]
        self._listeners = [first, *(socket.create_server((name, self.port), backlog=64) for name in addresses[1:])]
        for listener, name in zip(self._listeners, addresses, strict=True):
            threading.Thread(target=self._listen, args=(listener, name), daemon=True).start()

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()

    def _listen(self, listener: socket.socket, name: str) -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self._answer, args=(listener.accept()[0], name), daemon=True).start()

    def _answer(self, connection: socket.socket, name: str) -> None:
        with connection, contextlib.suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connection.recv(65_536)
            is_start = asked.startswith(b"GET /start ")
            connection.sendall(self.contents[name] if is_start else GOOD)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65_536):
                pass
