"""An HTTP response whose headers are all read, also those behind a line that is none."""

import http.client
import re
from typing import Any

INTERIM = {*range(100, 200)} - {http.client.SWITCHING_PROTOCOLS}
_NAMED = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 9110, 5.6.2, and what else email's parser takes for a name
_UNREADABLE = b"X-Unreadable: \r\n"  # counts towards http.client's limit on headers, like the line it stands for


class Response(http.client.HTTPResponse):
    """What browsers see of an answer.

    To http.client, the first line that is not `Name: value` ends the headers, so that an opt-out, a redirect or a
    length behind it is missed; and 102 and 103 are answers.
    """

    fp: Any

    def _read_status(self) -> tuple[str, int, str]:
        found: tuple[str, int, str] = super()._read_status()  # type: ignore[misc]  # private, and the only place
        while found[1] in INTERIM:
            http.client._read_headers(self.fp)  # type: ignore[attr-defined]  # within its limits
            found = super()._read_status()  # type: ignore[misc]
        self.fp = _HeaderLines(self.fp)
        return found

    def begin(self) -> None:
        """Read the status and the headers."""
        try:
            super().begin()
        finally:
            if isinstance(self.fp, _HeaderLines):
                self.fp = self.fp.stream


class _HeaderLines:
    """The lines of a stream up to the body, as http.client and email's parser can read them."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self._follows = False  # a line that begins with a space continues the one before

    def readline(self, limit: int) -> bytes:
        line: bytes = self.stream.readline(limit)
        if len(line) >= limit or line in (b"\r\n", b"\n", b""):
            return line  # too long, the end of the headers, or that of the stream
        if line[:1] in b" \t" and self._follows:
            return line
        named = _NAMED.match(line)
        self._follows = named is not None
        if named is None:
            return _UNREADABLE
        value = line[named.end() :].rstrip(b"\r\n").replace(b"\r", b" ")
        return named[1] + b":" + value + b"\r\n"
