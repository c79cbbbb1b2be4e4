"""The ways in which a page may answer: correctly, and with everything that goes wrong on the web."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from ldm3d.toy.web import Exchange, Page


@dataclass(frozen=True)
class Content:
    """Answers correctly, with `body`."""

    body: bytes
    content_type: str = "image/jpeg"
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, exchange: Exchange) -> None:
        exchange.reply(200, self.body, {"Content-Type": self.content_type, **self.headers})


@dataclass(frozen=True)
class Status:
    """Always answers with an error status."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)

    def answer(self, exchange: Exchange) -> None:
        exchange.reply(self.status, headers=self.headers)


@dataclass(frozen=True)
class Recovers:
    """Answers like `first` for the first `times` requests, and like `then` afterwards."""

    first: Page
    times: int
    then: Page

    def answer(self, exchange: Exchange) -> None:
        page = self.first if exchange.earlier < self.times else self.then
        page.answer(exchange)


@dataclass(frozen=True)
class Redirect:
    """Sends the client to `location`: a URL, or a path on the same server."""

    location: str
    status: int = 302

    def answer(self, exchange: Exchange) -> None:
        exchange.reply(self.status, headers={"Location": self.location})


@dataclass(frozen=True)
class RedirectChain:
    """Redirects `hops` times, each time to another URL (`?hop=1`, `?hop=2`, ...), then answers like `then`."""

    hops: int
    then: Page

    def answer(self, exchange: Exchange) -> None:
        hop = int(exchange.query.removeprefix("hop=") or 0)
        page = self.then if hop == self.hops else Redirect(f"{exchange.path}?hop={hop + 1}")
        page.answer(exchange)


@dataclass(frozen=True)
class Slow:
    """Answers like `then`, after `seconds`."""

    seconds: float
    then: Page

    def answer(self, exchange: Exchange) -> None:
        exchange.pause(self.seconds)
        self.then.answer(exchange)


@dataclass(frozen=True)
class Stall:
    """Takes the request and never answers."""

    def answer(self, exchange: Exchange) -> None:
        exchange.pause()


@dataclass(frozen=True)
class HangUp:
    """Takes the request and closes the connection."""

    def answer(self, exchange: Exchange) -> None:
        pass


@dataclass(frozen=True)
class DripBody:
    """Sends `body` a byte at a time: no single wait is long, but all of them together are."""

    body: bytes
    seconds_per_byte: float = 0.2

    def answer(self, exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": "image/jpeg", "Content-Length": str(len(self.body))})
        _drip(exchange, self.body, self.seconds_per_byte)


@dataclass(frozen=True)
class DripHeaders:
    """Sends an endless header, a byte at a time."""

    seconds_per_byte: float = 0.2
    endless: ClassVar[bytes] = b"x" * 60_000  # http.client gives up at 65,536

    def answer(self, exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.0 200 OK\r\nX-Patience: ")
        _drip(exchange, self.endless, self.seconds_per_byte)


def _drip(exchange: Exchange, data: bytes, seconds_per_byte: float) -> None:
    for index in range(len(data)):
        exchange.write(data[index : index + 1])
        exchange.pause(seconds_per_byte)


@dataclass(frozen=True)
class Truncated:
    """Declares all of `body` and closes the connection after half of it."""

    body: bytes

    def answer(self, exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": "image/jpeg", "Content-Length": str(len(self.body))})
        exchange.write(self.body[: len(self.body) // 2])


@dataclass(frozen=True)
class HugeBody:
    """Streams `num_bytes` bytes after `prefix`, without a Content-Length."""

    num_bytes: int
    prefix: bytes = b"\xff\xd8\xff\xe0"  # how a JPEG begins

    def answer(self, exchange: Exchange) -> None:
        exchange.start(200, {"Content-Type": "image/jpeg"})
        exchange.write(self.prefix)
        piece = bytes(2**16)
        for start in range(0, self.num_bytes, len(piece)):
            exchange.write(piece[: self.num_bytes - start])
