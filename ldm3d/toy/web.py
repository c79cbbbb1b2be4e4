"""A real web server on the loopback interface, whose pages can misbehave in every way the web does."""

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Protocol


class Page(Protocol):
    """Answers the requests for a path. Implementations are in `ldm3d.toy.faults`."""

    def answer(self, exchange: "Exchange") -> None: ...


class Exchange:
    """One request, for a page to answer.

    Attributes:
        earlier: number of requests for the same page that began before this one.
        query: the part of the URL after `?`, or "".
    """

    def __init__(self, handler: BaseHTTPRequestHandler, earlier: int, finish: Callable[[], None]) -> None:
        self.earlier = earlier
        self.path, _, self.query = handler.path.partition("?")
        self._handler = handler
        self._finish = finish

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a complete and correct response."""
        self._finish()  # before the client can know, as it may send another request at once
        self.start(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.write(body)

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Send the status line and headers; the page sends the rest."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        """Send raw bytes. Raises ConnectionError if the client has hung up."""
        self._handler.wfile.write(data)

    def pause(self, seconds: float | None = None) -> None:
        """Wait, for ever if `seconds` is None. Raises ConnectionError as soon as the client or the server ends."""
        connection = self._handler.connection
        connection.settimeout(seconds)
        try:
            connection.recv(1, socket.MSG_PEEK)  # a client sends nothing while it waits
        except TimeoutError:
            connection.settimeout(None)
        else:
            raise ConnectionResetError("the client has hung up")


class NotFound:
    """Answers for paths without a page."""

    def answer(self, exchange: Exchange) -> None:
        exchange.reply(404)


class ToyWeb:
    """Serves `pages` from threads between `__enter__` and `__exit__`, and counts requests.

    `pages` maps the path of a URL, percent-encoded as on the wire and without its query, to the page that answers; any
    other path is 404. Pages may be added while the server runs, when its address is known.

    Args:
        pages: initial pages.
        host: a loopback address.
        port: 0 takes a free one; a fixed one keeps URLs, and so keys, the same in every run.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.peak = 0  # most requests in progress at one time
        self._address = (host, port)
        self._lock = threading.Lock()
        self._counts: Counter[str] = Counter()
        self._active: set[BaseHTTPRequestHandler] = set()

    def __enter__(self) -> "ToyWeb":
        self._server = _Server(self._address, _handler(self))
        threading.Thread(target=self._server.serve_forever, args=(0.02,), name="toy-web", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()  # joins the threads, which have nothing left to wait for

    @property
    def base_url(self) -> str:
        """For example "http://127.0.0.1:54321", without a trailing slash."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def requests(self, path: str | None = None) -> int:
        """Return the number of requests for `path`, or for all paths."""
        with self._lock:
            return self._counts.total() if path is None else self._counts[path]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        path = handler.path.partition("?")[0]

        def finish() -> None:
            with self._lock:
                self._active.discard(handler)

        with self._lock:
            earlier = self._counts[path]
            self._counts[path] += 1
            self._active.add(handler)
            self.peak = max(self.peak, len(self._active))
        try:
            self.pages.get(path, NotFound()).answer(Exchange(handler, earlier, finish))
        finally:
            finish()


def _handler(web: ToyWeb) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            web._answer(self)

        def log_message(self, *args: Any) -> None:
            pass

    return Handler


class _Server(ThreadingTCPServer):
    """Tracks open connections, so stopping waits for no client. Unlike http.server's, it looks up no host name."""

    allow_reuse_address = True
    request_queue_size = 256

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self._connections: set[socket.socket] = set()
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """Wake every thread that waits for its client."""
        for connection in list(self._connections):
            with suppress(OSError):  # closed in the meantime
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that hang up; print anything else, as it is a page's mistake."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
