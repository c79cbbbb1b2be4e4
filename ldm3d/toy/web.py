"""A real web server on the loopback interface, whose pages may misbehave in every way that the web does."""

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
    """What a path answers. The behaviours are in `ldm3d.toy.faults`."""

    def answer(self, exchange: "Exchange") -> None: ...


class Exchange:
    """One request, for a page to answer.

    Attributes:
        earlier: how many requests for the same page began before this one.
        query: what follows the `?` of the URL, or "".
    """

    def __init__(self, handler: BaseHTTPRequestHandler, earlier: int, finish: Callable[[], None]) -> None:
        self.earlier = earlier
        self.path, _, self.query = handler.path.partition("?")
        self._handler = handler
        self._finish = finish

    def reply(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """A whole and correct response."""
        self._finish()  # before the client can know: it may ask again at once
        self.start(status, {"Content-Length": str(len(body)), **(headers or {})})
        self.write(body)

    def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Status line and headers; what follows is up to the page."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()

    def write(self, data: bytes) -> None:
        """Raw bytes to the client. Raises ConnectionError where it has hung up."""
        self._handler.wfile.write(data)

    def pause(self, seconds: float | None = None) -> None:
        """Waits, for ever where `seconds` is None. Raises ConnectionError as soon as the client or the server ends."""
        connection = self._handler.connection
        connection.settimeout(seconds)
        try:
            connection.recv(1, socket.MSG_PEEK)  # a client that waits for its answer says nothing
        except TimeoutError:
            connection.settimeout(None)
        else:
            raise ConnectionResetError("the client has hung up")


class NotFound:
    """What answers where no page is."""

    def answer(self, exchange: Exchange) -> None:
        exchange.reply(404)


class ToyWeb:
    """Serves `pages` on threads between `__enter__` and `__exit__`, and counts the requests.

    `pages` maps the path of a URL, percent-encoded as on the wire and without its query, to what answers there; any
    other path is 404. Pages may be added while the server runs, once its address is known.

    Args:
        pages: the first pages.
        host: a loopback address.
        port: 0 takes a free one; name one for URLs (and so keys) that are the same in every run.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None, host: str = "127.0.0.1", port: int = 0) -> None:
        self.pages: dict[str, Page] = dict(pages or {})
        self.peak = 0  # the most requests that were without their whole answer at one time
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
        """For example "http://127.0.0.1:54321", without a slash at the end."""
        host, port = self._server.server_address[:2]
        return f"http://{host!s}:{port}"

    def requests(self, path: str | None = None) -> int:
        """How many requests came for `path`, or in all."""
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
    """Knows its open connections, so that stopping waits for no client. Unlike http.server's, it looks up no name."""

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
        """Wakes every thread that waits for its client."""
        for connection in list(self._connections):
            with suppress(OSError):  # closed in the meantime
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients hang up as they like; anything else is a fault of a page, and is printed."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)
