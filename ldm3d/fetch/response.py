"""An HTTP response whose headers are all read, also those behind a line that is none."""

import http.client
import re
from typing import Any

_NAMED = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 9110, 5.6.2, and what else email's parser takes for a name
_LINE_END = re.compile(rb"[\r\n]")  # one byte: a pattern that also takes blanks is quadratic in a run of them
_INTERIM = re.compile(rb"HTTP/1\.[01] +1(?!01)\d\d\b")  # 101 Switching Protocols ends HTTP, and is an answer
_UNREADABLE = b"X-Unreadable: \r\n"  # counts towards http.client's limit on headers, like the line it stands for


class Response(http.client.HTTPResponse):
    """An answer as browsers see it.

    To http.client, the first line that is not `Name: value` ends the headers, so an opt-out, a redirect or a length
    behind it is missed. And it takes 102 and 103 for the answer.
    """

    fp: Any

    def begin(self) -> None:
        """Read the status and the headers."""
        stream, self.fp = self.fp, _Lines(self.fp)
        try:
            super().begin()
        finally:
            if isinstance(self.fp, _Lines):
                self.fp = _WholeLines(stream) if self.chunked is True else stream
        if self.length is None and not self.chunked:
            self.length = _repeated(self.headers.get_all("Content-Length", []))


def unfolded(value: bytes) -> bytes:
    """Return a header's value as one line, without blanks around it (RFC 9112, 5.2).

    Where it was folded, and where it has a lone carriage return, a space takes the place of all blanks.
    """
    lines = (line.strip(b" \t") for line in _LINE_END.split(value))
    return b" ".join(line for line in lines if line)


def _repeated(lengths: list[str]) -> int | None:
    """Return a length that proxies have made a list, as in `500, 500` (RFC 9110, 8.6); None if they disagree."""
    numbers = {number.strip() for line in lengths for number in line.split(",")}
    only = numbers.pop() if len(numbers) == 1 else ""
    return int(only) if re.fullmatch(r"\d{1,18}", only, re.ASCII) else None


class _Lines:
    """The lines of an answer up to its body: the final status, then headers that email's parser can read."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._has_status = False

    def readline(self, limit: int) -> bytes:
        if not self._has_status:
            self._has_status = True
            return self._status(limit)
        line: bytes = self.stream.readline(limit)
        if line in (b"\r\n", b"\n", b""):
            return line  # the end of the headers, or that of the stream
        while len(line) < limit and self.stream.peek(1)[:1] in (b" ", b"\t"):  # the next line continues this one
            line += self.stream.readline(limit)
        if len(line) >= limit:
            return line  # too long
        named = _NAMED.match(line)
        if named is None:
            return _UNREADABLE
        return named[1] + b": " + unfolded(line[named.end() :]) + b"\r\n"

    def close(self) -> None:
        self.stream.close()

    def _status(self, limit: int) -> bytes:
        """Return the first status line that is not of an interim answer. What follows those is read and dropped."""
        line: bytes = self.stream.readline(limit)
        while _INTERIM.match(line):
            http.client.parse_headers(self.stream)
            line = self.stream.readline(limit)
        return line


class _WholeLines:
    """The stream of a chunked body. To http.client, a size that the connection's end cuts short is a size: of
    `0001f4`, the first two digits end the body.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def readline(self, limit: int) -> bytes:
        line: bytes = self._stream.readline(limit)
        return line if line.endswith(b"\n") or len(line) == limit else b""
